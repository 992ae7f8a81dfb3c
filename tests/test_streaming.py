"""Streaming: parts that do not fit in memory are trained on in pools of shuffled row groups."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rooms import ROOT, mixed_table, numbers_part, prepared
from tests.test_fit import Killed, kill_in, network_of, same
from tests.training import inputs_of, train_plan
from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards, read_part
from veritable.tables.encoding.shards import ShardWriter
from veritable.training import feeding
from veritable.training.feeding import RowsInMemory
from veritable.training.fit import fit
from veritable.training.module import ClassifierModule
from veritable.training.plan import TableFacts, TrainPlan
from veritable.training.streaming import RowsOnDisk, format_streaming, in_memory, open_parts
from veritable.training.train import train_classifier

HELD = 50_000  # bytes: a few hundred rows with four columns
NOT_IN_MEMORY = 1e-6  # GiB


def written(folder: Path, part: Part, shards: int = 3, group_rows: int = 20, held_bytes: int = HELD) -> Shards:
    """Write a part to disk: row i to shard i % shards, in row groups of `group_rows` rows."""
    folder.mkdir(parents=True)
    width = part.X.shape[1]
    for shard in range(shards):
        path = folder / f"{shard:05d}.parquet"
        writer = ShardWriter(path, [f"x.{i}" for i in range(width)], coded=np.zeros(width, dtype=bool), group_rows=group_rows)
        rows = np.arange(shard, len(part), shards)
        for start in range(0, len(rows), group_rows):
            writer.write(part.take(rows[start : start + group_rows]))
        writer.close()
    return Shards(folder, held_bytes)


def numbered(rows: int, weighted: bool = False) -> Part:
    """Return numbered rows; with weights, every third row has weight 0."""
    number = np.arange(rows)
    weight = 0.5 * (number % 3) if weighted else None
    return Part(number, number, np.repeat(number[:, None], 4, axis=1).astype(np.float32), weight)


def fed(shards: Shards, batch_size: int, seed: int | None = None) -> list[tuple[torch.Tensor, ...]]:
    return list(RowsOnDisk(shards).chunks(batch_size, seed))


def order(shards: Shards, batch_size: int = 4, seed: int | None = 0) -> list[int]:
    return torch.cat([y for _, y, *_ in fed(shards, batch_size, seed)]).tolist()


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Restore the number of threads, which `fit` sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class TestEpoch:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        rows=st.integers(3, 900),
        batch_size=st.integers(1, 200),
        shards=st.integers(1, 3),
        group_rows=st.integers(1, 60),
        held_bytes=st.integers(60_000, 120_000),
        seed=st.none() | st.integers(0, 9),
        weighted=st.booleans(),
    )
    def test_each_row_once(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        rows: int,
        batch_size: int,
        seed: int | None,
        weighted: bool,
        **sizes: int,
    ) -> None:
        """An epoch has each row with weight once, with its X and weight; all batches but the last are full."""
        part = numbered(rows, weighted)
        streamed = RowsOnDisk(written(tmp_path_factory.mktemp("part") / "train", part, **sizes))
        blocks = streamed.chunks(batch_size, seed)
        found = list(blocks)
        assert len(blocks) == len(found)
        assert {blocks.chunk_rows} >= {len(y) for _, y, *_ in found[:-1]}
        assert 0 == blocks.chunk_rows % batch_size
        assert 0 < len(found[-1][1]) <= blocks.chunk_rows
        X, y, *weight = (torch.cat(column) for column in zip(*found, strict=True))
        expected = [i for i in range(rows) if not weighted or i % 3]
        assert expected == sorted(y.tolist())
        assert len(expected) == len(streamed)
        assert torch.equal(y.float()[:, None].expand(-1, 4), X)
        assert [weighted] == [bool(weight)]
        if weighted:
            assert 1 == pytest.approx(float(weight[0].mean()), rel=1e-6)
            np.testing.assert_allclose(weight[0], RowsInMemory(part).weight[(y - y // 3 - 1)], rtol=1e-6)  # type: ignore[index]

    def test_several_pools(self, tmp_path: Path) -> None:
        """The parts of these tests do not fit in one pool, and no pool is larger than allowed."""
        chunks = RowsOnDisk(written(tmp_path / "train", numbered(3000))).chunks(4, 0)
        assert 5 < chunks.n_pools
        for _, places in chunks._pools():
            assert len(places) <= chunks.pool_rows
        assert 2 * chunks.pool_rows * (4 * 4 + 16) < HELD

    def test_seed(self, tmp_path: Path) -> None:
        """The same seed yields the same order in every iteration; another seed yields another."""
        shards = written(tmp_path / "train", numbered(1000))
        chunks = RowsOnDisk(shards).chunks(4, 1)
        one, two = (torch.cat([y for _, y in chunks]).tolist() for _ in range(2))
        assert one == two == order(shards, seed=1)
        assert one != order(shards, seed=2)
        assert list(range(1000)) != one

    def test_the_global_state_does_not_matter(self, tmp_path: Path) -> None:
        """The order does not depend on the global random state."""
        shards = written(tmp_path / "train", numbered(1000))
        orders = []
        for drawn in (1, 5):
            torch.rand(drawn)
            orders.append(order(shards))
        assert orders[0] == orders[1]

    def test_shuffled_across_shards(self, tmp_path: Path) -> None:
        """Consecutive rows of an epoch come from all shards and from the whole table."""
        found = np.array(order(written(tmp_path / "train", numbered(3000))))
        for start in range(0, 3000, 300):
            own = found[start : start + 300]
            assert np.bincount(own % 3, minlength=3).min() > 40
            assert np.bincount(own // 1000, minlength=3).min() > 40

    def test_a_sorted_table(self, tmp_path: Path) -> None:
        """Rows sorted by class are mixed evenly over the epoch, as if they were shuffled."""
        part = numbered(6000)
        part = replace(part, y=part.y // 3000)
        for seed in range(3):
            shares = [float(y.float().mean()) for _, y in fed(written(tmp_path / str(seed), part), 10, seed)[:-1]]
            assert len(shares) > 5
            assert max(abs(share - 0.5) for share in shares) < 0.2
            assert 0.05 > abs(np.mean(shares) - 0.5)

    def test_too_little_memory(self, tmp_path: Path) -> None:
        """Memory that is too small for two row groups is refused with the memory needed."""
        shards = written(tmp_path / "train", numbered(900), group_rows=200, held_bytes=2000)
        with pytest.raises(UserError, match=r"\(200 rows\) and a batch, .* Increase train\.memory_gib by a factor of \d+\.\d"):
            RowsOnDisk(shards).chunks(4, 0)

    def test_what_fails_in_the_background(self, tmp_path: Path) -> None:
        """A shard that is deleted during an epoch is an error, not a shorter epoch."""
        shards = written(tmp_path / "train", numbered(900))
        (tmp_path / "train/00001.parquet").unlink()
        with pytest.raises(FileNotFoundError):
            fed(shards, 4)


class TestWeights:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_class_masses(self, tmp_path: Path, weighted: bool) -> None:
        """Row count, class masses and balanced class weights are those of the part in memory."""
        part = numbers_part(500, 1, classes=4)
        part = part.take(np.flatnonzero(part.y != 2))
        draw = np.random.default_rng(0)
        part = replace(part, weight=draw.exponential(size=len(part)) * (draw.random(len(part)) > 0.3)) if weighted else part
        held, streamed = RowsInMemory(part), RowsOnDisk(written(tmp_path / "train", part))
        assert len(held) == len(streamed)
        mean = float(part.weight[part.weight > 0].mean()) if part.weight is not None else 1.0
        np.testing.assert_allclose(held.class_masses(5).double() * mean, streamed.class_masses(5), rtol=1e-12)
        chosen = train_plan(class_weight="balanced")
        modules = [ClassifierModule(network_of(chosen, part, 5), chosen, each, part, 5) for each in (part, streamed.shards)]
        torch.testing.assert_close(modules[0].class_weights, modules[1].class_weights, rtol=1e-6, atol=0)
        assert modules[0].steps_per_epoch == modules[1].steps_per_epoch

    def test_no_weight_at_all(self, tmp_path: Path) -> None:
        """Weights that are all 0 are refused as in memory."""
        part = replace(numbered(96), weight=np.zeros(96))
        shards = written(tmp_path / "train", part)
        with pytest.raises(UserError, match=r"must have a weight above 0, but the weights of all 96 rows are 0"):
            ClassifierModule(network_of(train_plan(), part), train_plan(), shards, shards, 2)


def trained(scratch: Path, params: TrainPlan, train: Part | Shards, valid: Part | Shards) -> tuple[Any, pd.DataFrame]:
    scratch.mkdir(exist_ok=True)
    torch.manual_seed(0)
    network = network_of(params, train if isinstance(train, Part) else train.sample(1000, 0))
    return network, fit(network, params, train, valid, n_classes=2, scratch=scratch)


class TestFit:
    TRAIN, VALID = numbers_part(3000, 1), numbers_part(1500, 2)

    @pytest.fixture
    def shards(self, tmp_path: Path) -> tuple[Shards, Shards]:
        return written(tmp_path / "train", self.TRAIN), written(tmp_path / "valid", self.VALID)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_as_in_memory(self, tmp_path: Path, weighted: bool) -> None:
        """The losses of all epochs are close to those of the part in memory; only the order of the rows differs."""
        train, valid = self.TRAIN, self.VALID
        if weighted:
            draw = np.random.default_rng(0)
            train = replace(train, weight=draw.exponential(size=len(train)) * (draw.random(len(train)) > 0.2))
            valid = replace(valid, weight=draw.exponential(size=len(valid)) * (draw.random(len(valid)) > 0.2))
        params = train_plan(dropout=0.0, class_weight="balanced", max_epochs=4)
        _, expected = trained(tmp_path / "a", params, train, valid)
        _, found = trained(tmp_path / "b", params, written(tmp_path / "train", train), written(tmp_path / "valid", valid))
        np.testing.assert_allclose(expected, found, rtol=0.06)
        assert found["train_loss"].iloc[0] - found["train_loss"].iloc[-1] > 0.05

    def test_validation_loss(self, tmp_path: Path, shards: tuple[Shards, Shards]) -> None:
        """With the same weights, the loss on a streamed valid part is that on the part in memory."""
        params = train_plan(max_epochs=2)
        _, expected = trained(tmp_path / "a", params, self.TRAIN, self.VALID)
        _, found = trained(tmp_path / "b", params, self.TRAIN, shards[1])
        np.testing.assert_allclose(expected, found, rtol=1e-9)

    @pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
    def test_precision(self, tmp_path: Path, shards: tuple[Shards, Shards], precision: str) -> None:
        """The chunks have the floating-point type of the network."""
        _, found = trained(tmp_path / "b", train_plan(max_epochs=1, precision=precision), *shards)
        assert np.isfinite(found).all(axis=None)

    @pytest.mark.slow
    @pytest.mark.parametrize("hook", ["training_step", "on_validation_epoch_start"])
    def test_killed_and_resumed(self, tmp_path: Path, shards: tuple[Shards, Shards], hook: str) -> None:
        """A killed run ends with the same bytes as an uninterrupted one."""
        params = train_plan(lr_schedule="cosine")
        undisturbed = trained(tmp_path / "a", params, *shards)
        with pytest.MonkeyPatch.context() as patch:
            kill_in(2, patch, hook)
            with pytest.raises(Killed):
                trained(tmp_path / "b", params, *shards)
        assert same(undisturbed, trained(tmp_path / "b", params, *shards))
        assert same(undisturbed, trained(tmp_path / "c", params, *shards))

    def test_smaller_chunks(self, tmp_path: Path, shards: tuple[Shards, Shards], monkeypatch: pytest.MonkeyPatch) -> None:
        """If memory is too small for full chunks, chunks have fewer batches, and training works as well."""
        one = trained(tmp_path / "a", train_plan(lr_schedule="cosine", batch_size=16, max_epochs=2), *shards)
        before = RowsOnDisk(shards[0]).chunks(16, 0)
        assert 16 * feeding.CHUNK_BATCHES > before.chunk_rows
        monkeypatch.setattr(feeding, "CHUNK_BATCHES", 2)
        assert 32 == RowsOnDisk(shards[0]).chunks(16, 0).chunk_rows
        two = trained(tmp_path / "b", train_plan(lr_schedule="cosine", batch_size=16, max_epochs=2), *shards)
        assert np.abs(one[1] - two[1]).max(axis=None) < 0.02


class TestSample:
    def test_same_twice(self, tmp_path: Path) -> None:
        """The same seed draws the same sample; another seed draws another."""
        shards = written(tmp_path / "train", numbered(900, weighted=True))
        one, two, other = shards.sample(100, 1), shards.sample(100, 1), shards.sample(100, 2)
        for name in ("row", "y", "X", "weight"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert one.row.tolist() != other.row.tolist()
        np.testing.assert_array_equal(one.row, one.y)
        np.testing.assert_array_equal(one.X[:, 0], one.row)
        np.testing.assert_array_equal(0.5 * (one.row % 3), one.weight)

    @pytest.mark.parametrize("rows", [1, 100, 300, 301, 899, 900, 5000])
    def test_so_many_rows(self, tmp_path: Path, rows: int) -> None:
        """The sample has the requested number of rows, or all rows, and no row twice."""
        found = written(tmp_path / "train", numbered(900)).sample(rows, 0)
        assert min(rows, 900) == len(found) == len(set(found.row.tolist()))

    def test_fair(self, tmp_path: Path) -> None:
        """Every row has the same probability, also in a sorted table and in the shorter last row group."""
        shards = written(tmp_path / "train", numbered(330), group_rows=25)
        counts = np.zeros(330)
        for seed in range(300):
            counts[shards.sample(66, seed).row] += 1
        assert abs(counts.reshape(11, 30).mean(axis=1) - 60).max() < 5
        assert 20 < counts.min() <= counts.max() < 100

    def test_from_no_more_shards_than_it_takes(self, tmp_path: Path) -> None:
        """A sample that is smaller than a shard is read from one shard, from all its row groups."""
        found = written(tmp_path / "train", numbered(3000)).sample(500, 0).row
        assert 1 == len(set(found % 3))
        assert abs(np.bincount(found // 1000) - 500 / 3).max() < 5

    def test_all_rows(self, tmp_path: Path) -> None:
        """A sample of all rows is the part that `read_part` reads, in the same order."""
        shards = written(tmp_path / "train", numbered(500, weighted=True))
        one, two = shards.sample(500, 3), read_part(tmp_path / "train")
        for name in ("row", "y", "X", "weight"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def memory_plan(kib: float, *, n_classes: int = 2, **changes: Any) -> TrainPlan:
    """Return the plan for the parts of `TestMemory` with so many KiB of memory."""
    facts = TableFacts(n_classes, {"train": 3000, "valid": 600}, 4, weighted=False)
    return train_plan(facts=facts, memory_gib=kib / 2**20, **changes)


class TestMemory:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        for name, rows, seed in (("train", 3000, 1), ("valid", 600, 2)):
            written(tmp_path / name, numbers_part(rows, seed))
        return tmp_path / "train", tmp_path / "valid"

    @pytest.mark.parametrize(
        ("kib", "streamed"), [(10_000, (False, False)), (600, (True, False)), (200, (True, True)), (50, (True, True))]
    )
    def test_streamed_parts(self, folders: tuple[Path, Path], kib: int, streamed: tuple[bool, bool]) -> None:
        """Parts that fit in memory are read, the others are streamed: first the train part, then valid too."""
        plan = memory_plan(kib)
        opened = open_parts(*folders, plan)
        assert streamed == tuple(isinstance(each, Shards) for each in opened)
        assert (3000, 600) == tuple(map(len, opened))
        for each in opened:
            held = in_memory(each, plan, 2)
            assert isinstance(each, Shards) or held is each
            assert len(held) * 4 * 6 < kib * 1024
            assert 7 == len(in_memory(each, plan, 2, 7)) or not isinstance(each, Shards)

    def test_more_classes_need_more_memory(self, folders: tuple[Path, Path]) -> None:
        """Fewer rows fit in memory with many classes, in double precision, and with trees."""
        sizes = [
            len(in_memory(open_parts(*folders, plan)[0], plan, n_classes))
            for plan, n_classes in (
                (memory_plan(100), 2),
                (memory_plan(100, n_classes=50), 50),
                (memory_plan(100, precision="64-true"), 2),
                (memory_plan(100, blend=["trees"]), 2),
            )
        ]
        assert sizes[0] == max(sizes)
        assert 4 == len(set(sizes))

    @pytest.mark.parametrize(
        ("kib", "blend", "expected"),
        [
            (10_000, ["trees"], ""),
            (600, ["trees"], "(train.memory_gib: 0.000572205); the other members are fitted on a sample of 2,057 rows.\n"),
            (600, ["linear"], "(train.memory_gib: 0.000572205); the other members are fitted on a sample of 2,133 rows.\n"),
            (600, ["forest"], "(train.memory_gib: 0.000572205); the other members are fitted on a sample of 2,133 rows.\n"),
            (600, [], "(train.memory_gib: 0.000572205).\n"),
        ],
        ids=str,
    )
    def test_described(self, folders: tuple[Path, Path], kib: int, blend: list[str], expected: str) -> None:
        """Streamed parts are described with the size of the sample that stands in for them."""
        plan = memory_plan(kib, blend=blend)
        start = "Streaming 3,000 train rows from 3 shards " if expected else ""
        assert start + expected == format_streaming(*open_parts(*folders, plan), plan, 2)

    def test_valid_described(self, folders: tuple[Path, Path]) -> None:
        """A streamed valid part is described with the size of the sample that the weights are chosen on."""
        plan = memory_plan(50)
        line = format_streaming(*open_parts(*folders, plan), plan, 2).splitlines()[1]
        assert line.startswith("Streaming 600 valid rows from 3 shards")
        assert line.endswith("; weights and threshold are chosen on a sample of 59 rows.")


@pytest.mark.parametrize("name", ["mlp", "tabm"])
def test_a_classifier(tmp_path: Path, name: str) -> None:
    """A classifier is trained on streamed parts, with the same bytes each time, and predicts raw rows."""
    done = prepared(900)
    shards = [written(tmp_path / part, done.parts[part], held_bytes=60_000) for part in ("train", "valid")]
    plan = train_plan(name, blend=["trees", "forest", "linear"], max_epochs=3)
    saved = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        made = train_classifier(inputs_of(done, plan, tmp_path / run, train=shards[0], valid=shards[1]))
        classifier, history = made.classifier, made.history
        classifier.save(tmp_path / f"{run} saved")
        saved.append({path.name: path.read_bytes() for path in (tmp_path / f"{run} saved").iterdir()})
        assert 3 == len(history)
    assert saved[0] == saved[1]
    assert {"network", "trees", "forest", "linear"} == {member.kind for member in classifier.ensemble.members}
    frame = mixed_table(400, seed=5)
    right = classifier.predict_proba(frame).argmax(axis=1) == frame["target"].eq("class 1").to_numpy()
    assert right.mean() > 0.7


SCRIPT = """
import re, sys
from pathlib import Path
from tests.training import train_plan
from veritable.models.mlp import MLP
from veritable.training.fit import fit
from veritable.training.plan import TableFacts
from veritable.training.streaming import open_parts

