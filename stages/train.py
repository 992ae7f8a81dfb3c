"""Fit networks and trees on the train part; blend, calibrate and choose the threshold on valid. Run by `dvc repro train`."""

from veritable.stage.contract import Stage, run

run(__name__)

import shutil
from dataclasses import replace

from pytorch_lightning import seed_everything

from veritable.evaluation.predictions import PartPredictions, write_held_out
from veritable.files import read_json
from veritable.metrics.goals import Goal
from veritable.metrics.params import DecisionParams
from veritable.metrics.thresholds import choose_threshold
from veritable.models.background import Background
from veritable.models.folder import write_checksums
from veritable.params import MachineParams
from veritable.training.class_weights import check_costs
from veritable.training.inputs import TrainingInputs
from veritable.training.plan import TrainPlan
from veritable.training.train import train_classifier


def train(stage: Stage) -> None:
    plan = TrainPlan.parse("train", read_json(stage.inputs["train.json"]))
    decision = DecisionParams.parse("decision", stage.params["decision"])
    machine = MachineParams.parse("machine", stage.params["machine"])
    stage.inputs.values()  # declare train.init and train.member as used, even if there is none
    inputs = TrainingInputs.load(plan, stage.inputs, stage.scratch, machine.threads)
    goal = Goal.of(decision, inputs.contract.classes)
    check_costs(goal, plan.class_weight)
    print(inputs, end="", flush=True)
    seed_everything(plan.seed, verbose=False)
    trained = train_classifier(inputs)
    part, y_prob = trained.held_out.part, trained.held_out.y_prob
    threshold = choose_threshold(part.y, y_prob, goal, weight=part.weight)
    background = Background.draw(inputs.train, plan.background_rows, plan.seed)
    classifier = replace(trained.classifier, threshold=threshold, goal=goal, background=background)
    folder = stage.outputs["classifier"]
    classifier.save(folder)
    shutil.copyfile(stage.inputs["profile.json"], folder / "profile.json")
    trained.history.to_csv(folder / "history.csv", index=False)
    held_out = PartPredictions.from_part(part, classifier.decide(y_prob), y_prob)
    write_held_out(folder, held_out, trained.held_out.fold if trained.held_out.n_folds else None, classifier.classes)
    write_checksums(folder)
    print(trained)
