"""Search for better knobs of `train`, judged on valid; off unless tune.n_trials says so. Run by `dvc repro tune`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.params import MachineParams
from veritable.training.params import FROM_NOTHING, TrainParams, TuneParams
from veritable.training.trials import Tuning


def tune(stage: Stage) -> None:
    params = TuneParams.parse("tune", stage.params["tune"])
    train, path = TrainParams.parse("train", stage.params["train"]), stage.params["data"]["path"]
    machine = MachineParams.parse("machine", stage.params["machine"])
    train.check_folds(stage.params["data"]["time"])
    stage.inputs.values()  # all are of use, even if without trials nobody looks into them
    tuning = _search(stage, params, train, path, machine) if params.n_trials else Tuning(train)
    tuning.write(stage.outputs["tuning"], base={"data": {"path": path}, "train": train.model_dump()})
    print(tuning)


def _search(stage: Stage, params: TuneParams, train: TrainParams, path: str, machine: MachineParams) -> Tuning:
    """Imports only here: to search nothing must cost next to nothing."""
    from veritable.files import read_json
    from veritable.models.classifier import Classifier
    from veritable.tables.encoding.encoder import Encoder
    from veritable.tables.generate import DEMO
    from veritable.tables.typing.contract import Contract
    from veritable.training.streaming import open_parts
    from veritable.training.tuning import tune_params

    encoder = Encoder.from_json(read_json(stage.inputs["encoder.json"]))
    contract = Contract.from_json(read_json(stage.inputs["contract.json"]))
    earlier = Classifier.load(stage.inputs["train.init"]) if train.init != FROM_NOTHING else None
    base = train.resolve(demo=path == DEMO, n_classes=len(contract.classes))
    parts = open_parts(stage.inputs["train"], stage.inputs["valid"], base, len(contract.classes))
    return tune_params(params, base, encoder, contract, *parts, scratch=stage.scratch, earlier=earlier, threads=machine.threads)
