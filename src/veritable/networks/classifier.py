"""A trained classifier: encoder, network, classes and threshold; on disk safetensors and JSON, nothing that can run code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from veritable.errors import UserError
from veritable.files import read_json, write_json
from veritable.networks.mlp import MLP
from veritable.tables.encoder import Encoder

_BATCH_ROWS = 4096


def build_network(encoder: Encoder, n_classes: int, spec: Mapping[str, Any]) -> nn.Module:
    """A new network as `spec` says: hidden_sizes, activation, dropout."""
    return MLP(encoder.cardinalities.tolist(), n_classes, **spec)


@dataclass(frozen=True)
class Classifier:
    """Predicts class probabilities from raw rows.

    Attributes
    ----------
    threshold
        Of two classes, the probability from which the second is predicted; None for more classes: the likeliest is.
    """

    network: nn.Module
    spec: dict[str, Any]
    encoder: Encoder
    classes: list[str]
    threshold: float | None

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities for raw rows. Shape: (n, classes), float64

        Raises
        ------
        TableError
            A column is absent or holds what it cannot.
        """
        return self.predict_encoded(self.encoder.encode(frame))

    def predict_encoded(self, X: np.ndarray) -> np.ndarray:
        """Probabilities for encoded rows. Shape: (n, width) -> (n, classes), float64"""
        self.network.eval()
        with torch.inference_mode():
            batches = torch.split(torch.from_numpy(np.ascontiguousarray(X)), _BATCH_ROWS)
            logits = torch.cat([self.network(batch) for batch in batches])
            return torch.softmax(logits.double(), dim=1).numpy()

    def save(self, folder: Path) -> None:
        """Write weights.safetensors and classifier.json into a folder."""
        folder.mkdir(exist_ok=True)
        save_file(self.network.state_dict(), folder / "weights.safetensors")
        content = {
            "network": self.spec,
            "encoder": self.encoder.to_json(),
            "classes": self.classes,
            "threshold": self.threshold,
        }
        write_json(folder / "classifier.json", content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            The folder holds no classifier.
        """
        for name in ("classifier.json", "weights.safetensors"):
            if not (folder / name).is_file():
                raise UserError(f"'{folder}' must hold a classifier, however it has no {name}. Run `dvc repro train` first.")
        content = read_json(folder / "classifier.json")
        encoder = Encoder.from_json(content["encoder"])
        network = build_network(encoder, len(content["classes"]), content["network"])
        network.load_state_dict(load_file(folder / "weights.safetensors"))
        return cls(network, content["network"], encoder, content["classes"], content["threshold"])
