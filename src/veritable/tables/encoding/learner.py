"""Learn an encoder from the train part, batch by batch."""

from collections.abc import Mapping, Sequence

import numpy as np

from veritable.tables.encoding.encoder import DAY_SECONDS, EncodedColumn, Encoder, Kind
from veritable.tables.typing.contract import Column


class Learner:
    """Learns an encoder from the train part, batch by batch.

    Parameters
    ----------
    features
        Columns in order.
    levels
        Levels by name of a category. Its values are indices in this list, -1 for other levels.
    """

    def __init__(self, features: Sequence[Column], levels: Mapping[str, Sequence[str]]):
        self._features = features
        self._levels = levels
        self._moments = np.zeros((3, len(features)))  # count, mean, sum of squared deviations
        self._counts = {name: np.zeros(len(texts) + 1, dtype=np.int64) for name, texts in levels.items()}  # the last: others
        self._missing = np.zeros(len(features), dtype=bool)
        self._clock = np.zeros(len(features), dtype=bool)

    def update(self, values: Sequence[np.ndarray]) -> None:
        """Learn from rows of the train part. Shape: (n,) float64 each, in the order of the columns"""
        for i, (column, given) in enumerate(zip(self._features, values, strict=True)):
            there = ~np.isnan(given)
            if not there.all():
                self._missing[i] = True
                given = given[there]
            if not len(given):
                continue
            if column.type == "category":
                counts = self._counts[column.name]
                counts += np.bincount(given.astype(np.int64) % len(counts), minlength=len(counts))  # -1 is the last
                continue
            if column.type == "date" and not self._clock[i]:
                self._clock[i] = bool((given % DAY_SECONDS != 0).any())
            count, mean = len(given), float(given.mean())
            self._add(i, count, mean, float(np.square(given - mean).sum()))

    def _add(self, i: int, count: int, mean: float, squares: float) -> None:
        """Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances"."""
        old, old_mean, old_squares = self._moments[:, i]
        total = old + count
        step = mean - old_mean
        self._moments[:, i] = total, old_mean + step * count / total, old_squares + squares + step * step * old * count / total

    def fit(self, max_categories: int) -> Encoder:
        """Return the encoder. It keeps the `max_categories` most frequent levels of a category; ties are broken by name."""
        return Encoder(tuple(self._column(i, column, max_categories) for i, column in enumerate(self._features)))

    def _column(self, i: int, column: Column, max_categories: int) -> EncodedColumn:
        missing = bool(self._missing[i])
        if column.type == "category":
            counts = zip(self._levels[column.name], self._counts[column.name].tolist(), strict=False)
            frequent = sorted((each for each in counts if each[1]), key=lambda each: (-each[1], each[0]))[:max_categories]
            levels: list[str | None] = [*sorted(level for level, _ in frequent), *[None] * missing]
            return EncodedColumn(column.name, "category", levels=tuple(levels))
        count, mean, squares = self._moments[:, i].tolist()
        deviation = float(np.sqrt(squares / count)) if count else 0.0
        noise = count * abs(mean) * np.finfo(np.float64).eps  # the mean of a constant is rounded, so its deviation is not 0
        kind: Kind = "boolean" if column.type == "boolean" else "date" if column.type == "date" else "number"
        return EncodedColumn(
            column.name,
            kind,
            mean=mean,
            scale=deviation if deviation > noise else 1.0,
            indicator=missing,
            levels=column.categories if kind == "boolean" else (),
            clock=bool(self._clock[i]),
        )
