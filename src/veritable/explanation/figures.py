"""Draw shap's plots as PNG files; the same values give the same bytes."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from veritable.explanation.library import shap

MAX_COLUMNS = 12


def draw_importance(values: shap.Explanation, path: Path) -> None:
    """Draw the mean absolute attribution of each column for one class. Shape of `values`: (n, columns)"""
    _draw(path, values, shap.plots.bar)


def draw_beeswarm(values: shap.Explanation, path: Path) -> None:
    """Draw a dot per row and column for one class, colored by the value of the column. Shape of `values`: (n, columns)"""
    np.random.seed(0)  # noqa: NPY002  shap jitters the dots with numpy's global state
    _draw(path, values, shap.plots.beeswarm)


def draw_waterfall(values: shap.Explanation, path: Path) -> None:
    """Draw how the columns change the prediction of one row for one class. Shape of `values`: (columns,)"""
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
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # such a character is drawn as a box
        plot(plain, max_display=MAX_COLUMNS, show=False)
        plt.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")


def _escape(data: np.ndarray) -> np.ndarray:
    return np.array([_escape_dollars(each) for each in data.ravel()], dtype=object).reshape(data.shape)


def _escape_dollars(value: Any) -> Any:
    """Escape dollar signs, because matplotlib reads text between two of them as a formula."""
    return value.replace("$", r"\$") if isinstance(value, str) else value
