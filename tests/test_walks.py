"""Values by walks are those of the definition within their standard errors, add up, and are reproducible."""

import numpy as np
import pytest
from scipy import stats

from tests.shapley import Function, by_enumeration
from veritable.explanation import walks
from veritable.explanation.walks import MAX_PAIRS, MIN_PAIRS, Game, RowTerm, walk_values

DRAW = np.random.default_rng(0)
ROWS, BACKGROUND = DRAW.normal(size=(5, 4)), DRAW.normal(size=(30, 4))
WEIGHTS = DRAW.normal(size=(4, 3))
OWNER = np.arange(4)


def linear(X: np.ndarray) -> np.ndarray:
    return X @ WEIGHTS + 0.5


def bent(X: np.ndarray) -> np.ndarray:
    """Return outputs in which all columns interact."""
    return np.stack([X[:, 0] * X[:, 1] * X[:, 2], X[:, 3] - X[:, 1] * X[:, 3], np.cos(X).prod(axis=1)], axis=1)


def game(function: Function, background: np.ndarray = BACKGROUND, owner: np.ndarray = OWNER) -> Game:
    return Game.of([RowTerm(function, owner)], background, owner)


def estimated(played: Game, rows: np.ndarray = ROWS, *, pairs: int = MIN_PAIRS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return values and errors from a number of pairs of walks."""
    made = MIN_PAIRS

    def enough(positions: np.ndarray, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        nonlocal made
        done = np.full(len(positions), made >= pairs)
        made *= 2
        return done

    return walk_values(played, rows, range(100, 100 + len(rows)), seed=seed, enough=enough)


def test_nears_the_exact_values() -> None:
    """With more walks the values approach those by enumeration."""
    expected = by_enumeration(bent, ROWS, BACKGROUND, OWNER)
    few, many = (np.abs(expected - estimated(game(bent), pairs=pairs)[0]).mean() for pairs in (MIN_PAIRS, MAX_PAIRS))
    assert many < few / 2
    assert many < 0.03


@pytest.mark.parametrize("owner", [OWNER, np.array([0, 1, 0, 2])], ids=["columns", "groups"])
@pytest.mark.parametrize("pairs", [MIN_PAIRS, 4 * MIN_PAIRS])
def test_interval_covers(pairs: int, owner: np.ndarray) -> None:
    """Student's interval of a nominal 95 % covers the exact value in 93 to 97 % of 5,000 cases or more."""
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(120, 4))
    played = game(bent, owner=owner)
    expected = by_enumeration(bent, rows, BACKGROUND, owner)
    inside = []
    for seed in range(4):
        values, errors = estimated(played, rows, pairs=pairs, seed=seed)
        inside.append(np.abs(values - expected) <= stats.t.ppf(0.975, pairs - 2) * errors)
    assert 0.95 == pytest.approx(np.mean(inside), abs=0.02)


def test_adds_up() -> None:
    """The values of a row sum to its output minus the mean output of the background."""
    values, _ = estimated(game(bent))
    np.testing.assert_allclose(bent(ROWS) - bent(BACKGROUND).mean(axis=0), values.sum(axis=1), atol=1e-13)


def test_column_without_part_in_it() -> None:
    """An unused column, and a column equal to the whole background, have the value 0 and the error 0."""
    rows, background = ROWS.copy(), BACKGROUND.copy()
    rows[:, 3] = background[:, 3] = 2.0
    values, errors = estimated(game(lambda X: bent(np.where([True, True, False, True], X, 0.3)), background), rows)
    np.testing.assert_array_equal(0, values[:, 2:])
    np.testing.assert_array_equal(0, errors[:, 2:])
    assert np.abs(values[:, :2]).max() > 0


def test_all_pairs_equal() -> None:
    """If all background rows have the same output, the values still sum to the difference."""
    values, errors = estimated(game(bent, BACKGROUND[:1].repeat(3, axis=0)))
    np.testing.assert_allclose(bent(ROWS) - bent(BACKGROUND[:1]), values.sum(axis=1), atol=1e-13)
    assert np.isfinite(errors).all()


def test_row_like_all_of_the_background() -> None:
    """A row that equals its whole background has values and errors of 0."""
    values, errors = estimated(game(bent, ROWS[:1].repeat(3, axis=0)), ROWS[:1])
    np.testing.assert_allclose(0, values, atol=1e-15)
    np.testing.assert_allclose(0, errors, atol=1e-15)


@pytest.mark.parametrize("columns", [1, 2])
def test_few_columns(columns: int) -> None:
    """Tables of one or two columns work; with one column the value is exact."""
    rows, background = ROWS[:, :columns], BACKGROUND[:, :columns]

    def function(X: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(X).prod(axis=1), np.cos(X).sum(axis=1)], axis=1)

    owner = np.arange(columns)
    values, errors = estimated(game(function, background, owner), rows)
    expected = by_enumeration(function, rows, background, owner)
    assert (np.abs(values - expected) <= 6 * errors + 1e-12).all()
    if columns == 1:
        np.testing.assert_allclose(expected, values, atol=1e-13)


def test_deterministic() -> None:
    """The same seed gives the same bits; another seed gives other values."""
    one, other = (estimated(game(bent), seed=seed)[0] for seed in (7, 8))
    assert one.tobytes() == estimated(game(bent), seed=7)[0].tobytes()
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("cells", [1, 500, 2**20])
def test_a_row_does_not_depend_on_others(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    """The number of a row and the seed determine its values to the bit, whatever the other rows and the batches."""

    def enough(positions: np.ndarray, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        return np.asarray(errors.mean(axis=(1, 2)) < 0.05)

    whole = walk_values(game(bent), ROWS, range(100, 105), seed=0, enough=enough)
    monkeypatch.setattr(walks, "_BATCH_CELLS", cells)
    for chosen in ([3], [4, 1], [0, 1, 2, 3, 4]):
        some = walk_values(game(bent), ROWS[chosen], [100 + i for i in chosen], seed=0, enough=enough)
        for expected, found in zip(whole, some, strict=True):
            assert expected[chosen].tobytes() == found.tobytes()


def test_walks_until_enough() -> None:
    """Walks are doubled for the rows whose errors are too large, up to 512 pairs."""
    asked = []

    def enough(positions: np.ndarray, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        asked.append(positions.tolist())
        return positions != 2

    walk_values(game(bent), ROWS, range(5), seed=0, enough=enough)
    assert [[0, 1, 2, 3, 4], *[[2]] * 5] == asked


@pytest.mark.parametrize(("equal", "expected"), [(0, 6), (1, 4), (2, 2), (3, 0), (4, 0)])
def test_number_of_calls(equal: int, expected: int) -> None:
    """Each pair of walks costs a row of the function per differing column and direction, but for the last one."""
    background, counts = BACKGROUND.copy(), []
    background[:, :equal] = ROWS[0, :equal]

    def function(X: np.ndarray) -> np.ndarray:
        counts.append(len(X))
        return bent(X)

    estimated(game(function, background), ROWS[:1])
    assert len(BACKGROUND) + 1 + MIN_PAIRS * expected == sum(counts)
