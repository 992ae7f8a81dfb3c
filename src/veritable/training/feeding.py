"""Batches cut from tensors that already lie on the device: no per-row collating, no workers."""

from collections.abc import Iterator

import torch
from torch import Tensor


class Batches:
    """One epoch of (X, y) batches, in the order that `seed` deals the rows in, or as they stand.

    With weights, of (X, y, weight) batches. However often it is walked, the order is the same: Lightning walks a resumed epoch
    once and others twice.

    Shape: X (rows, width), y (rows,), weight (rows,)
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None, batch_size: int, seed: int | None = None):
        self.columns: tuple[Tensor, ...] = (X, y) if weight is None else (X, y, weight)
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        return -(-len(self.columns[1]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        columns = self.columns
        if self.seed is not None:
            y = columns[1]
            order = torch.randperm(len(y), generator=torch.Generator().manual_seed(self.seed)).to(y.device)
            columns = tuple(column[order] for column in columns)  # one gather an epoch, then views
        return zip(*(torch.split(column, self.batch_size) for column in columns), strict=True)
