"""Blocks of rows cut from tensors that already lie on the device: no per-row collating, no workers."""

from collections.abc import Iterator

import torch
from torch import Tensor

STEPS = 64  # batches in a block: what Lightning does around each block is then a few per cent of the work inside


class Blocks:
    """One epoch of (X, y) or, with weights, (X, y, weight) in blocks of so many batches, dealt by `seed` or as they stand.

    However often it is walked, the order is the same: Lightning walks a resumed epoch once and others twice.

    Shape: X (rows, width), y (rows,), weight (rows,)
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None, batch_size: int, seed: int | None = None):
        self.columns: tuple[Tensor, ...] = (X, y) if weight is None else (X, y, weight)
        self.batch_size, self.seed = batch_size, seed

    @property
    def batches(self) -> int:
        """In an epoch."""
        return -(-len(self.columns[1]) // self.batch_size)

    def __len__(self) -> int:
        return -(-self.batches // STEPS)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        rows, y = self.batch_size * STEPS, self.columns[1]
        if self.seed is None:
            yield from zip(*(torch.split(column, rows) for column in self.columns), strict=True)
            return
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(self.seed)).to(y.device)
        for own in torch.split(order, rows):
            yield tuple(column[own] for column in self.columns)
