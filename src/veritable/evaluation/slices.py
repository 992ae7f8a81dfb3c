"""The slices of a table in which a classifier is worst: rows that fulfil one condition, or two.

A search through thousands of slices finds some that are bad by chance. So half of the test rows find the slices, and the other
half judge them; the intervals hold together for the few slices that are judged (Bonferroni). Such slices are the subject of
SliceFinder: Chung et al. (2019), "Slice Finder: Automated Data Slicing for Model Validation".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from veritable.evaluation.conditions import Condition, make_conditions
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.metrics.checks import check_weight
from veritable.metrics.intervals import FloatArray, divide, percentile_interval, resample_weights, weighted_mean
from veritable.metrics.losses import expected_log_losses, log_losses
from veritable.tables.encoding.encoder import Encoder

MAX_ROWS = 40_000  # of the test part, drawn at random: enough to see a slice of a hundredth of the rows
MIN_ROWS = 30  # of a slice, in each half
MAX_SHARE = 0.5  # of the rows in a slice: one that holds more says as much about the others
MAX_SLICES = 5
MAX_CONDITIONS = 400  # that are combined, those with the highest loss first: time and memory grow with their square
_Z = 2.0  # standard errors by which a slice must be worse to be found
_MAX_CANDIDATES = 1000
_TOLERANCE = 1e-9  # differences below this come from rounding
_MAX_OVERLAP = 0.5  # of two slices: their common rows, over the rows of either


@dataclass(frozen=True)
class Slice:
    """Rows that fulfil all conditions."""

    conditions: tuple[Condition, ...]

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Whether a row is in the slice. Shape: (n,)"""
        rows: NDArray[np.bool_] = np.logical_and.reduce([each.rows for each in self.conditions])
        return rows


def find_slices(
    predictions: PartPredictions,
    X: np.ndarray,
    unit: NDArray[Any] | None,
    encoder: Encoder,
    params: EvaluateParams,
    min_count: int = 1,
) -> dict[str, Any]:
    """Find the slices with the highest log loss on one half of the rows, and judge them on the other half.

    Parameters
    ----------
    X
        Encoded rows. Shape: (n, width)
    unit
        Rows with the same unit are in the same half; None: every row is on its own. Shape: (n,)
    min_count
        Number of rows that share a number at which a column is cut.

    Returns
    -------
    A dict for JSON: `found_rows` and `judged_rows`, the sizes of both halves; `slices`, up to five, the worst first; and
    `sentence`, which says the result, or why there is none. A slice has `conditions` (each with `column` and `text`), `rows`
    and `share` (weighted) in the judging half, its `loss`, the `other_loss` of the other rows, their `difference`, and whether
    it is `shown`, that is, its interval lies above 0. Its `excess` is the loss minus the one that the probabilities expect: if
    it is above 0, the classifier is too confident there; if not, the rows are hard to tell apart, and the probabilities say so.
    """
    draw = np.random.default_rng(params.seed)
    weight = check_weight(predictions.weight, len(predictions.y_true))
    chosen = np.sort(draw.permutation(np.flatnonzero(weight > 0))[:MAX_ROWS])
    y_prob, weight = predictions.y_prob[chosen], weight[chosen]
    losses = log_losses(predictions.y_true[chosen], y_prob)
    excess = losses - expected_log_losses(y_prob)
    first = _halve(chosen if unit is None else unit[chosen], draw)
    judged: list[dict[str, Any]] = []
    found_rows, judged_rows = (np.flatnonzero(each) for each in (first, ~first))
    if min(len(found_rows), len(judged_rows)) >= 2 * MIN_ROWS:
        conditions = make_conditions(encoder, X[chosen], found_rows, min_count)
        slices = _search(conditions, losses[found_rows], weight[found_rows], found_rows)
        judged = _judge(slices, losses[judged_rows], excess[judged_rows], weight[judged_rows], judged_rows, params)
    return {
        "found_rows": len(found_rows),
        "judged_rows": len(judged_rows),
        "slices": judged,
        "sentence": _describe(judged, len(found_rows), len(judged_rows)),
    }


