"""Fit a network: the best epoch by validation loss is kept, and a killed run goes on from its last epoch."""

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
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from veritable.errors import UserError
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.module import ClassifierModule
from veritable.training.params import TrainParams

_SMALL_STEP = 2**24  # weights x rows: the demo's net at batch 4,096 is beyond, at 256 it is not
_EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",  # kept on purpose
    r".*isinstance\(treespec, LeafSpec\)",  # Lightning's own affair with torch
)


Told = Callable[[int, float], None]  # an epoch (from 1) and its loss on valid; what it raises ends the training


class TrainingError(UserError):
    """Training cannot go on, or cannot start."""


class Diverged(TrainingError):  # noqa: N818  (reads as what happened)
    """The loss is no longer finite."""


def fit(
    network: nn.Module,
    params: TrainParams,
    train: Part | Shards,
    valid: Part | Shards,
    *,
    n_classes: int,
    scratch: Path,
    told: Told | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Train `network` in place and leave it with the weights of its best epoch.

    Parameters
    ----------
    n_classes
        How many logits the network has; a class may be absent from either part.
    scratch
        An existing folder that outlives a killed run. Found again, training goes on after the last whole epoch and ends with
        the same weights, bit for bit, as an undisturbed run.
    told
        Called after each epoch; a resumed run calls it for the epochs before, too.
    threads
        Number of CPU threads; None: `choose_threads`.

    Returns
    -------
    The history, a row an epoch: epoch (from 1), train_loss, valid_loss; weighted means where rows have weights.

    Raises
    ------
    Diverged
        The loss is no longer finite.
    TrainingError
        A GPU is asked for where there is none.
    UserError
        No row of a part has a weight above 0.
    """
    if params.accelerator == "gpu" and not torch.cuda.is_available():
        raise TrainingError(
            "'train.accelerator' in params.yaml is 'gpu', however torch finds none here. Set it to 'auto' or 'cpu'."
        )
    torch.set_num_threads(threads or choose_threads(network, params.recipe.batch_size))
    best = BestEpoch(params.network, params.recipe.patience, told)
    trainer = pl.Trainer(
        default_root_dir=scratch,
        max_epochs=params.recipe.max_epochs,
        accelerator=params.accelerator,
        devices=1,
        precision=params.precision,
        deterministic=True,
        callbacks=[best, EpochProgress(), _checkpoint(scratch)],
        plugins=[WholeCheckpoints()],
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    module = ClassifierModule(network, params, train, valid, n_classes)
    if params.precision == "64-true":
        module.double()  # Lightning would do so after it has read a checkpoint, whose weights would lose half of their digits
    with warnings.catch_warnings():
        for message in _EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(module, ckpt_path=_resume_from(scratch), weights_only=True)
    network.cpu().float().load_state_dict(best.weights)
    return pd.DataFrame(best.history, columns=["epoch", "train_loss", "valid_loss"])


def choose_threads(network: nn.Module, batch_size: int) -> int:
    """One for a small step, which several would only wait for each other in; else all cores."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    return 1 if weights * batch_size < _SMALL_STEP else os.cpu_count() or 1


class BestEpoch(Callback):
    """Keeps the history and the best epoch's weights, stops when patience is out; all of it survives in the checkpoint."""

    def __init__(self, network: str, patience: int | None, told: Told | None = None):
        self.network, self.patience, self.told = network, patience, told
        self.history: list[tuple[int, float, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    @property
    def epoch(self) -> int:
        """The best epoch so far, from 1; the first of equals."""
        return min(self.history, key=lambda row: row[2])[0]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_out_of_patience(trainer)  # a run killed after its last epoch must not train another one

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        epoch, losses = trainer.current_epoch + 1, pl_module.mean_losses()
        if not all(map(math.isfinite, losses.values())):
            raise Diverged(
                f"the loss must stay finite, however in epoch {epoch} it is {losses['train']} on train and {losses['valid']} "
                f"on valid. Lower train.{self.network}.learning_rate in params.yaml."
            )
        self.history.append((epoch, losses["train"], losses["valid"]))
        if self.epoch == epoch:
            self.weights = {k: v.detach().cpu().float().clone() for k, v in pl_module.network.state_dict().items()}
        if self.told:
            self.told(epoch, losses["valid"])
        self._stop_if_out_of_patience(trainer)

    def _stop_if_out_of_patience(self, trainer: pl.Trainer) -> None:
        if self.patience and self.history and self.history[-1][0] - self.epoch >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"history": copy.copy(self.history), "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self.weights = [tuple(row) for row in state_dict["history"]], state_dict["weights"]
        if self.told:
            for epoch, _, loss in self.history:
                self.told(epoch, loss)


class EpochProgress(Callback):
    """A bar over all steps of all epochs, on a terminal only."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        self.bar.start()
        total = (trainer.max_epochs or 0) * pl_module.steps
        self.task = self.bar.add_task("training", total=total, completed=trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if not self.bar.disable:
            self.bar.update(self.task, completed=trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ClassifierModule)
        losses = pl_module.mean_losses()
        self.bar.update(self.task, description=f"epoch {trainer.current_epoch + 1}, valid loss {losses['valid']:.4f}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.bar.stop()


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are replaced whole: Lightning moves them from the system's temporary folder, maybe another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        partial = Path(f"{path}.partial")
        super().save_checkpoint(checkpoint, partial, storage_options)
        partial.replace(path)


def _checkpoint(scratch: Path) -> ModelCheckpoint:
    """The last epoch's, saved after its validation so that `BestEpoch` has seen it."""
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
            whole = archive.testzip() is None
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError):  # what zipfile raises on bytes gone wrong
        whole = False
    if whole:
        return path
    aside = path.rename(path.with_suffix(".torn"))
    print(
        f"The checkpoint of a killed run is torn: set aside as {aside}; training starts from the first epoch.", file=sys.stderr
    )
    return None


logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # it announces the devices that it does not use
