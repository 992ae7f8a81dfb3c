"""Encoded rows to what a network's first layer takes: embedded numbers, categories as one column a level."""

from collections.abc import Sequence

import numpy as np
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.mlp import OneHot

Bins = list[list[float]]
_DECIMALS = 5  # of an edge, in standard deviations
NARROWEST = 1e-6  # bin: the steepness of a narrower one would not be finite
_ALIGNED = 16  # see networks.mlp.Linear: only rows of such a length have bits that do not hang on where they stand


class Features(nn.Module):
    """Numbers through piecewise-linear embeddings (Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep
    learning"; version B of TabM), categories one-hot, a level that was not seen as all zeros; filled up with zeros.

    Shape: (n, width) -> (n, out_features)

    Parameters
    ----------
    cardinalities
        Of each encoded column the number of its codes, 0 for a number (`Encoder.cardinalities`).
    bins
        Of each number that is cut into bins their edges; one without is taken as it is. Shape: (width,)
    d_embedding
        Columns that a number becomes.
    """

    def __init__(self, cardinalities: Sequence[int], bins: Bins, d_embedding: int):
        super().__init__()
        binned = [i for i, edges in enumerate(bins) if edges]
        plain = [i for i, edges in enumerate(bins) if not edges]
        self.binned: Tensor
        self.plain: Tensor
        self.register_buffer("binned", torch.tensor(binned, dtype=torch.long), persistent=False)
        self.register_buffer("plain", torch.tensor(plain, dtype=torch.long), persistent=False)
        self.one_hot = OneHot([cardinalities[i] for i in plain])
        edges = [torch.tensor(bins[i], dtype=torch.float32) for i in binned]
        self.numbers = PiecewiseLinearEmbeddings(edges, d_embedding, activation=False, version="B") if edges else None
        chunks = [d_embedding] * len(binned) + [cardinalities[i] - 1 if cardinalities[i] else 1 for i in plain]
        self.d_embedding = d_embedding
        self.gap = -sum(chunks) % _ALIGNED if any(chunks) else _ALIGNED
        self.chunks = [each for each in (*chunks, self.gap) if each]  # how many columns each has become
        self.out_features = sum(self.chunks)

    def forward(self, X: Tensor) -> Tensor:
        pieces = [] if self.numbers is None else [self._embed(self.numbers, X[:, self.binned]).flatten(1)]
        if len(self.plain):
            pieces.append(self.one_hot(X[:, self.plain]))
        return functional.pad(torch.cat(pieces, dim=1), (0, self.gap))

    def _embed(self, embeddings: PiecewiseLinearEmbeddings, numbers: Tensor) -> Tensor:
        """Once it is trained, with bins and embedding filled up too. Shape: (n, columns) -> (n, columns, embedding)"""
        if self.training:
            return embeddings(numbers)  # type: ignore[no-any-return]
        steps, weight = embeddings.impl(numbers), embeddings.linear.weight
        bins, wide = (-size % _ALIGNED for size in weight.shape[1:])
        curves = functional.pad(steps, (0, bins)).transpose(0, 1) @ functional.pad(weight, (0, wide, 0, bins))
        return embeddings.linear0(numbers) + curves.transpose(0, 1)[..., : weight.shape[-1]]  # type: ignore[no-any-return]


def find_bins(X: np.ndarray, cardinalities: Sequence[int], n_bins: int, seed: int) -> Bins:
    """Edges of the bins of each number; none of a category, or of a number with two values or fewer.

    They lie at the quantiles of the train part's rows; where many of these fall together, as in a column that is nearly always
    0, the bins that are saved lie at the quantiles of its distinct values.

    Shape: X (rows, width) -> (width,), each of 0 or of 3 to n_bins + 1 edges
    """
    found: Bins = [[] for _ in cardinalities]
    most = 200_000  # rows suffice for quantiles
    if len(X) > most:
        X = X[np.sort(np.random.default_rng(seed).choice(len(X), most, replace=False))]
    for i, codes in enumerate(cardinalities):
        if codes:
            continue
        values = np.unique(X[:, i])
        edges = np.unique(np.quantile(X[:, i], np.linspace(0, 1, n_bins + 1), method="nearest"))
        room = n_bins + 1 - len(edges)
        more = np.quantile(values, np.linspace(0, 1, room + 2)[1:-1], method="nearest")
        edges = np.unique(np.concatenate([edges, more]))
        edges = edges[np.unique(edges.round(_DECIMALS), return_index=True)[1]]
        if len(edges) > 2:
            found[i] = edges.tolist()
    return found
