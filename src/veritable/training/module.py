"""The Lightning module: loss, optimizer and batches of a network."""

import math
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from veritable.models.network import log_probabilities
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.class_weights import balance
from veritable.training.feeding import CHUNK_BATCHES, Chunks, RowsInMemory
from veritable.training.plan import TrainPlan
from veritable.training.streaming import RowsOnDisk, StreamedChunks

_VALID_BATCH_ROWS = 8192
_WARM_UP = 0.05  # share of all steps


class ClassifierModule(pl.LightningModule):
    """Cross-entropy with optional row weights, class weights and L1 penalty, optimized by AdamW.

    The row weights are scaled to a mean of 1 over the train part, not within each batch, so a row has the same influence in
    every batch. TabM is trained on the mean of the losses of its k networks and validated with the loss of their mean
    (Gorishniy et al. 2024, "TabM").

    A training step of Lightning processes a chunk of batches, with one optimizer step per batch: that keeps its overhead small.
    The last optimizer step of a chunk goes through Lightning, whose `global_step` therefore counts chunks; `step` counts
    optimizer steps. Losses are summed on the device and read once per epoch, because reading a loss waits for the device.

    Attributes
    ----------
    steps_per_epoch
        Number of optimizer steps per epoch.
    step
        Number of optimizer steps so far, including those of the epochs before a resume.
    """

    def __init__(self, network: nn.Module, plan: TrainPlan, train: Part | Shards, valid: Part | Shards, n_classes: int):
        super().__init__()
        self.automatic_optimization = False
        self.network, self.plan = network, plan
        parts = {"train": train, "valid": valid}
        self.rows = {name: RowsInMemory(part) if isinstance(part, Part) else RowsOnDisk(part) for name, part in parts.items()}
        self.balanced = plan.class_weight == "balanced"
        weights = balance(self.rows["train"].class_masses(n_classes)) if self.balanced else torch.ones(n_classes)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights)
        self.penalized = [weight for name, weight in network.named_parameters() if name.endswith("weight")]
        self.steps_per_epoch = -(-len(self.rows["train"]) // plan.recipe.batch_size)
        self.step = 0

    def setup(self, stage: str) -> None:
        dtype = torch.float64 if self.plan.precision == "64-true" else torch.float32
        for rows in self.rows.values():
            rows.to(self.trainer.strategy.root_device, dtype)

    def train_dataloader(self) -> Chunks | StreamedChunks:
        """Return the chunks of the current epoch; a resumed run sees the rows in the same order."""
        return self.rows["train"].chunks(self.plan.recipe.batch_size, self.plan.seed + self.current_epoch)

    def val_dataloader(self) -> Chunks | StreamedChunks:
        return self.rows["valid"].chunks(max(1, _VALID_BATCH_ROWS // CHUNK_BATCHES))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        recipe = self.plan.recipe
        return torch.optim.AdamW(self.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.plan.seed + self.current_epoch)  # the same dropout in a resumed run
        self.step = self.current_epoch * self.steps_per_epoch
        self.sums = {name: torch.zeros(2, dtype=torch.float64, device=self.device) for name in ("train", "valid")}

    def on_validation_epoch_start(self) -> None:
        self.sums["valid"].zero_()

    def training_step(self, chunk: tuple[Tensor, ...], batch_idx: int) -> None:
        counted, recipe, network = self.optimizers(), self.plan.recipe, self.network
        assert isinstance(counted, LightningOptimizer)
        optimizer = counted.optimizer
        full_precision = (
            nullcontext() if self.plan.precision != "bf16-mixed" else torch.autocast(self.device.type, enabled=False)
        )
        batches = self._batches(chunk)
        totals, masses = list[Tensor](), list[Any]()
        for number, batch in enumerate(batches, 1):
            loss, total, mass = self._loss(network, *batch)
            totals.append(total)
            masses.append(mass)
            if recipe.l1:
                loss = loss + recipe.l1 * torch.stack([weight.abs().sum() for weight in self.penalized]).sum()
            with full_precision:
                loss.backward()  # type: ignore[no-untyped-call]
            if recipe.gradient_clip_val:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip_val)
            if recipe.lr_schedule != "constant":
                for group in optimizer.param_groups:
                    group["lr"] = recipe.learning_rate * self._lr_factor(self.step)
            (counted if number == len(batches) else optimizer).step()
            optimizer.zero_grad()
            self.step += 1
        losses = torch.stack(totals).double()
        if isinstance(masses[0], Tensor):
            self.sums["train"] += torch.stack([losses.sum(), torch.stack(masses).sum(dtype=torch.float64)])
        else:  # the totals are means and the masses are row counts
            rows = torch.tensor(masses, dtype=torch.float64, device=losses.device)
            self.sums["train"] += torch.stack([(losses * rows).sum(), rows.sum()])

    def validation_step(self, chunk: tuple[Tensor, ...], batch_idx: int) -> None:
        X, y, *weights = chunk
        losses = nn.functional.nll_loss(log_probabilities(self.network(X)), y, reduction="none").double()
        weight = self.class_weights[y].double() * (weights[0] if weights else 1)
        self.sums["valid"] += torch.stack([(losses * weight).sum(), weight.sum()])

    def mean_losses(self) -> dict[str, float]:
        """Return the mean loss on each part in the current epoch."""
        return {name: float(total / rows) for name, (total, rows) in ((n, s.tolist()) for n, s in self.sums.items())}

    def _batches(self, chunk: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
        return list(zip(*(torch.split(column, self.plan.recipe.batch_size) for column in chunk), strict=True))

    def _loss(
        self, network: nn.Module, X: Tensor, y: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | int]:
        """Return the loss to minimize, and for the history the weighted sum and its mass (without weights: mean and rows)."""
        logits, rows = network(X), len(y)
        if logits.ndim > 2:  # TabM: each of the k networks has its own loss
            y = y.repeat_interleave(logits.shape[1])
            weight = None if weight is None else weight.repeat_interleave(logits.shape[1])
            logits = logits.flatten(0, 1)
        if weight is None:
            loss = nn.functional.cross_entropy(logits, y, weight=self.class_weights if self.balanced else None)
            return loss, loss.detach(), rows
        class_weight = self.class_weights[y]
        summed = (nn.functional.cross_entropy(logits, y, reduction="none") * class_weight * weight).sum()
        return summed / class_weight.sum(), summed.detach(), (class_weight * weight).sum()

    def _lr_factor(self, step: int) -> float:
        """Return the factor of the learning rate: linear warm-up, then cosine decay to 0 (Loshchilov & Hutter 2017, "SGDR")."""
        steps = self.plan.recipe.max_epochs * self.steps_per_epoch
        warm_up = min(1.0, (step + 1) / (_WARM_UP * steps))
        return warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))
