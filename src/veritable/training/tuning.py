"""Search for better knobs of `train` with Optuna, judged on valid. Killed and started again, it ends with the same trials."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from pytorch_lightning import seed_everything
from rich.console import Console

from veritable.models.classifier import Classifier
from veritable.params import ParamsError
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import Part, Shards
from veritable.tables.typing.contract import Contract
from veritable.training.boosting import count_models
from veritable.training.fit import Diverged, TrainingError
from veritable.training.params import Range, TrainParams, TuneParams, knob_of, takes
from veritable.training.train import Judged, Trained, train_classifier
from veritable.training.trials import Trial, Tuning

_DIGITS = 3  # of a number that is tried: what then stands in params.yaml can be read
_BEFORE_PRUNING = 5  # complete trials, before any is pruned
_WARM_UP = 0.5  # of the epochs, before which none is pruned: with a cosine, a low learning rate is behind for long
_AT_LEAST = 3  # complete trials that must have reached an epoch, to judge by it
_LEAST = 1e-15


def tune_params(
    tune: TuneParams,
    params: TrainParams,
    encoder: Encoder,
    contract: Contract,
    train: Part | Shards,
    valid: Part | Shards,
    scratch: Path,
    earlier: Classifier | None = None,
    threads: int | None = None,
) -> Tuning:
    """Try `tune.n_trials` sets of knobs, `params` first, each by the loss on valid of the classifier that it trains.

    Which set is tried next hangs on `tune.seed` and on what came of those before, and on nothing else.

    Parameters
    ----------
    params
        Their `auto` resolved.
    scratch
        An existing folder that outlives a killed run. Found again, the search goes on with the trial, and the epoch in it,
        that was not finished, and ends as an undisturbed one.
    earlier
        Networks start from this classifier's: see `train_classifier`.
    threads
        Number of CPU threads: see `train_classifier`.

    Raises
    ------
    ParamsError
        The space has no knob of what `params` train.
    UserError
        Training with `params` themselves fails.
    """
    trees = count_models(params, len(train), len(contract.classes)) > 0
    live = {params.network, "trees"} if trees else {params.network}
    knobs = [_Knob.of(key, domain) for key, domain in tune.domains.items() if key.split(".")[0] in live]
    if not knobs:
        raise ParamsError(
            f"'tune.space' in params.yaml must have a knob of {' or '.join(sorted(live))}, which is what is trained, "
            f"however it has none. Add one, say {params.network}.learning_rate."
        )
    study = _resume(scratch / "journal.jsonl", tune.pruning, params.recipe.max_epochs)
    said = Console(stderr=True)
    said.quiet = not said.is_terminal
    while (n := len(trials := _finished(study))) < tune.n_trials:
        if trials:
            best = Tuning(params, trials=trials).best
            last = trials[-1].state if trials[-1].loss is None else f"log loss {trials[-1].loss:.4f}"
            said.print(f"set {n} of {tune.n_trials}: {last}; best so far {best.loss if best else 0:.4f}", highlight=False)
        folder = scratch / f"trial-{n + 1}"
        folder.mkdir(exist_ok=True)
        study.sampler = TPESampler(seed=_seed(tune.seed, n))  # anew each time: a search that goes on is as one that never ended
        trial, tried = _ask(study, knobs, params, first=n == 0)
        seed_everything(tried.seed, verbose=False)  # as the stage `train` does
        training = partial(train_classifier, tried, encoder, contract, train, valid, folder, earlier, threads=threads)
        _tell(study, trial, training, may_not_fit=earlier is not None)
        shutil.rmtree(folder)
    unsearched = tuple(key for key in tune.space if key.split(".")[0] not in live)
    return Tuning(params, tuple(knob.key for knob in knobs), unsearched, trials)


@dataclass(frozen=True)
class _Knob:
    """A knob that is searched; Optuna sees a choice as its place in the list, and a multiple of 8 as how many eights."""

    key: str
    domain: Range | list[Any]
    whole: bool
    unit: int

    @classmethod
    def of(cls, key: str, domain: Range | list[Any]) -> "_Knob":
        field = knob_of(key)
        assert field is not None
        units = [int(each.multiple_of) for each in field.metadata if getattr(each, "multiple_of", None)]
        return cls(key, domain, not takes(field.annotation, float), units[0] if units else 1)

    def ask(self, trial: optuna.Trial) -> Any:
        """A value to try; a number has few digits, so that it can be read where it will stand."""
        if isinstance(self.domain, list):
            return self.domain[trial.suggest_categorical(self.key, list(range(len(self.domain))))]
        low, high, log = self.domain.low, self.domain.high, self.domain.log
        if self.whole:
            return self.unit * trial.suggest_int(self.key, int(low) // self.unit, int(high) // self.unit, log=log)
        found = float(f"{trial.suggest_float(self.key, low, high, log=log):.{_DIGITS}g}")
        return min(max(found, float(low)), float(high))

    def told(self, value: Any) -> Any:
        """How Optuna sees a value; None for one that the domain does not hold."""
        if isinstance(self.domain, list):
            return self.domain.index(value) if value in self.domain else None
        if not isinstance(value, int | float) or not self.domain.low <= value <= self.domain.high:
            return None
        return value // self.unit if self.whole else float(value)


def _ask(study: optuna.Study, knobs: list[_Knob], params: TrainParams, *, first: bool) -> tuple[optuna.Trial, TrainParams]:
    """A new trial, and its params. Of the first, whose params are as they stand, Optuna hears what lies in the space."""
    if not first:
        trial = study.ask()
        tried = _with(params, {knob.key: knob.ask(trial) for knob in knobs})
    else:
        told = {knob.key: place for knob in knobs if (place := knob.told(_at(params, knob.key))) is not None}
        if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):  # as one is that a killed run had put there
            study.enqueue_trial(told)
        trial, tried = study.ask(), params
        for knob in knobs:
            if knob.key in told:
                knob.ask(trial)
    trial.set_user_attr("knobs", {knob.key: _at(tried, knob.key) for knob in knobs})
    return trial, tried


def _tell(study: optuna.Study, trial: optuna.Trial, train: Callable[..., Trained], *, may_not_fit: bool) -> None:
    """Train, and tell the study what came of it; the first trial's errors are those that the stage `train` would end with."""

    def hear(epoch: int, loss: float) -> None:
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        judged = train(told=hear).judged
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except TrainingError as error:
        diverged = isinstance(error, Diverged)
        if not _finished(study) or not (diverged or may_not_fit):
            raise
        trial.set_user_attr("state", "diverged" if diverged else "unfit")
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, log_loss(judged))


