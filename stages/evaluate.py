"""Evaluate the classifier on the test part, next to the baselines. Run by `dvc repro evaluate`."""

from veritable.stage.contract import Stage, run

run(__name__)

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from veritable.evaluation.classes import describe_classes
from veritable.evaluation.decision import judge_decisions
from veritable.evaluation.evaluate import compare_models, make_baseline_curves, make_curves
from veritable.evaluation.findings import find_problems
from veritable.evaluation.folds import compute_fold_metrics
from veritable.evaluation.groups import compute_group_metrics
from veritable.evaluation.learning_curve import measure_learning_curve
from veritable.evaluation.mistakes import list_mistakes
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions, read_held_out
from veritable.evaluation.slices import find_slices
from veritable.files import read_json, write_json
from veritable.metrics.goals import Goal
from veritable.models.classifier import Classifier
from veritable.stored import refuse
from veritable.tables.encoding.parts import read_part, read_sensitive

REMEDY = "Run `dvc repro baselines` again."


def _read_all(paths: list[Path], classes: list[str]) -> Iterator[tuple[str, PartPredictions]]:
    return ((path.stem, refuse(path, REMEDY, partial(PartPredictions.read, path, classes))) for path in paths)


def evaluate(stage: Stage) -> None:
    params = EvaluateParams.parse("evaluate", stage.params["evaluate"])
    classifier = Classifier.load(stage.inputs["classifier"])
    test, classes = read_part(stage.inputs["test"]), classifier.classes
    min_count = read_json(stage.inputs["classifier"] / "profile.json")["min_count"]
    y_prob = classifier.predict_proba(test.X)
    predictions = PartPredictions.from_part(test, classifier.decide(y_prob), y_prob)
    predictions = replace(predictions, sensitive=read_sensitive(stage.inputs["sensitive.parquet"], test.row))
    held_out, folds = read_held_out(stage.inputs["classifier"], classes)
    paths = sorted(stage.inputs["baselines"].glob("*.parquet"))
    results = compare_models(predictions, _read_all(paths, classes), params)
    goal = classifier.goal or Goal("accuracy")  # a classifier of the pipeline has one
    decided = {path.stem: PartPredictions.read_predicted(path, classes) for path in paths}
    decision = judge_decisions(goal, classes, predictions, held_out, decided, params)
    findings = find_problems(decision, folds=bool(folds))
    results |= {
        "classes": classes,
        "threshold": classifier.threshold,
        "members": classifier.facts,
        "weighted": predictions.weight is not None,
        "fitted": read_json(stage.inputs["baselines"] / "fitted.json"),
        "folds": compute_fold_metrics(folds) if folds else {},
    }
    folder = stage.outputs["evaluation"]
    folder.mkdir()
    predictions.write(folder / "predictions.parquet", classes)
    write_json(folder / "metrics.json", results)
    write_json(folder / "decision.json", decision.to_json() | {"baseline_thresholds": results["fitted"]["thresholds"]})
    write_json(folder / "findings.json", {"findings": [each.to_json() for each in findings]})
    write_json(folder / "classes.json", describe_classes(predictions, classes, params.confidence_level))
    write_json(folder / "mistakes.json", list_mistakes(predictions, test.X, classifier, min_count))
    write_json(folder / "slices.json", find_slices(predictions, test.X, test.unit, classifier.encoder, params, min_count))
    if learning := sorted((stage.inputs["baselines"] / "learning_curve").glob("*.parquet")):
        by_rows = ((int(name), each) for name, each in _read_all(learning, classes))
        write_json(folder / "learning_curve.json", measure_learning_curve(by_rows, predictions.weight, params))
    curves = make_curves(predictions, classes, costs=goal.cost_matrix, held_out=held_out)
    if len(classes) == 2:  # more curves would be unreadable
        curves |= make_baseline_curves(_read_all(paths, classes), classes, predictions.weight)
    for name, frame in curves.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    if predictions.sensitive:
        write_json(folder / "groups.json", compute_group_metrics(predictions, params, classes, min_count))
    print(*(each.sentence for each in findings), decision.rule(), results["verdict"]["sentence"], sep="\n")
