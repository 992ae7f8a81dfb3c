"""Streaming: what is larger than memory trains as it would in memory, from pools of shuffled row groups."""

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
from tests.training import train_params
from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards, read_part
from veritable.tables.encoding.shards import ShardWriter
from veritable.training import feeding
from veritable.training.feeding import Held
from veritable.training.fit import fit
from veritable.training.module import ClassifierModule
from veritable.training.params import TrainParams
from veritable.training.streaming import Streamed, describe, in_memory, open_parts
from veritable.training.train import train_classifier

HELD = 50_000  # bytes: some hundred rows of four columns
NOT_IN_MEMORY = 1e-6  # GiB


def written(folder: Path, part: Part, shards: int = 3, group_rows: int = 20, held_bytes: int = HELD) -> Shards:
    """A part on disk: row i in shard i % shards, in row groups of so many rows."""
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
    """Rows that can be told by their number; with weights, each third row weighs nothing."""
    number = np.arange(rows)
    weight = 0.5 * (number % 3) if weighted else None
    return Part(number, number, np.repeat(number[:, None], 4, axis=1).astype(np.float32), weight)


def fed(shards: Shards, batch_size: int, seed: int | None = None) -> list[tuple[torch.Tensor, ...]]:
    return list(Streamed(shards).blocks(batch_size, seed))


