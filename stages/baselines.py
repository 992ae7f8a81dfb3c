"""Fit the simple models that the classifier must beat. Run by `dvc repro baselines`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.evaluation.baselines import decide, fit_baselines, stratified_sample
from veritable.evaluation.learning_curve import fit_learning_curve
from veritable.evaluation.params import BaselineParams
from veritable.evaluation.plain_network import fit_plain_network
from veritable.evaluation.predictions import PartPredictions
from veritable.files import write_json
from veritable.metrics.goals import Goal
from veritable.metrics.params import DecisionParams
from veritable.metrics.thresholds import choose_threshold
from veritable.stored import read_stored
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import read_part
from veritable.tables.typing.contract import Contract

REMEDY = "Run `dvc repro preprocess` again."


def baselines(stage: Stage) -> None:
    params = BaselineParams.parse("baselines", stage.params["baselines"])
    decision = DecisionParams.parse("decision", stage.params["decision"])
    encoder = read_stored(Encoder, stage.inputs["encoder.json"], REMEDY)
    classes = list(read_stored(Contract, stage.inputs["contract.json"], REMEDY).classes)
    goal = Goal.of(decision, classes)
    train, valid, test = (read_part(stage.inputs[name]) for name in ("train", "valid", "test"))
    categorical = encoder.cardinalities > 0
    fitted = fit_baselines(
        train.X,
        train.y,
        n_classes=len(classes),
        categorical=categorical,
        seed=params.seed,
        weight=train.weight,
        max_rows=params.max_rows,
    )
    rows = train.take(stratified_sample(train.y, params.max_rows or len(train), params.seed))
    network = fit_plain_network(
        rows, valid, encoder.cardinalities, n_classes=len(classes), scratch=stage.scratch, seed=params.seed
    )
    fitted = fitted.with_model("plain_network", network)
    folder = stage.outputs["baselines"]
    folder.mkdir()
    thresholds = {}
    for name in fitted.models:
        thresholds[name] = choose_threshold(valid.y, fitted.predict(name, valid.X), goal, weight=valid.weight)
        y_prob = fitted.predict(name, test.X)
        y_pred = decide(name, y_prob, thresholds[name], goal)
        PartPredictions.from_part(test, y_pred, y_prob).write(folder / f"{name}.parquet", classes)
    for n_rows, one in fit_learning_curve(
        rows, params.learning_curve, n_classes=len(classes), categorical=categorical, seed=params.seed
    ):
        y_prob = one.predict("gradient_boosting", test.X)
        path = folder / "learning_curve" / f"{n_rows:012}.parquet"  # sorted by name as by number
        path.parent.mkdir(exist_ok=True)
        PartPredictions.from_part(test, y_prob.argmax(axis=1), y_prob).write(path, classes)
    write_json(
        folder / "fitted.json",
        {"rows": fitted.rows, "total_rows": fitted.total_rows, "thresholds": thresholds | {"majority": None}},
    )
    print(f"Fitted {', '.join(fitted.models)} on {fitted.rows:,} of {fitted.total_rows:,} train rows.")
