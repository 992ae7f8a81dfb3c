"""Fit networks and trees on the train part; blend, calibrate and choose the threshold on valid. Run by `dvc repro train`."""

from veritable.stage.contract import Stage, run

run(__name__)

from dataclasses import replace

import numpy as np
from pytorch_lightning import seed_everything

from veritable.evaluation.predictions import PartPredictions
from veritable.files import read_json
from veritable.metrics.params import ThresholdParams
from veritable.metrics.thresholds import choose_threshold
from veritable.models.background import Background
from veritable.params import MachineParams
from veritable.training.inputs import TrainingInputs
from veritable.training.plan import TrainPlan
from veritable.training.train import train_classifier


def train(stage: Stage) -> None:
    plan = TrainPlan.parse("train", read_json(stage.inputs["train.json"]))
    metric = ThresholdParams.parse("threshold", stage.params["threshold"]).metric
    machine = MachineParams.parse("machine", stage.params["machine"])
    stage.inputs.values()  # declare train.init and train.member as used, even if there is none
    inputs = TrainingInputs.load(plan, stage.inputs, stage.scratch, machine.threads)
    print(inputs, end="", flush=True)
    seed_everything(plan.seed, verbose=False)
    trained = train_classifier(inputs)
    part, y_prob = trained.held_out.part, trained.held_out.y_prob
    threshold = choose_threshold(part.y, y_prob, metric, weight=part.weight)
    background = Background.draw(inputs.train, plan.background_rows, plan.seed)
    classifier = replace(trained.classifier, threshold=threshold, background=background)
    folder = stage.outputs["classifier"]
    classifier.save(folder)
    trained.history.to_csv(folder / "history.csv", index=False)
    for fold in range(trained.held_out.n_folds):
        rows = np.flatnonzero(trained.held_out.fold == fold)
        predictions = PartPredictions.from_part(part.take(rows), classifier.decide(y_prob[rows]), y_prob[rows])
        predictions.write(folder / f"fold-{fold + 1}.parquet", classifier.classes)
    print(trained)
