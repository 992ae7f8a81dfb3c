"""Make the table of the benchmark with N rows, as CSV and as Parquet with the same values.

Run it with `python make.py ROWS [FOLDER]`. A file that exists is not made again. Rows are made in blocks with a seed each, so
the memory does not grow with the rows, and a longer table starts with the rows of a shorter one.

28 features: 20 floats of six significant digits (two with 5 % missing), 3 integers, 3 categories (5, 40 and 300 levels, one
with 3 % missing), a yes/no and a date; the target has three classes and depends on some of them. One row in a thousand is an
exact copy of a row of the first block, so that duplicates are far apart.
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

SEED = 42
BLOCK = 50_000
FLOATS = tuple(f"f{number:02d}" for number in range(20))
WITH_MISSING = {"f03": 0.05, "f11": 0.05, "city": 0.03}
LEVELS = {"plan": 5, "city": 40, "product": 300}
TARGET = "outcome"
CLASSES = np.array(["lost", "open", "won"])
COPIES = 1 / 1000
CACHE = Path(tempfile.gettempdir()) / "veritable-tables"


def paths(rows: int, folder: Path) -> dict[str, Path]:
    """Return the files of the table by format."""
    return {name: folder / f"table-{rows}.{name}" for name in ("csv", "parquet")}


def make(rows: int, folder: Path) -> dict[str, Path]:
    """Write the two files of the table unless they exist."""
    made = paths(rows, folder)
    if all(path.is_file() for path in made.values()):
        return made
    folder.mkdir(parents=True, exist_ok=True)
    partial = {name: path.with_name(path.name + ".partial") for name, path in made.items()}
    first = _block(0)
    options = pc.WriteOptions(quoting_style="none")
    with contextlib.ExitStack() as stack:
        csv = stack.enter_context(pc.CSVWriter(partial["csv"], first.schema, write_options=options))
        parquet = stack.enter_context(pq.ParquetWriter(partial["parquet"], first.schema, compression="zstd"))
        for number in range(-(-rows // BLOCK)):
            block = (_copy_some(_block(number), first, number) if number else first).slice(0, rows - number * BLOCK)
            csv.write_table(block)
            parquet.write_table(block)
    for name, path in made.items():
        partial[name].rename(path)
    return made


def _block(number: int) -> pa.Table:
    rng = np.random.default_rng([SEED, number])
    X = rng.standard_normal((len(FLOATS), BLOCK))
    X[10:15] = np.exp(X[10:15])  # some are skewed
    integers = {
        "visits": rng.poisson(4, BLOCK),
        "age": rng.integers(18, 91, BLOCK),
        "balance": np.rint(rng.normal(0, 20_000, BLOCK)).astype(np.int64),
    }
    codes = {name: np.minimum(rng.geometric(3 / levels, BLOCK) - 1, levels - 1) for name, levels in LEVELS.items()}
    member = rng.random(BLOCK) < 0.4
    day = rng.integers(18_262, 20_089, BLOCK)  # 2020 to 2024
    score = X[0] - 0.7 * X[1] + 0.5 * X[2] * X[4] + 0.3 * integers["visits"] - 0.4 * codes["plan"] + member + X[10] / 3
    score += 0.5 * np.sin(day / 365.25 * 2 * np.pi) + rng.normal(0, 1, BLOCK)
    columns: dict[str, pa.Array] = {}
    for name, values in zip(FLOATS, X * 10.0 ** (np.arange(len(FLOATS)) % 4)[:, None], strict=True):
        columns[name] = pa.array(_six_digits(values), mask=_missing(name, rng))
    columns |= {name: pa.array(values) for name, values in integers.items()}
    for name, values in codes.items():
        levels = np.array([f"{name}-{level:03d}" for level in range(LEVELS[name])], dtype=object)
        columns[name] = pa.array(levels[values], pa.string(), mask=_missing(name, rng))
    columns["member"] = pa.array(np.where(member, "yes", "no").astype(object), pa.string())
    columns["joined"] = pa.array(day.astype(np.int32)).cast(pa.date32())
    columns[TARGET] = pa.array(CLASSES[np.digitize(score, [0.5, 2.5])].astype(object), pa.string())
    return pa.table(columns)


def _six_digits(values: np.ndarray) -> np.ndarray:
    """Round to six significant digits."""
    scale = 10.0 ** (5 - np.floor(np.log10(np.abs(values))))  # a power of ten is exact: the shortest text has six digits
    return np.rint(values * scale) / scale


def _missing(name: str, rng: np.random.Generator) -> np.ndarray | None:
    return rng.random(BLOCK) < WITH_MISSING[name] if name in WITH_MISSING else None


def _copy_some(block: pa.Table, source: pa.Table, number: int) -> pa.Table:
    """Replace some rows with copies of rows of `source`."""
    rng = np.random.default_rng([SEED, number, 1])
    take = np.arange(BLOCK)
    chosen = rng.choice(BLOCK, int(BLOCK * COPIES), replace=False)
    take[chosen] = BLOCK + rng.integers(0, BLOCK, len(chosen))
    return pa.concat_tables([block, source]).take(take)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path, nargs="?", default=CACHE)
    arguments = parser.parse_args()
    for made in make(arguments.rows, arguments.folder).values():
        print(f"{made.stat().st_size:>13,} bytes  {made}")
