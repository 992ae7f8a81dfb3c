"""Small tables, params and encoders for the tests of several rooms."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from ruamel.yaml import YAML

from veritable.params import MachineParams, Section
from veritable.progress import progress
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import Part, read_part, read_sensitive
from veritable.tables.params import DataParams
from veritable.tables.prepare import SENSITIVE_FILE, Prepared, learn_encoder, prepare
from veritable.tables.reading.open import open_tables
from veritable.tables.reading.source import Reading, Source
from veritable.tables.scan import Scan, Spool, scan
from veritable.tables.typing import inference
from veritable.tables.typing.contract import Column, Contract

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"max_rows", "max_bytes"}  # of section `machine`
TEMPLATES = ROOT / "src/veritable/reporting/templates"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "say \"hi\" & 'bye'",
    "a|b||c",
    "line\nbreak",
    "=1+1",
    "`code` *bold* [link](https://example.org)",
    "{{ 7 * 7 }} {% raw %}",
    "$\\frac{1}$ $",
    "naïve 😀 表",
    "x" * 120,
]
S = TypeVar("S", bound=Section)


@cache
def _template() -> dict[str, dict[str, Any]]:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())  # type: ignore[no-any-return]


def section(name: str, **changes: Any) -> dict[str, Any]:
    """Return a section of params.yaml with changes."""
    return _template()[name] | changes


def params(model: type[S], name: str, **changes: Any) -> S:
    """Return a section of params.yaml with changes, parsed."""
    return model.parse(name, section(name, **changes))


def mixed_table(rows: int = 300, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    """Return a table of numbers, a category and a boolean, two of them with missing values; the target depends on all."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.normal(40, 12, rows).round(1),
            "colour": draw.choice(["red", "green", "blue"], rows),
            "member": draw.choice(["yes", "no"], rows),
            "score": draw.normal(size=rows),
        }
    )
    signal = (frame["age"] - 40) / 12 + (frame["colour"] == "red") - (frame["member"] == "no") + frame["score"]
    frame["target"] = pd.qcut(signal + draw.normal(0, 0.5, rows), classes, labels=False).map("class {}".format)
    frame.loc[draw.random(rows) < 0.1, "age"] = np.nan
    frame.loc[draw.random(rows) < 0.1, "colour"] = None
    return frame


@dataclass(frozen=True)
class InMemory:
    """What `prepare` made of a table, with its parts and their sensitive columns. `folder` may be gone."""

    prepared: Prepared
    parts: dict[str, Part]
    sensitive: dict[str, dict[str, np.ndarray]]
    folder: Path

    @property
    def contract(self) -> Contract:
        return self.prepared.contract

    @property
    def encoder(self) -> Encoder:
        return self.prepared.encoder

    @property
    def classes(self) -> list[str]:
        return list(self.contract.classes)

    @property
    def facts(self) -> dict[str, Any]:
        return self.prepared.facts


def data_params(**changes: Any) -> DataParams:
    """Return section `data` of params.yaml with changes, parsed."""
    return params(DataParams, "data", **changes)


def prepare_file(path: Path, folder: Path, **changes: Any) -> InMemory:
    """Prepare a table on disk, and write the parts into a new folder."""
    machine = params(MachineParams, "machine", **{name: changes.pop(name) for name in LIMITS & changes.keys()})
    given = data_params(**{"path": str(path), "allow_outside": True, **changes})
    source, test_source = open_tables(path, given, machine, top=path.parent)
    folder.mkdir(parents=True)
    done = prepare(source, given, folder, test_source=test_source)
    parts = {name: read_part(folder / name) for name in ("train", "valid", "test")}
    sensitive = {name: read_sensitive(folder / SENSITIVE_FILE, part.row) for name, part in parts.items()}
    return InMemory(done, parts, sensitive, folder)


def prepare_frame(frame: pd.DataFrame, *, as_csv: bool = False, **changes: Any) -> InMemory:
    """Write a frame into a Parquet or CSV file in a temporary folder, and prepare it."""
    with TemporaryDirectory() as name:
        path = Path(name) / ("table.csv" if as_csv else "table.parquet")
        if as_csv:
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
        return prepare_file(path, Path(name) / "prepared", **changes)


def batched(frame: pd.DataFrame | pa.Table, rows: int) -> Source:
    """Return a table in memory as a source with batches of `rows` rows."""
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)

    def pieces() -> Iterator[pa.RecordBatch]:
        return iter(table.combine_chunks().to_batches(max_chunksize=rows))

    return Source(Path("table"), tuple(table.column_names), False, pieces, table.schema)


@cache
def prepared(rows: int = 300, classes: int = 2) -> InMemory:
    """Return `mixed_table`, split and encoded."""
    return prepare_frame(mixed_table(rows, classes))


Fitted = tuple[Encoder, Contract, np.ndarray]


def scanned(source: Source, params: DataParams, spool: Spool) -> Scan:
    """Return the scan of a table that may have no target."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("veritable.tables.scan._check_names", lambda *_: None)
        return scan(source, None, params, spool, progress())


def fitted(frame: pd.DataFrame, rows: int = 10**6, max_categories: int = 100, **changes: Any) -> Fitted:
    """Return an encoder with a frame as its train part, its contract, and the frame encoded."""
    params = data_params(target="(none)", max_categories=max_categories, **changes)
    with Spool() as spool:
        done = scanned(batched(frame, rows), params, spool)
        columns = [inference.describe(each, params, categories=max_categories) for each in done.surveys.values()]
        target = Column("(none)", "category", "target", used=False)
        contract = Contract((*columns, target), target.name, ("a", "b"), Reading.of(params))
        everything = np.zeros(len(frame), dtype=np.uint8)  # all rows are in train and of the first class
        encoder, *_ = learn_encoder(contract, done, everything, everything, params, progress())
    return encoder, contract, encoded(frame, encoder, contract, rows)


def encoded(frame: pd.DataFrame, encoder: Encoder, contract: Contract, rows: int = 10**6) -> np.ndarray:
    """Return a frame encoded as `predict` encodes it, in batches of `rows` rows."""
    names = [column.name for column in encoder.columns]
    batches = [frame.iloc[start : start + rows] for start in range(0, max(1, len(frame)), rows)]
    return np.concatenate(
        [encoder.encode(encoder.read(contract.columns_of(each, names), contract, rows=len(each)).values) for each in batches]
    )


def finite(size: float = 1e12) -> st.SearchStrategy[float]:
    return st.floats(-size, size, allow_subnormal=False)


def numbers_part(rows: int, seed: int, classes: int = 2, width: int = 4) -> Part:
    """Return rows of numbers whose sum, with noise, determines the class."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(rows, width)).astype(np.float32)
    y = np.clip(np.floor(X.sum(axis=1) + draw.normal(0, 0.7, rows) + classes / 2), 0, classes - 1).astype(np.int64)
    return Part(np.arange(rows), y, X)
