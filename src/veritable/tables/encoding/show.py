"""Raw values of encoded rows, rounded as far as the encoding is exact, and as texts."""

import math
from typing import Any

import numpy as np
import pandas as pd

from veritable.tables.encoding.encoder import EncodedColumn, Encoder


def decode_rounded(encoder: Encoder, X: np.ndarray) -> pd.DataFrame:
    """Return the raw values of encoded rows, by column of the table. Shape: (n, width) -> (n, columns)"""
    decoded = encoder.decode(X)
    return pd.DataFrame({column.name: _round(decoded[column.name], column) for column in encoder.columns})


def format_value(value: Any) -> str:
    """Return a raw value as text."""
    return "missing" if pd.isna(value) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _round(values: pd.Series, column: EncodedColumn) -> pd.Series:
    """Round a number as far as its encoding is exact: to a ten-thousandth of the standard deviation."""
    return values.astype(float).round(4 - math.floor(math.log10(column.scale))) + 0.0 if column.kind == "number" else values
