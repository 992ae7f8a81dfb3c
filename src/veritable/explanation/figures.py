"""shap's plots as PNG, the same bytes from the same values."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from veritable.explanation.library import shap

MAX_COLUMNS = 12


def draw_importance(values: shap.Explanation, path: Path) -> None:
    """Mean absolute attribution of each column. Values of Shape (n, columns), of one class."""
    _draw(path, values, shap.plots.bar)


def draw_beeswarm(values: shap.Explanation, path: Path) -> None:
    """A dot a row: what each column added, coloured by its value. Values of Shape (n, columns), of one class."""
    np.random.seed(0)  # noqa: NPY002  the dots are jittered from numpy's global state
    _draw(path, values, shap.plots.beeswarm)


def draw_waterfall(values: shap.Explanation, path: Path) -> None:
    """How one row's prediction came about. Values of Shape (columns,), of one row and class."""
    _draw(path, values, shap.plots.waterfall)


def _draw(path: Path, values: shap.Explanation, plot: Callable[..., object]) -> None:
    plain = shap.Explanation(
        values.values,
        values.base_values,
        data=values.data,
        display_data=_escape(values.display_data),
        feature_names=[_escape_dollars(name) for name in values.feature_names],
    )
    plt.close("all")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # it is drawn as a box
        plot(plain, max_display=MAX_COLUMNS, show=False)
        plt.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")


def _escape(data: np.ndarray) -> np.ndarray:
    return np.array([_escape_dollars(each) for each in data.ravel()], dtype=object).reshape(data.shape)


def _escape_dollars(value: Any) -> Any:
    """matplotlib takes what stands between dollars for a formula."""
    return value.replace("$", r"\$") if isinstance(value, str) else value
