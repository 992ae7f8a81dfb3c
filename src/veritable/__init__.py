"""Train, judge and explain classifiers on tables. `veritable.load("models/classifier")` gives a trained one."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """`load`, imported when it is asked for and by a name that no stage's code key sees: stages have no need of it."""
    if name == "load":
        return importlib.import_module("veritable.estimator").load
    raise AttributeError(f"module 'veritable' has no attribute '{name}'")
