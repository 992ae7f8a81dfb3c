"""The Lightning module: loss, optimiser and batches of a classifier."""

import math
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from veritable.models.members import log_probabilities
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.feeding import STEPS, Blocks, Held
from veritable.training.params import TrainParams
from veritable.training.streaming import Streamed, StreamedBlocks

_VALID_BATCH_ROWS = 8192
_WARM_UP = 0.05  # of all steps


class ClassifierModule(pl.LightningModule):
    """Cross-entropy with optional weights of rows and classes and L1, Adam with decoupled weight decay.

    A row pulls at the network in proportion to its weight, whatever batch it falls in: weights are scaled to a mean of 1 over
    the train part, not within each batch. A network of several members is trained on the mean of their losses and judged by
    the loss of their mean (Gorishniy et al. 2024, "TabM").

    A training step is a block of many optimiser steps, so that Lightning's work around it hardly counts. Losses are summed on
    the device and read once an epoch: reading each step's would wait for the device each time.
    """

    def __init__(self, network: nn.Module, params: TrainParams, train: Part | Shards, valid: Part | Shards, n_classes: int):
        super().__init__()
        self.automatic_optimization = False
        self.network, self.params = network, params
        parts = {"train": train, "valid": valid}
        self.rows = {name: Held(part) if isinstance(part, Part) else Streamed(part) for name, part in parts.items()}
        self.balanced = params.class_weight == "balanced"
        weights = balance(self.rows["train"].masses(n_classes)) if self.balanced else torch.ones(n_classes)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights)
        self.penalised = [weight for name, weight in network.named_parameters() if name.endswith("weight")]
        self.steps = -(-len(self.rows["train"]) // params.recipe.batch_size)  # of an epoch

    def setup(self, stage: str) -> None:
        dtype = torch.float64 if self.params.precision == "64-true" else torch.float32
        for rows in self.rows.values():
            rows.to(self.trainer.strategy.root_device, dtype)

    def train_dataloader(self) -> Blocks | StreamedBlocks:
        """Asked for anew each epoch: a resumed run must see the rows in the same order."""
        return self.rows["train"].blocks(self.params.recipe.batch_size, self.params.seed + self.current_epoch)

    def val_dataloader(self) -> Blocks | StreamedBlocks:
        return self.rows["valid"].blocks(max(1, _VALID_BATCH_ROWS // STEPS))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(), lr=self.params.recipe.learning_rate, weight_decay=self.params.recipe.weight_decay, fused=True
        )

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.params.seed + self.current_epoch)  # dropout: the same, resumed or not
        self.step = self.current_epoch * self.steps
        self.sums = {name: torch.zeros(2, dtype=torch.float64, device=self.device) for name in ("train", "valid")}

    def on_validation_epoch_start(self) -> None:
        self.sums["valid"].zero_()

    def training_step(self, block: tuple[Tensor, ...], batch_idx: int) -> None:
        optimizer, recipe, network = self.optimizers(use_pl_optimizer=False), self.params.recipe, self.network
        assert isinstance(optimizer, torch.optim.Optimizer)
        full_precision = (
            nullcontext() if self.params.precision != "bf16-mixed" else torch.autocast(self.device.type, enabled=False)
        )
        step, totals, masses = self.step, list[Tensor](), list[Any]()
        for batch in zip(*(torch.split(column, recipe.batch_size) for column in block), strict=True):
            loss, total, mass = self._loss(network, *batch)
            totals.append(total)
            masses.append(mass)
            if recipe.l1:
                loss = loss + recipe.l1 * torch.stack([weight.abs().sum() for weight in self.penalised]).sum()
            with full_precision:
                loss.backward()  # type: ignore[no-untyped-call]
            if recipe.gradient_clip_val:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip_val)
            if recipe.lr_schedule != "constant":
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * self._factor(step)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
        self.step = step
        found = torch.stack(totals).double()
        if len(block) > 2:
            self.sums["train"] += torch.stack([found.sum(), torch.stack(masses).sum(dtype=torch.float64)])
        else:  # totals are means, masses are rows
            rows = torch.tensor(masses, dtype=torch.float64, device=found.device)
            self.sums["train"] += torch.stack([(found * rows).sum(), rows.sum()])
        self._count_steps(len(totals))

    def validation_step(self, block: tuple[Tensor, ...], batch_idx: int) -> None:
        X, y, *weights = block
        losses = nn.functional.nll_loss(log_probabilities(self.network(X)), y, reduction="none").double()
        weight = self.class_weights[y].double() * (weights[0] if weights else 1)
        self.sums["valid"] += torch.stack([(losses * weight).sum(), weight.sum()])

    def mean_losses(self) -> dict[str, float]:
        """Mean loss of the epoch so far on each part."""
        return {name: float(total / rows) for name, (total, rows) in ((n, s.tolist()) for n, s in self.sums.items())}

    def _loss(
        self, network: nn.Module, X: Tensor, y: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | int]:
        """What is descended on; for the history, with weights of rows the weighted sum and its mass, else mean and rows."""
        logits, rows = network(X), len(y)
        if logits.ndim > 2:  # of several members: each its own loss
            y = y.repeat_interleave(logits.shape[1])
            weight = None if weight is None else weight.repeat_interleave(logits.shape[1])
            logits = logits.flatten(0, 1)
        if weight is None:
            loss = nn.functional.cross_entropy(logits, y, weight=self.class_weights if self.balanced else None)
            return loss, loss.detach(), rows
        class_weight = self.class_weights[y]
        summed = (nn.functional.cross_entropy(logits, y, reduction="none") * class_weight * weight).sum()
        return summed / class_weight.sum(), summed.detach(), (class_weight * weight).sum()

    def _factor(self, step: int) -> float:
        """Of the learning rate: a short rise, then a cosine's fall to 0 over all epochs (Loshchilov & Hutter 2017, "SGDR")."""
        steps = self.params.recipe.max_epochs * self.steps
        rise = min(1.0, (step + 1) / (_WARM_UP * steps))
        return rise * 0.5 * (1 + math.cos(math.pi * step / steps))

    def _count_steps(self, steps: int) -> None:
        """Lightning counts its own optimisers' steps; these were taken by torch's."""
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for count in (progress.total, progress.current):
            count.ready += steps
            count.completed += steps


def balanced_weights(y: Tensor, weight: Tensor | None, n_classes: int) -> Tensor:
    """Weights under which all classes of the train part count the same, 1 on average over its rows; 1 for one that is absent.

    Shape: y (rows,), weight (rows,) -> (n_classes,)
    """
    return balance(torch.bincount(y, weight, minlength=n_classes))


def balance(masses: Tensor) -> Tensor:
    """The same from what the rows of each class weigh together. Shape: (n_classes,)"""
    counts = masses.float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts), 1.0)
