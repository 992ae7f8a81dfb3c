"""From a table to encoded parts on disk, in memory that does not grow with its rows.

The table is read once into a spool of numbers (again where its first rows misled); the spool is walked to split, to learn
the encoder from the train part alone, and to write the parts.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from veritable.progress import progress
from veritable.tables.checking.checks import run_checks
from veritable.tables.checking.findings import Finding
from veritable.tables.checking.sample import Sample
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.learner import Learner, look_up, places, truth_tables
from veritable.tables.encoding.parts import CLASS, ROW, SENSITIVE, UNIT, WEIGHT, Part, ShardWriter, group_rows
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.reading.ahead import THREADS, ahead
from veritable.tables.reading.table import Reading, Source
from veritable.tables.scan import GROUP_KEY, ROW_KEY, Scan, scan
from veritable.tables.splitting import hashing
from veritable.tables.splitting.assign import Assigned, assign, read_parts, read_times
from veritable.tables.splitting.split import LEFT_OUT, PARTS, TEST, TRAIN, VALID
from veritable.tables.spool import Spool
from veritable.tables.typing import inference, parse
from veritable.tables.typing.contract import Contract
from veritable.tables.typing.survey import LARGEST
from veritable.tables.typing.target import find_classes

_SAMPLE_CELLS = 2**22  # values of each part kept for the findings: 32 MB each
_SAMPLE_ROWS = 50_000


@dataclass(frozen=True)
class Prepared:
    """What was made of a table; the parts lie on disk.

    Attributes
    ----------
    facts
        Rows, classes, parts and columns, for the report.
    """

    contract: Contract
    encoder: Encoder
    facts: dict[str, Any]
    findings: list[Finding]


def prepare(source: Source, params: DataParams, folder: Path, *, test_source: Source | None = None) -> Prepared:
    """Write the parts train, valid and test as folders below `folder`, an existing one.

    Raises
    ------
    TableError
        The table cannot be read or split as asked, or has nothing to learn from.
    """
    with progress() as bar, Spool(columns=len(source.names), keys=2) as spool, Spool(columns=0, keys=1) as units:
        scanned = scan(source, test_source, params, spool, bar)
        classes, y = find_classes(scanned.surveys[params.target], scanned.column(params.target), params)
        columns = tuple(
            inference.describe(survey, params, categories=params.max_categories) for survey in scanned.surveys.values()
        )
        contract = Contract(columns, params.target, tuple(classes), Reading.of(params))
        _check_columns(contract, scanned, params)
        assigned = _assign(contract, scanned, units, y, params)
        encoder, samples = _learn(contract, scanned, assigned, y, params, bar)
        _write(folder, contract, encoder, scanned, units, assigned, y, params, bar)
    findings = run_checks(contract, scanned.surveys, assigned, samples, params)
    return Prepared(contract, encoder, _facts(contract, scanned, assigned), findings)


def _check_columns(contract: Contract, scanned: Scan, params: DataParams) -> None:
    if not contract.features:
        raise TableError(
            "the table must have a feature column beside its target, however none is left: all are dropped, constant, "
            "identifiers or free text. Check data.drop and data.types in params.yaml."
        )
    for column in contract.columns:
        survey = scanned.surveys[column.name]
        is_number = (column.type == "number" and column.used) or column.role in ("weight", "time")
        if is_number and survey.present and max(-survey.minimum, survey.maximum) > LARGEST:
            value = survey.maximum if survey.maximum > LARGEST else survey.minimum
            infinite = "an infinite value" if survey.infinite == 1 else f"{survey.infinite:,} infinite values"
            has = infinite if survey.infinite else parse.number_text(value)
            raise TableError(
                f"column '{column.name}' must hold numbers of at most {LARGEST:g} in size, however it has {has}. Correct the "
                "table, name the value under data.missing_codes, or drop the column in params.yaml."
            )
        if column.type == "boolean" and survey.levels and len(survey.levels) > 2:
            raise TableError(
                f"column '{column.name}' must have two values to be a boolean, however it has {len(survey.levels)}. "
                "Change data.types in params.yaml."
            )
        if column.role == "weight" and (survey.present < survey.rows or survey.minimum < 0 or survey.maximum <= 0):
            raise TableError(
                f"the weight column '{column.name}' must be a number of 0 or more in every row, and not always 0, however "
                f"{survey.rows - survey.present:,} rows lack one and it ranges from {survey.minimum:g} to {survey.maximum:g}. "
                "Correct the table."
            )


def _assign(contract: Contract, scanned: Scan, units: Spool, y: np.ndarray, params: DataParams) -> Assigned:
    """Split the table; on the way, fill `units` with a key per row that is equal for the rows of one unit."""
    place = {name: i for i, name in enumerate(scanned.surveys)}
    chosen = [place[column.name] for column in contract.features]
    tables = truth_tables(contract.features, scanned.surveys)
    named = params.group or params.id
    grouped = np.concatenate([~np.isnan(each) for each in scanned.column(named)]) if named else None
    for (rows, batch), group in zip(ahead(scanned.spool.batches()), scanned.spool.keys(GROUP_KEY), strict=True):
        values = (look_up(table, batch[i]) for i, table in zip(chosen, tables, strict=True))
        key = hashing.hash_rows(map(hashing.hash_numbers, values))
        units.write([], [key if grouped is None else np.where(grouped[rows], group, key)])
    return assign(
        y,
        contract.classes,
        params,
        row_keys=lambda: scanned.spool.keys(ROW_KEY),
        unit_keys=lambda: units.keys(0),
        grouped=grouped,
        first_test_row=scanned.first_test_row,
        times=read_times(scanned.surveys[params.time], scanned.column(params.time)) if params.time else None,
        given=read_parts(scanned.surveys[params.part], scanned.column(params.part)) if params.part else None,
    )


def _learn(
    contract: Contract, scanned: Scan, assigned: Assigned, y: np.ndarray, params: DataParams, bar: Progress
) -> tuple[Encoder, dict[int, Sample]]:
    """Fit the encoder to the train part; on the way, keep a sample of each part."""
    features, place = contract.features, {name: i for i, name in enumerate(scanned.surveys)}
    chosen = [place[column.name] for column in features]
    tables = truth_tables(features, scanned.surveys)
    levels = {each.name: list(scanned.surveys[each.name].levels) for each in features if each.type == "category"}
    learner = Learner(features, levels)
    most = min(_SAMPLE_ROWS, max(100, _SAMPLE_CELLS // len(features)))
    samples = {part: Sample.empty(most, int((assigned.parts == part).sum()), params.seed) for part in (TRAIN, VALID, TEST)}
    batches = bar.track(ahead(scanned.spool.batches()), len(scanned.spool.sizes), description="learning from train")
    for rows, batch in batches:
        for part, sample in samples.items():
            own = np.flatnonzero(assigned.parts[rows] == part)
            values = [look_up(table, batch[i][own]) for i, table in zip(chosen, tables, strict=True)]
            if part == TRAIN:
                learner.update(values)
            sample.add(values, y[rows][own], own + rows.start)
    encoder = learner.fit(params.max_categories)
    keys = [ROW, CLASS, WEIGHT, UNIT, *(SENSITIVE + name for name in params.sensitive)]
    if doubles := [name for name, count in Counter([*keys, *encoder.names]).items() if count > 1]:
        raise TableError(
            f"encoded columns must have different names, however '{doubles[0]}' stands twice. Rename it in the table."
        )
    return encoder, samples


def _write(
    folder: Path,
    contract: Contract,
    encoder: Encoder,
    scanned: Scan,
    units: Spool,
    assigned: Assigned,
    y: np.ndarray,
    params: DataParams,
    bar: Progress,
) -> None:
    surveys, place = scanned.surveys, {name: i for i, name in enumerate(scanned.surveys)}
    chosen = [place[column.name] for column in contract.features]
    tables = [
        places(list(surveys[column.name].levels), column) if column.kind == "category" else table
        for column, table in zip(encoder.columns, truth_tables(contract.features, surveys), strict=True)
    ]
    types = {column.name: column.type for column in contract.columns}
    sensitive = {
        name: (place[name], np.array([*surveys[name].levels, "other"], dtype=object), types[name] == "date")
        for name in params.sensitive
    }
    weight = place[params.weight] if params.weight else None
    shards = [-(-int(rows) // params.shard_rows) for rows in assigned.counts.sum(axis=1)]
    first_shard = np.cumsum([0, *shards])
    files = [folder / name / f"{i:05d}.parquet" for name, count in zip(PARTS, shards, strict=True) for i in range(count)]
    held, coded = group_rows(len(encoder.names), len(files)), encoder.cardinalities > 0
    for name in PARTS:
        (folder / name).mkdir()
    writers = [ShardWriter(file, encoder.names, coded=coded, group_rows=held) for file in files]

    def encoded() -> Iterator[Part]:
        for (rows, batch), unit in ahead(zip(scanned.spool.batches(), units.keys(0), strict=True)):
            row = np.arange(rows.start, rows.stop)
            unit = np.where(assigned.frequent[rows], hashing.mix(row.astype(np.uint64)), unit)
            yield Part(
                row,
                y[rows],
                encoder.encode([look_up(table, batch[i]) for i, table in zip(chosen, tables, strict=True)]),
                None if weight is None else batch[weight],
                {name: _texts(batch[i], levels, date=date) for name, (i, levels, date) in sensitive.items()},
                unit if params.group or params.id else None,
            )

    with ThreadPoolExecutor(THREADS) as pool:
        for rows in bar.track(ahead(encoded()), len(scanned.spool.sizes), description="writing the parts"):
            shard = _shards(rows.row, assigned.parts[rows.row], first_shard, params.seed)
            order = np.argsort(shard, kind="stable")
            cuts = np.searchsorted(shard[order], np.arange(len(writers) + 1))
            own = (order[start:end] for start, end in pairwise(cuts))
            list(pool.map(lambda writer, chosen, rows=rows: writer.write(rows.take(chosen)), writers, own))
        list(pool.map(ShardWriter.close, writers))


def _shards(row: np.ndarray, parts: np.ndarray, first_shard: np.ndarray, seed: int) -> np.ndarray:
    """The shard of each row, drawn from those of its part by its number; -1 where it is left out. Shape: (n,)"""
    part = np.where(parts == LEFT_OUT, 0, parts)
    drawn = hashing.mix(row.astype(np.uint64) ^ np.uint64(seed)) % np.diff(first_shard).astype(np.uint64)[part]
    return np.where(parts == LEFT_OUT, -1, first_shard[part] + drawn.astype(np.int64))


def _texts(stored: np.ndarray, levels: np.ndarray, *, date: bool) -> np.ndarray:
    """Stored values as people wrote them. Shape: (n,) object, None where missing"""
    if len(levels) > 1:
        return np.asarray(np.where(np.isnan(stored), None, levels[np.nan_to_num(stored).astype(np.int64)]))
    unique, inverse = np.unique(stored, return_inverse=True)
    text = parse.date_text if date else parse.number_text
    labels = np.array([None if np.isnan(each) else text(each) for each in unique.tolist()], dtype=object)
    return np.asarray(labels[inverse])


def _facts(contract: Contract, scanned: Scan, assigned: Assigned) -> dict[str, Any]:
    counts = assigned.counts
    return {
        "rows": scanned.spool.rows,
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
                "role": column.role,
                "used": column.used,
                "missing": scanned.surveys[column.name].rows - scanned.surveys[column.name].present,
                "distinct": column.distinct,
            }
            for column in contract.columns
            if column.role != "target"
        ],
    }
