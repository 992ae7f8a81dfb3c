"""Make a table, and train the classifiers that are explained. Run by `.venv/bin/python train.py FOLDER COLUMNS MODEL...`.

Writes a folder per model: the classifier with its background, and the test rows. Everything is seeded.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from safetensors.numpy import save_file
from sklearn.datasets import make_classification

from veritable.models.background import Background
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.tables.encoding.parts import Part, read_part
from veritable.tables.params import DataParams
from veritable.tables.prepare import prepare
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading
from veritable.training.inputs import TrainingInputs
from veritable.training.params import TrainParams
from veritable.training.plan import TableFacts, plan_training
from veritable.training.train import train_classifier

ROOT = Path(__file__).resolve().parents[2]
ROWS = 5_000  # 3,000 of them are the train part
BACKGROUND_ROWS = 2_000
LEVELS = range(3, 9)  # numbers of categories, in turns
TARGET = "target"
TREES = {"trees": {"n_models": 1, "n_estimators": 200, "num_leaves": 31}, "forest": {"n_estimators": 100}}
TABM = {"network": "tabm", "tabm": {"d_block": 64, "d_embedding": 8, "n_bins": 16, "max_epochs": 15}}
TRAINED: dict[str, dict[str, Any]] = {  # changes to the section train of params.yaml
    "mlp": {"network": "mlp", "blend": []},
    "tabm": TABM | {"blend": []},
    "blend": TABM | TREES | {"blend": ["trees", "forest"]},
}
TREES_OF = {"trees": "mixed", "trees_numbers": "numbers"}  # the boosted trees of a blend alone, by the kind of the table


def make_table(columns: int, kind: str) -> pd.DataFrame:
    """Return a table of numbers; in one of mixed columns, every fourth is binned into categories. Shape: (ROWS, columns + 1)"""
    informative = min(12, columns * 3 // 5)
    redundant = min(8, columns // 5)
    X, y = make_classification(
        ROWS, columns, n_informative=informative, n_redundant=redundant, flip_y=0.05, random_state=columns
    )
    frame = pd.DataFrame(X.round(4), columns=[f"column_{i}" for i in range(columns)])
    for turn, i in enumerate(range(0, columns if kind == "mixed" else 0, 4)):
        bins = LEVELS[turn % len(LEVELS)]
        frame[f"column_{i}"] = pd.qcut(frame[f"column_{i}"], bins, labels=[f"level {level}" for level in range(bins)]).astype(
            str
        )
    return frame.assign(**{TARGET: np.where(y, "yes", "no")})


def train(parts: Path, changes: dict[str, Any], table: pd.DataFrame) -> tuple[Classifier, Part]:
    """Prepare a table as the stage preprocess does, and train a classifier as the stage train does, without folds."""
    knobs = YAML(typ="safe").load(ROOT / "params.yaml")
    path = parts / "table.csv"
    table.to_csv(path, index=False)
    given = {"path": str(path), "allow_outside": True, "target": TARGET, "positive": "yes"}
    data = DataParams.parse("data", knobs["data"] | given)
    (parts / "prepared").mkdir(exist_ok=True)
    prepared = prepare(open_table(path, Reading.of(data)), data, parts / "prepared")
    section = knobs["train"] | {"n_splits": 0}
    for key, value in changes.items():
        section[key] = section[key] | value if isinstance(value, dict) else value
    facts = TableFacts.from_json(prepared.contract.to_json(), prepared.facts | {"width": len(prepared.encoder.names)})
    plan = plan_training(TrainParams.parse("train", section), facts, has_init=False)
    (parts / "scratch").mkdir(exist_ok=True)
    each = [read_part(parts / "prepared" / name) for name in ("train", "valid", "test")]
    inputs = TrainingInputs(plan, prepared.encoder, prepared.contract, *each[:2], parts / "scratch", threads=1)
    background = Background.draw(each[0], BACKGROUND_ROWS, plan.seed)
    return replace(train_classifier(inputs).classifier, background=background), each[2]


def save(folder: Path, classifier: Classifier, test: Part) -> None:
    """Write a classifier and the test rows, in random order."""
    order = np.random.default_rng(0).permutation(len(test))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {"X": np.ascontiguousarray(test.X[order]), "row": np.ascontiguousarray(test.row[order])}, folder / "rows.safetensors"
    )
    classifier.save(folder)  # classifier.json is what says that the folder is complete


def main(folder: Path, columns: int, models: list[str]) -> None:
    blends: dict[str, tuple[Classifier, Part]] = {}
    for model in models:
        if (folder / model / "classifier.json").is_file():
            continue
        kind = TREES_OF.get(model, "mixed")
        key = "blend" if model in TREES_OF else model
        scratch = folder / f"{key}-{kind}"
        scratch.mkdir(parents=True, exist_ok=True)
        if scratch.name not in blends:
            blends[scratch.name] = train(scratch, TRAINED[key], make_table(columns, kind))
        classifier, test = blends[scratch.name]
        if model in TREES_OF:
            trees = tuple(member for member in classifier.ensemble.members if member.kind == "trees")
            classifier = replace(classifier, ensemble=Ensemble(trees, (1.0,) * len(trees)))
        save(folder / model, classifier, test)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("columns", type=int)
    parser.add_argument("models", nargs="+", choices=[*TRAINED, *TREES_OF])
    arguments = parser.parse_args()
    main(arguments.folder, arguments.columns, arguments.models)
