"""Search for better training parameters with Optuna, judged on valid. A killed search resumes and ends with the same trials."""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from pytorch_lightning import seed_everything
from rich.console import Console

from veritable.training.fit import Diverged, TrainingError
from veritable.training.inputs import TrainingInputs
from veritable.training.params import Domain, allows_type, searchable_field
from veritable.training.plan import TrainPlan, TunePlan
from veritable.training.train import fit_folds
from veritable.training.trials import Trial, Tuning

_DIGITS = 3  # significant digits of a sampled number, so that it is readable
_STARTUP_TRIALS = 5  # complete trials before the first can be pruned
_WARM_UP = 0.5  # share of the epochs before a trial can be pruned: with a cosine schedule, low learning rates start slowly
_MIN_TRIALS = 3  # complete trials that must have reached an epoch before a trial can be pruned in it


def tune_params(tune: TunePlan, inputs: TrainingInputs) -> Tuning:
    """Try `tune.n_trials` sets of parameters, each judged by the loss on valid of the classifier that it trains.

    The first set is that of `inputs.plan`. The next set depends only on `tune.seed` and the results of the earlier trials.

    Parameters
    ----------
    inputs
        What the classifiers are trained on. With the same scratch folder, a killed search resumes in the epoch that was
        interrupted, and ends as an uninterrupted search.

    Raises
    ------
    UserError
        Training with the first set fails.
    """
    variables = [_Variable.from_domain(key, domain) for key, domain in tune.domains.items()]
    study = _resume(inputs.scratch / "journal.jsonl", tune.pruning, inputs.plan.recipe.max_epochs)
    console = Console(stderr=True)
    console.quiet = not console.is_terminal
    while (n := len(trials := _finished(study))) < tune.n_trials:
        if trials:
            best = Tuning(trials).best
            last = trials[-1].state if trials[-1].loss is None else f"log loss {trials[-1].loss:.4f}"
            console.print(f"trial {n} of {tune.n_trials}: {last}; best so far {best.loss if best else 0:.4f}", highlight=False)
        folder = inputs.scratch / f"trial-{n + 1}"
        folder.mkdir(exist_ok=True)
        study.sampler = TPESampler(seed=_seed(tune.seed, n))  # a new sampler per trial, as in a search that resumes here
        trial, plan = _ask(study, variables, inputs.plan, first=n == 0)
        _run(study, trial, replace(inputs, plan=plan, scratch=folder), is_first=n == 0)
        shutil.rmtree(folder)
    searched = tuple(variable.key for variable in variables)
    return Tuning(trials, tune.base, searched, tuple(tune.unsearched), inputs.plan.network, bool(inputs.plan.n_splits))


@dataclass(frozen=True)
class _Variable:
    """A parameter that is searched.

    Optuna sees a choice as its index in the list, and a multiple of `unit` divided by the unit.
    """

    key: str
    domain: Domain
    is_int: bool
    unit: int

    @classmethod
    def from_domain(cls, key: str, domain: Domain) -> Self:
        field = searchable_field(key)
        assert field is not None
        units = [int(each.multiple_of) for each in field.metadata if getattr(each, "multiple_of", None)]
        return cls(key, domain, not allows_type(field.annotation, float), units[0] if units else 1)

    def suggest(self, trial: optuna.Trial) -> Any:
        """Sample a value; floats are rounded to a few digits."""
        if isinstance(self.domain, list):
            return self.domain[trial.suggest_categorical(self.key, list(range(len(self.domain))))]
        low, high, log = self.domain.low, self.domain.high, self.domain.log
        if self.is_int:
            return self.unit * trial.suggest_int(self.key, int(low) // self.unit, int(high) // self.unit, log=log)
        rounded = float(f"{trial.suggest_float(self.key, low, high, log=log):.{_DIGITS}g}")
        return min(max(rounded, float(low)), float(high))

    def to_optuna(self, value: Any) -> Any:
        """Return a value as Optuna sees it; None if it is outside the domain."""
        if isinstance(self.domain, list):
            return self.domain.index(value) if value in self.domain else None
        if not isinstance(value, int | float) or not self.domain.low <= value <= self.domain.high:
            return None
        return value // self.unit if self.is_int else float(value)


def _ask(study: optuna.Study, variables: list[_Variable], plan: TrainPlan, *, first: bool) -> tuple[optuna.Trial, TrainPlan]:
    """Return a new trial and its plan. Of the first, which has the given plan, Optuna is told the values within the space."""
    if not first:
        trial = study.ask()
        tried = _updated(plan, {each.key: each.suggest(trial) for each in variables})
    else:
        known = {each.key: value for each in variables if (value := each.to_optuna(_value(plan, each.key))) is not None}
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):  # a killed run may have enqueued it already
            study.enqueue_trial(known)
        trial, tried = study.ask(), plan
        for each in variables:
            if each.key in known:
                each.suggest(trial)
    trial.set_user_attr("params", {each.key: _value(tried, each.key) for each in variables})
    return trial, tried


