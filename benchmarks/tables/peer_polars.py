"""Prepare a table with polars' streaming engine. Run it with `python peer_polars.py TABLE TARGET FOLDER`.

This is the fastest script that we found. A CSV is read once and kept as uncompressed Parquet. Its types are guessed from the
head, and reading proves them: if a value does not fit, all rows are read as text to find the types. One pass fits
everything, and a second pass writes all parts. The simple way, infer_schema_length=None, takes 28 s per million rows.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

HEAD = 1_000
LEVELS = 100
HASH, ROW = "(hash)", "(row)"


def scan(path: Path, kept: Path) -> pl.LazyFrame:
    """Scan the table with the type of each column found over all rows."""
    if path.suffix != ".csv":
        return pl.scan_parquet(path)
    head = pl.read_csv(path, infer_schema=False, n_rows=HEAD)
    blind = any(head[name].null_count() == len(head) for name in head.columns)
    try:
        guess = pl.scan_csv(path, infer_schema_length=HEAD, try_parse_dates=True).collect_schema()
        keep(pl.scan_csv(path, schema=prove(path) if blind else guess), kept)
    except pl.exceptions.ComputeError:
        keep(pl.scan_csv(path, schema=prove(path)), kept)
    return pl.scan_parquet(kept)


def keep(table: pl.LazyFrame, kept: Path) -> None:
    table.sink_parquet(kept, compression="uncompressed", statistics=False)


def prove(path: Path) -> pl.Schema:
    """Return the types of all columns, found from all rows read as text."""
    texts = pl.scan_csv(path, infer_schema=False)
    names = texts.collect_schema().names()
    tries: dict[type[pl.DataType], pl.Expr] = {
        pl.Int64: pl.all().cast(pl.Int64, strict=False),
        pl.Float64: pl.all().cast(pl.Float64, strict=False),
        pl.Date: pl.all().str.to_date("%Y-%m-%d", strict=False),
    }
    counts = [fits.count().name.suffix(f" {kind}") for kind, fits in tries.items()]
    found = texts.select(pl.all().count(), *counts).collect(engine="streaming").row(0, named=True)
    kinds = {name: next((kind for kind in tries if found[f"{name} {kind}"] == found[name]), pl.String) for name in names}
    return pl.Schema(kinds)


def main(path: Path, target: str, folder: Path) -> None:
    seconds, begun = {}, time.perf_counter()

    def lap(name: str) -> None:
        nonlocal begun
        seconds[name], begun = round(time.perf_counter() - begun, 3), time.perf_counter()

    kept = folder / "kept.parquet"
    table = scan(path, kept)
    lap("types")

    schema = {name: kind for name, kind in table.collect_schema().items() if name != target}
    numbers = [name for name, kind in schema.items() if kind.is_numeric()]
    texts = [name for name, kind in schema.items() if kind == pl.String]
    dates = [name for name, kind in schema.items() if kind.is_temporal()]
    draw = pl.col(ROW).hash(seed=42) % 5
    dealt = {"train": draw < 3, "valid": draw == 3, "test": draw == 4}
    rows = table.with_row_index(ROW)
    train = rows.filter(dealt["train"])
    fitted = train.select(
        pl.col(numbers).mean().name.suffix(" mean"),
        pl.col(numbers).std(ddof=0).name.suffix(" std"),
        pl.col(numbers).null_count().name.suffix(" missing"),
        *[pl.col(name).dt.epoch("d").mean().name.suffix(" mean") for name in dates],
        *[pl.col(name).dt.epoch("d").std(ddof=0).name.suffix(" std") for name in dates],
    )
    distinct = table.select(pl.len(), pl.struct(pl.all()).hash().n_unique().alias("distinct"))
    classes = table.group_by(target).len()
    counted = [train.group_by(name).len() for name in texts]
    facts, table_facts, class_rows, *levels = pl.collect_all([fitted, distinct, classes, *counted], engine="streaming")
    lap("fit")

    fit = facts.row(0, named=True)
    encoded = [codes(target, class_rows, pl.Int64).alias("(class)")]
    for name in numbers:
        encoded.append(scaled(pl.col(name), fit, name).fill_null(0))
        if fit[f"{name} missing"]:
            encoded.append(pl.col(name).is_null().cast(pl.Float32).alias(f"{name} missing"))
    encoded += [codes(name, rows_of, pl.Float32) for name, rows_of in zip(texts, levels, strict=True)]
    for name in dates:
        day = pl.col(name).dt
        calendar = [day.month().alias(f"{name} month"), day.weekday().alias(f"{name} weekday")]
        encoded += [scaled(day.epoch("d"), fit, name), *(each.cast(pl.Float32) for each in calendar)]
    sinks = [
        rows.filter(chosen).select(encoded).sink_parquet(folder / f"{part}.parquet", compression_level=1, lazy=True)
        for part, chosen in dealt.items()
    ]
    pl.collect_all(sinks, engine="streaming")
    kept.unlink(missing_ok=True)
    lap("write")
    count, distinct_rows = table_facts.row(0)
    kinds = {"numbers": len(numbers), "texts": len(texts), "dates": len(dates)}
    print(json.dumps({"rows": count, "duplicates": count - distinct_rows, **kinds, "seconds": seconds}))


def scaled(values: pl.Expr, fit: dict[str, float], name: str) -> pl.Expr:
    return ((values - fit[f"{name} mean"]) / fit[f"{name} std"]).cast(pl.Float32)


def codes(name: str, rows_of: pl.DataFrame, kind: type[pl.DataType]) -> pl.Expr:
    """Return codes: the most frequent levels from 0 on, then rarer or unknown levels, then missing."""
    common = rows_of.drop_nulls(name).sort("len", name, descending=[True, False])[name].head(LEVELS)
    code = pl.col(name).cast(pl.Enum(common), strict=False).to_physical().fill_null(len(common))
    return pl.when(pl.col(name).is_null()).then(len(common) + 1).otherwise(code).cast(kind).alias(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
