"""The knobs of `baselines`, `threshold` and `evaluate`."""

from typing import Annotated, Literal

from pydantic import Field

from veritable.params import Section
from veritable.tables.params import Seed, Share

ThresholdMetric = Literal["f1", "balanced_accuracy", "accuracy", "mcc"]


class BaselineParams(Section):
    """Section `baselines`."""

    rows: Annotated[int, Field(ge=10)] | None
    seed: Seed


class ThresholdParams(Section):
    """Section `threshold`."""

    maximise: ThresholdMetric


class EvaluateParams(Section):
    """Section `evaluate`."""

    resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence: Share
    seed: Seed