def order(shards: Shards, batch_size: int = 4, seed: int | None = 0) -> list[int]:
    return torch.cat([y for _, y, *_ in fed(shards, batch_size, seed)]).tolist()


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """`fit` sets torch's threads for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class TestEpoch:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        """An epoch has each row that weighs anything once, with its own X and weight; all batches but the last are whole."""
        part = numbered(rows, weighted)
        streamed = Streamed(written(tmp_path_factory.mktemp("part") / "train", part, **sizes))
        blocks = streamed.blocks(batch_size, seed)
        found = list(blocks)
        assert len(blocks) == len(found)
        assert {blocks.block_rows} >= {len(y) for _, y, *_ in found[:-1]}
        assert 0 == blocks.block_rows % batch_size
        assert 0 < len(found[-1][1]) <= blocks.block_rows
        X, y, *weight = (torch.cat(column) for column in zip(*found, strict=True))
        expected = [i for i in range(rows) if not weighted or i % 3]
        assert expected == sorted(y.tolist())
        assert len(expected) == len(streamed)
        assert torch.equal(y.float()[:, None].expand(-1, 4), X)
        assert [weighted] == [bool(weight)]
        if weighted:
            assert 1 == pytest.approx(float(weight[0].mean()), rel=1e-6)
            np.testing.assert_allclose(weight[0], Held(part).weight[(y - y // 3 - 1)], rtol=1e-6)  # type: ignore[index]

    def test_several_pools(self, tmp_path: Path) -> None:
        """What these tests stream does not fit into one pool, and no pool is larger than was allowed."""
        blocks = Streamed(written(tmp_path / "train", numbered(3000))).blocks(4, 0)
        assert 5 < blocks.pools
        for _, own in blocks._filled():
            assert len(own) <= blocks.pool_rows
        assert 2 * blocks.pool_rows * (4 * 4 + 16) < HELD

    def test_seed(self, tmp_path: Path) -> None:
        """The same seed deals the same order however often it is walked, another seed another."""
        shards = written(tmp_path / "train", numbered(1000))
        blocks = Streamed(shards).blocks(4, 1)
        one, two = (torch.cat([y for _, y in blocks]).tolist() for _ in range(2))
        assert one == two == order(shards, seed=1)
        assert one != order(shards, seed=2)
        assert list(range(1000)) != one

    def test_the_global_state_does_not_matter(self, tmp_path: Path) -> None:
        """What was drawn before changes no order."""
        shards = written(tmp_path / "train", numbered(1000))
        orders = []
        for drawn in (1, 5):
            torch.rand(drawn)
            orders.append(order(shards))
        assert orders[0] == orders[1]

    def test_shuffled_across_shards(self, tmp_path: Path) -> None:
        """Neighbours in an epoch come from all shards and from all over the table."""
        found = np.array(order(written(tmp_path / "train", numbered(3000))))
        for start in range(0, 3000, 300):
            own = found[start : start + 300]
            assert np.bincount(own % 3, minlength=3).min() > 40
            assert np.bincount(own // 1000, minlength=3).min() > 40

    def test_a_sorted_table(self, tmp_path: Path) -> None:
        """Rows sorted by class are fed in nearly the same mixture all along, as if they had been shuffled."""
        part = numbered(6000)
        part = replace(part, y=part.y // 3000)
        for seed in range(3):
            shares = [float(y.float().mean()) for _, y in fed(written(tmp_path / str(seed), part), 10, seed)[:-1]]
            assert len(shares) > 5
            assert max(abs(share - 0.5) for share in shares) < 0.2
            assert 0.05 > abs(np.mean(shares) - 0.5)

    def test_too_little_memory(self, tmp_path: Path) -> None:
        """Memory that does not suffice for a row group twice is one sentence that says how much does."""
        shards = written(tmp_path / "train", numbered(900), group_rows=200, held_bytes=2000)
        with pytest.raises(
            UserError, match=r"'train.memory_gib' must have room for a row group of 200 rows .* Raise it \d+\.\d"
        ):
            Streamed(shards).blocks(4, 0)

    def test_what_fails_in_the_background(self, tmp_path: Path) -> None:
        """A shard that is gone amid an epoch is an error, not a shorter epoch."""
        shards = written(tmp_path / "train", numbered(900))
        (tmp_path / "train/00001.parquet").unlink()
        with pytest.raises(FileNotFoundError):
            fed(shards, 4)


class TestWeights:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_masses(self, tmp_path: Path, weighted: bool) -> None:
        """Rows, the mass of each class and the weights under which classes count the same are those of the part in memory."""
        part = numbers_part(500, 1, classes=4)
        part = part.take(np.flatnonzero(part.y != 2))
        draw = np.random.default_rng(0)
        part = replace(part, weight=draw.exponential(size=len(part)) * (draw.random(len(part)) > 0.3)) if weighted else part
        held, streamed = Held(part), Streamed(written(tmp_path / "train", part))
        assert len(held) == len(streamed)
        mean = float(part.weight[part.weight > 0].mean()) if part.weight is not None else 1.0
        np.testing.assert_allclose(held.masses(5).double() * mean, streamed.masses(5), rtol=1e-12)
        chosen = train_params(class_weight="balanced")
        modules = [ClassifierModule(network_of(chosen, part, 5), chosen, each, part, 5) for each in (part, streamed.shards)]
        torch.testing.assert_close(modules[0].class_weights, modules[1].class_weights, rtol=1e-6, atol=0)
        assert modules[0].steps == modules[1].steps

    def test_no_weight_at_all(self, tmp_path: Path) -> None:
        """Weights that are all 0 are the sentence that they are in memory."""
        part = replace(numbered(96), weight=np.zeros(96))
        shards = written(tmp_path / "train", part)
        with pytest.raises(UserError, match=r"must have a weight above 0, however all 96 weigh 0"):
            ClassifierModule(network_of(train_params(), part), train_params(), shards, shards, 2)


def trained(scratch: Path, params: TrainParams, train: Part | Shards, valid: Part | Shards) -> tuple[Any, pd.DataFrame]:
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
        """The losses of all epochs are those of the part in memory but for the order of the rows."""
        train, valid = self.TRAIN, self.VALID
        if weighted:
            draw = np.random.default_rng(0)
            train = replace(train, weight=draw.exponential(size=len(train)) * (draw.random(len(train)) > 0.2))
            valid = replace(valid, weight=draw.exponential(size=len(valid)) * (draw.random(len(valid)) > 0.2))
        params = train_params(dropout=0.0, class_weight="balanced", max_epochs=4)
        _, expected = trained(tmp_path / "a", params, train, valid)
        _, found = trained(tmp_path / "b", params, written(tmp_path / "train", train), written(tmp_path / "valid", valid))
        np.testing.assert_allclose(expected, found, rtol=0.06)
        assert found["train_loss"].iloc[0] - found["train_loss"].iloc[-1] > 0.05

    def test_validation_loss(self, tmp_path: Path, shards: tuple[Shards, Shards]) -> None:
        """From the same weights the loss on a streamed valid part is that on the part in memory."""
        params = train_params(max_epochs=2)
        _, expected = trained(tmp_path / "a", params, self.TRAIN, self.VALID)
        _, found = trained(tmp_path / "b", params, self.TRAIN, shards[1])
        np.testing.assert_allclose(expected, found, rtol=1e-9)

    @pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
    def test_precision(self, tmp_path: Path, shards: tuple[Shards, Shards], precision: str) -> None:
        """Blocks come in the type that the network computes in."""
        _, found = trained(tmp_path / "b", train_params(max_epochs=1, precision=precision), *shards)
        assert np.isfinite(found).all(axis=None)

    @pytest.mark.parametrize("hook", ["training_step", "on_validation_epoch_start"])
    def test_killed_and_resumed(self, tmp_path: Path, shards: tuple[Shards, Shards], hook: str) -> None:
        """A killed run ends with the bytes of an undisturbed one, which are the same twice."""
        params = train_params(lr_schedule="cosine")
        undisturbed = trained(tmp_path / "a", params, *shards)
        with pytest.MonkeyPatch.context() as patch:
            kill_in(2, patch, hook)
            with pytest.raises(Killed):
                trained(tmp_path / "b", params, *shards)
        assert same(undisturbed, trained(tmp_path / "b", params, *shards))
        assert same(undisturbed, trained(tmp_path / "c", params, *shards))

    def test_smaller_blocks(self, tmp_path: Path, shards: tuple[Shards, Shards], monkeypatch: pytest.MonkeyPatch) -> None:
        """Where memory has no room for a block of all its batches, blocks have fewer, and training does as well."""
        one = trained(tmp_path / "a", train_params(lr_schedule="cosine", batch_size=16, max_epochs=2), *shards)
        before = Streamed(shards[0]).blocks(16, 0)
        assert 16 * feeding.STEPS > before.block_rows
        monkeypatch.setattr(feeding, "STEPS", 2)
        assert 32 == Streamed(shards[0]).blocks(16, 0).block_rows
        two = trained(tmp_path / "b", train_params(lr_schedule="cosine", batch_size=16, max_epochs=2), *shards)
        assert np.abs(one[1] - two[1]).max(axis=None) < 0.02


class TestSample:
    def test_same_twice(self, tmp_path: Path) -> None:
        """A sample is the same twice, and another with another seed."""
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
        """It has so many rows, or all; none twice."""
        found = written(tmp_path / "train", numbered(900)).sample(rows, 0)
        assert min(rows, 900) == len(found) == len(set(found.row.tolist()))

    def test_fair(self, tmp_path: Path) -> None:
        """Each row is as likely as any other, also of a sorted table, and of the last row group, which is shorter."""
        shards = written(tmp_path / "train", numbered(330), group_rows=25)
        counts = np.zeros(330)
        for seed in range(300):
            counts[shards.sample(66, seed).row] += 1
        assert abs(counts.reshape(11, 30).mean(axis=1) - 60).max() < 5
        assert 20 < counts.min() <= counts.max() < 100

    def test_from_no_more_shards_than_it_takes(self, tmp_path: Path) -> None:
        """A sample that a shard suffices for is read from one shard, from all over it."""
        found = written(tmp_path / "train", numbered(3000)).sample(500, 0).row
        assert 1 == len(set(found % 3))
        assert abs(np.bincount(found // 1000) - 500 / 3).max() < 5

    def test_all_rows(self, tmp_path: Path) -> None:
        """All rows are the part as `read_part` has it, in the same order."""
        shards = written(tmp_path / "train", numbered(500, weighted=True))
        one, two = shards.sample(500, 3), read_part(tmp_path / "train")
        for name in ("row", "y", "X", "weight"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


class TestMemory:
    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        for name, rows, seed in (("train", 3000, 1), ("valid", 600, 2)):
            written(tmp_path / name, numbers_part(rows, seed))
        return tmp_path / "train", tmp_path / "valid"

    @pytest.mark.parametrize(
        ("kib", "streamed"), [(10_000, (False, False)), (400, (True, False)), (200, (True, True)), (50, (True, True))]
    )
    def test_knob(self, folders: tuple[Path, Path], kib: int, streamed: tuple[bool, bool]) -> None:
        """What fits into memory is read, what does not is streamed: first the train part, then valid too."""
        params = train_params(memory_gib=kib / 2**20)
        opened = open_parts(*folders, params, 2)
        assert streamed == tuple(isinstance(each, Shards) for each in opened)
        assert (3000, 600) == tuple(map(len, opened))
        for each in opened:
            held = in_memory(each, params, 2)
            assert isinstance(each, Shards) or held is each
            assert len(held) * 4 * 6 < kib * 1024
            assert 7 == len(in_memory(each, params, 2, 7)) or not isinstance(each, Shards)

    def test_more_classes_take_more(self, folders: tuple[Path, Path]) -> None:
        """Of many classes fewer rows are held, as predictions take memory too; likewise in double precision, with trees."""
        sizes = [
            len(in_memory(open_parts(*folders, params, classes)[0], params, classes))
            for params, classes in (
                (train_params(memory_gib=1e-4), 2),
                (train_params(memory_gib=1e-4), 50),
                (train_params(memory_gib=1e-4, precision="64-true"), 2),
                (train_params(memory_gib=1e-4, trees={"n_models": 1}), 2),
            )
        ]
        assert sizes[0] == max(sizes)
        assert 4 == len(set(sizes))

    def test_described(self, folders: tuple[Path, Path]) -> None:
        """A person is told what is streamed and of how many rows the rest is made; nothing where all is in memory."""
        for kib, trees, expected in (
            (10_000, 1, ""),
            (
                400,
                1,
                "Streaming 3,000 train rows from 3 shards (train.memory_gib: 0.00038147); trees fitted on 2,133 of them.",
            ),
            (400, 0, "Streaming 3,000 train rows from 3 shards (train.memory_gib: 0.00038147)."),
        ):
            params = train_params(memory_gib=kib / 2**20, trees={"n_models": trees})
            assert expected == describe(*open_parts(*folders, params, 2), params, 2)
        params = train_params(memory_gib=50 / 2**20)
        said = describe(*open_parts(*folders, params, 2), params, 2).splitlines()[1]
        assert said.startswith("Streaming 600 valid rows from 3 shards")
        assert said.endswith("; blend, temperature and threshold chosen on 94 of them.")


@pytest.mark.parametrize("name", ["mlp", "tabm"])
def test_a_classifier(tmp_path: Path, name: str) -> None:
    """Network, bins, trees, blend and temperature come from streamed parts, the same bytes twice, and predict raw rows."""
    done = prepared(900)
    shards = [written(tmp_path / part, done.parts[part], held_bytes=60_000) for part in ("train", "valid")]
    params = train_params(name, trees={"n_models": 1}, calibrate=True, max_epochs=3)
    saved = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        made = train_classifier(params, done.encoder, done.contract, shards[0], shards[1], tmp_path / run)
        classifier, history = made.classifier, made.history
        classifier.save(tmp_path / f"{run} saved")
        saved.append({path.name: path.read_bytes() for path in (tmp_path / f"{run} saved").iterdir()})
        assert 3 == len(history)
    assert saved[0] == saved[1]
    assert classifier.members.trees is not None
    frame = mixed_table(400, seed=5)
    right = classifier.predict_proba(frame).argmax(axis=1) == frame["target"].eq("class 1").to_numpy()
    assert right.mean() > 0.7


SCRIPT = """
import re, sys
from pathlib import Path
from tests.training import train_params
from veritable.models.mlp import MLP
from veritable.training.fit import fit
from veritable.training.streaming import open_parts

