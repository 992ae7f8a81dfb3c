"""The Lightning module: loss, optimiser and batches of a classifier."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from veritable.errors import UserError
from veritable.tables.parts import Part
from veritable.training.feeding import Batches
from veritable.training.params import TrainParams

_VALID_BATCH_ROWS = 8192


class ClassifierModule(pl.LightningModule):
    """Cross-entropy with optional weights of rows and classes and L1, Adam with decoupled weight decay.

    A row pulls at the network in proportion to its weight, whatever batch it falls in: weights are scaled to a mean of 1 over
    the train part, not within each batch.
    Losses are summed on the device and read once an epoch: reading each step's would wait for the device each time.
    """

    def __init__(self, network: nn.Module, params: TrainParams, train: Part, valid: Part, n_classes: int):
        super().__init__()
        self.network, self.params = network, params
        self.rows = {"train": _tensors(train), "valid": _tensors(valid)}
        balanced = params.class_weights == "balanced"
        weights = balanced_weights(*self.rows["train"][1:], n_classes) if balanced else torch.ones(n_classes)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights)
        self.penalised = [weight for name, weight in network.named_parameters() if name.endswith("weight")]

    def setup(self, stage: str) -> None:
        dtype = torch.float64 if self.params.precision == "64-true" else torch.float32
        device = self.trainer.strategy.root_device
        self.rows = {
            name: (X.to(device, dtype), y.to(device), None if weight is None else weight.to(device, dtype))
            for name, (X, y, weight) in self.rows.items()
        }

    def train_dataloader(self) -> Batches:  # asked for anew each epoch: a resumed run must see the rows in the same order
        return Batches(*self.rows["train"], self.params.batch_size, self.params.seed + self.current_epoch)

    def val_dataloader(self) -> Batches:
        return Batches(*self.rows["valid"], _VALID_BATCH_ROWS)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(), lr=self.params.learning_rate, weight_decay=self.params.weight_decay, fused=True
        )

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.params.seed + self.current_epoch)  # dropout: the same, resumed or not
        self.sums = {name: torch.zeros(2, dtype=torch.float64, device=self.device) for name in ("train", "valid")}

    def on_validation_epoch_start(self) -> None:
        self.sums["valid"].zero_()

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        loss = self._loss(batch, "train")
        if self.params.l1:
            loss = loss + self.params.l1 * torch.stack([weight.abs().sum() for weight in self.penalised]).sum()
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._loss(batch, "valid")

    def _loss(self, batch: tuple[Tensor, ...], part: str) -> Tensor:
        X, y, *weights = batch
        logits = self.network(X)
        if not weights:
            loss = nn.functional.cross_entropy(logits, y, weight=self.class_weights)
            total, mass = loss.detach().double() * len(y), loss.new_tensor(len(y), dtype=torch.float64)
        else:
            weight, class_weight = weights[0], self.class_weights[y]
            summed = (nn.functional.cross_entropy(logits, y, reduction="none") * class_weight * weight).sum()
            total, mass = summed.detach().double(), (class_weight * weight).sum().double()
            loss = summed / class_weight.sum()
        self.sums[part] += torch.stack([total, mass])
        return loss

    def mean_losses(self) -> dict[str, float]:
        """Mean loss of the epoch so far on each part."""
        return {name: float(total / rows) for name, (total, rows) in ((n, s.tolist()) for n, s in self.sums.items())}


def balanced_weights(y: Tensor, weight: Tensor | None, n_classes: int) -> Tensor:
    """Weights under which all classes of the train part count the same, 1 on average over its rows; 1 for one that is absent.

    Shape: y (rows,), weight (rows,) -> (n_classes,)
    """
    counts = torch.bincount(y, weight, minlength=n_classes).float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts), 1.0)


def _tensors(part: Part) -> tuple[Tensor, Tensor, Tensor | None]:
    """X, y and the weights of the rows that have any, 1 on average."""
    X, y = torch.from_numpy(part.X), torch.from_numpy(part.y)
    if part.weight is None:
        return X, y, None
    weight = torch.from_numpy(part.weight)
    weighty = weight > 0
    if not weighty.any():
        raise UserError(
            f"some row of a part must have a weight above 0, however all {len(weight):,} weigh 0. "
            "Check the column that data.weight names in params.yaml."
        )
    return X[weighty], y[weighty], weight[weighty] / weight[weighty].mean()
