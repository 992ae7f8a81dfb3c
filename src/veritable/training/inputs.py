"""What a classifier is trained on. The stages `train` and `tune` load it in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from veritable.models.classifier import Classifier
from veritable.stored import read_stored
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import Part, Shards
from veritable.tables.typing.contract import Contract
from veritable.training.plan import TrainPlan
from veritable.training.streaming import format_streaming, open_parts

_REMEDY = "Run `dvc repro preprocess` again."


@dataclass(frozen=True)
class TrainingInputs:
    """What a classifier is trained on.

    Attributes
    ----------
    plan
        Training parameters.
    train, valid
        The parts, in memory or on disk.
    scratch
        An existing folder that is kept if the run is killed: see `fit`.
    earlier
        Classifier whose weights initialize the networks where they fit; None: random initial weights.
    threads
        Number of CPU threads; None: see `fit`.
    member
        Folder of the pretrained model; None if there is none.
    """

    plan: TrainPlan
    encoder: Encoder
    contract: Contract
    train: Part | Shards
    valid: Part | Shards
    scratch: Path
    earlier: Classifier | None = None
    threads: int | None = None
    member: Path | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.contract.classes)

    def __str__(self) -> str:
        """Describe the streamed parts, one line each; empty if there are none."""
        return format_streaming(self.train, self.valid, self.plan, self.n_classes)

    @classmethod
    def load(cls, plan: TrainPlan, paths: Mapping[str, Path], scratch: Path, threads: int | None) -> Self:
        """Read a prepared table, and the earlier classifier if the plan has one.

        Parameters
        ----------
        paths
            Paths of "contract.json", "encoder.json", "train" and "valid", and of the earlier classifier as "train.init" and the
            pretrained model as "train.member".
        """
        return cls(
            plan,
            read_stored(Encoder, paths["encoder.json"], _REMEDY),
            read_stored(Contract, paths["contract.json"], _REMEDY),
            *open_parts(paths["train"], paths["valid"], plan),
            scratch,
            Classifier.load(paths["train.init"]) if plan.init else None,
            threads,
            paths["train.member"] if plan.member else None,
        )
