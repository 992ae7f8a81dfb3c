"""What differentially private training guarantees, and what the guarantee leaves out."""

from collections.abc import Mapping
from typing import Any


def write_privacy(members: Mapping[str, Any]) -> list[str]:
    """State the epsilon that was spent, for which rows, and what it does not cover; nothing without private training.

    Parameters
    ----------
    members
        Composition of the classifier: see `Classifier.facts`.
    """
    spent = members.get("privacy")
    if spent is None:
        return []
    return [
        f"The network was trained with differential privacy: epsilon {spent['epsilon']:.3g} at delta {spent['delta']:.1g} for "
        f"each of the {spent['rows']:,} train rows ({spent['steps']:,} steps, gradients of rows clipped to "
        f"{spent['max_grad_norm']:g}, noise multiplier {spent['noise_multiplier']:.3g}).",
        "This covers the weights of the network only. It does not cover the encoder and the bins, which are statistics of "
        "train; the valid rows, on which epoch, temperature and threshold were chosen; nor metrics, findings, profile and "
        "Shapley values. Whoever knows train.seed can compute the noise again, so it must stay secret where the guarantee "
        "matters.",
    ]
