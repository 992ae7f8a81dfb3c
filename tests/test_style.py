"""Colors are told apart by people who do not see red or green, and contrast with the background."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from veritable.figures.style import DARK, LIGHT, MARKS, N_RANKS, N_SERIES

# Machado, Oliveira & Fernandes 2009, "A physiologically-based model for simulation of color vision deficiency", severity 1
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
SCHEMES = pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])


def linear(color: str) -> np.ndarray:
    """Return linear RGB of a color such as "#1f5fd0"."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lab(color: np.ndarray) -> np.ndarray:
    """Return CIELAB of linear RGB."""
    ratio = TO_XYZ @ np.clip(color, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    low, high = sorted(float(TO_XYZ[1] @ linear(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def distances(colors: list[str], sight: str) -> dict[tuple[str, str], float]:
    seen = {each: lab(SIGHTS[sight] @ linear(each)) for each in colors}
    return {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(colors, 2)}


@SCHEMES
@pytest.mark.parametrize("sight", SIGHTS)
def test_series_differ(colors: dict[str, str], sight: str) -> None:
    """Any two colors of series differ by 25 or more in CIELAB; two just noticeably different colors differ by about 2."""
    series = [colors[f"c{i}"] for i in range(1, N_SERIES + 1)]
    assert {} == {pair: distance for pair, distance in distances(series, sight).items() if distance < 25}


@SCHEMES
@pytest.mark.parametrize("sight", SIGHTS)
def test_ranks_are_ordered(colors: dict[str, str], sight: str) -> None:
    """Colors of ranks are the further apart the further apart the ranks are."""
    seen = [lab(SIGHTS[sight] @ linear(colors[f"r{i}"])) for i in range(1, N_RANKS + 1)]
    steps: Callable[[int], list[float]] = lambda i: [float(np.linalg.norm(seen[i] - each)) for each in seen[i:]]  # noqa: E731
    assert all(steps(i) == sorted(steps(i)) for i in range(N_RANKS))
    assert min(steps(i)[1] for i in range(N_RANKS - 1)) > 8


@SCHEMES
def test_contrast(colors: dict[str, str]) -> None:
    """Texts contrast with both backgrounds by 4.5:1, and what is drawn with the background of figures by 3:1."""
    texts = ("ink", "soft", "accent", "good", "fair", "bad")
    drawn = ("faint", *(f"c{i}" for i in range(1, N_SERIES + 1)), *(f"r{i}" for i in range(1, N_RANKS + 1)))
    assert {} == {
        name: low for name in texts if (low := min(contrast(colors[name], colors[b]) for b in ("page", "card"))) < 4.5
    }
    assert {} == {name: low for name in drawn if (low := contrast(colors[name], colors["card"])) < 3}


def test_both_schemes_have_all_colors() -> None:
    """Both schemes define the same colors, and every color that figures use is defined."""
    assert set(LIGHT) == set(DARK)
    used = {each.split(")")[0] for each in MARKS.split("var(--")[1:]}
    assert set() == used - set(LIGHT) - {"c"}