def _halve(unit: NDArray[Any], draw: np.random.Generator) -> NDArray[np.bool_]:
    """Mark the rows of half of the units. Shape: (n,)"""
    units, code = np.unique(unit, return_inverse=True)
    marked: NDArray[np.bool_] = np.isin(code, draw.permutation(len(units))[: len(units) // 2])
    return marked


def _search(conditions: Sequence[Condition], losses: FloatArray, weight: FloatArray, rows: NDArray[np.intp]) -> list[Slice]:
    """Return the slices that are worst with high certainty, and that differ from each other. Shape: (m,) each"""
    masks = [each.rows[rows] for each in conditions]
    large = [number for number, mask in enumerate(masks) if MIN_ROWS <= mask.sum() < len(rows)]
    if not large:
        return []
    table = csr_array(np.stack([masks[number] for number in large], axis=1).astype(np.float64))
    alone = _score(_sums(table, None, losses, weight), losses, weight)
    kept = np.sort(np.argsort(-alone, kind="stable")[:MAX_CONDITIONS])
    table = csr_array(table[:, kept])
    scores = _score(_sums(table, table, losses, weight), losses, weight)
    upper = np.triu_indices(len(kept), k=1)
    first, second = (np.concatenate([np.arange(len(kept)), each]) for each in upper)  # single conditions come first
    candidates = np.concatenate([np.diag(scores), scores[upper]])
    order = np.argsort(-candidates, kind="stable")[:_MAX_CANDIDATES]
    chosen: list[Slice] = []
    taken: list[NDArray[np.bool_]] = []
    for place in order:
        if len(chosen) == MAX_SLICES or candidates[place] < _TOLERANCE:
            break
        members = dict.fromkeys(large[kept[each[place]]] for each in (first, second))
        mask = np.logical_and.reduce([masks[number] for number in members])
        if all((mask & other).sum() <= _MAX_OVERLAP * (mask | other).sum() for other in taken):
            chosen.append(Slice(tuple(conditions[number] for number in members)))
            taken.append(mask)
    return chosen


def _sums(table: csr_array, other: csr_array | None, losses: FloatArray, weight: FloatArray) -> list[FloatArray]:
    """Sum 1, the weights, and the weighted losses and squared losses, of the rows of each condition, or pair of conditions.

    A sparse product adds in the order of the rows, so the result does not depend on the number of threads.
    """
    values = (np.ones_like(weight), weight, weight * losses, weight * losses**2)
    if other is None:
        return [table.T @ each for each in values]
    return [(csr_array(table.multiply(each[:, None])).T @ other).toarray() for each in values]


def _score(sums: Sequence[FloatArray], losses: FloatArray, weight: FloatArray) -> FloatArray:
    """Return by how much the mean loss of a slice is above that of the other rows, less two standard errors.

    It is -inf for slices with too few rows or more than half of them.
    """
    totals = (float(len(weight)), weight.sum(), (weight * losses).sum(), (weight * losses**2).sum())
    n = sums[0]
    means, errors = [], []
    for count, mass, total, squares in (sums, [total - own for total, own in zip(totals, sums, strict=True)]):
        mean = divide(total, mass)
        means.append(mean)
        errors.append(divide(np.maximum(divide(squares, mass) - mean**2, 0), count))
    score = means[0] - means[1] - _Z * np.sqrt(errors[0] + errors[1])
    return np.where((n >= MIN_ROWS) & (n <= MAX_SHARE * len(weight)), score, -np.inf)


def _judge(
    slices: Sequence[Slice],
    losses: FloatArray,
    excess: FloatArray,
    weight: FloatArray,
    rows: NDArray[np.intp],
    params: EvaluateParams,
) -> list[dict[str, Any]]:
    """Measure each slice that has enough rows, with intervals from a bootstrap. Shape: (m,) each"""
    masks = [(found, found.rows[rows]) for found in slices]
    known = [(found, mask) for found, mask in masks if MIN_ROWS <= mask.sum() <= len(rows) - MIN_ROWS]

    def measure(times: FloatArray, mask: NDArray[np.bool_]) -> FloatArray:
        """Return the mean loss in the slice minus that outside, and the mean excess. Shape: (r, m) -> (2, r)"""
        inside, outside = (weighted_mean(losses[own], times[:, own]) for own in (mask, ~mask))
        return np.stack([inside - outside, weighted_mean(excess[mask], times[:, mask])])

    resampled: list[list[FloatArray]] = [[] for _ in known]
    for times in resample_weights(len(rows), params.n_resamples if known else 0, params.seed):
        times *= weight
        for collected, (_, mask) in zip(resampled, known, strict=True):
            collected.append(measure(times, mask))
    level = 1 - (1 - params.confidence_level) / max(1, len(known))
    judged = []
    for collected, (found, mask) in zip(resampled, known, strict=True):
        values, counts = measure(weight[None], mask)[:, 0], (len(rows), int(mask.sum()))
        difference, beyond = (
            percentile_interval(float(value), each, n=n, confidence_level=level)
            for value, each, n in zip(values, np.concatenate(collected, axis=1), counts, strict=True)
        )
        judged.append(
            {
                "conditions": [{"column": each.column, "text": each.text} for each in found.conditions],
                "rows": counts[1],
                "share": float(weight[mask].sum() / weight.sum()),
                "loss": float(np.average(losses[mask], weights=weight[mask])),
                "other_loss": float(np.average(losses[~mask], weights=weight[~mask])),
                "difference": asdict(difference),
                "excess": asdict(beyond),
                "shown": difference.low is not None and difference.low > _TOLERANCE,
            }
        )
    return sorted(judged, key=lambda each: (not each["shown"], -each["difference"]["value"]))


def _describe(judged: Sequence[dict[str, Any]], found_rows: int, judged_rows: int) -> str:
    """Say which slice is worst, or why none is known."""
    if min(found_rows, judged_rows) < 2 * MIN_ROWS:
        return f"Slices were not searched: each half of the test rows must have {2 * MIN_ROWS} rows, but has {judged_rows:,}."
    if not judged:
        return f"No slice of at least {MIN_ROWS} rows with a clearly higher log loss was found on {found_rows:,} test rows."
    if not judged[0]["shown"]:
        found = "slice that was found on" if len(judged) == 1 else f"{len(judged)} slices that were found on"
        negated = "is" if len(judged) == 1 else "are"
        return (
            f"The {found} {found_rows:,} test rows {negated} not shown to have a higher log loss on the other {judged_rows:,}."
        )
    worst = judged[0]
    where = " and ".join(f"{each['column']}: {each['text']}" for each in worst["conditions"])
    value, low, high = (worst["difference"][end] for end in ("value", "low", "high"))
    excess, excess_low, excess_high = (worst["excess"][end] for end in ("value", "low", "high"))
    sure = (
        "too confident there"
        if excess_low > _TOLERANCE
        else "not shown to be too confident there: such rows are hard to tell apart"
    )
    return (
        f"The worst slice is {where}. On {judged_rows:,} test rows that did not find it, its {worst['rows']:,} rows have a log "
        f"loss of {worst['loss']:.3f}, and the others of {worst['other_loss']:.3f} "
        f"(difference {value:.3f} [{low:.3f}, {high:.3f}]). The classifier is {sure} (its log loss minus the one that its "
        f"probabilities expect is {excess:.3f} [{excess_low:.3f}, {excess_high:.3f}])."
    )
