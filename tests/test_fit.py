"""Fitting a network: the best epoch is kept, every parameter has an effect, and a killed run resumes with the same bytes."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tests.rooms import ROOT, numbers_part, prepared
from tests.training import NETWORKS, SMALL, spec_of, train_plan
from veritable.errors import UserError
from veritable.models.build import NETWORK_CLASSES as KNOWN
from veritable.models.build import build_network
from veritable.models.network import Network
from veritable.tables.encoding.parts import Part
from veritable.training import fit as room
from veritable.training.fit import TrainingError, fit
from veritable.training.module import ClassifierModule
from veritable.training.plan import TrainPlan

TRAIN, VALID = numbers_part(96, 1), numbers_part(64, 2)
OVERFITS = {
    "max_epochs": 30,
    "hidden_layer_sizes": [32],
    "learning_rate": 0.05,
    "dropout": 0.1,
}  # the best epoch is an early one
knobs = train_plan


def network_of(knobs: TrainPlan, part: Part = TRAIN, classes: int = 2) -> nn.Module:
    torch.manual_seed(knobs.seed)
    numbers = np.zeros(part.X.shape[1], dtype=np.int64)
    spec = spec_of(knobs, numbers, part)
    return KNOWN[spec.pop("name")](numbers.tolist(), classes, **spec)


def fitted(
    scratch: Path, knobs: TrainPlan, train: Part = TRAIN, valid: Part = VALID, classes: int = 2
) -> tuple[nn.Module, pd.DataFrame]:
    scratch.mkdir(exist_ok=True)
    network = network_of(knobs, train, classes)
    return network, fit(network, knobs, train, valid, n_classes=classes, scratch=scratch)


def state(network: nn.Module) -> dict[str, bytes]:
    """Return the bytes of the weights by name."""
    return {name: value.numpy().tobytes() for name, value in network.state_dict().items()}


def same(one: tuple[nn.Module, pd.DataFrame], two: tuple[nn.Module, pd.DataFrame]) -> bool:
    """Return whether weights and history are the same, bit for bit."""
    pd.testing.assert_frame_equal(one[1], two[1], check_exact=True)
    return state(one[0]) == state(two[0])


def loss_by_hand(network: nn.Module, part: Part) -> float:
    """Compute the log loss; for TabM, that of the mean of the probabilities."""
    with torch.no_grad():
        y_prob = network.eval()(torch.from_numpy(part.X)).double().softmax(-1)
    y_prob = y_prob.mean(1) if y_prob.ndim == 3 else y_prob
    return -float(np.log(y_prob.numpy()[np.arange(len(part)), part.y]).mean())


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Restore the number of threads, which `fit` sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


RECIPE_CHANGES: list[dict[str, Any]] = [
    {"learning_rate": 0.02}, {"lr_schedule": "cosine"}, {"weight_decay": 0.5}, {"l1": 0.01}, {"gradient_clip_val": 0.01},
    {"batch_size": 16}, {"max_epochs": 5}, {"patience": 1},
]  # fmt: skip
BLOCK_CHANGES: list[dict[str, Any]] = [{"n_blocks": 2}, {"d_block": 16}, {"dropout": 0.5}, {"n_bins": 4}, {"d_embedding": 5}]
CHANGES: dict[str, list[dict[str, Any]]] = {
    "mlp": [{"hidden_layer_sizes": [9]}, {"activation": "tanh"}, {"dropout": 0.5}],
    "resnet": BLOCK_CHANGES,
    "tabm": [{"k": 4}, *BLOCK_CHANGES],
}
CHANGES_FOR_ALL: list[dict[str, Any]] = [
    {"class_weight": "balanced"}, {"precision": "bf16-mixed"}, {"precision": "64-true"}, {"seed": 43},
]  # fmt: skip
FOR_ALL = {key for change in CHANGES_FOR_ALL for key in change}
KNOBS = [(name, change) for name in NETWORKS for change in (*CHANGES[name], *RECIPE_CHANGES, *CHANGES_FOR_ALL)]


class Killed(BaseException):
    """Stands for a SIGKILL: nothing may catch it."""


def kill_in(epoch: int, monkeypatch: pytest.MonkeyPatch, hook: str) -> None:
    """Let the run die in a hook of an epoch (from 0)."""
    before = getattr(ClassifierModule, hook)

    def dying(self: ClassifierModule, *rest: Any) -> Any:
        if self.current_epoch == epoch:
            raise Killed
        return before(self, *rest)

    monkeypatch.setattr(ClassifierModule, hook, dying)


@contextmanager
def watched(see: Callable[[torch.optim.Optimizer], object]) -> Iterator[None]:
    """Call a function with the optimizer before each of its steps."""
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: see(optimizer) and None)
    yield
    handle.remove()


def length(optimizer: torch.optim.Optimizer) -> float:
    """Return the norm of the gradient of all weights."""
    squares = [
        each.grad.square().sum() for group in optimizer.param_groups for each in group["params"] if each.grad is not None
    ]
    return float(torch.stack(squares).sum().sqrt())


def killed(scratch: Path, knobs: TrainPlan, epoch: int, hook: str, **parts: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_in(epoch, patch, hook)
        with pytest.raises(Killed):
            fitted(scratch, knobs, **parts)


class TestBest:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_best_epoch_is_kept(self, tmp_path: Path, name: str) -> None:
        """The network keeps the weights with the lowest validation loss of the history, computed by hand."""
        chosen = (
            knobs(name, **OVERFITS)
            if name == "mlp"
            else knobs(name, max_epochs=20, d_block=32, learning_rate=0.05, dropout=0.0)
        )
        network, history = fitted(tmp_path / "a", chosen)
        best = int(history["valid_loss"].argmin())
        assert 0 < best < len(history) - 1
        assert history["valid_loss"].min() == pytest.approx(loss_by_hand(network, VALID), rel=1e-5)
        assert abs(history["valid_loss"].iloc[-1] - loss_by_hand(network, VALID)) > 1e-3

    def test_history(self, tmp_path: Path) -> None:
        """The history has a row per epoch, from 1, with finite mean losses on train and valid."""
        _, history = fitted(tmp_path / "a", knobs())
        assert ["epoch", "train_loss", "valid_loss"] == list(history.columns)
        assert [1, 2, 3, 4] == history["epoch"].tolist()
        assert np.isfinite(history).all(axis=None)
        assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]

    def test_longer_runs_begin_like_shorter_ones(self, tmp_path: Path) -> None:
        """More epochs do not change the first ones."""
        _, short = fitted(tmp_path / "a", knobs(max_epochs=2))
        _, long = fitted(tmp_path / "b", knobs(max_epochs=4))
        pd.testing.assert_frame_equal(short, long.head(2), check_exact=True)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_learns(self, tmp_path: Path, name: str) -> None:
        """The network is far better than the class shares, and about as good as the true probabilities allow."""
        network, _ = fitted(tmp_path / "a", knobs(name, max_epochs=15))
        assert loss_by_hand(network, VALID) < 0.47
        right = Network(network).scores(VALID.X).argmax(1) == VALID.y
        assert right.mean() > 0.75

    @pytest.mark.parametrize("name", NETWORKS)
    def test_many_classes_and_categories(self, tmp_path: Path, name: str) -> None:
        """Encoded tables with categories, missing values and five classes can be trained on."""
        done, chosen = prepared(300, 5), knobs(name, max_epochs=8)
        torch.manual_seed(0)
        network = build_network(done.encoder, 5, spec_of(chosen, done.encoder.cardinalities, done.parts["train"]))
        tmp_path.joinpath("a").mkdir()
        history = fit(network, chosen, done.parts["train"], done.parts["valid"], n_classes=5, scratch=tmp_path / "a")
        assert history["valid_loss"].min() == pytest.approx(loss_by_hand(network, done.parts["valid"]), rel=1e-5)
        assert loss_by_hand(network, done.parts["valid"]) < 0.95 * math.log(5)


class TestTold:
    def test_every_epoch(self, tmp_path: Path) -> None:
        """The callback is called with each epoch and its validation loss, and has no effect on the training."""
        heard: list[tuple[int, float]] = []
        network = network_of(knobs())
        tmp_path.joinpath("a").mkdir()
        history = fit(
            network,
            knobs(),
            TRAIN,
            VALID,
            n_classes=2,
            scratch=tmp_path / "a",
            callback=lambda *row: heard.append(row),
        )
        assert list(zip(history["epoch"], history["valid_loss"], strict=True)) == heard
        assert same((network, history), fitted(tmp_path / "b", knobs()))

    @pytest.mark.parametrize("dies", [2, None], ids=["in an epoch", "after the last"])
    def test_resumed(self, tmp_path: Path, dies: int | None) -> None:
        """A resumed run also calls it for the earlier epochs."""
        if dies is None:
            fitted(tmp_path / "a", knobs())
        else:
            killed(tmp_path / "a", knobs(), dies, "training_step")
        heard: list[tuple[int, float]] = []
        again = fit(
            network_of(knobs()),
            knobs(),
            TRAIN,
            VALID,
            n_classes=2,
            scratch=tmp_path / "a",
            callback=lambda *row: heard.append(row),
        )
        assert list(zip(again["epoch"], again["valid_loss"], strict=True)) == heard
        assert [1, 2, 3, 4] == [epoch for epoch, _ in heard]

    def test_what_it_raises(self, tmp_path: Path) -> None:
        """An exception in the callback ends the training and is not wrapped."""

        def enough(epoch: int, loss: float) -> None:
            if epoch == 2:
                raise LookupError(f"{epoch}")

        tmp_path.joinpath("a").mkdir()
        with pytest.raises(LookupError, match="2"):
            fit(network_of(knobs()), knobs(), TRAIN, VALID, n_classes=2, scratch=tmp_path / "a", callback=enough)


class TestSame:
    def test_same_twice(self, tmp_path: Path) -> None:
        """The same network, parameters and parts give the same bytes, whatever torch's global random state."""
        one = fitted(tmp_path / "a", knobs(**OVERFITS))
        network = network_of(knobs(**OVERFITS))
        torch.rand(7)
        tmp_path.joinpath("b").mkdir()
        two = network, fit(network, knobs(**OVERFITS), TRAIN, VALID, n_classes=2, scratch=tmp_path / "b")
        assert same(one, two)

    @pytest.mark.parametrize(("name", "change"), KNOBS, ids=str)
    def test_every_knob_matters(self, tmp_path: Path, name: str, change: dict[str, Any]) -> None:
        """Each parameter of a fit changes the weights or the history."""
        part = Part(TRAIN.row[:80], (TRAIN.X[:80].sum(axis=1) > 1).astype(np.int64), TRAIN.X[:80])  # unequal classes
        base = {"learning_rate": 0.3, "max_epochs": 12} if "patience" in change else {"weight_decay": 0.01}
        one = fitted(tmp_path / "a", knobs(name, **base), train=part)
        two = fitted(tmp_path / "b", knobs(name, **{**base, **change}), train=part)
        assert state(one[0]) != state(two[0]) or not one[1].equals(two[1])

    def test_every_knob_is_moved(self) -> None:
        """A new parameter of a network must be added to the test above."""
        for name in NETWORKS:
            assert set(SMALL[name]) == {key for each, change in KNOBS if each == name for key in change} - FOR_ALL

    def test_seed_orders_the_rows(self, tmp_path: Path) -> None:
        """The seed also changes the order of the rows, with the same initial weights and without dropout."""
        one, two = (network_of(knobs(dropout=0.0)) for _ in range(2))
        for name, network, seed in (("a", one, 1), ("b", two, 2)):
            tmp_path.joinpath(name).mkdir()
            fit(network, knobs(dropout=0.0, seed=seed), TRAIN, VALID, n_classes=2, scratch=tmp_path / name)
        assert state(one) != state(two)

    @pytest.mark.parametrize("change", [{"l1": 0.05}, {"weight_decay": 3.0}], ids=str)
    def test_penalties_shrink(self, tmp_path: Path, change: dict[str, float]) -> None:
        """L1 and weight decay make the weights smaller."""
        sizes = []
        for name, chosen in (("a", knobs(dropout=0.0, max_epochs=10)), ("b", knobs(dropout=0.0, max_epochs=10, **change))):
            network, _ = fitted(tmp_path / name, chosen)
            sizes.append(sum(float(w.abs().sum()) for key, w in network.state_dict().items() if key.endswith("weight")))
        assert sizes[1] < 0.9 * sizes[0]

    def test_l1_spares_biases(self) -> None:
        """The L1 penalty applies to the weights, not to the biases."""
        module = ClassifierModule(network_of(knobs()), knobs(l1=0.1), TRAIN, VALID, 2)
        assert {(8, 4), (2, 8)} == {tuple(weight.shape) for weight in module.penalized}

    def test_clip_shortens_gradients(self, tmp_path: Path) -> None:
        """With gradient_clip_val, longer gradients are clipped to it, and shorter ones are unchanged."""
        free, clipped = [], []
        for found, clip in ((free, None), (clipped, 0.4)):
            with watched(lambda optimizer, found=found: found.append(length(optimizer))):
                fitted(tmp_path / str(clip), knobs(dropout=0.0, gradient_clip_val=clip, max_epochs=2))
        assert max(free) > 0.41
        assert max(clipped) <= 0.4 + 1e-5
        assert free[0] > 0.4 or free[0] == clipped[0]

    @pytest.mark.parametrize("change", [{}, {"gradient_clip_val": 0.4}, {"lr_schedule": "cosine"}, {"l1": 0.01}], ids=str)
    @pytest.mark.parametrize("steps", [1, 2])
    def test_blocks_do_not_matter(
        self, tmp_path: Path, change: dict[str, Any], steps: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The number of batches per chunk does not change the weights."""
        whole = fitted(tmp_path / "a", knobs(batch_size=16, **change))
        for module in ("feeding", "module"):
            monkeypatch.setattr(f"veritable.training.{module}.CHUNK_BATCHES", steps)
        pieces = fitted(tmp_path / "b", knobs(batch_size=16, **change))
        assert state(whole[0]) == state(pieces[0])
        np.testing.assert_allclose(whole[1], pieces[1], rtol=1e-12)

    def test_members_are_trained_each(self, tmp_path: Path) -> None:
        """TabM is trained on the mean of the losses of its networks; with equal row weights it is the same."""
        chosen = knobs("tabm", dropout=0.0, batch_size=1000, max_epochs=1)
        network = network_of(chosen)
        with torch.no_grad():
            logits = network(torch.from_numpy(TRAIN.X)).transpose(0, 1)
            losses = [float(nn.functional.cross_entropy(own, torch.from_numpy(TRAIN.y))) for own in logits]
        for name, weight in (("a", None), ("b", np.full(len(TRAIN), 3.0))):
            _, history = fitted(tmp_path / name, chosen, replace(TRAIN, weight=weight))
            assert np.mean(losses) == pytest.approx(history["train_loss"].iloc[0], rel=1e-5)
        assert len({round(loss, 5) for loss in losses}) == 3


class TestSchedule:
    def rates(self, scratch: Path, chosen: TrainPlan) -> list[float]:
        """Return the learning rate of each step."""
        found: list[float] = []
        with watched(lambda optimizer: found.append(optimizer.param_groups[0]["lr"])):
            fitted(scratch, chosen)
        return found

    def test_constant(self, tmp_path: Path) -> None:
        """A constant learning rate is that of the parameters at every step."""
        assert [0.01] * 12 == self.rates(tmp_path / "a", knobs())

    def test_cosine(self, tmp_path: Path) -> None:
        """A cosine schedule is a short warm-up, then torch's cosine from the learning rate to almost 0 at the last epoch."""
        rates = self.rates(tmp_path / "a", knobs(lr_schedule="cosine", max_epochs=40))
        assert 120 == len(rates)
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(rates))
        cosine = []
        for _ in rates:
            cosine.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        np.testing.assert_allclose(cosine[6:], rates[6:], rtol=1e-9)
        assert rates[:6] == sorted(rates[:6])
        assert 0 < rates[0] < 0.2 * 0.01
        assert rates[-1] < 1e-3 * 0.01

    @pytest.mark.parametrize("epochs", [1, 2])
    def test_few_steps(self, tmp_path: Path, epochs: int) -> None:
        """Even with a few steps, every learning rate is above 0 and at most that of the parameters."""
        rates = self.rates(tmp_path / "a", knobs(lr_schedule="cosine", max_epochs=epochs, batch_size=1000))
        assert epochs == len(rates)
        assert [] == [rate for rate in rates if not 0 < rate <= 0.01]

    def test_resumed(self, tmp_path: Path) -> None:
        """The schedule of a killed run continues where it was."""
        chosen = knobs(lr_schedule="cosine", max_epochs=6)
        undisturbed = self.rates(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 3, "on_train_epoch_start")
        assert undisturbed[9:] == self.rates(tmp_path / "b", chosen)

    @pytest.mark.parametrize("steps", [1, 2, 64])
    def test_steps_are_counted(self, tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module counts optimizer steps and Lightning counts chunks, also in a resumed run."""
        for module in ("feeding", "module"):
            monkeypatch.setattr(f"veritable.training.{module}.CHUNK_BATCHES", steps)
        ends, taken = [], []

        def teardown(self: Any, trainer: Any, pl_module: Any, stage: str) -> None:
            ends.append((pl_module.step, trainer.global_step))

        monkeypatch.setattr(room.EpochProgress, "teardown", teardown)
        chosen = knobs(batch_size=20, max_epochs=4)
        with watched(taken.append):
            fitted(tmp_path / "a", chosen)
            killed(tmp_path / "b", chosen, 2, "on_train_epoch_start")
            fitted(tmp_path / "b", chosen)
        assert [(4 * 5, 4 * math.ceil(5 / steps))] * 2 == ends
        assert 8 * 5 == len(taken)


class TestStop:
    @pytest.mark.parametrize("patience", [1, 3])
    def test_patience(self, tmp_path: Path, patience: int) -> None:
        """Training stops after `patience` epochs without improvement, and keeps the weights of the best epoch."""
        _, full = fitted(tmp_path / "a", knobs(**OVERFITS))
        network, history = fitted(tmp_path / "b", knobs(**OVERFITS, patience=patience))
        losses = full["valid_loss"].tolist()
        stop = next(i for i in range(patience, 30) if min(losses[: i + 1 - patience]) <= min(losses[i + 1 - patience : i + 1]))
        assert stop + 1 == len(history) < 30
        pd.testing.assert_frame_equal(full.head(stop + 1), history, check_exact=True)
        assert history["valid_loss"].min() == pytest.approx(loss_by_hand(network, VALID), rel=1e-5)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_huge_learning_rate(self, tmp_path: Path, name: str) -> None:
        """A loss that is not finite is an error that names the epoch and the parameter."""
        with pytest.raises(TrainingError, match=rf"must be finite, but in epoch \d+ .* Decrease train\.{name}\.learning_rate"):
            fitted(tmp_path / "a", knobs(name, learning_rate=1e38))

    def test_not_finite_again_after_a_restart(self, tmp_path: Path) -> None:
        """A restarted run fails again: no checkpoint of it is resumed from."""
        for _ in range(2):
            with pytest.raises(TrainingError, match="must be finite"):
                fitted(tmp_path / "a", knobs(learning_rate=1e38, hidden_layer_sizes=[8, 8]))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
    def test_no_gpu(self, tmp_path: Path) -> None:
        """A GPU that is requested but absent is refused."""
        with pytest.raises(TrainingError, match=r"train\.accelerator is 'gpu', but torch finds no GPU"):
            fitted(tmp_path / "a", knobs(accelerator="gpu"))

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
    def test_gpu(self, tmp_path: Path, name: str, precision: str) -> None:
        """A GPU gives the same losses as the CPU within noise, and the same bytes twice."""
        on_cpu = fitted(tmp_path / "a", knobs(name))
        on_gpu, again = (fitted(tmp_path / at, knobs(name, accelerator="gpu", precision=precision)) for at in "bc")
        assert same(on_gpu, again)
        np.testing.assert_allclose(on_cpu[1]["valid_loss"], on_gpu[1]["valid_loss"], rtol=0.05)


class TestResume:
    @pytest.mark.parametrize("patience", [None, 3])
    @pytest.mark.parametrize(
        "hook", ["on_train_epoch_start", "training_step", "on_validation_epoch_start", "validation_step", "on_train_epoch_end"]
    )
    def test_killed_anywhere_in_an_epoch(self, tmp_path: Path, hook: str, patience: int | None) -> None:
        """Killed at any point of an epoch, the run ends with the same bytes as an uninterrupted one."""
        chosen = knobs(**OVERFITS | {"max_epochs": 6}, patience=patience)
        undisturbed = fitted(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 3, hook)
        assert same(undisturbed, fitted(tmp_path / "b", chosen))

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"lr_schedule": "cosine", "gradient_clip_val": 0.3},
            {"precision": "64-true"},
            {"precision": "bf16-mixed"},
            {"l1": 0.01},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("name", NETWORKS)
    def test_every_network_and_recipe(self, tmp_path: Path, name: str, change: dict[str, Any]) -> None:
        """For every network and recipe, a killed run ends with the same bytes as an uninterrupted one."""
        chosen = knobs(name, **change)
        undisturbed = fitted(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 2, "on_validation_epoch_start")
        assert same(undisturbed, fitted(tmp_path / "b", chosen))

    @pytest.mark.parametrize("block", range(3))
    def test_killed_between_blocks(self, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed in any chunk of an epoch, the run repeats that epoch and ends with the same bytes."""
        for module in ("feeding", "module"):
            monkeypatch.setattr(f"veritable.training.{module}.CHUNK_BATCHES", 1)
        undisturbed = fitted(tmp_path / "a", knobs())
        before = ClassifierModule.training_step

        def dying(self: ClassifierModule, rows: Any, batch_idx: int) -> None:
            if (self.current_epoch, batch_idx) == (2, block):
                raise Killed
            before(self, rows, batch_idx)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassifierModule, "training_step", dying)
            with pytest.raises(Killed):
                fitted(tmp_path / "b", knobs())
        assert same(undisturbed, fitted(tmp_path / "b", knobs()))

    def test_killed_in_every_epoch(self, tmp_path: Path) -> None:
        """Killed in each epoch in turn, it resumes after the last complete epoch each time, and ends with the same bytes."""
        chosen = knobs(**OVERFITS | {"max_epochs": 6})
        undisturbed = fitted(tmp_path / "a", chosen)
        for epoch in range(6):
            killed(tmp_path / "b", chosen, epoch, "training_step")  # does not raise if it resumes later
        with pytest.MonkeyPatch.context() as patch:
            for epoch in range(5):
                kill_in(epoch, patch, "on_train_epoch_start")  # no earlier epoch is repeated
            assert same(undisturbed, fitted(tmp_path / "b", chosen))

    @pytest.mark.parametrize("change", [{"max_epochs": 4}, {"max_epochs": 30, "patience": 2}], ids=str)
    def test_killed_after_the_last_epoch(self, tmp_path: Path, change: dict[str, Any]) -> None:
        """Killed between its last checkpoint and its end, by epochs or by patience, it trains no further epoch."""
        chosen = knobs(**OVERFITS | change)
        undisturbed = fitted(tmp_path / "a", chosen)
        with pytest.MonkeyPatch.context() as patch:
            kill_in(-1, patch, "training_step")
            for epoch in range(40):
                kill_in(epoch, patch, "training_step")
            assert same(undisturbed, fitted(tmp_path / "a", chosen))

    @pytest.mark.parametrize("keep", [0, 10, 0.5, 0.999], ids=str)
    def test_torn_checkpoint(self, tmp_path: Path, keep: float, capsys: pytest.CaptureFixture[str]) -> None:
        """A truncated checkpoint is moved away with a message, and training starts again with the same result."""
        chosen = knobs()
        undisturbed = fitted(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 2, "training_step")
        checkpoint = tmp_path / "b/resume.ckpt"
        whole = checkpoint.read_bytes()
        checkpoint.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
        assert same(undisturbed, fitted(tmp_path / "b", chosen))
        said = capsys.readouterr()
        assert "" == said.out
        assert f"is damaged: moved to {tmp_path / 'b/resume.damaged'}; training starts from the first epoch." in said.err
        assert (tmp_path / "b/resume.damaged").exists()

    def test_rotten_checkpoint(self, tmp_path: Path) -> None:
        """A checkpoint with a wrong byte is moved away or resumed from, always with the same result."""
        chosen = knobs(max_epochs=3)
        undisturbed = fitted(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 2, "training_step")
        checkpoint = tmp_path / "b/resume.ckpt"
        whole, draw = checkpoint.read_bytes(), np.random.default_rng(0)
        for at in [*draw.integers(0, len(whole), 6), len(whole) - 3, len(whole) - 15]:
            checkpoint.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
            assert same(undisturbed, fitted(tmp_path / "b", chosen))

    def test_half_written_checkpoint(self, tmp_path: Path) -> None:
        """A partially written checkpoint of a killed run is ignored."""
        chosen = knobs()
        undisturbed = fitted(tmp_path / "a", chosen)
        killed(tmp_path / "b", chosen, 2, "training_step")
        (tmp_path / "b/resume.ckpt.partial").write_bytes(b"half")
        assert same(undisturbed, fitted(tmp_path / "b", chosen))


