"""A trained classifier: contract, encoder, what predicts, and threshold; on disk safetensors, JSON and LightGBM's text, nothing
that can run code.
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
from veritable.models.members import Members
from veritable.models.mlp import MLP
from veritable.models.resnet import ResNet
from veritable.models.tabm import TabM
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder, columns_of
from veritable.tables.typing.contract import Contract

NETWORKS: dict[str, type[nn.Module]] = {"mlp": MLP, "resnet": ResNet, "tabm": TabM}


def build_network(encoder: Encoder, n_classes: int, spec: Mapping[str, Any]) -> nn.Module:
    """A new network as `spec` says: its name, and what that one takes beside cardinalities and classes."""
    settings = {key: value for key, value in spec.items() if key != "name"}
    return NETWORKS[spec["name"]](encoder.cardinalities.tolist(), n_classes, **settings)


@dataclass(frozen=True)
class Classifier:
    """Predicts class probabilities from raw rows.

    Attributes
    ----------
    spec
        What its networks are built from.
    threshold
        Of two classes, the probability from which the second is predicted; None for more classes: the likeliest is.
    """

    members: Members
    spec: dict[str, Any]
    encoder: Encoder
    contract: Contract
    threshold: float | None

    @property
    def classes(self) -> list[str]:
        """In the order of the probabilities; the positive one of two stands last."""
        return list(self.contract.classes)

    @property
    def facts(self) -> dict[str, Any]:
        """What it is made of: `network` (its kind), `networks` and `trees` (how many), the networks' `share`, `temperature`."""
        members = self.members
        return {
            "network": self.spec["name"],
            "networks": len(members.networks),
            "trees": len(members.trees.texts) if members.trees else 0,
            "share": members.shares[0],
            "temperature": members.temperature,
        }

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
        return self.members.probabilities(X)

    def save(self, folder: Path) -> None:
        """Write classifier.json, and a file for each network and each boosted model, into a folder."""
        folder.mkdir(exist_ok=True)
        for i, network in enumerate(self.members.networks, 1):
            save_file(network.state_dict(), folder / f"network-{i}.safetensors")
        texts = self.members.trees.texts if self.members.trees else ()
        for i, text in enumerate(texts, 1):
            (folder / f"trees-{i}.txt").write_text(text, encoding="utf-8")
        content = {
            "network": self.spec,
            "networks": len(self.members.networks),
            "trees": len(texts),
            "shares": list(self.members.shares),
            "temperature": self.members.temperature,
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
        if not (folder / "classifier.json").is_file():
            raise UserError(
                f"'{folder}' must hold a classifier, however it has no classifier.json. Run `dvc repro train` first."
            )
        content = read_json(folder / "classifier.json")
        weights = [folder / f"network-{i}.safetensors" for i in range(1, content["networks"] + 1)]
        texts = [folder / f"trees-{i}.txt" for i in range(1, content["trees"] + 1)]
        if lost := [file.name for file in (*weights, *texts) if not file.is_file()]:
            raise UserError(f"'{folder}' must hold a classifier, however it has no {lost[0]}. Run `dvc repro train` again.")
        encoder, contract = Encoder.from_json(content["encoder"]), Contract.from_json(content["contract"])
        networks = []
        for file in weights:
            networks.append(build_network(encoder, len(contract.classes), content["network"]))
            networks[-1].load_state_dict(load_file(file))
        trees = Trees([file.read_text(encoding="utf-8") for file in texts]) if texts else None
        members = Members(tuple(networks), trees, tuple(content["shares"]), content["temperature"])
        return cls(members, content["network"], encoder, contract, content["threshold"])
