"""A trained classifier: contract, encoder, members, threshold and the goal of its decisions.

On disk it is a folder of safetensors, JSON and LightGBM text files; none of them can run code.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from torch import nn

from veritable.files import write_json
from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import predict_classes
from veritable.models.background import FILE as BACKGROUND
from veritable.models.background import Background
from veritable.models.build import load_network
from veritable.models.content import FILE as CONTENT
from veritable.models.content import Content
from veritable.models.ensemble import Ensemble, Member
from veritable.models.folder import ModelFolder, write_checksums
from veritable.models.forest import Forest
from veritable.models.linear import Linear
from veritable.models.network import Network
from veritable.models.pretrained import Pretrained
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.typing.contract import Contract

_SUFFIXES = {Trees.kind: ".txt"}  # of the file of a member; of all others ".safetensors"


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
        write_json(folder / CONTENT, content | ({"privacy": self.privacy} if self.privacy else {}))
        if self.background is not None:
            self.background.save(folder)
        write_checksums(folder)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a classifier that `save` wrote. All that it consists of is checked: docs/predict.md.

        Raises
        ------
        UserError
            The folder does not hold a complete and sound classifier.
        """
        folder = ModelFolder.open(path)
        content = Content.read(folder)
        encoder, n_classes = content.encoder, len(content.contract.classes)

        def load_member(kind: str, stem: str) -> Member:
            width, name = len(encoder.names), stem + _SUFFIXES.get(kind, ".safetensors")
            loaders: dict[str, Callable[[bytes], Member]] = {
                Network.kind: lambda data: Network(load_network(data, content.network, encoder, n_classes)),
                Trees.kind: lambda data: Trees.load(data, width, n_classes),
                Forest.kind: lambda data: Forest.load(data, width, n_classes),
                Linear.kind: lambda data: Linear.load(data, encoder.cardinalities, n_classes),
                Pretrained.kind: lambda data: Pretrained.load(folder.check(stem), data, encoder, n_classes),
            }
            return folder.parse(name, loaders[kind])

        members = [load_member(kind, stem) for kind, stem in zip(content.members, _stems(content.members), strict=True)]
        background = None
        if BACKGROUND in folder:
            background = folder.parse(BACKGROUND, lambda data: Background.load(data, encoder, n_classes))
        return cls(
            Ensemble(tuple(members), content.weights),
            content.network.model_dump(),
            encoder,
            content.contract,
            content.threshold,
            background,
            content.decision,
            content.privacy,
        )


def _stems(kinds: Sequence[str]) -> list[str]:
    """Return the file name of each member, without its suffix: its kind and its number among those of its kind."""
    counts: Counter[str] = Counter()
    stems = []
    for kind in kinds:
        counts[kind] += 1
        stems.append(f"{kind}-{counts[kind]}")
    return stems
