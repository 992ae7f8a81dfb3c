"""The Lightning module: loss, optimiser and batches of a classifier."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from veritable.tables.parts import Part
from veritable.training.feeding import Batches
from veritable.training.params import TrainParams

_VALID_BATCH_ROWS = 8192


class ClassifierModule(pl.LightningModule):
    """Cross-entropy with optional class weights and L1, Adam with decoupled weight decay.

    Losses are summed on the device and read once an epoch: reading each step's would wait for the device each time.
    """

    def __init__(self, network: nn.Module, params: TrainParams, train: Part, valid: Part):
        super().__init__()
        self.network, self.params = network, params
        self.rows = {
            name: (torch.from_numpy(part.X), torch.from_numpy(part.y)) for name, part in (("train", train), ("valid", valid))
        }
        counts = torch.bincount(self.rows["train"][1]).float()
        balanced = counts.sum() / (len(counts) * counts)
        self.class_weights: Tensor
        self.register_buffer("class_weights", balanced if params.class_weights == "balanced" else torch.ones_like(counts))
        self.penalised = [weight for name, weight in network.named_parameters() if name.endswith("weight")]

    def setup(self, stage: str) -> None:
        dtype = torch.float64 if self.params.precision == "64-true" else torch.float32
        device = self.trainer.strategy.root_device
        self.rows = {name: (X.to(device, dtype), y.to(device)) for name, (X, y) in self.rows.items()}

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

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = self._loss(batch, "train")
        if self.params.l1:
            loss = loss + self.params.l1 * torch.stack([weight.abs().sum() for weight in self.penalised]).sum()
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._loss(batch, "valid")

    def _loss(self, batch: tuple[Tensor, Tensor], part: str) -> Tensor:
        X, y = batch
        loss = nn.functional.cross_entropy(self.network(X), y, weight=self.class_weights)
        self.sums[part] += torch.stack([loss.detach().double() * len(y), loss.new_tensor(len(y), dtype=torch.float64)])
        return loss

    def mean_losses(self) -> dict[str, float]:
        """Mean loss of the epoch so far on each part."""
        return {name: float(total / rows) for name, (total, rows) in ((n, s.tolist()) for n, s in self.sums.items())}
