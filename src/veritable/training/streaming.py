"""Stream parts that do not fit in memory from their shards.

An epoch is divided into pools. The row groups of the shards are merged into runs, and the runs are sorted by their relative
position in their shard. Of each group of consecutive runs with as many runs as there are pools, every pool gets one, drawn with
the seed. The rows of a shard keep the order of the table, so a table that is sorted by class or time is mixed as well as any
other. Each pool is shuffled and cut into chunks while the next pool is read.
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
from veritable.training.plan import TrainPlan, max_rows, row_bytes

_MAX_CHUNKS = 3  # in memory at once: one that is trained on, one that is cut, one that is not yet released
_CHUNK_SHARE = 1 / 16  # maximum share of the part's memory for a chunk
_RUN_ROWS = 2**16  # target size of a run: opening a shard costs as much as reading a thousand rows
_MIN_POOL_RUNS = 16


def open_parts(train: Path, valid: Path, plan: TrainPlan) -> tuple[Part | Shards, Part | Shards]:
    """Open the folders of both parts: the streamed ones as shards with their memory, the others in memory."""
    folders = {"train": train, "valid": valid}
    opened = [
        Shards(folder, plan.part_bytes[name]) if name in plan.streamed else read_part(folder)
        for name, folder in folders.items()
    ]
    return opened[0], opened[1]


def in_memory(part: Part | Shards, plan: TrainPlan, n_classes: int, rows: int | None = None) -> Part:
    """Return a part in memory: of a streamed part, a sample that fits in its memory and has at most `rows` rows."""
    if isinstance(part, Part):
        return part
    fits = _max_rows(part, plan, n_classes)
    return part.sample(fits if rows is None else min(rows, fits), plan.seed)


def format_streaming(train: Part | Shards, valid: Part | Shards, plan: TrainPlan, n_classes: int) -> str:
    """Describe the streamed parts and the samples that stand in for them, a line each; empty if no part is streamed."""
    lines = []
    uses = {"train": "the other members are fitted", "valid": "weights and threshold are chosen"}
    for (name, use), part in zip(uses.items(), (train, valid), strict=True):
        if isinstance(part, Shards):
            sample = min(len(part), _max_rows(part, plan, n_classes))
            note = (
                f"; {use} on a sample of {sample:,} rows" if name == "valid" or plan.trees or plan.forest or plan.linear else ""
            )
            files = f"{len(part.files):,} shard{'s' * (len(part.files) > 1)}"
            lines.append(f"Streaming {len(part):,} {name} rows from {files} (train.memory_gib: {plan.memory_gib:g}){note}.")
    return "".join(f"{line}\n" for line in lines)


def _max_rows(part: Shards, plan: TrainPlan, n_classes: int) -> int:
    return max_rows(part.held_bytes, row_bytes(plan, width=part.width, weighted=part.weighted, n_classes=n_classes))


class RowsOnDisk:
    """The rows of a part on disk, with the interface of `feeding.RowsInMemory`."""

    def __init__(self, shards: Shards):
        self.shards = shards
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def __len__(self) -> int:
        return self._facts[0] if self.shards.weighted else len(self.shards)

    def class_masses(self, n_classes: int) -> Tensor:
        """Return the total weight of each class. Shape: (n_classes,)"""
        masses = self._facts[2]
        return torch.from_numpy(np.pad(masses, (0, n_classes - len(masses))))

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Set the device for the chunks."""
        self.device, self.dtype = device, dtype

    def chunks(self, batch_size: int, seed: int | None = None) -> "StreamedChunks":
        """Return one epoch, shuffled by a seed."""
        return StreamedChunks(self, batch_size, seed)

    @property
    def mean_weight(self) -> float:
        """Mean weight of the rows whose weight is not 0."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> tuple[int, float, np.ndarray]:
        """Number of rows whose weight is not 0, their mean weight, and the total weight of each class."""
        rows, masses = 0, np.zeros(1)
        for y, weight in self.shards.targets():
            rows += len(y) if weight is None else int(np.count_nonzero(weight))
            added = np.bincount(y, weight, minlength=len(masses)).astype(np.float64)
            added[: len(masses)] += masses
            masses = added
        if not rows:
            raise no_weight(len(self.shards))
        return rows, float(masses.sum() / rows), masses


class StreamedChunks:
    """One epoch of a part on disk, in the chunks that `feeding.Chunks` would cut. Every iteration yields the same order.

    Two pools and `_MAX_CHUNKS` chunks are in memory at once.

    Raises
    ------
    UserError
        The part's memory is too small for the largest row group and a batch.
    """

    def __init__(self, rows: RowsOnDisk, batch_size: int, seed: int | None):
        self.rows, self.seed = rows, seed
        shards, n_rows = rows.shards, len(rows.shards)
        row_size = 4 * shards.width + 16 + 24 * shards.weighted  # with class, weight and shuffled order
        chunk_row_size = rows.dtype.itemsize * (shards.width + shards.weighted) + 16
        n_batches = int(_CHUNK_SHARE * shards.held_bytes) // (batch_size * chunk_row_size)
        self.chunk_rows = batch_size * min(feeding.CHUNK_BATCHES, max(1, n_batches))
        chunk = min(self.chunk_rows, n_rows)
        room = (shards.held_bytes - _MAX_CHUNKS * chunk * chunk_row_size) // (2 * row_size) - chunk  # rows read per pool
        runs = sorted(shards.runs(max(1, min(_RUN_ROWS, room // _MIN_POOL_RUNS))), key=lambda run: run.place)
        largest = max(run.rows for run in runs)
        if largest > room:
            needed = 2 * row_size * (largest + chunk) + _MAX_CHUNKS * chunk * chunk_row_size
            raise UserError(
                f"the memory of a part must have room for two pools of at least one row group ({largest:,} rows) and a batch, "
                f"{needed / 2**20:,.0f} MiB, but is {shards.held_bytes / 2**20:,.0f} MiB. Increase train.memory_gib by a "
                f"factor of {needed / shards.held_bytes:.1f}, or decrease the batch size."
            )
        self.runs, sizes = runs, np.array([run.rows for run in runs])
        self.n_pools = -(-n_rows // room)
        while (largest_pool := _largest_pool(sizes, self.n_pools)) > room:
            self.n_pools += 1
        self.pool_rows = largest_pool + chunk

    def __len__(self) -> int:
        return -(-len(self.rows) // self.chunk_rows)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        device, dtype = self.rows.device, self.rows.dtype
        for (X, y, *weight), order in prefetch(self._pools()):
            for places in torch.split(order, self.chunk_rows) if len(order) else ():
                yield (
                    X[places].to(device, dtype),
                    y[places].to(device),
                    *(column[places].to(device, dtype) for column in weight),
                )

    def _pools(self) -> Iterator[tuple[list[Tensor], Tensor]]:
        """Yield the columns of each pool and the order of its rows: whole chunks; the remaining rows move to the next pool."""
        shards, generator = self.rows.shards, torch.Generator().manual_seed(self.seed or 0)
        buffers, before, left = cycle([self._buffer(), self._buffer()]), list[Tensor](), torch.empty(0, dtype=torch.long)
        for pool in range(self.n_pools):
            runs, columns, n = self._draw_runs(pool), next(buffers), len(left)
            for column, old in zip(columns, before, strict=False):
                column[:n] = old[left]
            stop = n + sum(run.rows for run in runs)
            X, y, *weight = (column[n:stop].numpy() for column in columns)
            shards.read(runs, X, {CLASS: y} | ({WEIGHT: weight[0]} if weight else {}))
            order = torch.arange(stop)
            if weight:
                weight[0] /= self.rows.mean_weight
                order = torch.nonzero(columns[2][:stop]).flatten()
            if self.seed is not None:
                order = order[torch.randperm(len(order), generator=generator)]
            whole = len(order) if pool + 1 == self.n_pools else len(order) - len(order) % self.chunk_rows
            before, left = columns, order[whole:]
            yield columns, order[:whole]  # even if empty: the consumer must release a buffer before it is filled again

    def _buffer(self) -> list[Tensor]:
        shards, n = self.rows.shards, self.pool_rows
        X, y = torch.empty((n, shards.width)), torch.empty(n, dtype=torch.long)
        return [X, y, *([torch.empty(n, dtype=torch.float64)] if shards.weighted else [])]

    def _draw_runs(self, pool: int) -> list[Run]:
        """Return the runs of a pool, sorted by shard."""
        places = np.arange(len(self.runs))
        drawn = np.random.default_rng(self.seed).random(len(places)) if self.seed is not None else places
        order = np.lexsort((drawn, places // self.n_pools))
        return sorted((self.runs[i] for i in order[pool :: self.n_pools]), key=lambda run: (run.shard, run.groups.start))


def _largest_pool(sizes: np.ndarray, n_pools: int) -> int:
    """Return the rows of a pool that gets the largest run of each group of `n_pools` consecutive runs."""
    return int(np.maximum.reduceat(sizes, np.arange(0, len(sizes), n_pools)).sum())
