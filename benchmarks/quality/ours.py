"""Run Veritable on one table. Run by `.venv/bin/python ours.py TABLE.csv FOLDER --train '{"network": "tabm"}' --seed 0`.

The params are those of params.yaml, with what `--train` says instead. The file is prepared as the stage preprocess does, which
finds out for itself of what kind each column is, and the classifier made as the stage train does.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from frames import PART, Kinds, Limits, facts_of
from ruamel.yaml import YAML
from worker import Job, Predict, add_arguments, job_of, recorded, work, write

from veritable.tables.encoding.parts import read_part
from veritable.tables.params import DataParams
from veritable.tables.prepare import Prepared, prepare
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading
from veritable.training.params import TrainParams
from veritable.training.train import train_classifier

ROOT = Path(__file__).resolve().parents[2]
NEAR = 1e-6  # raw rows and encoded ones are predicted the same but for the last digits


def merge(knobs: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Knobs with others instead, within sections too."""
    merged = dict(knobs)
    for key, value in overrides.items():
        inside = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if inside else value
    return merged


class Ours:
    """One run of Veritable."""

    def __init__(self, job: Job, overrides: dict[str, Any]):
        self.job, self.overrides = job, overrides
        self.knobs = YAML(typ="safe").load(ROOT / "params.yaml")
        self.facts = facts_of(job.table)

    def prepare(self, job: Job) -> Prepared:
        """The stage preprocess, and the reading of what it wrote."""
        here = {"path": str(job.table), "allow_outside": True, "target": self.facts["target"], "part": PART}
        params = DataParams.parse("data", self.knobs["data"] | here)
        folder = job.folder / "prepared"
        folder.mkdir()
        prepared = prepare(open_table(job.table, Reading.of(params)), params, folder)
        self.parts = {name: read_part(folder / name) for name in ("train", "valid", "test")}
        return prepared

    def fit(self, prepared: Prepared, kinds: Kinds, limits: Limits) -> Predict:
        """The stage train."""
        own = {"seed": limits.seed} | self.overrides
        params = TrainParams.parse("train", merge(self.knobs["train"], own)).resolve(
            demo=False, n_classes=len(prepared.contract.classes)
        )
        scratch = self.job.folder / "scratch"
        scratch.mkdir()
        train, valid = self.parts["train"], self.parts["valid"]
        trained = train_classifier(params, prepared.encoder, prepared.contract, train, valid, scratch, threads=limits.threads)
        self.classifier = trained.classifier
        self.order = [self.classifier.classes.index(name) for name in self.facts["classes"]]
        return lambda X: self.classifier.predict_proba(X)[:, self.order]

    def check(self, raw: np.ndarray) -> None:
        """Raw test rows must be predicted as encoded ones are.

        Raises
        ------
        ValueError
            They are not.
        """
        part = self.parts["test"]
        encoded = self.classifier.predict_proba(part.X)[np.argsort(part.row)][:, self.order]
        if (gap := np.abs(encoded - raw).max()) > NEAR:
            raise ValueError(f"raw test rows must be predicted as encoded ones are, however one differs by {gap:.2g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--train", type=json.loads, default={}, help="JSON: what differs from the section train of params.yaml")
    arguments = parser.parse_args()
    job = job_of(arguments)
    with recorded(job):
        ours = Ours(job, arguments.train)
        outcome = work(job, ours.fit, ours.prepare)
        ours.check(outcome.y_prob["test"])
        write(job, outcome)
