"""Train, judge and explain classifiers on tables. `veritable.load("models/classifier")` loads a trained classifier."""

import importlib
import os
from typing import Any

# OpenMP reads this when torch and LightGBM load it: waiting threads sleep instead of spinning. On a busy machine, two spinning
# threads take ten times as long as one thread; two that sleep are faster than one. See docs/decisions/0006-networks.md.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    """Import `load` on first use, by a name in a string, so that the code files of the stages do not list it."""
    if name == "load":
        return importlib.import_module("veritable.serving.estimator").load
    raise AttributeError(f"module 'veritable' has no attribute '{name}'")
