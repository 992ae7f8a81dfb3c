"""Judge the classifier on the test part, beside the simple models. Run by `dvc repro evaluate`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.evaluation.evaluate import compare_models, draw_curves
from veritable.evaluation.folds import measure_folds
from veritable.evaluation.groups import measure_groups
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.predictions import PartPredictions
from veritable.files import read_json, write_json
from veritable.metrics.thresholds import predict_classes
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import read_part


def evaluate(stage: Stage) -> None:
    params = EvaluateParams.parse("evaluate", stage.params["evaluate"])
    classifier = Classifier.load(stage.inputs["classifier"])
    test, classes = read_part(stage.inputs["test"]), classifier.classes
    y_prob = classifier.predict_proba(test.X)
    predictions = PartPredictions.of(test, predict_classes(y_prob, classifier.threshold), y_prob)
    folds = sorted(stage.inputs["classifier"].glob("fold-*.parquet"))  # only of a classifier that is cross-validated
    paths = sorted(stage.inputs["baselines"].glob("*.parquet"))
    results = compare_models(predictions, ((path.stem, PartPredictions.read(path, classes)) for path in paths), params)
    results |= {
        "classes": classes,
        "threshold": classifier.threshold,
        "members": classifier.facts,
        "weighted": predictions.weight is not None,
        "fitted": read_json(stage.inputs["baselines"] / "fitted.json"),
        "folds": measure_folds(PartPredictions.read(path, classes) for path in folds) if folds else {},
    }
    folder = stage.outputs["evaluation"]
    folder.mkdir()
    predictions.write(folder / "predictions.parquet", classes)
    write_json(folder / "metrics.json", results)
    for name, frame in draw_curves(predictions, classes).items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    if predictions.sensitive:
        write_json(folder / "groups.json", measure_groups(predictions, params))
    print(results["verdict"]["sentence"])
