"""Batches cut from tensors that already lie on the device: no per-row collating, no workers."""

from collections.abc import Iterator

import torch
from torch import Tensor


class Batches:
    """One epoch of (X, y) batches, in the order that `seed` deals the rows in, or as they stand.

    However often it is walked, the order is the same: Lightning walks a resumed epoch once and others twice.

    Shape: X (rows, width), y (rows,)
    """

    def __init__(self, X: Tensor, y: Tensor, batch_size: int, seed: int | None = None):
        self.X, self.y, self.batch_size, self.seed = X, y, batch_size, seed

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        X, y = self.X, self.y
        if self.seed is not None:
            order = torch.randperm(len(y), generator=torch.Generator().manual_seed(self.seed)).to(y.device)
            X, y = X[order], y[order]  # one gather an epoch, then views
        return zip(torch.split(X, self.batch_size), torch.split(y, self.batch_size), strict=True)
