"""Import shap with numba's compiler disabled. Import shap from here only.

Compiling shap's helpers takes 6.5 s in every run and saves 0.4 s on 100 rows.
"""

import warnings

import matplotlib as mpl
import numba

numba.config.DISABLE_JIT = True  # type: ignore[attr-defined]  # shap reads it on import
mpl.use("agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)  # shap's color maps use a matplotlib API to be deprecated
    import shap

__all__ = ["shap"]
