"""A trained classifier: contract, encoder, members, threshold and the goal of its decisions.

On disk it is a folder of safetensors, JSON and LightGBM text files; none of them can run code.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.torch import load_file
from torch import nn

from veritable.errors import UserError
from veritable.files import read_json, write_json
from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import predict_classes
from veritable.models.background import Background
from veritable.models.ensemble import Ensemble, Member
from veritable.models.forest import Forest
from veritable.models.linear import Linear
from veritable.models.mlp import MLP
from veritable.models.network import Network
from veritable.models.pretrained import Pretrained
from veritable.models.resnet import ResNet
from veritable.models.tabm import TabM
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.typing.contract import Contract

NETWORK_CLASSES: dict[str, type[nn.Module]] = {"mlp": MLP, "resnet": ResNet, "tabm": TabM}
_LOADED: dict[str, tuple[str, Callable[[Path], Member]]] = {  # suffix of the file, and what reads it
    Trees.kind: (".txt", Trees.load),
    Forest.kind: (".safetensors", Forest.load),
    Linear.kind: (".safetensors", Linear.load),
    Pretrained.kind: (".safetensors", Pretrained.load),
}


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
        The models that are blended.
    spec
        What `build_network` needs to build the networks.
    encoder, contract
        How raw rows are read and encoded.
    threshold
        Probability from which the positive class is predicted; None if there are more than two classes.
    background
        Train rows that explanations compare with; None if they are withheld.
    goal
        What the threshold was chosen for; with costs and more than two classes, what decides.
    privacy
        What differentially private training has spent (see `compute_spent`); None without.
    """

    ensemble: Ensemble
    spec: dict[str, Any]
    encoder: Encoder
    contract: Contract
    threshold: float | None
    background: Background | None = None
    goal: Goal | None = None
    privacy: dict[str, float] | None = None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the probabilities; the positive class of a binary target is the second."""
        return list(self.contract.classes)

    @property
    def networks(self) -> list[nn.Module]:
        """The networks among the members."""
        return [member.module for member in self.ensemble.members if isinstance(member, Network)]

    @property
    def facts(self) -> dict[str, Any]:
        """Composition: name of the `network`, the `blend` (kind, number of models and share of each), `temperature`.

        With a pretrained model, also its name and the licence of its weights as `pretrained`; with differential privacy, what
        was spent as `privacy`.
        """
        counts, total = Counter(member.kind for member in self.ensemble.members), sum(self.ensemble.weights)
        weights = dict.fromkeys(counts, 0.0)
        for member, weight in zip(self.ensemble.members, self.ensemble.weights, strict=True):
            weights[member.kind] += weight
        blend = [{"kind": kind, "models": n, "share": weights[kind] / total} for kind, n in counts.items()]
        found = {"network": self.spec["name"], "blend": blend, "temperature": 1 / total}
        found |= {"privacy": self.privacy} if self.privacy else {}
        pretrained = [member.facts for member in self.ensemble.members if isinstance(member, Pretrained)]
        return found | ({"pretrained": {"model": pretrained[0].model, "license": pretrained[0].license}} if pretrained else {})

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
            A column is absent that had no missing values in the train part, or the key of its pseudonyms is.
        """
        if isinstance(rows, pd.DataFrame):
            names = [column.name for column in self.encoder.columns]
            read = self.encoder.read(self.contract.columns_of(rows, names), self.contract, rows=len(rows))
            rows = self.encoder.encode(read.values)
        return self.ensemble.predict_proba(rows)

    def predict(self, rows: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Predict class codes from raw or encoded rows: see `predict_proba`. Shape: (n,), int64"""
        return self.decide(self.predict_proba(rows))

    def decide(self, y_prob: np.ndarray) -> np.ndarray:
        """Return the class codes for probabilities: see `predict_classes`. Shape: (n, classes) -> (n,)"""
        return predict_classes(y_prob, self.threshold, self.goal.cost_matrix if self.goal else None)

    def save(self, folder: Path) -> None:
        """Write classifier.json, one file per member, and the background to a folder."""
        folder.mkdir(exist_ok=True)
        for stem, member in zip(_stems([member.kind for member in self.ensemble.members]), self.ensemble.members, strict=True):
            member.save(folder / stem)
        content = {
            "network": self.spec,
            "members": [member.kind for member in self.ensemble.members],
            "weights": list(self.ensemble.weights),
            "encoder": self.encoder.to_json(),
            "contract": self.contract.to_json(),
            "threshold": self.threshold,
            "decision": self.goal.to_json() if self.goal else None,
        }
        write_json(folder / "classifier.json", content | ({"privacy": self.privacy} if self.privacy else {}))
        if self.background is not None:
            self.background.save(folder)

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
        encoder, contract = Encoder.from_json(content["encoder"]), Contract.from_json(content["contract"])

        def load_network(path: Path) -> Network:
            module = build_network(encoder, len(contract.classes), content["network"])
            module.load_state_dict(load_file(path.with_suffix(".safetensors")))
            return Network(module)

        loaded = _LOADED | {Network.kind: (".safetensors", load_network)}
        kinds = content["members"]
        files = [(folder / stem, *loaded[kind]) for kind, stem in zip(kinds, _stems(kinds), strict=True)]
        if lost := [stem.name + suffix for stem, suffix, _ in files if not stem.with_suffix(suffix).is_file()]:
            raise UserError(f"'{folder}' must hold a classifier, but '{folder}/{lost[0]}' does not exist. Train it again.")
        ensemble = Ensemble(tuple(load(stem) for stem, _, load in files), tuple(content["weights"]))
        threshold, goal = _load_decision(folder, content, len(contract.classes))
        background, privacy = Background.load(folder), content.get("privacy")
        return cls(ensemble, content["network"], encoder, contract, threshold, background, goal, privacy)


def _load_decision(folder: Path, content: Mapping[str, Any], n_classes: int) -> tuple[float | None, Goal | None]:
    """Return the threshold and the goal, checked."""
    try:
        threshold, decision = content["threshold"], content["decision"]
        if threshold is not None and not (n_classes == 2 and isinstance(threshold, int | float) and 0 <= threshold <= 1):
            raise ValueError(f"a threshold must be from 0 to 1 and for two classes, but is {threshold!r}")
        return threshold, None if decision is None else Goal.from_json(decision, n_classes)
    except KeyError as error:
        reason = f"it has no {error}"
    except ValueError as error:
        reason = str(error)
    raise UserError(f"'{folder}/classifier.json' must hold a threshold and a decision, but does not: {reason}. Train it again.")


def _stems(kinds: Sequence[str]) -> list[str]:
    """Return the file name of each member, without its suffix: its kind and its number among those of its kind."""
    return [f"{kind}-{kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]
