"""Blocks of rows cut from tensors that already lie on the device: no per-row collating, no workers."""

from collections.abc import Iterator

import torch
from torch import Tensor

from veritable.errors import UserError
from veritable.tables.encoding.parts import Part

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


class Held:
    """The rows of a part that have a weight, in memory; weights are 1 on average."""

    def __init__(self, part: Part):
        self.X, self.y, self.weight = torch.from_numpy(part.X), torch.from_numpy(part.y), None
        if part.weight is not None:
            weight = torch.from_numpy(part.weight)
            weighty = weight > 0
            if not weighty.any():
                raise no_weight(len(weight))
            if not weighty.all():  # else a copy for nothing
                self.X, self.y, weight = self.X[weighty], self.y[weighty], weight[weighty]
            self.weight = weight / weight.mean()

    def __len__(self) -> int:
        return len(self.y)

    def masses(self, n_classes: int) -> Tensor:
        """How much the rows of each class weigh together. Shape: (n_classes,)"""
        return torch.bincount(self.y, self.weight, minlength=n_classes)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move them."""
        self.X, self.y = self.X.to(device, dtype), self.y.to(device)
        self.weight = None if self.weight is None else self.weight.to(device, dtype)

    def blocks(self, batch_size: int, seed: int | None = None) -> Blocks:
        """One epoch, shuffled by a seed."""
        return Blocks(self.X, self.y, self.weight, batch_size, seed)


def no_weight(rows: int) -> UserError:
    """The error that all weights are 0."""
    return UserError(
        f"some row of a part must have a weight above 0, however all {rows:,} weigh 0. "
        "Check the column that data.weight names in params.yaml."
    )