WIDTH = 168

def trained(folder, rows):
    facts = TableFacts(2, {"train": rows[0], "valid": rows[1]}, WIDTH, weighted=False)
    plan = train_plan(batch_size=1024, max_epochs=2, memory_gib=float(sys.argv[2]), facts=facts)
    train, valid = open_parts(folder / "train", folder / "valid", plan)
    print(type(train).__name__, type(valid).__name__)
    (folder / "scratch").mkdir()
    network = MLP([0] * WIDTH, 2, hidden_layer_sizes=[4], activation="relu", dropout=0.0)
    fit(network, plan, train, valid, n_classes=2, scratch=folder / "scratch", threads=1)

def peak():  # getrusage starts with the value of the parent process
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

folder = Path(sys.argv[1])
trained(folder / "little", (3000, 1000))  # loads the libraries and their own memory
before = peak()
trained(folder / "large", (500_000, 100_000))
print(peak() - before)
"""


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Training on 400 MB of encoded rows needs at most train.memory_gib (0.1) and 25 MiB.

    The allocators are configured to return freed memory at once; by default they keep up to 50 MiB.
    """
    for size, (train_rows, valid_rows) in {"little": (3000, 1000), "large": (500_000, 100_000)}.items():
        for name, rows in (("train", train_rows), ("valid", valid_rows)):
            one = numbers_part(min(rows, 10_000), 1, width=168)
            _repeated(tmp_path / size / name, one, rows)
    assert 400e6 < sum(path.stat().st_size for path in (tmp_path / "large").rglob("*.parquet")) * 1.2
    allocators = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "0.1"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | allocators, capture_output=True, text=True, check=False)
    assert ("", 0) == (done.stderr, done.returncode)
    *kinds, grown = done.stdout.splitlines()
    assert ["Part Part", "Shards Shards"] == kinds
    assert 50 < float(grown) < 0.1 * 1024 + 25


def _repeated(folder: Path, part: Part, rows: int) -> None:
    """Write the rows of a part repeatedly to two shards."""
    folder.mkdir(parents=True)
    width = part.X.shape[1]
    for shard in range(2):
        path = folder / f"{shard:05d}.parquet"
        writer = ShardWriter(path, [f"x.{i}" for i in range(width)], coded=np.zeros(width, dtype=bool), group_rows=5000)
        for _ in range(0, rows // 2, len(part)):
            for start in range(0, len(part), 5000):
                writer.write(part.take(np.arange(start, min(start + 5000, len(part)))))
        writer.close()
