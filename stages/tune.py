"""Search for better knobs of `train`, judged on valid; off unless tune.trials says so. Run by `dvc repro tune`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.training.params import TrainParams, TuneParams
from veritable.training.trials import Tuning


def tune(stage: Stage) -> None:
    params = TuneParams.parse("tune", stage.params["tune"])
    train, path = TrainParams.parse("train", stage.params["train"]), stage.params["data"]["path"]
    stage.inputs.values()  # all are of use, even if without trials nobody looks into them
    tuning = _search(stage, params, train, path) if params.trials else Tuning(train)
    tuning.write(stage.outputs["tuning"], base={"data": {"path": path}, "train": train.model_dump()})
    print(tuning)


def _search(stage: Stage, params: TuneParams, train: TrainParams, path: str) -> Tuning:
    """Imports only here: to search nothing must cost next to nothing."""
    from veritable.files import read_json
    from veritable.tables.contract import Contract
    from veritable.tables.encoder import Encoder
    from veritable.tables.generate import DEMO
    from veritable.tables.parts import read_part
    from veritable.training.tuning import tune_params

    return tune_params(
        params,
        train.resolve(demo=path == DEMO),
        Encoder.from_json(read_json(stage.inputs["encoder.json"])),
        Contract.from_json(read_json(stage.inputs["contract.json"])),
        read_part(stage.inputs["train"]),
        read_part(stage.inputs["valid"]),
        stage.scratch,
    )
