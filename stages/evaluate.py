"""Evaluate the classifier on the test part, next to the baselines. Run by `dvc repro evaluate`."""

from veritable.stage.contract import Stage, run

run(__name__)

from dataclasses import replace

from veritable.evaluation.evaluate import compare_models, make_curves
from veritable.evaluation.folds import compute_fold_metrics
from veritable.evaluation.groups import compute_group_metrics
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.files import read_json, write_json
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import read_part, read_sensitive


def evaluate(stage: Stage) -> None:
    params = EvaluateParams.parse("evaluate", stage.params["evaluate"])
    classifier = Classifier.load(stage.inputs["classifier"])
    test, classes = read_part(stage.inputs["test"]), classifier.classes
    y_prob = classifier.predict_proba(test.X)
    predictions = PartPredictions.from_part(test, classifier.decide(y_prob), y_prob)
    predictions = replace(predictions, sensitive=read_sensitive(stage.inputs["sensitive.parquet"], test.row))
    folds = sorted(stage.inputs["classifier"].glob("fold-*.parquet"))  # written with cross-validation only
    paths = sorted(stage.inputs["baselines"].glob("*.parquet"))
    results = compare_models(predictions, ((path.stem, PartPredictions.read(path, classes)) for path in paths), params)
    results |= {
        "classes": classes,
        "threshold": classifier.threshold,
        "members": classifier.facts,
        "weighted": predictions.weight is not None,
        "fitted": read_json(stage.inputs["baselines"] / "fitted.json"),
        "folds": compute_fold_metrics(PartPredictions.read(path, classes) for path in folds) if folds else {},
    }
    folder = stage.outputs["evaluation"]
    folder.mkdir()
    predictions.write(folder / "predictions.parquet", classes)
    write_json(folder / "metrics.json", results)
    for name, frame in make_curves(predictions, classes).items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    if predictions.sensitive:
        write_json(folder / "groups.json", compute_group_metrics(predictions, params))
    print(results["verdict"]["sentence"])