SCRIPT = """
import os, signal, sys
from pathlib import Path
from tests.test_fit import OVERFITS, fitted, knobs, state
from veritable.training.module import ClassifierModule

scratch, kills = Path(sys.argv[1]), sys.argv[2:]
before = ClassifierModule.on_train_epoch_start

def dying(self):
    before(self)
    if str(self.current_epoch) in kills:
        os.kill(os.getpid(), signal.SIGKILL)

ClassifierModule.on_train_epoch_start = dying
network, history = fitted(scratch, knobs(**OVERFITS | {"max_epochs": 5}))
(scratch / "weights").write_bytes(b"".join(state(network).values()))
history.to_csv(scratch / "history.csv")
"""


def run_script(scratch: Path, *kills: int) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", SCRIPT, str(scratch), *map(str, kills)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_sigkill_and_other_processes(tmp_path: Path) -> None:
    """Another process ends with the same bytes after a SIGKILL, and prints nothing."""
    network, history = fitted(tmp_path / "a", knobs(**OVERFITS | {"max_epochs": 5}))
    assert -signal.SIGKILL == run_script(tmp_path / "b", 3).returncode
    done = run_script(tmp_path / "b", 1, 2)  # dies if it starts again
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert b"".join(state(network).values()) == (tmp_path / "b/weights").read_bytes()
    assert history.to_csv() == (tmp_path / "b/history.csv").read_text()


