"""Prepare a table: read, type, split and encode it, in memory that does not grow with its rows.

The table is read once into a spool. The rows of the spool are then read by the contract, as `predict` reads new rows: to find
the rows that are split together, to learn the encoder from the train part, and to write the parts.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from veritable.errors import TableError
from veritable.progress import progress
from veritable.tables.checking.checks import run_checks
from veritable.tables.checking.findings import Finding
from veritable.tables.checking.sample import Sample
from veritable.tables.encoding.encoder import Encoder, Learner
from veritable.tables.encoding.parts import CLASS, ROW, UNIT, WEIGHT, Part
from veritable.tables.encoding.shards import PartsWriter, SensitiveWriter
from veritable.tables.params import DataParams
from veritable.tables.profile import Profile, make_bins
from veritable.tables.reading.source import Reading, Source, prefetch
from veritable.tables.scan import Scan, Spool, scan
from veritable.tables.splitting import hashing
from veritable.tables.splitting.assign import Assignment, assign, read_parts, read_times
from veritable.tables.splitting.split import EXCLUDED, PARTS, TEST, TRAIN, VALID
from veritable.tables.typing import inference, parse
from veritable.tables.typing.contract import Contract
from veritable.tables.typing.survey import LARGEST
from veritable.tables.typing.target import find_classes

SENSITIVE_FILE = "sensitive.parquet"
_SAMPLE_CELLS = 2**22  # values of each part that are kept for the findings: 32 MB each
_SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class Prepared:
    """What was made of a table, beside the files on disk.

    Attributes
    ----------
    facts
        Rows, classes, parts and columns, for the report.
    profile
        Counts of the values of each feature in each part.
    """

    contract: Contract
    encoder: Encoder
    facts: dict[str, Any]
    findings: list[Finding]
    profile: Profile


def prepare(source: Source, params: DataParams, folder: Path, *, test_source: Source | None = None) -> Prepared:
    """Write the parts train, valid and test, and the file of the sensitive columns, into an existing folder.

    Raises
    ------
    TableError
        The table cannot be read or split as asked, or there is nothing to learn from.
    """
    with progress() as bar, Spool() as spool:
        scanned = scan(source, test_source, params, spool, bar)
        classes, y = find_classes(scanned.surveys[params.target], scanned.column(params.target), params)
        columns = (inference.describe(each, params, categories=params.max_categories) for each in scanned.surveys.values())
        contract = Contract(tuple(columns), params.target, tuple(classes), Reading.of(params), params.labels)
        _check_columns(contract, scanned, params)
        assigned = _assign(contract, scanned, y, params)
        encoder, samples = learn_encoder(contract, scanned, assigned.parts, y, params, bar)
        sample = samples[TRAIN].values
        bins = [make_bins(*each, params.min_count) for each in zip(contract.features, encoder.columns, sample, strict=True)]
        profile = Profile.empty(bins, PARTS, params.min_count)
        _write(folder, contract, encoder, scanned, assigned, y, profile, params, bar)
    findings = run_checks(contract, scanned.surveys, assigned, samples, params)
    return Prepared(contract, encoder, _facts(contract, scanned, assigned, params), findings, profile.merge_rare())


def _check_columns(contract: Contract, scanned: Scan, params: DataParams) -> None:
    if not contract.features:
        raise TableError(
            "the table must have a feature column beside its target, but none is left: all are dropped, constant, "
            "identifiers or free text. Check data.drop and data.types."
        )
    for column in contract.columns:
        survey = scanned.surveys[column.name]
        is_number = (column.type == "number" and column.used) or column.role in ("weight", "time")
        if is_number and survey.present and max(-survey.minimum, survey.maximum) > LARGEST:
            value = survey.maximum if survey.maximum > LARGEST else survey.minimum
            infinite = "an infinite value" if survey.infinite == 1 else f"{survey.infinite:,} infinite values"
            has = infinite if survey.infinite else parse.number_text(value)
            raise TableError(
                f"column '{column.name}' must hold numbers of an absolute value of at most {LARGEST:g}, but has {has}. Correct "
                "the table, name the value in data.missing_codes, or drop the column."
            )
        if column.type == "boolean" and len(survey.levels) > 2:
            raise TableError(
                f"column '{column.name}' must have two values to be a boolean, but has {len(survey.levels)}. Change data.types."
            )
        if column.role == "weight" and (survey.present < survey.rows or survey.minimum < 0 or survey.maximum <= 0):
            raise TableError(
                f"the weight column '{column.name}' must be 0 or more in every row, and above 0 in one, but is missing in "
                f"{survey.rows - survey.present:,} rows and ranges from {survey.minimum:g} to {survey.maximum:g}. "
                "Correct the table."
            )


def _values(contract: Contract, scanned: Scan, columns: dict[str, pa.Array], rows: slice) -> list[np.ndarray]:
    """Return the values of the features, a category as the index of its level in the survey. Shape: (n,) float64 each"""
    read = contract.read(columns, rows=rows.stop - rows.start)
    levels = (scanned.surveys[column.name].level_array for column in contract.features)
    return [values.indexed(own) for values, own in zip(read, levels, strict=True)]


def _assign(contract: Contract, scanned: Scan, y: np.ndarray, params: DataParams) -> Assignment:
    """Split the table. Put two hashes of each row into the spool: of all its columns, and of its unit."""
    surveys, spool = scanned.surveys, scanned.spool
    named = params.group or params.id
    compared = [name for name in surveys if name != params.part]  # rows of different parts can be equal too
    grouped = np.empty(scanned.rows, dtype=bool)
    for batch, (rows, columns) in enumerate(prefetch(scanned.batches(list(surveys)))):
        hashes: dict[str, np.ndarray] = {}
        units = []
        for column, values in zip(contract.features, _values(contract, scanned, columns, rows), strict=True):
            survey = surveys[column.name]
            units.append(hashing.hash_numbers(values))
            if not survey.overflow and (column.type != "boolean" or not survey.is_text):  # else, the text says more
                hashes[column.name] = units[-1]
        hashes |= {name: surveys[name].hash(columns[name]) for name in compared if name not in hashes}
        unit = hashing.hash_rows(units)
        if named:
            grouped[rows] = ~np.isnan(surveys[named].read(columns[named]))
            unit = np.where(grouped[rows], hashes[named], unit)
        spool.put(("row", batch), pa.array(hashing.hash_rows(hashes[name] for name in compared)))
        spool.put(("unit", batch), pa.array(unit))

    def keys(kind: str) -> Iterator[np.ndarray]:
        return (spool.get((kind, batch)).to_numpy() for batch in range(len(scanned.sizes)))

    return assign(
        y,
        contract.classes,
        params,
        row_keys=lambda: keys("row"),
        unit_keys=lambda: keys("unit"),
        grouped=grouped if named else None,
        first_test_row=scanned.first_test_row,
        times=read_times(surveys[params.time], scanned.column(params.time)) if params.time else None,
        given=read_parts(surveys[params.part], scanned.column(params.part)) if params.part else None,
    )


def learn_encoder(
    contract: Contract, scanned: Scan, parts: np.ndarray, y: np.ndarray, params: DataParams, bar: Progress
) -> tuple[Encoder, dict[int, Sample]]:
    """Learn the encoder from the train part, and draw a sample of each part.

    Parameters
    ----------
    parts
        Part of each row. Shape: (rows,) uint8
    y
        Class codes. Shape: (rows,)
    """
    features = contract.features
    names = [column.name for column in features]
    levels = {each.name: list(scanned.surveys[each.name].levels) for each in features if each.type == "category"}
    learner = Learner(features, levels)
    max_rows = min(_SAMPLE_ROWS, max(100, _SAMPLE_CELLS // len(features)))
    samples = {part: Sample.empty(max_rows, int((parts == part).sum()), params.seed) for part in (TRAIN, VALID, TEST)}
    batches = ((rows, _values(contract, scanned, columns, rows)) for rows, columns in scanned.batches(names))
    for rows, values in bar.track(prefetch(batches), len(scanned.sizes), description="learning from train"):
        for part, sample in samples.items():
            chosen = np.flatnonzero(parts[rows] == part)
            own = [each[chosen] for each in values]
            if part == TRAIN:
                learner.update(own)
            sample.add(own, y[rows][chosen], chosen + rows.start)
    encoder = learner.fit(params.max_categories)
    counts = Counter([ROW, CLASS, WEIGHT, UNIT, *encoder.names])
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise TableError(
            f"encoded columns must have different names, but two are named '{repeated[0]}'. Rename the column in the table."
        )
    return encoder, samples


def _write(
    folder: Path,
    contract: Contract,
    encoder: Encoder,
    scanned: Scan,
    assigned: Assignment,
    y: np.ndarray,
    profile: Profile,
    params: DataParams,
    bar: Progress,
) -> None:
    """Write the parts and the sensitive columns, and count the values of the parts."""
    surveys, grouped = scanned.surveys, params.group or params.id
    names = {column.name for column in contract.features} | {params.weight} - {None} | set(params.sensitive)

    def encoded() -> Iterator[tuple[slice, dict[str, pa.Array], Part]]:
        for batch, (rows, columns) in enumerate(scanned.batches(sorted(map(str, names)))):
            row, unit = np.arange(rows.start, rows.stop), None
            if grouped:
                unit = np.where(
                    assigned.frequent[rows], hashing.mix(row.astype(np.uint64)), scanned.spool.get(("unit", batch)).to_numpy()
                )
            read = encoder.read(columns, contract, rows=len(row))
            profile.add(read, encoder, assigned.parts[rows])
            weight = surveys[params.weight].read(columns[params.weight]) if params.weight else None
            yield rows, columns, Part(row, y[rows], encoder.encode(read.values), weight, unit)

    counts = assigned.counts.sum(axis=1)
    with (
        PartsWriter(folder, encoder, counts, shard_rows=params.shard_rows, seed=params.seed) as writer,
        SensitiveWriter(folder / SENSITIVE_FILE, params.sensitive) as sensitive,
    ):
        for rows, columns, part in bar.track(prefetch(encoded()), len(scanned.sizes), description="writing the parts"):
            parts = assigned.parts[rows]
            writer.write(part, parts)
            kept = np.flatnonzero(parts != EXCLUDED)
            sensitive.write(
                part.row[kept], {name: surveys[name].as_texts(columns[name]).take(kept) for name in params.sensitive}
            )


def _facts(contract: Contract, scanned: Scan, assigned: Assignment, params: DataParams) -> dict[str, Any]:
    counts = assigned.counts
    return {
        "rows": scanned.rows,
        "target": contract.target,
        "classes": [{"name": name, "rows": int(n)} for name, n in zip(contract.classes, counts.sum(axis=0), strict=True)],
        "parts": {name: int(n) for name, n in zip(PARTS, counts.sum(axis=1), strict=True)},
        "left_out": {
            "without_target": assigned.without_target,
            "unplaced": assigned.unplaced,
            "duplicates": assigned.dropped,
        },
        "columns": [
            {
                "name": column.name,
                "kind": column.type,
                "role": "sensitive" if column.name in params.sensitive else column.role,
                "used": column.used,
                "missing": scanned.surveys[column.name].rows - scanned.surveys[column.name].present,
                "distinct": column.distinct,
            }
            for column in contract.columns
            if column.role != "target" and (column.name in params.sensitive or column.name not in params.withhold)
        ],
    }
