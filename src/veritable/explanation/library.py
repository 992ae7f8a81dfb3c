"""shap without numba's compiler: import it from here.

Compiling its helpers takes 6.5 s in every run, and saves 0.4 s on 100 rows.
"""

import warnings

import matplotlib as mpl
import numba

numba.config.DISABLE_JIT = True  # type: ignore[attr-defined]  # read when shap decorates its helpers, so it must be set first
mpl.use("agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)  # shap's colour maps use what matplotlib means to deprecate
    import shap

__all__ = ["shap"]
