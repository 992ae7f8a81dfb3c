"""Tables that hypothesis generates, prepared: the encoded rows are finite, and later rows are read in the same way."""

import csv
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.making import native_tables, text_tables
from tests.quick import examples
from tests.rooms import InMemory, batched, data_params, prepare_file
from veritable.errors import TableError
from veritable.tables.prepare import prepare
from veritable.tables.reading.open import open_table

SETTINGS = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


def params_of(names: list[str]) -> dict[str, Any]:
    return {"target": "the target", "header": True, "delimiter": ",", "missing_codes": {names[0]: [-9]}}


def written(table: dict[str, list[str]] | pa.Table, folder: Path) -> Path:
    if isinstance(table, pa.Table):
        pq.write_table(table, folder / "table.parquet")
        return folder / "table.parquet"
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([table, *zip(*table.values(), strict=True)])
    return folder / "table.csv"


def check_parts(done: InMemory) -> None:
    """Check that a part is finite float32, and that its categories are valid codes."""
    for part in done.parts.values():
        assert len(part)
        assert np.float32 == part.X.dtype
        assert np.isfinite(part.X).all()
        assert set(part.y.tolist()) <= set(range(len(done.classes)))
        coded = part.X[:, done.encoder.cardinalities > 0]
        assert (coded == np.floor(coded)).all()
        assert (coded >= 0).all()
        assert (coded < done.encoder.cardinalities[done.encoder.cardinalities > 0]).all()


def check_decoded(table: dict[str, list[str]], done: InMemory) -> None:
    """Check that categories and booleans decode to the texts of the table, without blanks around them."""
    for name, part in done.parts.items():
        decoded = done.encoder.decode(part.X)
        for column in done.encoder.columns:
            if column.kind not in ("category", "boolean") or column.name == next(iter(table)):  # which has a code of its own
                continue
            found = [None if pd.isna(text) else text for text in decoded[column.name]]
            texts = [table[column.name][row].strip() for row in part.row]
            known = [None if text in ("", *data_params().missing) else text for text in texts]
            if column.kind == "category":
                levels = {*column.levels, None} if name == "train" else set(column.levels)
                assert found == [text if text in levels else "other" for text in known]
            elif set(column.levels) == {"yes", "no"}:
                assert [text for text, own in zip(found, known, strict=True) if own] == [own for own in known if own]


def check_refusal(error: TableError) -> None:
    """Check that the message is one line with the rule and the value."""
    said = str(error)
    assert said.endswith(".")
    assert "\n" not in said
    assert " must " in said or " names " in said or " needs " in said
    assert error.__cause__ is None


@SETTINGS
@given(text_tables() | native_tables(), st.sampled_from(["together", "drop"]))
def test_any_table(table: dict[str, list[str]] | pa.Table, duplicates: str) -> None:
    """Any table is prepared as finite numbers that decode to its cells, or raises an error in a sentence."""
    names = list(table.column_names if isinstance(table, pa.Table) else table)
    with TemporaryDirectory() as folder:
        path = written(table, Path(folder))
        try:
            done = prepare_file(path, Path(folder) / "prepared", **params_of(names), duplicates=duplicates)
        except TableError as error:
            check_refusal(error)
            return
    check_parts(done)
    left_out = sum(done.facts["left_out"].values())
    assert done.facts["rows"] == sum(map(len, done.parts.values())) + left_out
    if isinstance(table, dict):
        check_decoded(table, done)


@SETTINGS
@given(text_tables() | native_tables(), st.integers(1, 7))
def test_read_again_to_the_last_bit(table: dict[str, list[str]] | pa.Table, rows: int) -> None:
    """The rows of the table, read as new rows in batches of any size, are encoded to the same bits as in the parts."""
    names = list(table.column_names if isinstance(table, pa.Table) else table)
    with TemporaryDirectory() as folder:
        path = written(table, Path(folder))
        try:
            done = prepare_file(path, Path(folder) / "prepared", **params_of(names))
        except TableError:
            assume(False)
        encoder, contract = done.encoder, done.contract
        pieces = []
        for batch in open_table(path, contract.reading).batches():
            for start in range(0, batch.num_rows, rows):
                few = batch.slice(start, rows)
                read = encoder.read({c.name: few.column(c.name) for c in encoder.columns}, contract, rows=few.num_rows)
                assert {} == read.odd["outside"]
                assert {} == read.odd["wrong"]
                pieces.append(encoder.encode(read.values))
        X = np.concatenate(pieces)
        for part in done.parts.values():
            np.testing.assert_array_equal(part.X, X[part.row])
            assert part.X.tobytes() == np.asarray(X[part.row], order="C").tobytes()


@SETTINGS
@given(native_tables())
def test_frame_to_the_last_bit(table: pa.Table) -> None:
    """The rows as a pandas frame are encoded to the same bits as in the parts, if pandas can hold them."""
    kinds = [field.type for field in table.schema if field.name != "the target"]
    assume(not any(pa.types.is_decimal(kind) or pa.types.is_time(kind) or kind == pa.float16() for kind in kinds))
    assume(not any(pa.types.is_integer(field.type) and table[field.name].null_count for field in table.schema))
    with TemporaryDirectory() as folder:
        path = written(table, Path(folder))
        try:
            done = prepare_file(path, Path(folder) / "prepared", **params_of(table.column_names))
        except TableError:
            assume(False)
    frame = table.to_pandas()
    encoder = done.encoder
    read = encoder.read(done.contract.columns_of(frame, [c.name for c in encoder.columns]), done.contract, rows=len(frame))
    X = encoder.encode(read.values)
    for part in done.parts.values():
        np.testing.assert_array_equal(part.X, X[part.row])


@SETTINGS
@given(text_tables(), st.integers(1, 9))
def test_batches_do_not_matter(table: dict[str, list[str]], rows: int) -> None:
    """A table in small batches has the same contract and findings as in one batch, and nearly the same moments."""
    whole = pa.table({name: pa.array([text or None for text in values], pa.string()) for name, values in table.items()})
    given = data_params(**params_of(list(table)))
    outcomes: list[Any] = []
    for size in (10**6, rows):
        with TemporaryDirectory() as folder:
            try:
                outcomes.append(prepare(batched(whole, size), given, Path(folder)))
            except TableError as error:
                outcomes.append(str(error))
    one, other = outcomes
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert one.contract == other.contract
    assert one.facts == other.facts
    assert one.findings == other.findings
    for a, b in zip(one.encoder.columns, other.encoder.columns, strict=True):
        assert (a.name, a.kind, a.indicator, a.levels, a.clock) == (b.name, b.kind, b.indicator, b.levels, b.clock)
        assert a.mean == pytest.approx(b.mean, rel=1e-9, abs=1e-9 * b.scale)
        assert a.scale == pytest.approx(b.scale, rel=1e-6)


def test_same_bytes(tmp_path: Path) -> None:
    """The same table prepared twice gives the same files, byte for byte."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": draw.normal(size=3000), "c": draw.choice(["a", "b", None], 3000), "target": draw.choice(2, 3000)}
    )
    frame.to_csv(tmp_path / "table.csv", index=False)
    contents = []
    for name in ("one", "two"):
        prepare_file(tmp_path / "table.csv", tmp_path / name, shard_rows=500)
        contents.append(
            {file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("*/*.parquet")}
        )
    assert contents[0] == contents[1]
    assert math.ceil(1800 / 500) + 2 * math.ceil(600 / 500) == len(contents[0])
