"""Results of a search for better parameters. Cheap to import, because most runs search nothing."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.files import write_json
from veritable.training.params import NETWORKS


@dataclass(frozen=True)
class Trial:
    """One set of parameters.

    Attributes
    ----------
    number
        Number of the trial, from 1; the first has the current parameters.
    state
        "complete"; "pruned": stopped because its loss was above the median; "diverged": its loss was no longer finite; "unfit":
        no weights of the earlier classifier fit.
    loss
        Loss of the classifier on valid; None unless the trial is complete.
    epochs
        Number of epochs that the first network was trained for.
    params
        Searched parameters, by dotted key below train.
    """

    number: int
    state: str
    loss: float | None
    epochs: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """Result of a search.

    Attributes
    ----------
    trials
        Trials in their order; empty if nothing was searched.
    base
        Values that the search started from, by dotted key.
    searched, unsearched
        Keys of `tune.space` with and without an effect.
    network
        Name of the network.
    folds
        Whether trials were judged on cross-validation folds.
    """

    trials: tuple[Trial, ...] = ()
    base: dict[str, Any] | None = None
    searched: tuple[str, ...] = ()
    unsearched: tuple[str, ...] = ()
    network: str = ""
    folds: bool = False

    @property
    def best(self) -> Trial | None:
        """Complete trial with the lowest loss; the first if several are equal."""
        return min((each for each in self.trials if each.loss is not None), key=lambda each: each.loss or 0.0, default=None)

    @property
    def better(self) -> dict[str, Any]:
        """Parameters of the best trial that differ from those of the first."""
        if self.best is None:
            return {}
        before = self.trials[0].params
        return {key: value for key, value in self.best.params.items() if value != before[key]}

    def write(self, folder: Path) -> None:
        """Write trials.csv with a row per trial, and best.json with the base and the parameters that improved on it."""
        folder.mkdir()
        with (folder / "trials.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["number", "state", "loss", "epochs", *self.searched])
            for each in self.trials:
                values = [_to_text(each.params[key]) for key in self.searched]
                rows.writerow([each.number, each.state, "" if each.loss is None else repr(each.loss), each.epochs, *values])
        content = {
            "base": self.base or {},
            "base_loss": self.trials[0].loss if self.trials else None,
            "best": None if self.best is None else {"trial": self.best.number, "loss": self.best.loss, "params": self.better},
            "searched": list(self.searched),
            "states": dict(Counter(each.state for each in self.trials)),
            "trials": len(self.trials),
            "unsearched": list(self.unsearched),
        }
        write_json(folder / "best.json", content)

    def __str__(self) -> str:
        if self.best is None:
            return "Searched nothing: tune.n_trials is 0."
        states = Counter(each.state for each in self.trials)
        ends = ", ".join(f"{states[state]:,} {state}" for state in ("pruned", "diverged", "unfit") if states[state])
        n = len(self.trials)
        tried = f"{n:,} parameter {'set' if n == 1 else 'sets'}{f' ({ends})' if ends else ''}"
        loss, where = self.trials[0].loss, "log loss over the folds" if self.folds else "valid log loss"
        if self.better:
            params = ", ".join(f"{key} {_to_text(value)}" for key, value in self.better.items())
            result = f"Tried {tried}: {where} {loss:.4f} -> {self.best.loss:.4f}. Best: {params}."
        else:
            result = f"Tried {tried}: none was better than the current one, {where} {loss:.4f}."
        return "\n".join(filter(None, [self._not_searched(), result]))

    def _not_searched(self) -> str:
        sections = list(dict.fromkeys(key.split(".")[0] for key in self.unsearched))
        networks = " and ".join(each for each in sections if each in NETWORKS)
        reasons = [f"those of {networks}, because the network is {self.network}"] if networks else []
        others = " and ".join(each for each in sections if each not in NETWORKS)
        reasons += [f"those of {others}, because train.blend lacks them"] if others else []
        return f"Parameters not searched: {', and '.join(reasons)}." if reasons else ""


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