def test_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, training prints nothing."""
    fitted(tmp_path / "a", knobs())
    assert ("", "") == capsys.readouterr()


def test_leaves_only_its_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the checkpoint in the scratch folder is written."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    fitted(tmp_path / "a", knobs())
    assert ["a", "a/resume.ckpt", "elsewhere"] == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


def test_balanced_class_weights() -> None:
    """Balanced class weights are those of scikit-learn; otherwise every class has weight 1."""
    part = numbers_part(200, 3, classes=4)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=part.y)
    network = network_of(knobs(), part, 4)
    balanced = ClassifierModule(network, knobs(class_weight="balanced"), part, part, 4)
    np.testing.assert_allclose(expected, balanced.class_weights, rtol=1e-6)
    assert [1, 1, 1, 1] == ClassifierModule(network, knobs(), part, part, 4).class_weights.tolist()


def test_balanced_loss(tmp_path: Path) -> None:
    """With balanced weights, the validation loss is the weighted mean with the weights of scikit-learn."""
    weights = torch.tensor(compute_class_weight("balanced", classes=np.arange(2), y=TRAIN.y), dtype=torch.float32)
    network, history = fitted(tmp_path / "a", knobs(class_weight="balanced"))
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(VALID.X))
    expected = float(nn.functional.cross_entropy(logits, torch.from_numpy(VALID.y), weight=weights))
    assert expected == pytest.approx(history["valid_loss"].min(), rel=1e-5)


def test_epochs_have_other_orders() -> None:
    """Each epoch shuffles the rows differently, and the same epoch always in the same way."""
    module = ClassifierModule(network_of(knobs()), knobs(), TRAIN, VALID, 2)
    orders = []
    for epoch in (0, 1, 0):
        module.trainer = type("Trainer", (), {"current_epoch": epoch})()  # type: ignore[assignment]
        orders.append(torch.cat([X for X, _ in module.train_dataloader()]))
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])


def test_bar_counts_all_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, a bar counts the steps of all epochs and shows the validation loss."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bars: list[room.EpochProgress] = []
    start = room.EpochProgress.on_train_start

    def kept(self: room.EpochProgress, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        bars.append(self)
        start(self, trainer, module)

    monkeypatch.setattr(room.EpochProgress, "on_train_start", kept)
    fitted(tmp_path / "a", knobs())
    task = bars[0].bar.tasks[0]
    assert (12, 12) == (task.total, task.completed)
    assert task.description.startswith("epoch 4, valid loss 0.")


class TestWeights:
    def weighted(self, weight: np.ndarray) -> Part:
        return replace(TRAIN, weight=weight)

    def test_validation_loss_is_the_weighted_mean(self, tmp_path: Path) -> None:
        """With row weights, also with balanced classes, the validation loss is the weighted mean, computed by hand."""
        weight = np.random.default_rng(0).exponential(size=len(VALID)) * (np.arange(len(VALID)) % 3 > 0)
        train = self.weighted(np.random.default_rng(1).exponential(size=len(TRAIN)))
        for name, change in (("a", {}), ("b", {"class_weight": "balanced"})):
            network, history = fitted(tmp_path / name, knobs(**change), train, replace(VALID, weight=weight))
            network.eval()
            with torch.no_grad():
                losses = nn.functional.cross_entropy(
                    network(torch.from_numpy(VALID.X)), torch.from_numpy(VALID.y), reduction="none"
                ).numpy()
            counts = np.bincount(TRAIN.y, train.weight)
            of_class = counts.sum() / (2 * counts) if change else np.ones(2)
            expected = np.average(losses, weights=weight * of_class[VALID.y])
            assert expected == pytest.approx(history["valid_loss"].min(), rel=1e-5)

    def test_a_whole_batch_of_weights_is_rows_repeated(self, tmp_path: Path) -> None:
        """In one batch, integer weights have the same effect as repeated rows, and weight 0 that of no row."""
        weight = np.arange(len(TRAIN)) % 3
        repeated = TRAIN.take(np.repeat(np.arange(len(TRAIN)), weight))
        chosen = knobs(dropout=0.0, batch_size=1000)
        one, two = fitted(tmp_path / "a", chosen, self.weighted(weight.astype(float))), fitted(tmp_path / "b", chosen, repeated)
        for left, right in zip(one[0].parameters(), two[0].parameters(), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one[1], two[1], rtol=1e-5)

    def test_only_ratios_matter(self, tmp_path: Path) -> None:
        """Weights that are a million times as large train the same network, up to rounding."""
        weight = np.random.default_rng(0).exponential(size=len(TRAIN))
        one, two = (fitted(tmp_path / name, knobs(), self.weighted(weight * by)) for name, by in (("a", 1.0), ("b", 2.0**20)))
        assert same(one, two)

    def test_weights_survive_a_kill(self, tmp_path: Path) -> None:
        """A killed run with weights ends with the same bytes as an uninterrupted one."""
        train = self.weighted(np.random.default_rng(0).exponential(size=len(TRAIN)))
        undisturbed = fitted(tmp_path / "a", knobs(), train)
        killed(tmp_path / "b", knobs(), 2, "training_step", train=train)
        assert same(undisturbed, fitted(tmp_path / "b", knobs(), train))

    def test_no_weight_at_all(self, tmp_path: Path) -> None:
        """Weights that are all 0 are refused."""
        with pytest.raises(UserError, match=r"must have a weight above 0, but the weights of all 96 rows are 0"):
            fitted(tmp_path / "a", knobs(), self.weighted(np.zeros(len(TRAIN))))


@pytest.mark.parametrize("absent", [1, 3], ids=["middle", "last"])
def test_a_class_absent_from_training(tmp_path: Path, absent: int) -> None:
    """Balanced weights of the classes present are those of scikit-learn, absent classes have 1, and training stays finite."""
    part = numbers_part(200, 3, classes=4)
    train = part.take(np.flatnonzero(part.y != absent))
    present = np.delete(np.arange(4), absent)
    chosen = knobs(class_weight="balanced")
    module = ClassifierModule(network_of(chosen, part, 4), chosen, train, part, 4)
    expected = compute_class_weight("balanced", classes=present, y=train.y)
    np.testing.assert_allclose(expected, module.class_weights[present], rtol=1e-6)
    assert 1 == module.class_weights[absent]
    _, history = fitted(tmp_path / "a", chosen, train, part, 4)
    assert np.isfinite(history).all(axis=None)
