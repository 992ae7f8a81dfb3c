"""Classifiers with a profile of their train rows, for the tests of `check`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tests.explaining import with_background
from tests.rooms import InMemory
from tests.training import trees_of, untrained
from veritable.evaluation.predictions import PartPredictions, write_held_out
from veritable.files import write_json
from veritable.metrics.goals import Goal
from veritable.metrics.thresholds import choose_threshold
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.models.folder import write_checksums

GOAL = Goal("f1")


def save_checkable(done: InMemory, folder: Path, *, background: bool = True) -> Path:
    """Fit boosted trees on a table, save them as the stage `train` does, and return their folder."""
    trees = tuple(trees_of(done, num_leaves=8))
    fitted = replace(untrained(done), ensemble=Ensemble(trees, (1.0,)))
    valid = done.parts["valid"]
    y_prob = fitted.predict_proba(valid.X)
    fitted = replace(fitted, threshold=choose_threshold(valid.y, y_prob, GOAL, weight=valid.weight), goal=GOAL)
    one: Classifier = with_background(fitted, done) if background else fitted
    one.save(folder)
    write_json(folder / "profile.json", done.prepared.profile.only("train", "valid").to_json())
    write_held_out(folder, PartPredictions.from_part(valid, one.decide(y_prob), y_prob), None, one.classes)
    write_checksums(folder)
    return folder


def demo_like(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of one distribution: numbers, a category with gaps and a boolean that determine the class, and a date."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.normal(40, 12, rows).round(1),
            "colour": draw.choice(["red", "green", "blue", None], rows, p=[0.5, 0.3, 0.15, 0.05]),
            "member": draw.choice(["yes", "no"], rows),
            "score": draw.normal(size=rows),
            "noise": draw.exponential(size=rows),
            "opened": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 700, rows), "D"),
        }
    )
    signal = (frame["age"] - 40) / 6 + 2 * (frame["colour"] == "red") - (frame["member"] == "no") + 2 * frame["score"]
    return frame.assign(target=np.where(signal + draw.normal(0, 1, rows) > 0.5, "bad", "good"))