def _run(study: optuna.Study, trial: optuna.Trial, inputs: TrainingInputs, *, is_first: bool) -> None:
    """Train the classifier of a trial and tell the study the result. Errors in the first trial are raised."""

    def report(epoch: int, loss: float) -> None:
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    seed_everything(inputs.plan.seed, verbose=False)  # as in the stage `train`
    try:
        loss = fit_folds(inputs, report).held_out.log_loss
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except TrainingError as error:
        diverged = isinstance(error, Diverged)
        if is_first or not (diverged or inputs.earlier is not None):
            raise
        trial.set_user_attr("state", "diverged" if diverged else "unfit")
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, loss)


def _resume(journal: Path, pruning: bool, max_epochs: int) -> optuna.Study:
    """Open or create the study of a journal, and fail the trial that a killed run was at."""
    for lock in journal.parent.glob(f"{journal.name}.lock*"):  # of a killed run: a stage never runs twice at the same time
        lock.unlink()
    if journal.exists():
        _truncate_damaged_end(journal)
    storage = JournalStorage(JournalFileBackend(str(journal), JournalFileOpenLock(str(journal))))
    warm_up = math.ceil(_WARM_UP * max_epochs)
    pruner = MedianPruner(_STARTUP_TRIALS, warm_up, n_min_trials=_MIN_TRIALS) if pruning else NopPruner()
    study = optuna.create_study(storage=storage, pruner=pruner, study_name="tune", load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _truncate_damaged_end(journal: Path) -> None:
    """Keep only complete lines of JSON: Optuna would append to an incomplete line and could then read neither."""
    lines = journal.read_bytes().splitlines(keepends=True)
    while lines and not _is_complete(lines[-1]):
        lines.pop()
    with journal.open("r+b") as file:
        file.truncate(sum(map(len, lines)))


def _is_complete(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _finished(study: optuna.Study) -> tuple[Trial, ...]:
    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return tuple(_to_trial(number, each) for number, each in enumerate(found, 1))


def _to_trial(number: int, found: optuna.trial.FrozenTrial) -> Trial:
    attributes, complete = found.user_attrs, found.state == TrialState.COMPLETE
    return Trial(
        number,
        "complete" if complete else attributes.get("state", "pruned"),
        found.value if complete else None,
        found.last_step or 0,
        attributes["params"],
    )


def _seed(seed: int, trial: int) -> int:
    return int(np.random.SeedSequence([seed, trial]).generate_state(1)[0])


def _value(plan: TrainPlan, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(plan, section), name)


def _updated(plan: TrainPlan, values: Mapping[str, Any]) -> TrainPlan:
    """Return the plan with other values, by dotted key."""
    changed = plan.to_json()
    for key, value in values.items():
        section, name = key.split(".")
        changed[section][name] = value
    return TrainPlan.parse("train", changed)


optuna.logging.set_verbosity(optuna.logging.ERROR)  # the stage prints a summary instead of a line per trial
