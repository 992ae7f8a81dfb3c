"""Measure what a row that is repeated hundreds of times does to the split, and so to the classifier.

Run by `python benchmarks/repeated_rows/run.py [--repository FOLDER] [--seeds 0 1 2]`. Each table has 10,000 rows, of which
588 have the same special code in every column, with labels of both classes. For each table and value of `data.duplicates`,
the pipeline runs in a copy of the repository, up to the stage train. LightGBM learns from the same parts.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

ROOT = Path(__file__).resolve().parents[2]
ROWS, REPEATED, CODE = 10_000, 588, -9.0
KEYS = ["(row)", "(class)"]


def make_table(seed: int) -> pd.DataFrame:
    """Return a noisy problem of 23 numbers. Repeated rows have class 1 with a probability of 55 %."""
    X, y = make_classification(ROWS, 23, n_informative=8, n_redundant=6, class_sep=0.7, flip_y=0.35, random_state=seed)
    draw = np.random.default_rng(seed)
    repeated = draw.permutation(ROWS)[:REPEATED]
    X[repeated], y[repeated] = CODE, draw.random(REPEATED) < 0.55
    return pd.DataFrame(X.round(4), columns=[f"x{i}" for i in range(23)]).assign(target=y)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which `python` is this one, and `veritable` that of the folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONPATH": str(folder / "src")}


def run_pipeline(repository: Path, folder: Path, table: pd.DataFrame, duplicates: str) -> None:
    """Run the stages up to train in a new copy of the repository."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=repository, capture_output=True, text=True, check=True).stdout.splitlines():
        if (repository / name).is_file() and not name.startswith(("data/", "models/.", "reports/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, folder / name)
    (folder / "data").mkdir(exist_ok=True)
    table.to_csv(folder / "data/table.csv", index=False)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["data"] |= {"path": "data/table.csv", "target": "target", "duplicates": duplicates}
    yaml.dump(params, folder / "params.yaml")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "veritable", "repro", "train"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment(folder))
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)


def fit_lightgbm(train: pd.DataFrame, valid: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the probability of class 1 for each row of test; valid ends the boosting."""
    trees = lightgbm.LGBMClassifier(n_estimators=2000, learning_rate=0.05, num_threads=1, verbose=-1, random_state=0)
    stop = lightgbm.early_stopping(50, verbose=False)
    X, y = zip(*((part.drop(columns=KEYS), part["(class)"]) for part in (train, valid, test)), strict=True)
    trees.fit(X[0], y[0], eval_X=X[1], eval_y=y[1], callbacks=[stop])
    return np.asarray(trees.predict_proba(X[2])[:, 1])


def measure(repository: Path, table: pd.DataFrame, duplicates: str) -> list[str]:
    """Return the figures of one run: shares of the repeated rows in each part, log losses on test, threshold, temperature."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "veritable"
        folder.mkdir()
        run_pipeline(repository, folder, table, duplicates)
        parts = [pd.read_parquet(folder / "data/prepared" / part) for part in ("train", "valid", "test")]
        test = parts[2].sort_values("(row)")
        table.iloc[test["(row)"]].to_csv(folder / "rows.csv", index=False)
        predict = [sys.executable, "-m", "veritable", "predict", "models/classifier", "rows.csv", "-o", "scored.csv"]
        subprocess.run(predict, cwd=folder, check=True, capture_output=True, env=environment(folder))
        scored = pd.read_csv(folder / "scored.csv")
        facts = YAML(typ="safe").load(folder / "models/classifier/classifier.json")
    repeated = table["x0"].to_numpy() == CODE
    shares = " ".join(f"{repeated[part['(row)']].mean():.1%}" for part in parts)
    loss = log_loss(test["(class)"], scored.filter(like="1").iloc[:, -1])
    plain = log_loss(parts[2]["(class)"], fit_lightgbm(*parts))
    return [shares, f"{loss:.4f}", f"{plain:.4f}", f"{facts['threshold']:.3f}", f"{facts['temperature']:.3f}"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, default=ROOT)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print("| seed | data.duplicates | repeated rows in train, valid, test | log loss | LightGBM | threshold | temperature |")
    print("| ---: | --- | --- | ---: | ---: | ---: | ---: |")
    for seed in arguments.seeds:
        for duplicates in ("together", "drop"):
            cells = measure(arguments.repository.resolve(), make_table(seed), duplicates)
            print(f"| {seed} | {duplicates} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
