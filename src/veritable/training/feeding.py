"""Chunks of batches, cut from tensors that are already on the device: no collating of rows, no worker processes."""

from collections.abc import Iterator

import torch
from torch import Tensor

from veritable.errors import UserError
from veritable.tables.encoding.parts import Part

CHUNK_BATCHES = 64  # batches per chunk: Lightning's work around a chunk is then a few per cent of the work inside


class Chunks:
    """One epoch of (X, y) or (X, y, weight), cut into chunks of batches; shuffled by `seed` unless it is None.

    Every iteration yields the same order: Lightning iterates once over a resumed epoch and twice over others.

    Shape: X (rows, width), y (rows,), weight (rows,)
    """

    def __init__(self, X: Tensor, y: Tensor, weight: Tensor | None, batch_size: int, seed: int | None = None):
        self.columns: tuple[Tensor, ...] = (X, y) if weight is None else (X, y, weight)
        self.batch_size, self.seed = batch_size, seed

    @property
    def n_batches(self) -> int:
        """Number of batches per epoch."""
        return -(-len(self.columns[1]) // self.batch_size)

    def __len__(self) -> int:
        return -(-self.n_batches // CHUNK_BATCHES)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        rows, y = self.batch_size * CHUNK_BATCHES, self.columns[1]
        if self.seed is None:
            yield from zip(*(torch.split(column, rows) for column in self.columns), strict=True)
            return
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(self.seed)).to(y.device)
        for places in torch.split(order, rows):
            yield tuple(column[places] for column in self.columns)


class RowsInMemory:
    """The rows of a part whose weight is not 0, in memory. The weights are scaled to a mean of 1.

    Raises
    ------
    UserError
        All weights are 0.
    """

    def __init__(self, part: Part):
        self.X, self.y, self.weight = torch.from_numpy(part.X), torch.from_numpy(part.y), None
        if part.weight is not None:
            weight = torch.from_numpy(part.weight)
            weighty = weight > 0
            if not weighty.any():
                raise no_weight(len(weight))
            if not weighty.all():  # otherwise the copy is not needed
                self.X, self.y, weight = self.X[weighty], self.y[weighty], weight[weighty]
            self.weight = weight / weight.mean()

    def __len__(self) -> int:
        return len(self.y)

    def class_masses(self, n_classes: int) -> Tensor:
        """Return the total weight of each class. Shape: (n_classes,)"""
        return torch.bincount(self.y, self.weight, minlength=n_classes)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the rows to a device."""
        self.X, self.y = self.X.to(device, dtype), self.y.to(device)
        self.weight = None if self.weight is None else self.weight.to(device, dtype)

    def chunks(self, batch_size: int, seed: int | None = None) -> Chunks:
        """Return one epoch, shuffled by a seed."""
        return Chunks(self.X, self.y, self.weight, batch_size, seed)


def no_weight(n_rows: int) -> UserError:
    """Return the error for a part whose weights are all 0."""
    return UserError(
        f"some row of a part must have a weight above 0, but the weights of all {n_rows:,} rows are 0. Check the column "
        "data.weight."
    )
