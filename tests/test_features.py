"""The input of the first layer: binned and embedded numbers, one-hot categories."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from veritable.models.features import Features, find_bins

DRAW = np.random.default_rng(0)
NUMBER = st.floats(-1e6, 1e6, width=32)  # the encoder clips numbers that are farther away


@st.composite
def encoded_tables(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    """Return encoded rows with the cardinality of each column, as `Encoder` does."""
    rows, columns, cardinalities = draw(st.integers(1, 40)), [], []
    for _ in range(draw(st.integers(1, 4))):
        codes = draw(st.sampled_from([0, 0, 2, 5]))
        few = draw(st.lists(st.integers(0, codes - 1) if codes else NUMBER, min_size=1, max_size=rows))
        columns.append(draw(st.lists(st.sampled_from(few), min_size=rows, max_size=rows)))
        cardinalities.append(codes)
    return np.array(columns, dtype=np.float32).T, cardinalities


def randomised(features: Features) -> Features:
    """Set random weights, because those of the bins are 0 at first."""
    with torch.no_grad():
        for weight in features.parameters():
            weight.normal_()
    return features


class TestBins:
    @given(encoded_tables(), st.integers(2, 20))
    def test_edges(self, table: tuple[np.ndarray, list[int]], bins: int) -> None:
        """The bin edges of a number are some of its values, from the minimum to the maximum, at most n_bins + 1."""
        X, cardinalities = table
        for column, codes, edges in zip(X.T, cardinalities, find_bins(X, cardinalities, bins, 0), strict=True):
            values = np.unique(column)
            if codes or len(values) < 3:
                assert [] == edges
                continue
            assert edges == [] or 3 <= len(edges) <= bins + 1
            assert set(edges) <= set(values.tolist())
            assert edges == sorted(set(edges))
            assert edges == [] or [0, 0] == pytest.approx([edges[0] - values[0], edges[-1] - values[-1]], abs=1e-5)

    @pytest.mark.parametrize("cardinality", [1, 2, 9])
    def test_categories_have_none(self, cardinality: int) -> None:
        """A category has no bins."""
        assert [[]] == find_bins(DRAW.integers(0, cardinality, (100, 1)).astype(np.float32), [cardinality], 8, 0)

    def test_numbers_of_two_values_have_none(self) -> None:
        """A number with at most two values has no bins; one with three has."""
        X = np.stack([np.ones(99), np.arange(99) % 2, np.arange(99) % 3], axis=1).astype(np.float32)
        assert [[], [], [0, 1, 2]] == find_bins(X, [0, 0, 0], 8, 0)

    def test_equal_shares(self) -> None:
        """If all values are distinct, every bin holds about the same number of rows."""
        X = np.unique(DRAW.lognormal(size=10_000).astype(np.float32))[:, None]
        (edges,) = find_bins(DRAW.permutation(X), [0], 20, 0)
        counts, _ = np.histogram(X, edges)
        assert counts.max() < 1.1 * len(X) / (len(edges) - 1)
        assert 11 <= len(edges)

    @pytest.mark.parametrize("share", [0.9, 0.95, 0.99])
    def test_bins_of_the_rest(self, share: float) -> None:
        """A number that is almost always the same has half of its bins among the other values."""
        X = np.where(DRAW.random(10_000) < share, 0, DRAW.exponential(size=10_000))[:, None].astype(np.float32)
        (edges,) = find_bins(X, [0], 48, 0)
        assert sum(edge > 0 for edge in edges) >= 24

    def test_more_bins_are_finer(self) -> None:
        """More bins have more edges."""
        X = DRAW.normal(size=(1000, 1)).astype(np.float32)
        sizes = [len(find_bins(X, [0], bins, 0)[0]) for bins in (2, 8, 48, 200)]
        assert sizes == sorted(set(sizes))

    def test_many_rows(self) -> None:
        """With many rows, a seeded sample is used."""
        X = DRAW.normal(size=(200_001, 1)).astype(np.float32)
        one, two, other = (find_bins(X, [0], 48, seed) for seed in (1, 1, 2))
        assert one == two
        assert one != other
        np.testing.assert_allclose(np.quantile(X, 0.5), np.median(one[0]), atol=0.05)


class TestFeatures:
    @settings(deadline=None)
    @given(encoded_tables(), st.integers(2, 9), st.integers(1, 20), st.randoms(use_true_random=False))
    def test_any_table(self, table: tuple[np.ndarray, list[int]], bins: int, embedding: int, random: object) -> None:
        """Every table becomes a multiple of 16 columns, all finite, also for rows far away."""
        X, cardinalities = table
        features = randomised(Features(cardinalities, find_bins(X, cardinalities, bins, 0), embedding))
        assert 0 == features.out_features % 16
        assert features.out_features == sum(features.chunks)
        far = np.where(np.array(cardinalities) > 0, 0, 1e6 * np.array([[1], [-1]])).astype(np.float32)
        wide = features(torch.from_numpy(np.concatenate([X, far])))
        assert (len(X) + 2, features.out_features) == wide.shape
        assert torch.isfinite(wide).all()

    @pytest.mark.parametrize("gap", [1e-45, 1e-40, 1e-36, 1e-20])
    def test_values_next_to_each_other(self, gap: float) -> None:
        """Values that are nearly equal give finite outputs, near them and far away."""
        for values in ([-1, 0, gap, 1], [0, gap, 1, 2], [-1, -0.5, 0, gap]):
            X = np.array(values * 5, dtype=np.float32)[:, None]
            features = randomised(Features([0], find_bins(X, [0], 8, 0), 4))
            assert torch.isfinite(features(torch.from_numpy(np.append(X, [[1e6], [-1e6]], axis=0).astype(np.float32)))).all()

    @given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 12), st.randoms(use_true_random=False))
    def test_categories_like_scikit_learn(self, cardinalities: list[int], rows: int, random: object) -> None:
        """Codes become the columns of OneHotEncoder without that of code 0; the padding is 0."""
        codes = np.array([[random.randrange(n) for n in cardinalities] for _ in range(rows)])  # type: ignore[attr-defined]
        encoder = OneHotEncoder(
            categories=[range(n) for n in cardinalities], drop=[0] * len(cardinalities), sparse_output=False
        )
        expected = encoder.fit_transform(codes)
        wide = Features(cardinalities, [[] for _ in cardinalities], 4)(torch.from_numpy(codes).float())
        np.testing.assert_array_equal(expected, wide[:, : expected.shape[1]])
        assert not wide[:, expected.shape[1] :].any()

    def test_unseen_level(self) -> None:
        """A level that train lacks is all zeros."""
        features = Features([0, 4], [[-1.0, 0.0, 1.0], []], 4)
        wide = features(torch.tensor([[0.3, 0.0], [0.3, 2.0]]))
        assert [0, 0, 0] == wide[0, 4:7].tolist()
        assert [0, 1, 0] == wide[1, 4:7].tolist()
        assert torch.equal(wide[0, :4], wide[1, :4])
        assert wide[:, :4].all()

    def test_numbers_without_bins_pass(self) -> None:
        """A number without bins is passed unchanged, behind the embedded ones."""
        features = Features([0, 0], [[], [-1.0, 0.0, 1.0]], 4)
        assert [-1e6, 3.5] == features(torch.tensor([[-1e6, 0.3], [3.5, 0.3]]))[:, 4].tolist()

    def test_each_number_has_its_own_bins(self) -> None:
        """The embedding of a number bends at the edges of its bins and nowhere else."""
        bins = [[-2.0, -1.0, 4.0], [], [-1.0, 0.0, 1.0, 3.0]]
        features = randomised(Features([0, 3, 0], bins, 5)).double()
        for column, at in ((0, 0), (2, 5)):  # where its outputs begin
            row = torch.zeros(1, 3, dtype=torch.float64)

            def embedded(value: float, row: torch.Tensor = row, column: int = column, at: int = at) -> np.ndarray:
                row[0, column] = value
                return features(row)[0, at : at + 5].detach().numpy()

            *inner, last = bins[column]
            pieces = [(inner[0] - 7, inner[0]), *zip(inner, [*inner[1:], last], strict=True), (last, last + 7)]
            for left, right in pieces:
                middle = (embedded(left) + embedded(right)) / 2
                np.testing.assert_allclose(middle, embedded((left + right) / 2), atol=1e-12)
            for edge in bins[column][1:-1]:
                assert np.abs((embedded(edge - 0.1) + embedded(edge + 0.1)) / 2 - embedded(edge)).min() > 1e-6

    def test_linear_at_first(self) -> None:
        """Before training, the embedding is linear."""
        features = Features([0], [[-2.0, -1.0, 4.0]], 6).double()
        at = features(torch.tensor([[-9.0], [0.5], [10.0]], dtype=torch.float64))
        torch.testing.assert_close((at[0] + at[2]) / 2, at[1])

    def test_gradients_reach_every_weight(self) -> None:
        """Gradients reach every weight."""
        features = Features([0, 3, 0], [[-2.0, -1.0, 4.0], [], [-1.0, 0.0, 1.0, 3.0]], 5)
        features(torch.tensor([[-1.5, 1.0, 2.0], [1.0, 2.0, 0.5], [3.9, 2.0, -0.5]])).square().sum().backward()
        assert [] == [name for name, weight in features.named_parameters() if weight.grad is None or not weight.grad.any()]

    @pytest.mark.parametrize("cardinalities", [[1], [1, 1]], ids=str)
    def test_nothing_to_see(self, cardinalities: list[int]) -> None:
        """Categories without any level are zeros, and a layer can follow."""
        features = Features(cardinalities, [[] for _ in cardinalities], 4)
        assert not features(torch.zeros(3, len(cardinalities))).any()
        assert (3, 2) == nn.Linear(features.out_features, 2)(features(torch.zeros(3, len(cardinalities)))).shape
