"""The content of classifier.json: everything about a classifier but its arrays and trees."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field

from veritable.metrics.goals import Goal
from veritable.models.folder import ModelFolder
from veritable.models.specs import Spec
from veritable.stored import STRICT, parse_json
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.typing.contract import Contract

FILE = "classifier.json"
Kind = Literal["network", "trees", "forest", "linear", "pretrained"]


@dataclass(frozen=True)
class Content:
    """The content of classifier.json. For the meaning of the fields, see `Classifier`.

    Attributes
    ----------
    network
        What the networks are built from.
    members, weights
        Kind and weight of each member.
    """

    __pydantic_config__ = STRICT
    network: Spec
    members: Annotated[tuple[Kind, ...], Field(min_length=1)]
    weights: tuple[Annotated[float, Field(ge=0)], ...]
    encoder: Encoder
    contract: Contract
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    decision: Goal | None
    privacy: dict[str, float] | None = None

    @classmethod
    def read(cls, folder: ModelFolder) -> Self:
        """Read the file of a folder. Raises UserError if it is absent, damaged or breaks a rule."""
        return folder.parse(FILE, partial(parse_json, cls))

    def __post_init__(self) -> None:
        n_classes = len(self.contract.classes)
        if len(self.weights) != len(self.members) or not 0 < sum(self.weights) < math.inf:
            raise ValueError(f"must hold a weight for each of {len(self.members)} members, and one above 0, but does not")
        if (self.threshold is None) == (n_classes == 2):
            raise ValueError(
                f"must hold a threshold for two classes, and none for more, but holds {self.threshold} for {n_classes} classes"
            )
        features = [(column.name, column.type) for column in self.contract.features]
        if features != [(column.name, column.kind) for column in self.encoder.columns]:
            raise ValueError("must hold an encoder of the columns that the contract uses, but it has others")
        if self.decision is not None:
            self.decision.check(n_classes)