def log_loss(judged: Judged) -> float:
    """Mean over rows that were not fitted on, by their weights."""
    y_prob = judged.y_prob[np.arange(len(judged.part)), judged.part.y]
    return float(np.average(-np.log(np.maximum(y_prob, _LEAST)), weights=judged.part.weight))


def _resume(journal: Path, pruning: bool, epochs: int) -> optuna.Study:
    """The study in a journal, made anew or as a killed run left it: without the trial that it was at."""
    for lock in journal.parent.glob(f"{journal.name}.lock*"):  # the killed run's: a stage is never run twice at once
        lock.unlink()
    if journal.exists():
        _cut_torn_end(journal)
    storage = JournalStorage(JournalFileBackend(str(journal), JournalFileOpenLock(str(journal))))
    pruner = MedianPruner(_BEFORE_PRUNING, math.ceil(_WARM_UP * epochs), n_min_trials=_AT_LEAST) if pruning else NopPruner()
    study = optuna.create_study(storage=storage, pruner=pruner, study_name="tune", load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _cut_torn_end(journal: Path) -> None:
    """Only whole lines of JSON: Optuna would write on behind half a one, and then read neither."""
    lines = journal.read_bytes().splitlines(keepends=True)
    while lines and not _is_whole(lines[-1]):
        lines.pop()
    with journal.open("r+b") as file:
        file.truncate(sum(map(len, lines)))


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _finished(study: optuna.Study) -> tuple[Trial, ...]:
    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return tuple(_trial(number, each) for number, each in enumerate(found, 1))


def _trial(number: int, found: optuna.trial.FrozenTrial) -> Trial:
    own, complete = found.user_attrs, found.state == TrialState.COMPLETE
    return Trial(
        number,
        "complete" if complete else own.get("state", "pruned"),
        found.value if complete else None,
        found.last_step or 0,
        own["knobs"],
    )


def _seed(seed: int, trial: int) -> int:
    return int(np.random.SeedSequence([seed, trial]).generate_state(1)[0])


def _at(params: TrainParams, key: str) -> Any:
    section, knob = key.split(".")
    return getattr(getattr(params, section), knob)


def _with(params: TrainParams, values: Mapping[str, Any]) -> TrainParams:
    """With other knobs, by dotted key."""
    changed = params.model_dump()
    for key, value in values.items():
        section, knob = key.split(".")
        changed[section][knob] = value
    return TrainParams.parse("train", changed)


optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it says of each trial, the stage says in a line at the end
