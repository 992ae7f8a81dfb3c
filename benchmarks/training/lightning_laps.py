"""A Lightning callback that stops the epochs' time."""

import pytorch_lightning as pl
from task import Laps


class LapsCallback(pl.Callback):
    """From before the first block is asked for to after the last step; validation and checkpoints come later."""

    def __init__(self, laps: Laps):
        self.laps = laps

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.laps.start()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.laps.stop()
