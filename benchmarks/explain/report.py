"""Print the tables of finished measurements. Run by run.py with the interpreter of the peers, which has numpy."""

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

LIBRARIES = ("shap", "captum", "shapiq", "woodelf-explainer", "torch", "lightgbm", "numpy")
COUNTED_ROWS = 1_000
REFERENCE = "shap permutation"
Rows = list[list[str]]


def load(folder: Path, columns: int, model: str, contestant: str, background: int) -> dict[str, Any] | None:
    """Return a result with the values as `values`; None if it does not exist."""
    name = f"{columns}-{model}-{contestant.replace(' ', '_')}-{background}"
    path = folder / "results" / f"{name}.json"
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    if "failed" not in result:
        result |= load_file(folder / "values" / f"{name}.safetensors")
        result["rate"] = result["timed_rows"] / result["seconds"]
        result["counted"] = COUNTED_ROWS / (result["setup_seconds"] + COUNTED_ROWS / result["rate"])
    return result


def load_reference(folder: Path, columns: int, model: str, background: int) -> dict[str, np.ndarray] | None:
    """Return the reference values and their errors, of the most rows if there are several; None if there are none."""
    found = [load_file(path) for path in sorted((folder / "truths").glob(f"{columns}-{model}-{background}-*.safetensors"))]
    return max(found, key=lambda each: len(each["values"])) if found else None


def error_of(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute difference of the rows that both have, relative to the mean absolute value."""
    n = min(len(values), len(truth))
    return float(np.abs(values[:n] - truth[:n]).mean() / np.abs(truth[:n]).mean())


def compare(folder: Path, knobs: dict[str, Any], background: int) -> Rows:
    """Return the lines of one background, with ratios to shap's permutation explainer."""
    rows = []
    for columns in knobs["columns"]:
        for model in knobs["models"]:
            if (reference := load_reference(folder, columns, model, knobs["background"])) is None:
                continue
            truth = reference["values"]
            base = load(folder, columns, model, REFERENCE, background)
            for contestant in knobs["contestants"]:
                result = load(folder, columns, model, contestant, background)
                if result is None:
                    continue
                first = [str(columns), model, contestant]
                if "failed" in result:
                    rows.append([*first, result["failed"].replace("|", "/"), *[""] * 8])
                    continue
                ratios = ["", ""]
                if base and "failed" not in base:
                    ratios = [f"{result[key] / base[key]:,.1f}" for key in ("rate", "counted")]
                mib = [
                    f"{result['peak_bytes'] / 2**20:,.0f}",
                    f"{(result['peak_bytes'] - result['loaded_bytes']) / 2**20:,.0f}",
                ]
                speed = [f"{result['setup_seconds']:.2f}", f"{result['rate']:,.3g}", f"{result['counted']:,.3g}"]
                error = error_of(result["values"], truth)
                stated = f"{result['errors'].mean() / np.abs(result['values']).mean():.3f}" if "errors" in result else ""
                shown = f"{error:.1e}" if error < 1e-3 else f"{error:.3f}"
                rows.append([*first, f"{result['rows']:,}", *speed, *ratios, shown, stated, *mib])
    return rows


def references(folder: Path, knobs: dict[str, Any]) -> Rows:
    """Return the number of rows with reference values, and the mean error of the values."""
    rows = []
    for columns in knobs["columns"]:
        for model in knobs["models"]:
            if (truth := load_reference(folder, columns, model, knobs["background"])) is not None:
                error = np.abs(truth["errors"]).mean() / np.abs(truth["values"]).mean() * np.sqrt(2 / np.pi)
                how = f"{error:.3f}" if error else "0 (enumerated)"
                rows.append([str(columns), model, str(len(truth["values"])), how])
    return rows


def calibrations(folder: Path, knobs: dict[str, Any]) -> Rows:
    rows = []
    for model in knobs["models"]:
        path = folder / "calibrations" / f"{min(knobs['columns'])}-{model}.json"
        if not path.is_file():
            continue
        for each in json.loads(path.read_text())["found"]:
            margin = 1.96 * each["coverage_error"]
            share = f"{each['coverage']:.3f} ({each['coverage'] - margin:.3f}, {each['coverage'] + margin:.3f})"
            sizes = [
                f"{each['values']:,.0f}",
                share,
                f"{each['coverage_normal']:.3f}",
                f"{each['error']:.4f}",
                f"{each['stated']:.4f}",
            ]
            rows.append([model, each["setting"], *sizes])
    return rows


def table(title: str, head: list[str], rows: Rows) -> None:
    if rows:
        print(f"\n{title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))


def print_report(folder: Path, knobs: dict[str, Any]) -> None:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    print(f"{today}, {os.cpu_count()} cores, one thread, Python {platform.python_version()}, {versions}.")
    print(f"Up to {knobs['rows']:,} rows in {knobs['seconds']:g} CPU seconds.")
    head = ["columns", "model", "contestant", "rows", "set-up, CPU s", "rows/CPU s", "with set-up, 1,000 rows"]
    head += ["/ permutation's", "with set-up", "error", "stated standard error", "peak MiB", "of it explaining"]
    for background, who in ((knobs["background"], "all"), (knobs["small_background"], "peers")):
        title = f"Background of {background:,} rows ({who}); error against the values with {knobs['background']:,} rows"
        table(title, head, compare(folder, knobs, background))
    table("Reference values", ["columns", "model", "rows", "error"], references(folder, knobs))
    sizes = f"{min(knobs['columns'])} columns, background of {knobs['small_background']} rows"
    title = f"Share of exact values within the stated 95 % interval, {sizes}"
    table(
        title,
        ["model", "walks", "values", "share (95 % interval)", "1.96 instead of t", "error", "mean standard error"],
        calibrations(folder, knobs),
    )


if __name__ == "__main__":
    print_report(Path(sys.argv[1]), json.loads(sys.argv[2]))
