"""Parameters of `threshold`."""

from typing import Literal

from veritable.params import Section

ThresholdMetric = Literal["f1", "balanced_accuracy", "accuracy", "mcc"]


class ThresholdParams(Section):
    """Section `threshold`."""

    metric: ThresholdMetric
