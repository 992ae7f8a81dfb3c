"""A trained classifier: contract, encoder, network and threshold; on disk safetensors and JSON, nothing that can run code."""

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
from veritable.tables.contract import Contract
from veritable.tables.encoder import Encoder, columns_of

_BATCH_ROWS = 256  # every batch is filled up to it: a matrix product adds in another order with another number of rows


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
    contract: Contract
    threshold: float | None

    @property
    def classes(self) -> list[str]:
        """In the order of the probabilities; the positive one of two stands last."""
        return list(self.contract.classes)

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities for raw rows. Shape: (n, classes), float64

        Values that the table could not hold count as missing, levels that train did not have as "other"; `Encoder.read`
        tells which they are.

        Raises
        ------
        TableError
            A column is absent that no row of the train part lacked.
        """
        names = [column.name for column in self.encoder.columns]
        read = self.encoder.read(columns_of(frame, names), self.contract, rows=len(frame))
        return self.predict_encoded(self.encoder.encode(read.values))

    def predict_encoded(self, X: np.ndarray) -> np.ndarray:
        """Probabilities for encoded rows, to the last bit the same in any company. Shape: (n, width) -> (n, classes)"""
        self.network.eval()
        logits = np.empty((len(X), len(self.contract.classes)), dtype=np.float64)
        full = torch.zeros((_BATCH_ROWS, X.shape[1]), dtype=torch.float32)
        with torch.inference_mode():
            for start in range(0, len(X), _BATCH_ROWS):
                rows = torch.from_numpy(np.ascontiguousarray(X[start : start + _BATCH_ROWS]))
                full[: len(rows)] = rows
                logits[start : start + len(rows)] = self.network(full)[: len(rows)].numpy()
            return torch.softmax(torch.from_numpy(logits), dim=1).numpy()

    def save(self, folder: Path) -> None:
        """Write weights.safetensors and classifier.json into a folder."""
        folder.mkdir(exist_ok=True)
        save_file(self.network.state_dict(), folder / "weights.safetensors")
        content = {
            "network": self.spec,
            "encoder": self.encoder.to_json(),
            "contract": self.contract.to_json(),
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
        encoder, contract = Encoder.from_json(content["encoder"]), Contract.from_json(content["contract"])
        network = build_network(encoder, len(contract.classes), content["network"])
        network.load_state_dict(load_file(folder / "weights.safetensors"))
        return cls(network, content["network"], encoder, contract, content["threshold"])
