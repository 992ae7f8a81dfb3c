"""Write a file per split, with clean columns and a column "part" with the values train, valid and test.

Run by `python make.py FOLDER --datasets FOLDER titanic-0 titanic-1 adult@500-0`. A split is a table or sample and a seed.
Files that exist are kept. Beside each CSV file is a JSON file with the target, the classes, the kinds of the columns and the
hash of the CSV file.
"""

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from specs import MAX_TEST_ROWS, TABLES, Spec, parse_name

HERE = Path(__file__).resolve().parent
PART, PARTS = "part", ("train", "valid", "test")
SHARE = 0.2  # share of all rows for test, and of the rest for valid
MIN_SAMPLED = 5  # number of rows of a class in a sample; smaller classes are dropped


def read(spec: Spec, datasets: Path) -> list[pd.DataFrame]:
    """Read each file with numbers as numbers, other values as text without quotes, and missing values as NaN."""
    names = spec.columns.split() if spec.columns else None
    frames = [
        pd.read_csv(
            datasets / file,
            names=names,
            header=None if names else 0,
            na_values=["?", ""],
            keep_default_na=False,
            skipinitialspace=True,  # Adult's ", "; Telco's " " in TotalCharges becomes missing
            float_precision="round_trip",
        )
        for file in spec.files
    ]
    found = sum(map(len, frames))
    if found != spec.rows:
        raise SystemExit(
            f"{', '.join(spec.files)} must have {spec.rows:,} rows, but have {found:,}. Use the datasets of the README."
        )
    return [clean(frame.drop(columns=list(spec.drop)), spec.target) for frame in frames]


def clean(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Remove quotes from texts and the final period from labels, and write integer labels without \".0\"."""
    texts = list(frame.select_dtypes(exclude="number"))
    frame[texts] = frame[texts].apply(lambda column: column.str.strip("'"))
    y = frame[target]
    if pd.api.types.is_float_dtype(y):
        y = y.astype("int64")
    frame[target] = y.astype(str).str.rstrip(".")
    return frame


def reduce(frame: pd.DataFrame, spec: Spec) -> pd.DataFrame:
    """Draw a sample of a large table, in the order of the table, and drop rare classes."""
    if spec.max_rows is not None:
        frame = frame.drop_duplicates()
        kept = np.random.default_rng(0).permutation(len(frame))[: spec.max_rows]
        frame = frame.iloc[np.sort(kept)]
    sizes = frame[spec.target].value_counts()
    return frame[frame[spec.target].map(sizes) >= spec.min_class_rows].reset_index(drop=True)


def deal(y: pd.Series, seed: int, test: np.ndarray | None = None) -> np.ndarray:
    """Return the part of each row. Each class is split by itself; one with one or two rows is in train. Shape: (n,) object

    Parameters
    ----------
    test
        Rows that are the test part for every seed; None: draw the test part too.
    """
    rng = np.random.default_rng(seed)
    train, valid, held_out = PARTS
    parts = np.full(len(y), train, dtype=object)
    drawn = (held_out, valid) if test is None else (valid,)
    if test is not None:
        parts[test] = held_out
    for name in sorted(y.unique()):
        rows = rng.permutation(np.flatnonzero((y == name) & (parts == train)))
        for part in drawn:
            cut = round(SHARE * len(rows))
            parts[rows[:cut]], rows = part, rows[cut:]
    return parts


def sample(y: pd.Series, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows to fit on and at most 10,000 rows for the evaluation, in both of which each class has its share.

    Shape: (rows,) and (n_test,), row numbers
    """
    rng = np.random.default_rng(seed)
    sizes = y.map(y.value_counts())
    kept = np.flatnonzero(sizes * rows >= MIN_SAMPLED * len(y))
    # the rows of a class get evenly spaced keys: any number of rows with the smallest keys has the shares of the classes
    order = rng.permutation(kept)
    place = y.iloc[order].groupby(y.iloc[order]).cumcount().to_numpy()
    keys = (place + rng.random(len(order))) / sizes.to_numpy()[order]
    order = order[np.argsort(keys)]
    return np.sort(order[:rows]), np.sort(order[rows : rows + MAX_TEST_ROWS])


def split(frame: pd.DataFrame, target: str, seed: int, official: np.ndarray | None, rows: int | None) -> pd.DataFrame:
    """Return the rows of a split, with their part. With `rows`, the split is a sample with that many rows to fit on."""
    if rows is None:
        return frame.assign(**{PART: deal(frame[target], seed, official)})
    fitted, tested = sample(frame[target], rows, seed)
    order = np.sort(np.concatenate([fitted, tested]))
    frame = frame.iloc[order].reset_index(drop=True)
    return frame.assign(**{PART: deal(frame[target], seed, np.flatnonzero(np.isin(order, tested)))})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def make(name: str, splits: Sequence[str], datasets: Path, folder: Path) -> None:
    """Write the files of a table's splits that do not exist or were made by other code."""
    spec = TABLES[name]
    made_by = digest(Path(__file__)) + digest(HERE / "specs.py")
    missing = []
    for each in splits:
        facts = folder / f"{each}.json"
        if not facts.is_file() or json.loads(facts.read_text())["made_by"] != made_by:
            missing.append(each)
    if not missing:
        return
    frames = read(spec, datasets)
    frame = reduce(pd.concat(frames, ignore_index=True), spec)
    official = np.arange(len(frames[0]), len(frame)) if spec.official else None
    X = frame.drop(columns=spec.target)
    numbers = list(X.select_dtypes("number"))
    assert PART not in frame
    for each in missing:
        entry, _, seed = each.rpartition("-")
        drawn = split(frame, spec.target, int(seed), official, parse_name(entry)[1])
        table = folder / f"{each}.csv"
        drawn.to_csv(table, index=False)
        facts = {
            "table": entry,
            "seed": int(seed),
            "target": spec.target,
            "classes": sorted(drawn[spec.target].unique()),
            "numbers": numbers,
            "categories": [column for column in X if column not in numbers],
            "rows": len(drawn),
            "digest": digest(table),
            "made_by": made_by,
        }
        partial = folder / f"{each}.partial"
        partial.write_text(json.dumps(facts, indent=1) + "\n")
        partial.rename(folder / f"{each}.json")  # last: a table without this file is written again


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("splits", nargs="+", metavar="TABLE-SEED")
    parser.add_argument("--datasets", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    of_table = defaultdict(list)
    for each in arguments.splits:
        of_table[parse_name(each.rpartition("-")[0])[0]].append(each)
    for name, splits in of_table.items():
        make(name, splits, arguments.datasets, arguments.folder)
