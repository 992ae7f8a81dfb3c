"""Lightning as in its guide: `Trainer()` with its defaults, a DataLoader, `self.log` of the losses."""

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_laps import LapsCallback
from peer_torch import make_network
from task import Laps, Predict, Task
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Module(pl.LightningModule):
    """Module with cross-entropy and AdamW."""

    def __init__(self, network: nn.Module, task: Task):
        super().__init__()
        self.network, self.settings = network, task.settings

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        X, y = batch
        loss = nn.functional.cross_entropy(self.network(X), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        X, y = batch
        self.log("valid_loss", nn.functional.cross_entropy(self.network(X), y), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(), lr=self.settings["learning_rate"], weight_decay=self.settings["weight_decay"]
        )


def fit(task: Task, laps: Laps) -> Predict:
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    train, valid = (TensorDataset(*map(torch.from_numpy, task.parts[name])) for name in ("train", "valid"))
    network = make_network(task.parts["train"][0].shape[1], task.n_classes, task)
    trainer = pl.Trainer(
        max_epochs=task.settings["max_epochs"],
        accelerator="cpu",
        default_root_dir=task.folder,
        callbacks=[LapsCallback(laps)],
    )
    loaders = DataLoader(train, task.settings["batch_size"], shuffle=True), DataLoader(valid, task.settings["batch_size"])
    trainer.fit(Module(network, task), *loaders)
    network.eval()

    def predict(X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(X)).argmax(1).numpy()

    return predict
