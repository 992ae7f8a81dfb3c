"""The plain network as a baseline: what most tutorials train on a table."""

from pathlib import Path

import numpy as np
import torch

from veritable.models.mlp import MLP
from veritable.models.network import Network
from veritable.tables.encoding.parts import Part
from veritable.training.fit import fit
from veritable.training.params import MLPParams
from veritable.training.plan import TrainPlan

_PARAMS = MLPParams(
    hidden_layer_sizes=[64, 64],
    activation="relu",
    dropout=0.2,
    learning_rate=0.001,
    lr_schedule="constant",
    weight_decay=0.0,
    l1=0.0,
    gradient_clip_val=None,
    batch_size=32,
    max_epochs=10,
    patience=None,
)


class PlainNetwork:
    """A fitted plain network.

    Attributes
    ----------
    classes_
        Codes of all classes. Shape: (n_classes,)
    """

    def __init__(self, network: Network, n_classes: int):
        self.network, self.classes_ = network, np.arange(n_classes)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Predict class probabilities. Shape: (n, width) -> (n, n_classes)"""
        return np.asarray(np.exp(self.network.scores(np.asarray(X, dtype=np.float32))))


def fit_plain_network(
    train: Part, valid: Part, cardinalities: np.ndarray, *, n_classes: int, scratch: Path, seed: int
) -> PlainNetwork:
    """Fit two hidden layers of 64 units (ReLU, dropout 0.2) by Adam: batches of 32 rows, 10 epochs; valid chooses the epoch.

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    scratch
        An existing folder: see `fit`.
    """
    plan = TrainPlan(
        network="mlp",
        mlp=_PARAMS,
        n_splits=0,
        refit=False,
        n_networks=1,
        freeze=[],
        class_weight="none",
        accelerator="cpu",
        precision="32-true",
        seed=seed,
    )
    torch.manual_seed(seed)
    module = MLP(
        cardinalities.tolist(),
        n_classes,
        hidden_layer_sizes=_PARAMS.hidden_layer_sizes,
        activation=_PARAMS.activation,
        dropout=_PARAMS.dropout,
    )
    fit(module, plan, train, valid, n_classes=n_classes, scratch=scratch, threads=1)
    return PlainNetwork(Network(module), n_classes)
