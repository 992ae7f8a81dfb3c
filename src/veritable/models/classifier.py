"""A trained classifier: contract, encoder, models and threshold.

On disk it is a folder of safetensors, JSON and LightGBM text files; none of them can run code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.torch import load_file, save_file
from torch import nn

from veritable.errors import UserError
from veritable.files import read_json, write_json
from veritable.metrics.thresholds import predict_classes
from veritable.models.ensemble import Ensemble
from veritable.models.mlp import MLP
from veritable.models.resnet import ResNet
from veritable.models.tabm import TabM
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder, columns_of
from veritable.tables.typing.contract import Contract

NETWORK_CLASSES: dict[str, type[nn.Module]] = {"mlp": MLP, "resnet": ResNet, "tabm": TabM}


def build_network(encoder: Encoder, n_classes: int, spec: Mapping[str, Any]) -> nn.Module:
    """Build a new network from its spec: `name`, and the keyword arguments of its class."""
    settings = {key: value for key, value in spec.items() if key != "name"}
    return NETWORK_CLASSES[spec["name"]](encoder.cardinalities.tolist(), n_classes, **settings)


@dataclass(frozen=True)
class Classifier:
    """A trained classifier that predicts from raw or encoded rows.

    Attributes
    ----------
    ensemble
        The networks and boosted trees.
    spec
        What `build_network` needs to build the networks.
    encoder, contract
        How raw rows are read and encoded.
    threshold
        Probability from which the positive class is predicted; None if there are more than two classes.
    """

    ensemble: Ensemble
    spec: dict[str, Any]
    encoder: Encoder
    contract: Contract
    threshold: float | None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the probabilities; the positive class of a binary target is the second."""
        return list(self.contract.classes)

    @property
    def facts(self) -> dict[str, Any]:
        """Composition: name of the `network`, number of `networks` and `trees`, `share` of the networks, `temperature`."""
        ensemble = self.ensemble
        return {
            "network": self.spec["name"],
            "networks": len(ensemble.networks),
            "trees": len(ensemble.trees.texts) if ensemble.trees else 0,
            "share": ensemble.shares[0],
            "temperature": ensemble.temperature,
        }

    def predict_proba(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Predict probabilities, the same bits whatever the other rows. Shape: (n, classes), float64

        In raw rows, values that the table could not hold are treated as missing, and levels that the train part lacks as
        "other"; `Encoder.read` reports them.

        Parameters
        ----------
        rows
            Raw rows as a frame, or encoded rows as an array of Shape (n, width).

        Raises
        ------
        TableError
            A column is absent that had no missing values in the train part.
        """
        if isinstance(rows, pd.DataFrame):
            names = [column.name for column in self.encoder.columns]
            read = self.encoder.read(columns_of(rows, names), self.contract, rows=len(rows))
            rows = self.encoder.encode(read.values)
        return self.ensemble.predict_proba(rows)

    def predict(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Predict class codes from raw or encoded rows: see `predict_proba`. Shape: (n,), int64"""
        return self.decide(self.predict_proba(rows))

    def decide(self, y_prob: np.ndarray) -> np.ndarray:
        """Return the class codes for probabilities, at the threshold if there are two classes. Shape: (n, classes) -> (n,)"""
        return predict_classes(y_prob, self.threshold)

    def save(self, folder: Path) -> None:
        """Write classifier.json, and one file per network and boosted model, to a folder."""
        folder.mkdir(exist_ok=True)
        for i, network in enumerate(self.ensemble.networks, 1):
            save_file(network.state_dict(), folder / f"network-{i}.safetensors")
        texts = self.ensemble.trees.texts if self.ensemble.trees else ()
        for i, text in enumerate(texts, 1):
            (folder / f"trees-{i}.txt").write_text(text, encoding="utf-8")
        content = {
            "network": self.spec,
            "networks": len(self.ensemble.networks),
            "trees": len(texts),
            "shares": list(self.ensemble.shares),
            "temperature": self.ensemble.temperature,
            "encoder": self.encoder.to_json(),
            "contract": self.contract.to_json(),
            "threshold": self.threshold,
        }
        write_json(folder / "classifier.json", content)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a classifier that `save` wrote.

        Raises
        ------
        UserError
            The folder does not hold a complete classifier.
        """
        if not (folder / "classifier.json").is_file():
            raise UserError(
                f"'{folder}' must hold a classifier, but '{folder}/classifier.json' does not exist. Train one first."
            )
        content = read_json(folder / "classifier.json")
        weights = [folder / f"network-{i}.safetensors" for i in range(1, content["networks"] + 1)]
        texts = [folder / f"trees-{i}.txt" for i in range(1, content["trees"] + 1)]
        if lost := [file.name for file in (*weights, *texts) if not file.is_file()]:
            raise UserError(f"'{folder}' must hold a classifier, but '{folder}/{lost[0]}' does not exist. Train it again.")
        encoder, contract = Encoder.from_json(content["encoder"]), Contract.from_json(content["contract"])
        networks = []
        for file in weights:
            networks.append(build_network(encoder, len(contract.classes), content["network"]))
            networks[-1].load_state_dict(load_file(file))
        trees = Trees([file.read_text(encoding="utf-8") for file in texts]) if texts else None
        ensemble = Ensemble(tuple(networks), trees, tuple(content["shares"]), content["temperature"])
        return cls(ensemble, content["network"], encoder, contract, content["threshold"])
