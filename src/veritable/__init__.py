"""Train, judge and explain classifiers on tables.

`veritable.load("models/classifier")` loads a trained classifier, `veritable.show("reports/report.html")` shows the report in a
notebook.
"""

import importlib
import os
from typing import Any

# OpenMP reads this when torch and LightGBM load it: waiting threads sleep instead of spinning. On a busy machine, two spinning
# threads take ten times as long as one thread; two that sleep are faster than one. See docs/decisions/0006-networks.md.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_MODULES = {"load": "veritable.serving.estimator", "show": "veritable.reporting.notebook"}


def __getattr__(name: str) -> Any:
    """Import `load` and `show` on first use, by names in strings, so that the code files of the stages do not list them."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'veritable' has no attribute '{name}'")
