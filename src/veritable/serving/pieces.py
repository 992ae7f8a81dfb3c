"""Finished batches of a long run, kept in a hidden folder beside the output, so that a killed run continues."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritable.files import whole
from veritable.tables.reading.open import folder_files


class Pieces:
    """Tables by the rows that they are of. They belong to one output, and to the inputs that `key` stands for."""

    def __init__(self, output: Path, key: str):
        self._output = output
        self.folder = output.with_name(f".{output.name}.{key}.partial")

    def has(self, first: int, n_rows: int) -> bool:
        """Return whether the batch that starts with row `first` is finished."""
        return self._path(first, n_rows).is_file()

    def write(self, first: int, n_rows: int, table: pa.Table) -> None:
        """Keep a batch. It appears whole or not at all."""
        self.folder.mkdir(exist_ok=True)
        with whole(self._path(first, n_rows)) as partial:
            pq.write_table(table, partial)

    def read(self) -> Iterator[pa.Table]:
        """Return all batches in the order of their rows."""
        for path in sorted(self.folder.glob("*.parquet")):
            yield pq.read_table(path)

    def remove(self) -> None:
        """Remove the batches, also those of runs with other inputs for this output."""
        for folder in self._output.parent.iterdir():
            if folder.name.startswith(f".{self._output.name}.") and folder.name.endswith(".partial") and folder.is_dir():
                shutil.rmtree(folder)

    def _path(self, first: int, n_rows: int) -> Path:
        return self.folder / f"{first:012}-{n_rows}.parquet"


def hash_inputs(classifier: Path, table: Path, options: Mapping[str, Any]) -> str:
    """Return a key that differs if any file of the classifier, the table or an option differs."""
    digest = hashlib.blake2b(json.dumps(options, sort_keys=True).encode(), digest_size=8)
    _add_files(digest, sorted(path for path in classifier.rglob("*") if path.is_file()), classifier)
    _add_files(digest, folder_files(table) if table.is_dir() else [table], table.parent)
    return digest.hexdigest()


def _add_files(digest: "hashlib.blake2b", paths: Iterable[Path], top: Path) -> None:
    for path in paths:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "blake2b").hexdigest()
        digest.update(json.dumps([str(path.relative_to(top)), content]).encode())
