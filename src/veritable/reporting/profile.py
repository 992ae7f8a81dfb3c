"""The columns of the table at a glance: distribution, missing values and drift."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from veritable.figures.svg import element
from veritable.tables.checking.sample import stability_index

_WIDTH, _HEIGHT = 120.0, 26.0
_MAX_LEVELS = 12  # of a category, the most frequent ones


def describe_profile(train: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Compare the values of each column in test with those in train.

    Parameters
    ----------
    train, test
        Contents of profile.json and test_profile.json, which the stage `preprocess` writes.

    Returns
    -------
    By name of the column: `missing` (shares in train and test), `drift` (population stability index of test against train, 0
    if it is no larger than chance makes it) and `picture` (an `<svg>` element: bars for train, a line for test).
    """
    return {
        one["name"]: _describe(one, np.array(one["counts"]["train"], float), np.array(other["counts"]["test"], float))
        for one, other in zip(train["columns"], test["columns"], strict=True)
    }


def _describe(column: Mapping[str, Any], train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    shares = [each / max(each.sum(), 1) for each in (train, test)]
    index, chance = stability_index(train.astype(np.int64), test.astype(np.int64))
    return {
        "missing": [float(share[-1]) for share in shares],
        "drift": float(index) if index > 3 * chance else 0.0,
        "picture": _draw(column, *(share[:-1] for share in shares)),
    }


def _draw(column: Mapping[str, Any], train: np.ndarray, test: np.ndarray) -> str:
    """Draw the shares of the bins as areas: a number's bins have the widths of their ranges."""
    edges = np.array(column.get("edges") or [], float)
    if len(edges) > 1:
        inner = slice(1, len(edges))  # without the bins below and above the range of train
        widths = np.diff(edges)
        widths = np.maximum(widths, (edges[-1] - edges[0] or 1.0) / _WIDTH)  # a bin of a single value is one pixel wide
        train, test = train[inner], test[inner]
    else:
        order = np.argsort(-train, kind="stable")[:_MAX_LEVELS]
        train, test, widths = train[order], test[order], np.ones(len(order))
    if not len(widths):
        return ""
    places = np.r_[0.0, np.cumsum(widths)] / widths.sum() * _WIDTH
    densities = [share / widths for share in (train, test)]
    top = max(float(each.max()) for each in densities) or 1.0
    heights = [each / top * (_HEIGHT - 2) for each in densities]
    bars = [
        element("rect", x=float(x), y=_HEIGHT - h, width=max(float(w), 0.5), height=float(h), class_="bar c1 pale")
        for x, w, h in zip(places[:-1], np.diff(places), heights[0], strict=True)
    ]
    steps = "".join(
        f"{'L' if i else 'M'}{places[i]:.1f} {_HEIGHT - h:.1f}L{places[i + 1]:.1f} {_HEIGHT - h:.1f}"
        for i, h in enumerate(heights[1])
    )
    line = element("path", d=steps, class_="line c2")
    size = {"width": _WIDTH, "height": _HEIGHT, "viewBox": f"0 0 {_WIDTH:g} {_HEIGHT:g}"}
    return element("svg", "".join(bars) + line, class_="figure spark", aria_hidden="true", **size)
