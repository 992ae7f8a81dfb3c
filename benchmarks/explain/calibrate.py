"""Check how often the stated standard errors cover exact values. Run by run.py; prints a line of JSON per setting.

A 95 % interval is the value plus or minus t standard errors, with the degrees of freedom of the number of walks: all rows have
16 pairs of walks (14 degrees of freedom), or all have 256 (254), or as many as the default error needs (at least 14).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from case import Case
from safetensors.numpy import load_file
from scipy.stats import t

from veritable.explanation.explainer import Explainer

SETTINGS = {"16 pairs": (1e9, 14), "512 pairs": (1e-9, 510), "error 0.05": (0.05, 14)}


def main(folder: Path, truth: Path, background: int) -> None:
    case, reference = Case.load(folder, background), load_file(truth)["values"]
    explainer, n = Explainer.fit(case.classifier), len(reference)
    for name, (error, freedom) in SETTINGS.items():
        begun = time.process_time()
        found = explainer.explain(case.X[:n], case.numbers[:n], error=error)
        gaps, errors = np.abs(found.values[..., 0] - reference), found.error_std[..., 0]
        covered = gaps <= t.ppf(0.975, freedom) * errors + 1e-9
        scale = np.abs(reference).mean()
        result = {
            "setting": name,
            "rows": n,
            "values": covered.size,
            "coverage": covered.mean(),
            "coverage_normal": (gaps <= 1.96 * errors + 1e-9).mean(),
            "coverage_error": covered.mean(axis=1).std(ddof=1) / np.sqrt(n),  # the values of a row depend on each other
            "error": gaps.mean() / scale,
            "stated": errors.mean() / scale,
            "seconds": time.process_time() - begun,
        }
        print(json.dumps({key: value if isinstance(value, str) else float(value) for key, value in result.items()}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--background", type=int, required=True)
    arguments = parser.parse_args()
    main(arguments.case, arguments.truth, arguments.background)
