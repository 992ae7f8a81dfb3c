"""From encoded rows to the input of the first layer: embedded numbers and one-hot categories."""

from collections.abc import Sequence

import numpy as np
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.mlp import ALIGNMENT, OneHot

Bins = list[list[float]]
MIN_BIN_WIDTH = 1e-6  # the slope of a narrower bin would overflow
_DECIMALS = 5  # of a bin edge, in standard deviations
_MAX_ROWS = 200_000  # enough for quantiles


class Features(nn.Module):
    """Piecewise-linear embeddings of numbers (version B of TabM) and one-hot categories, padded with zeros.

    Gorishniy et al. 2022, "On embeddings for numerical features in tabular deep learning". An unseen level becomes all zeros.

    Shape: (n, width) -> (n, out_features)

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    bins
        Bin edges of each encoded column; a column without edges is not embedded. Shape: (width,)
    d_embedding
        Units of the embedding of a number.
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
        self.padding = -sum(chunks) % ALIGNMENT if any(chunks) else ALIGNMENT
        self.chunks = [each for each in (*chunks, self.padding) if each]  # output columns per encoded column
        self.out_features = sum(self.chunks)

    @property
    def column(self) -> np.ndarray:
        """Encoded column of each output column, -1 for padding. Shape: (out_features,)"""
        plain = self.plain[self.one_hot.column].tolist() if len(self.plain) else []
        binned = np.repeat(self.binned.numpy(), self.d_embedding)
        return np.concatenate([binned, np.array(plain, dtype=np.int64), np.full(self.padding, -1)])

    def forward(self, X: Tensor) -> Tensor:
        pieces = [] if self.numbers is None else [self._embed(self.numbers, X[:, self.binned]).flatten(1)]
        if len(self.plain):
            pieces.append(self.one_hot(X[:, self.plain]))
        return functional.pad(torch.cat(pieces, dim=1), (0, self.padding))

    def _embed(self, embeddings: PiecewiseLinearEmbeddings, numbers: Tensor) -> Tensor:
        """Embed numbers, in evaluation mode with padding. Shape: (n, columns) -> (n, columns, d_embedding)"""
        if self.training:
            return embeddings(numbers)  # type: ignore[no-any-return]
        steps, weight = embeddings.impl(numbers), embeddings.linear.weight
        bins, wide = (-size % ALIGNMENT for size in weight.shape[1:])
        curves = functional.pad(steps, (0, bins)).transpose(0, 1) @ functional.pad(weight, (0, wide, 0, bins))
        return embeddings.linear0(numbers) + curves.transpose(0, 1)[..., : weight.shape[-1]]  # type: ignore[no-any-return]


def find_bins(X: np.ndarray, cardinalities: Sequence[int], n_bins: int, seed: int) -> Bins:
    """Find the bin edges of each number; categories and numbers with at most two values have none.

    The edges are quantiles of the rows. If many quantiles are equal, as in a column that is mostly 0, the remaining edges are
    quantiles of the distinct values.

    Shape: X (rows, width) -> (width,), each with 0 or 3 to n_bins + 1 edges
    """
    found: Bins = [[] for _ in cardinalities]
    if len(X) > _MAX_ROWS:
        X = X[np.sort(np.random.default_rng(seed).choice(len(X), _MAX_ROWS, replace=False))]
    for i, codes in enumerate(cardinalities):
        if codes:
            continue
        values = np.unique(X[:, i])
        edges = np.unique(np.quantile(X[:, i], np.linspace(0, 1, n_bins + 1), method="nearest"))
        remaining = n_bins + 1 - len(edges)
        more = np.quantile(values, np.linspace(0, 1, remaining + 2)[1:-1], method="nearest")
        edges = np.unique(np.concatenate([edges, more]))
        edges = edges[np.unique(edges.round(_DECIMALS), return_index=True)[1]]
        if len(edges) > 2:
            found[i] = edges.tolist()
    return found