WIDTH = 168

def trained(folder, params):
    train, valid = open_parts(folder / "train", folder / "valid", params, 2)
    print(type(train).__name__, type(valid).__name__)
    (folder / "scratch").mkdir()
    network = MLP([0] * WIDTH, 2, hidden_layer_sizes=[4], activation="relu", dropout=0.0)
    fit(network, params, train, valid, n_classes=2, scratch=folder / "scratch", threads=1)

def peak():  # getrusage's begins with that of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

folder = Path(sys.argv[1])
params = train_params(batch_size=1024, max_epochs=2, memory_gib=float(sys.argv[2]))
trained(folder / "little", params)  # libraries are loaded, and what they hold for themselves
before = peak()
trained(folder / "large", params)
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Trained on 400 MB of encoded rows, a process grows by no more than train.memory_gib: 0.1, and 25 MiB.

    The allocators are told to give back at once what is freed: by themselves they keep up to 50 MiB of it, however many rows.
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
    """So many rows in two shards, the part's again and again."""
    folder.mkdir(parents=True)
    width = part.X.shape[1]
    for shard in range(2):
        path = folder / f"{shard:05d}.parquet"
        writer = ShardWriter(path, [f"x.{i}" for i in range(width)], coded=np.zeros(width, dtype=bool), group_rows=5000)
        for _ in range(0, rows // 2, len(part)):
            for start in range(0, len(part), 5000):
                writer.write(part.take(np.arange(start, min(start + 5000, len(part)))))
        writer.close()
