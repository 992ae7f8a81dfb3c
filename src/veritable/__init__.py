"""Train, judge and explain classifiers on tables. `veritable.load("models/classifier")` gives a trained one."""

import importlib
import os
from typing import Any

# Read by OpenMP as torch and LightGBM load it: threads that wait sleep. Spinning, two of them on a busy machine take ten times
# as long as one, where asleep they are quicker than one: docs/decisions/0006-networks.md.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    """`load`, imported when it is asked for and by a name that no stage's code key sees: stages have no need of it."""
    if name == "load":
        return importlib.import_module("veritable.serving.estimator").load
    raise AttributeError(f"module 'veritable' has no attribute '{name}'")
