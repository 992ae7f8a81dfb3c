"""From a table to encoded parts: type, split, fit the encoder on the train part alone, encode."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from veritable.tables.encoder import Encoder, clean, infer_kind
from veritable.tables.errors import TableError
from veritable.tables.params import DataParams
from veritable.tables.parts import KEYS, Part
from veritable.tables.read import classes_of
from veritable.tables.split import split_rows


@dataclass(frozen=True)
class Prepared:
    """A table ready to train on; `facts` says what it is like, for the report."""

    encoder: Encoder
    classes: list[str]
    parts: dict[str, Part]
    facts: dict[str, Any]


def prepare(frame: pd.DataFrame, params: DataParams) -> Prepared:
    """Split before anything is fitted, so that nothing of valid and test is known to the encoder.

    Raises
    ------
    TableError
        No feature column, two columns of one encoded name, an unusable target, a value that is not what its column is.
    """
    target, features = frame[params.target], frame.drop(columns=params.target)
    if features.columns.empty:
        raise TableError(
            "the table must have a feature column beside its target, however it has none. Check data.drop in params.yaml."
        )
    classes = classes_of(target, params)
    y = target.astype("str").map({label: code for code, label in enumerate(classes)}).to_numpy(np.int64)
    rows = split_rows(y, valid=params.valid, test=params.test, seed=params.seed)
    kinds = {name: infer_kind(clean(features[name], params.missing)) for name in features.columns}
    encoder = Encoder.fit(features.iloc[rows["train"]], kinds, max_categories=params.max_categories, missing=params.missing)
    if doubles := [name for name, count in Counter([*KEYS, *encoder.names]).items() if count > 1]:
        raise TableError(
            f"encoded columns must have different names, however '{doubles[0]}' stands twice. Rename it in the table."
        )
    parts = {name: Part(rows[name], y[rows[name]], encoder.encode(features.iloc[rows[name]])) for name in rows}
    facts = {
        "rows": len(frame),
        "target": params.target,
        "classes": [{"name": label, "rows": int((y == code).sum())} for code, label in enumerate(classes)],
        "parts": {name: len(part.y) for name, part in parts.items()},
        "columns": [
            {
                "name": name,
                "kind": kinds[name],
                "missing": int(features[name].isna().sum()),
                "distinct": int(features[name].nunique()),
            }
            for name in features.columns
        ],
    }
    return Prepared(encoder, classes, parts, facts)
