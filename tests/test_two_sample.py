"""A model that tells new rows from train rows finds what no single column shows."""

import numpy as np
import pytest

from veritable.serving.checking.two_sample import MIN_ROWS, tell_apart
from veritable.tables.encoding.encoder import EncodedColumn, Encoder

ENCODER = Encoder((EncodedColumn("a", "number"), EncodedColumn("b", "number"), EncodedColumn("c", "number")))


def rows(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def test_same_distribution() -> None:
    """Of rows of one distribution, the interval of the AUC contains 0.5."""
    for seed in range(3):
        found = tell_apart(rows(500, seed), rows(300, seed + 100), ENCODER)
        assert found is not None
        assert found.auc.low < 0.5 < found.auc.high
        assert not found.differ


def test_shift() -> None:
    """A shifted column is found and named. Its AUC is at most that of the best possible test, 0.76 for one deviation."""
    new = rows(500, 1)
    new[:, 1] += 1
    found = tell_apart(rows(1000, 0), new, ENCODER)
    assert found is not None
    assert found.differ
    assert "b" == found.columns[0][0]
    assert 0.76 == pytest.approx(found.auc.value, abs=0.06)


def test_broken_relation() -> None:
    """Two columns that were equal and no longer are, each distributed as before, are told apart."""
    train, new = rows(1000, 0), rows(500, 1)
    train[:, 1] = train[:, 0]
    found = tell_apart(train, new, ENCODER)
    assert found is not None
    assert found.differ
    assert found.auc.value > 0.9


def test_the_same_rows() -> None:
    """Train rows themselves are not told apart from train rows."""
    found = tell_apart(rows(500, 0), rows(500, 0), ENCODER)
    assert found is not None
    assert not found.differ


def test_not_tested() -> None:
    """Too few rows, or dates alone, are not tested; a date among other columns is left out."""
    assert tell_apart(rows(500, 0), rows(MIN_ROWS - 1, 1), ENCODER) is None
    date = EncodedColumn("d", "date")
    dates = np.random.default_rng(0).normal(size=(200, len(date.names))).astype(np.float32)
    assert tell_apart(dates, dates + 9, Encoder((date,))) is None
    both = Encoder((*ENCODER.columns, date))
    found = tell_apart(np.hstack([rows(200, 0), dates]), np.hstack([rows(200, 1), dates + 9]), both)
    assert found is not None
    assert not found.differ


def test_same_bytes() -> None:
    """The same rows give the same result."""
    assert tell_apart(rows(300, 0), rows(100, 1), ENCODER) == tell_apart(rows(300, 0), rows(100, 1), ENCODER)
