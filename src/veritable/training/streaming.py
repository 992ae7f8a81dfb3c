"""Tables larger than memory: a part that is too large for `train.memory_gib` is fed to the network from its shards.

An epoch is dealt into pools. The shards are cut into runs of row groups, these are sorted by their place in their shard, and of
as many neighbours as there are pools each pool gets one, drawn by the seed: in a shard rows stand in the order of the table, so
that a table sorted by class or by time is fed as well mixed as another. A pool is shuffled, and cut into blocks while the next
is read.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veritable.errors import UserError
from veritable.tables.encoding.parts import CLASS, WEIGHT, Part, Run, Shards, read_part
from veritable.tables.reading.source import prefetch
from veritable.training import feeding
from veritable.training.feeding import no_weight
from veritable.training.params import TrainParams

_TRAIN, _VALID = 0.75, 0.25  # of the memory, where not both parts fit
_BLOCKS = 3  # at once, at most: one that is trained on, one that is cut, one that was not yet let go
_BLOCK = 1 / 16  # of the memory, at most
_RUN_ROWS = 2**16  # that are read in one go, about: to open a shard costs as much as to read a thousand rows
_RUNS = 16  # in a pool, at least
_CLASS_BYTES = 48  # that predictions take of a row for each class: of networks, of trees, mixed and tempered


def open_parts(train: Path, valid: Path, params: TrainParams, n_classes: int) -> tuple[Part | Shards, Part | Shards]:
    """The two parts, each in memory where `train.memory_gib` suffices for it, else on disk with a share of that memory."""
    memory = int(params.memory_gib * 2**30)
    parts = [Shards(train, int(_TRAIN * memory)), Shards(valid, int(_VALID * memory))]
    whole = sum(len(part) * _row_bytes(part, params, n_classes) for part in parts) <= memory
    read = (whole or len(part) <= _most_rows(part, params, n_classes) for part in parts)
    opened = [read_part(folder) if own else part for part, folder, own in zip(parts, (train, valid), read, strict=True)]
    return opened[0], opened[1]


def in_memory(part: Part | Shards, params: TrainParams, n_classes: int, most_rows: int | None = None) -> Part:
    """The part itself or, of one on disk, a fair sample that its share of the memory suffices for; deterministic."""
    if isinstance(part, Part):
        return part
    fits = _most_rows(part, params, n_classes)
    return part.sample(fits if most_rows is None else min(most_rows, fits), params.seed)


def describe(train: Part | Shards, valid: Part | Shards, params: TrainParams, n_classes: int) -> str:
    """Which parts are streamed, and of how many rows the rest is made; empty where both are in memory."""
    lines = []
    uses = {"train": "trees fitted", "valid": "blend, temperature and threshold chosen"}
    for (name, use), part in zip(uses.items(), (train, valid), strict=True):
        if isinstance(part, Shards):
            some = min(len(part), _most_rows(part, params, n_classes))
            use = f"; {use} on {some:,} of them" if name == "valid" or params.trees.n_models else ""
            files = f"{len(part.files):,} shard{'s' * (len(part.files) > 1)}"
            lines.append(f"Streaming {len(part):,} {name} rows from {files} (train.memory_gib: {params.memory_gib:g}){use}.")
    return "\n".join(lines)


def _row_bytes(part: Shards, params: TrainParams, n_classes: int) -> int:
    """What a row takes in memory: X, its number, class, weight and place in the order, and what is made of them."""
    weighty = part.weighted * (8 + 4 * part.width)  # rows of weight 0 are left out of a second copy
    double = 8 * part.width * (params.precision == "64-true")
    bins = 2 * part.width * bool(params.trees.n_models)  # the trees' own form of X
    return 4 * part.width + 24 + weighty + double + bins + _CLASS_BYTES * n_classes


def _most_rows(part: Shards, params: TrainParams, n_classes: int) -> int:
    return max(1, part.held_bytes // _row_bytes(part, params, n_classes))


class Streamed:
    """Rows on disk, as `feeding.Held` has them in memory."""

    def __init__(self, shards: Shards):
        self.shards = shards
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def __len__(self) -> int:
        return self._facts[0] if self.shards.weighted else len(self.shards)

    def masses(self, n_classes: int) -> Tensor:
        """How much the rows of each class weigh together. Shape: (n_classes,)"""
        found = self._facts[2]
        return torch.from_numpy(np.pad(found, (0, n_classes - len(found))))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Where blocks are to lie."""
        self.device, self.dtype = device, dtype

    def blocks(self, batch_size: int, seed: int | None = None) -> "StreamedBlocks":
        """One epoch, shuffled by a seed."""
        return StreamedBlocks(self, batch_size, seed)

    @property
    def mean(self) -> float:
        """Weight of the rows that have any."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> tuple[int, float, np.ndarray]:
        """Rows above weight 0, their mean weight, and the mass of each class, by a pass over these columns alone."""
        rows, masses = 0, np.zeros(1)
        for y, weight in self.shards.targets():
            rows += len(y) if weight is None else int(np.count_nonzero(weight))
            own = np.bincount(y, weight, minlength=len(masses)).astype(np.float64)
            own[: len(masses)] += masses
            masses = own
        if not rows:
            raise no_weight(len(self.shards))
        return rows, float(masses.sum() / rows), masses


class StreamedBlocks:
    """One epoch in blocks of so many batches, as `feeding.Blocks` cuts them. However often walked, the order is the same.

    In memory at once, of the part's share: two pools and `_BLOCKS` blocks.
    """

    def __init__(self, streamed: Streamed, batch_size: int, seed: int | None):
        self.streamed, self.seed = streamed, seed
        shards, rows = streamed.shards, len(streamed.shards)
        row_bytes = 4 * shards.width + 16 + 24 * shards.weighted  # with class, weight and place in the order
        block_row_bytes = streamed.dtype.itemsize * (shards.width + shards.weighted) + 16
        steps = int(_BLOCK * shards.held_bytes) // (batch_size * block_row_bytes)
        self.block_rows = batch_size * min(feeding.STEPS, max(1, steps))
        block = min(self.block_rows, rows)
        room = (shards.held_bytes - _BLOCKS * block * block_row_bytes) // (2 * row_bytes) - block  # for what a pool reads
        runs = sorted(shards.runs(max(1, min(_RUN_ROWS, room // _RUNS))), key=lambda run: run.place)
        largest = max(run.rows for run in runs)
        if largest > room:
            needed = 2 * row_bytes * (largest + block) + _BLOCKS * block * block_row_bytes
            raise UserError(
                f"a part's share of 'train.memory_gib' must have room for a row group of {largest:,} rows and a batch, each "
                f"twice, {needed / 2**20:,.0f} MiB, however it is {shards.held_bytes / 2**20:,.0f} MiB. Raise it "
                f"{needed / shards.held_bytes:.1f} times in params.yaml, or lower the batch size."
            )
        self.runs, sizes = runs, np.array([run.rows for run in runs])
        self.pools = -(-rows // room)
        while (most := _largest_pool(sizes, self.pools)) > room:
            self.pools += 1
        self.pool_rows = most + block

    def __len__(self) -> int:
        return -(-len(self.streamed) // self.block_rows)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        device, dtype = self.streamed.device, self.streamed.dtype
        for (X, y, *weight), order in prefetch(self._filled()):
            for own in torch.split(order, self.block_rows) if len(order) else ():
                yield X[own].to(device, dtype), y[own].to(device), *(column[own].to(device, dtype) for column in weight)

    def _filled(self) -> Iterator[tuple[list[Tensor], Tensor]]:
        """The pools' columns, and which of their rows come in which order: whole blocks, what is left goes into the next."""
        shards, generator = self.streamed.shards, torch.Generator().manual_seed(self.seed or 0)
        buffers, before, left = cycle([self._buffer(), self._buffer()]), list[Tensor](), torch.empty(0, dtype=torch.long)
        for pool in range(self.pools):
            runs, columns, n = self._dealt(pool), next(buffers), len(left)
            for column, old in zip(columns, before, strict=False):
                column[:n] = old[left]
            stop = n + sum(run.rows for run in runs)
            X, y, *weight = (column[n:stop].numpy() for column in columns)
            shards.read(runs, X, {CLASS: y} | ({WEIGHT: weight[0]} if weight else {}))
            order = torch.arange(stop)
            if weight:
                weight[0] /= self.streamed.mean
                order = torch.nonzero(columns[2][:stop]).flatten()
            if self.seed is not None:
                order = order[torch.randperm(len(order), generator=generator)]
            whole = len(order) if pool + 1 == self.pools else len(order) - len(order) % self.block_rows
            before, left = columns, order[whole:]
            yield columns, order[:whole]  # also where it has no whole block: the buffer after next is the one worked on now

    def _buffer(self) -> list[Tensor]:
        shards, n = self.streamed.shards, self.pool_rows
        X, y = torch.empty((n, shards.width)), torch.empty(n, dtype=torch.long)
        return [X, y, *([torch.empty(n, dtype=torch.float64)] if shards.weighted else [])]

    def _dealt(self, pool: int) -> list[Run]:
        """The runs of a pool, those of a shard together."""
        places = np.arange(len(self.runs))
        drawn = np.random.default_rng(self.seed).random(len(places)) if self.seed is not None else places
        order = np.lexsort((drawn, places // self.pools))
        return sorted((self.runs[i] for i in order[pool :: self.pools]), key=lambda run: (run.shard, run.groups.start))


def _largest_pool(sizes: np.ndarray, pools: int) -> int:
    """Rows of a pool that gets the largest of as many neighbours as there are pools, each time."""
    return int(np.maximum.reduceat(sizes, np.arange(0, len(sizes), pools)).sum())
