"""Render a page about checked rows: self-contained, without scripts, for light and dark screens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veritable.figures.style import COLORS
from veritable.metrics.intervals import Interval
from veritable.metrics.labels import LABELS
from veritable.serving.checking.columns import Shift
from veritable.serving.checking.verdict import Check
from veritable.serving.page import load_template

MAX_COLUMNS = 200
_MAX_BINS = 30
_HEIGHT, _GAP = 60.0, 0.15


@dataclass(frozen=True)
class Histogram:
    """Histograms of a column in train rows and in new rows, drawn over each other in a box of 100 by 60.

    Attributes
    ----------
    bars
        Path of the bars of the new rows.
    outline
        Path of the outline of the train rows.
    bins
        Label of each bin, with the shares of both. Rare levels are left out.
    hidden
        Number of bins that are left out.
    """

    shift: Shift
    bars: str
    outline: str
    bins: Sequence[tuple[str, float, float]]
    hidden: int


def render_check(check: Check) -> str:
    """Render the page."""
    columns = sorted(check.columns, key=lambda each: (not each.drifted, -(each.index - each.chance)))
    metrics = []
    if check.truth is not None:
        new, old = check.truth.outcomes.metrics, check.held_out.metrics
        metrics = [
            (label, _text(old[name]), _text(new[name]), _text(check.truth.differences[name], "+"))
            for name, (label, _) in LABELS.items()
        ]
    return load_template("check.html.j2").render(
        check=check,
        colors=COLORS,
        histograms=[draw(each) for each in columns[:MAX_COLUMNS]],
        predicted=[draw(each) for each in check.predicted],
        metrics=metrics,
        hidden=max(0, len(columns) - MAX_COLUMNS),
    )


def draw(shift: Shift) -> Histogram:
    """Lay out the histograms of a column. Of many levels, those with the largest shares are drawn."""
    before, now = (counts / max(1, counts.sum()) for counts in (shift.train, shift.new))
    largest = np.argsort(-np.maximum(before, now), kind="stable")[:_MAX_BINS]
    shown = np.sort(largest)
    highest = max(float(before[shown].max()), float(now[shown].max()), 1e-9)
    width = 100 / len(shown)
    bars, outline = [], [f"M0 {_HEIGHT:g}"]
    for i, bin_ in enumerate(shown.tolist()):
        left, right = i * width, (i + 1) * width
        if now[bin_] > 0:
            top, gap = _HEIGHT * (1 - now[bin_] / highest), _GAP * width
            bars.append(f"M{left + gap:.4g} {_HEIGHT:g}V{top:.4g}H{right - gap:.4g}V{_HEIGHT:g}Z")
        outline.append(f"V{_HEIGHT * (1 - before[bin_] / highest):.4g}H{right:.4g}")
    bins = [(shift.labels[i], float(before[i]), float(now[i])) for i in shown.tolist()]
    return Histogram(shift, "".join(bars), "".join([*outline, f"V{_HEIGHT:g}"]), bins, len(before) - len(shown))


def _text(interval: Interval, sign: str = "") -> str:
    if interval.value is None:
        return "–"
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"
