"""Fit the simple models that the network must beat. Run by `dvc repro baselines`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.evaluation.baselines import fit_baselines, predict_baselines
from veritable.evaluation.params import BaselineParams, ThresholdParams
from veritable.evaluation.predictions import PartPredictions
from veritable.evaluation.thresholds import choose_threshold, predict_labels
from veritable.files import read_json
from veritable.tables.encoder import Encoder
from veritable.tables.parts import read_part


def baselines(stage: Stage) -> None:
    params = BaselineParams.parse("baselines", stage.params["baselines"])
    metric = ThresholdParams.parse("threshold", stage.params["threshold"]).maximise
    encoder = Encoder.from_json(read_json(stage.inputs["encoder.json"]))
    classes = [each["name"] for each in read_json(stage.inputs["table.json"])["classes"]]
    train, valid, test = (read_part(stage.inputs[name]) for name in ("train", "valid", "test"))
    models = fit_baselines(train.X, train.y, n_classes=len(classes), categorical=encoder.cardinalities > 0, seed=params.seed)
    on_valid, on_test = (predict_baselines(models, part.X, n_classes=len(classes)) for part in (valid, test))
    folder = stage.outputs["baselines"]
    folder.mkdir()
    for name in models:
        threshold = choose_threshold(valid.y, on_valid[name][:, 1], metric) if len(classes) == 2 else None
        predictions = PartPredictions(test.row, test.y, predict_labels(on_test[name], threshold), on_test[name])
        predictions.write(folder / f"{name}.parquet", classes)
    print(f"Fitted {', '.join(models)} on {len(train.y):,} rows.")
