"""Plan the training, so that `train` and `tune` depend only on the parameters that they use. Run by `dvc repro plan`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.files import read_json, write_json
from veritable.stored import read_stored
from veritable.tables.typing.contract import Contract
from veritable.training.params import TrainParams, TuneParams
from veritable.training.plan import TableFacts, plan_training, plan_tuning

NOTHING = "models/nothing"  # DVC requires train.init and train.member to exist: this file stands for none


def plan(stage: Stage) -> None:
    params = TrainParams.parse("train", stage.params["train"])
    tune = TuneParams.parse("tune", stage.params["tune"])
    params.check_splits(stage.params["data"]["time"])
    contract = read_stored(Contract, stage.inputs["contract.json"], "Run `dvc repro preprocess` again.")
    facts = TableFacts.from_json(contract.to_json(), read_json(stage.inputs["table.json"]))
    train = plan_training(params, facts, has_init=params.init != NOTHING, has_member=params.member != NOTHING)
    path, folder = stage.params["data"]["path"], stage.outputs["plan"]
    folder.mkdir()
    write_json(folder / "train.json", train.to_json())
    write_json(folder / "tune.json", plan_tuning(tune, params, train, path).to_json() if tune.n_trials else {"n_trials": 0})
    blended = ["boosted trees"] * bool(train.trees) + ["a forest"] * bool(train.forest) + ["a linear model"] * train.linear
    blended += ["a pretrained model"] * bool(train.member)
    beside = f", blended with {', '.join(blended)}" if blended else ""
    folds = f", on {train.n_splits} folds" if train.n_splits else ""
    streamed = f"; streaming {' and '.join(train.streamed)}" if train.streamed else ""
    print(f"Planned a {train.network} network{beside}{folds}, for {facts.n_classes:,} classes{streamed}.")
