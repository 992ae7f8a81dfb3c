"""Fit a network: keep the best epoch by validation loss, and resume a killed run after its last complete epoch."""

import copy
import logging
import math
import os
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import nn

from veritable.errors import UserError
from veritable.progress import step_progress
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.module import ClassifierModule
from veritable.training.plan import TrainPlan
from veritable.training.privacy import PrivateModule

_SMALL_STEP = 2**24  # weights * rows per batch; the network of the demo is above it at a batch size of 4,096, and below at 256
_EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",  # of a killed run
    r".*isinstance\(treespec, LeafSpec\)",  # a deprecation in torch that Lightning has to handle
    "Full backward hook is firing",  # of the first layer with train.privacy, as it must
)


EpochCallback = Callable[[int, float], None]
"""Called with an epoch (from 1) and its validation loss; an exception that it raises ends the training."""


class TrainingError(UserError):
    """Training cannot start or continue."""


class Diverged(TrainingError):  # noqa: N818  (reads as what happened)
    """The loss is no longer finite."""


def fit(
    network: nn.Module,
    plan: TrainPlan,
    train: Part | Shards,
    valid: Part | Shards,
    *,
    n_classes: int,
    scratch: Path,
    threads: int | None = None,
    callback: EpochCallback | None = None,
) -> pd.DataFrame:
    """Train `network` in place, and leave it with the weights of its best epoch.

    Parameters
    ----------
    n_classes
        Number of logits; a class may be absent from either part.
    scratch
        An existing folder that is kept if the run is killed. With the same folder, training resumes after the last complete
        epoch and ends with the same weights, bit for bit, as an uninterrupted run.
    threads
        Number of CPU threads; None: 1 for a small network, otherwise one per core.
    callback
        Called after each epoch; a resumed run also calls it for the earlier epochs.

    Returns
    -------
    The history with a row per epoch: epoch (from 1), train_loss, valid_loss. With row weights, the losses are weighted means.

    Raises
    ------
    Diverged
        The loss is no longer finite.
    TrainingError
        A GPU is requested but there is none.
    UserError
        All weights of a part are 0, or the plan has `privacy` and Opacus is not installed.
    """
    if plan.accelerator == "gpu" and not torch.cuda.is_available():
        raise TrainingError("train.accelerator is 'gpu', but torch finds no GPU. Set it to 'auto' or 'cpu'.")
    torch.set_num_threads(threads or choose_threads(network, plan.recipe.batch_size))
    best = BestEpoch(plan.network, plan.recipe.patience, callback)
    trainer = pl.Trainer(
        default_root_dir=scratch,
        max_epochs=plan.recipe.max_epochs,
        accelerator=plan.accelerator,
        devices=1,
        precision=plan.precision,
        deterministic=True,
        callbacks=[best, EpochProgress(), _checkpoint(scratch)],
        plugins=[AtomicCheckpoints()],
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    module = (PrivateModule if plan.privacy else ClassifierModule)(network, plan, train, valid, n_classes)
    if plan.precision == "64-true":
        module.double()  # Lightning would do so after loading a checkpoint, which would round the weights to float32
    with warnings.catch_warnings():
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(module, ckpt_path=_resume_from(scratch), weights_only=True)
    network.cpu().float().load_state_dict(best.weights)
    return pd.DataFrame(best.history, columns=["epoch", "train_loss", "valid_loss"])


def choose_threads(network: nn.Module, batch_size: int) -> int:
    """Return 1 if a step is too small to gain from several threads, otherwise the number of cores."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    return 1 if weights * batch_size < _SMALL_STEP else os.cpu_count() or 1


class BestEpoch(Callback):
    """Keep the history and the weights of the best epoch, and stop after `patience` epochs without improvement.

    The state is part of the checkpoint.
    """

    def __init__(self, network: str, patience: int | None, callback: EpochCallback | None = None):
        self.network, self.patience, self.callback = network, patience, callback
        self.history: list[tuple[int, float, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    @property
    def epoch(self) -> int:
        """Best epoch so far, from 1; the first if several are equal."""
        return min(self.history, key=lambda row: row[2])[0]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_out_of_patience(trainer)  # a run killed after its last epoch must not train another one

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        epoch, losses = trainer.current_epoch + 1, pl_module.mean_losses()
        if not all(map(math.isfinite, losses.values())):
            raise Diverged(
                f"the loss must be finite, but in epoch {epoch} it is {losses['train']} on train and {losses['valid']} on "
                f"valid. Decrease train.{self.network}.learning_rate."
            )
        self.history.append((epoch, losses["train"], losses["valid"]))
        if self.epoch == epoch:
            self.weights = {k: v.detach().cpu().float().clone() for k, v in pl_module.network.state_dict().items()}
        if self.callback:
            self.callback(epoch, losses["valid"])
        self._stop_if_out_of_patience(trainer)

    def _stop_if_out_of_patience(self, trainer: pl.Trainer) -> None:
        if self.patience and self.history and self.history[-1][0] - self.epoch >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"history": copy.copy(self.history), "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self.weights = [tuple(row) for row in state_dict["history"]], state_dict["weights"]
        if self.callback:
            for epoch, _, loss in self.history:
                self.callback(epoch, loss)


class EpochProgress(Callback):
    """Show a progress bar over the optimizer steps of all epochs, on a terminal only."""

    def __init__(self) -> None:
        self.bar = step_progress()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        self.bar.start()
        total = (trainer.max_epochs or 0) * pl_module.steps_per_epoch
        self.task = self.bar.add_task("training", total=total, completed=trainer.current_epoch * pl_module.steps_per_epoch)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, ClassifierModule)
        if not self.bar.disable:
            self.bar.update(self.task, completed=pl_module.step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        losses = pl_module.mean_losses()
        self.bar.update(self.task, description=f"epoch {trainer.current_epoch + 1}, valid loss {losses['valid']:.4f}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.bar.stop()


class AtomicCheckpoints(TorchCheckpointIO):
    """Replace checkpoints by renaming: Lightning moves them from the temporary folder, which may be on another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        partial = Path(f"{path}.partial")
        super().save_checkpoint(checkpoint, partial, storage_options)
        partial.replace(path)


def _checkpoint(scratch: Path) -> ModelCheckpoint:
    """Return the callback that saves each epoch after its validation, when `BestEpoch` has seen it."""
    return ModelCheckpoint(
        scratch,
        "resume",
        monitor=None,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _resume_from(scratch: Path) -> Path | None:
    path = scratch / "resume.ckpt"
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            complete = archive.testzip() is None
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError):  # what zipfile raises for damaged files
        complete = False
    if complete:
        return path
    damaged = path.rename(path.with_suffix(".damaged"))
    print(
        f"The checkpoint of a killed run is damaged: moved to {damaged}; training starts from the first epoch.", file=sys.stderr
    )
    return None


logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # otherwise it lists the devices that it does not use
