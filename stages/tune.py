"""Search for better parameters of `train`, judged on valid; off unless tune.n_trials is set. Run by `dvc repro tune`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.files import read_json
from veritable.params import MachineParams
from veritable.training.trials import Tuning


def tune(stage: Stage) -> None:
    content = read_json(stage.inputs["tune.json"])
    machine = MachineParams.parse("machine", stage.params["machine"])
    stage.inputs.values()  # declare all inputs as used, even if there is no search
    tuning = _search(stage, content, machine) if content["n_trials"] else Tuning()
    tuning.write(stage.outputs["tuning"])
    print(tuning)
    if tuning.better:
        print("Apply them with `python -m veritable apply`.")


def _search(stage: Stage, content: dict[str, object], machine: MachineParams) -> Tuning:
    """Import torch and Optuna only here, so that a run without a search is cheap."""
    from veritable.training.inputs import TrainingInputs
    from veritable.training.plan import TunePlan
    from veritable.training.tuning import tune_params

    plan = TunePlan.parse("tune", content)
    return tune_params(plan, TrainingInputs.load(plan.train, stage.inputs, stage.scratch, machine.threads))
