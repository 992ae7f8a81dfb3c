"""Lightning callback that measures the time of the steps of each epoch."""

import pytorch_lightning as pl
from task import Laps


class LapsCallback(pl.Callback):
    """Callback that records an epoch from before its first batch to after its last step, without validation and checkpoints."""

    def __init__(self, laps: Laps):
        self.laps = laps

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.laps.start()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.laps.stop()
