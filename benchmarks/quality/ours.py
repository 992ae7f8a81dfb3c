"""Run Veritable on one table. Run by `.venv/bin/python ours.py TABLE.csv FOLDER --train '{"network": "tabm"}' --seed 0`.

The params are those of params.yaml, with the changes of `--train`. The file is prepared as the stage preprocess does, which
detects the types of the columns, and the classifier is trained as the stage train does.
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
from veritable.training.inputs import TrainingInputs
from veritable.training.params import TrainParams
from veritable.training.plan import TableFacts, plan_training
from veritable.training.train import train_classifier

ROOT = Path(__file__).resolve().parents[2]
NEAR = 1e-6  # predictions of raw and encoded rows may differ in the last digits


def merge(knobs: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Replace parameters, also within sections."""
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
        """Run the stage preprocess and read its parts."""
        here = {"path": str(job.table), "allow_outside": True, "target": self.facts["target"], "part": PART}
        params = DataParams.parse("data", self.knobs["data"] | here)
        folder = job.folder / "prepared"
        folder.mkdir()
        prepared = prepare(open_table(job.table, Reading.of(params)), params, folder)
        self.parts = {name: read_part(folder / name) for name in ("train", "valid", "test")}
        return prepared

    def fit(self, prepared: Prepared, kinds: Kinds, limits: Limits) -> Predict:
        """Run the stage train."""
        params = TrainParams.parse("train", merge(self.knobs["train"], {"seed": limits.seed} | self.overrides))
        facts = TableFacts.from_json(prepared.contract.to_json(), prepared.facts | {"width": len(prepared.encoder.names)})
        plan = plan_training(params, facts, has_init=False)
        scratch = self.job.folder / "scratch"
        scratch.mkdir()
        train, valid = self.parts["train"], self.parts["valid"]
        inputs = TrainingInputs(plan, prepared.encoder, prepared.contract, train, valid, scratch, threads=limits.threads)
        self.classifier = train_classifier(inputs).classifier
        self.order = [self.classifier.classes.index(name) for name in self.facts["classes"]]
        return lambda X: self.classifier.predict_proba(X)[:, self.order]

    def check(self, raw: np.ndarray) -> None:
        """Check that raw and encoded test rows have the same predictions.

        Raises
        ------
        ValueError
            They have not.
        """
        part = self.parts["test"]
        encoded = self.classifier.predict_proba(part.X)[np.argsort(part.row)][:, self.order]
        if (gap := np.abs(encoded - raw).max()) > NEAR:
            raise ValueError(f"predictions of raw and encoded test rows must be equal, but one differs by {gap:.2g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--train", type=json.loads, default={}, help="JSON: what differs from the section train of params.yaml")
    arguments = parser.parse_args()
    job = job_of(arguments)
    with recorded(job):
        ours = Ours(job, arguments.train)
        outcome = work(job, ours.fit, ours.prepare)
        ours.check(outcome.y_prob)
        write(job, outcome)
