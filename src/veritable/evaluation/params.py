"""The knobs of `baselines`, `threshold` and `evaluate`."""

from typing import Annotated

from pydantic import Field

from veritable.evaluation.thresholds import ThresholdMetric
from veritable.params import Section
from veritable.tables.params import Seed, Share


class BaselineParams(Section):
    """Section `baselines`."""

    seed: Seed


class ThresholdParams(Section):
    """Section `threshold`."""

    maximise: ThresholdMetric


class EvaluateParams(Section):
    """Section `evaluate`."""

    resamples: Annotated[int, Field(ge=100)]
    confidence: Share
    seed: Seed
