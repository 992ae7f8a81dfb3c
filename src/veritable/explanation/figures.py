"""shap's plots as PNG, the same bytes from the same values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from veritable.explanation.library import shap

MAX_COLUMNS = 12


def draw_importance(values: shap.Explanation, path: Path) -> None:
    """Mean absolute attribution of each column. Values of Shape (n, columns), of one class."""
    _draw(path, lambda: shap.plots.bar(values, max_display=MAX_COLUMNS, show=False))


def draw_beeswarm(values: shap.Explanation, path: Path) -> None:
    """A dot a row: what each column added, coloured by its value. Values of Shape (n, columns), of one class."""
    np.random.seed(0)  # noqa: NPY002  the dots are jittered from numpy's global state
    _draw(path, lambda: shap.plots.beeswarm(values, max_display=MAX_COLUMNS, show=False))


def draw_waterfall(values: shap.Explanation, path: Path) -> None:
    """How one row's prediction came about. Values of Shape (columns,), of one row and class."""
    _draw(path, lambda: shap.plots.waterfall(values, max_display=MAX_COLUMNS, show=False))


def _draw(path: Path, draw: Callable[[], object]) -> None:
    plt.close("all")
    draw()
    plt.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")
