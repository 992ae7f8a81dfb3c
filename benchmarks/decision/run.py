"""Measure what the choice of a threshold costs on fresh rows. Run by `python benchmarks/decision/run.py [--datasets FOLDER]`.

Regret is how much better the best threshold on the fresh rows would be, times 1,000. Three rules choose on the same rows: the
best threshold on these rows (labels), the best for the expected counts of the probabilities as they are (calibrated), and the
mixture that Veritable uses (mixed). `inside` is the share of intervals that contain the best threshold of the fresh rows.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import best_threshold, choose_threshold, sweep, threshold_interval

GOALS = {
    "f1": Goal("f1"),
    "balanced accuracy": Goal("balanced_accuracy"),
    "mcc": Goal("mcc"),
    "accuracy": Goal("accuracy"),
    "costs 10 : 1": Goal(costs=((0, 1), (10, 0))),
}
POSITIVES = {2: 20, 9: 20, 30: 15, 300: 8, 3000: 2}  # positive rows, and samples of each kind
DISTORTIONS = {"calibrated": (1, 0), "too confident": (1.5, 0), "too timid": (0.6, 0), "shifted": (1, 0.7)}
MODELS = {
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "boosting, overfitted": HistGradientBoostingClassifier(max_iter=400, early_stopping=False, random_state=0),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "naive Bayes": GaussianNB(),
}


def simulated() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield 50,000 rows of normal scores, distorted in log-odds."""
    rng = np.random.default_rng(0)
    for distance in (1.2, 2.5):
        for share in (0.03, 0.2):
            for name, (slope, shift) in DISTORTIONS.items():
                y = (rng.random(50_000) < share).astype(int)
                x = rng.normal(size=y.size) + distance * y
                yield f"simulated, {name}", y, expit(slope * (distance * x - distance**2 / 2 + logit(share)) + shift)


def real(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield cross-validated probabilities for three tables."""
    adult = pd.concat([pd.read_csv(folder / "adult" / name, header=None) for name in ("adult.data", "adult.test")])
    telco = pd.read_csv(folder / "telco_churn/Telco-Customer-Churn.csv").drop(columns="customerID")
    mammography = pd.read_csv(folder / "mammography/mammography.csv")
    for frame, positive in ((adult, ">50K"), (telco, "Yes"), (mammography, "'1'")):
        y = frame.iloc[:, -1].astype(str).str.contains(positive, regex=False).to_numpy().astype(int)
        X = frame.iloc[:, :-1].apply(lambda c: c if pd.api.types.is_numeric_dtype(c) else pd.factorize(c)[0]).fillna(-1)
        for name, model in MODELS.items():
            yield f"real, {name}", y, cross_val_predict(model, X.to_numpy(float), y, cv=5, method="predict_proba")[:, 1]


def measure(name: str, y: np.ndarray, p: np.ndarray, rng: np.random.Generator) -> Iterator[dict]:
    """Sample rows to choose on, and judge on the others."""
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    for n, samples in POSITIVES.items():
        if n > positive.size / 2:
            continue
        for sample in range(samples):
            drawn = [rng.choice(positive, n, False), rng.choice(negative, round(n * negative.size / positive.size), False)]
            rows = np.concatenate(drawn)
            fresh = np.ones(y.size, dtype=bool)
            fresh[rows] = False
            own, score, one = y[rows], p[rows], np.ones(rows.size)
            swept = sweep(y[fresh], p[fresh], np.ones(fresh.sum()))
            for goal_name, goal in GOALS.items():
                values = goal.evaluate(swept.counts)
                best = swept.thresholds[values.argmax()]
                y_prob = np.column_stack([1 - score, score])
                chosen = {
                    "labels": best_threshold(own, score, one, goal),
                    "calibrated": best_threshold(score, score, one, goal),
                    "mixed": choose_threshold(own, y_prob, goal),
                }
                regrets = {}
                for rule, threshold in chosen.items():
                    place = np.searchsorted(-swept.thresholds, -threshold, side="right") - 1
                    regrets[rule] = 1000 * (values.max() - values[max(place, 0)])
                found = {"source": name, "goal": goal_name, "positives": n} | regrets
                if sample < 3 and n <= 300 and goal_name == "f1":
                    interval = threshold_interval(own, y_prob, goal, n_resamples=100, seed=0)
                    found |= {"inside": interval.low <= best <= interval.high, "width": interval.high - interval.low}
                yield found


def main() -> None:
    """Print the tables of docs/decisions/0020-decision.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--datasets", type=Path, help="folder with adult, telco_churn and mammography")
    folder, rng = parser.parse_args().datasets, np.random.default_rng(0)
    for sources in (simulated(), real(folder) if folder else ()):
        frame = pd.DataFrame([found for source in sources for found in measure(*source, rng)])
        for keys in (["goal", "positives"], ["source", "positives"]) if len(frame) else ():
            columns = ["labels", "calibrated", "mixed", "inside", "width"]
            print(frame.astype({"inside": float}).groupby(keys)[columns].mean().round(2).to_string(), "\n", flush=True)


if __name__ == "__main__":
    main()
