"""What a search for better knobs has tried, and what of it is best. Quick to import: most runs search nothing."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veritable.files import write_json
from veritable.training.params import NETWORKS, TrainParams

APPLY = "python -m veritable apply"


@dataclass(frozen=True)
class Trial:
    """One set of knobs, by dotted key below train.

    Attributes
    ----------
    number
        From 1; the first is the set that stands in params.yaml.
    state
        "complete"; "pruned", stopped since others were better by that epoch; "diverged", its loss no longer finite; "unfit",
        of sizes that nothing of the classifier in train.init fits.
    loss
        Of the whole classifier on valid, only of a complete one.
    epochs
        How many the first network was trained for.
    """

    number: int
    state: str
    loss: float | None
    epochs: int
    knobs: dict[str, Any]


@dataclass(frozen=True)
class Tuning:
    """A search: `params` is where it starts, its `auto` resolved if there are trials."""

    params: TrainParams
    searched: tuple[str, ...] = ()
    unsearched: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> Trial | None:
        """The complete trial of the least loss, the first of equals."""
        return min((each for each in self.trials if each.loss is not None), key=lambda each: each.loss or 0.0, default=None)

    @property
    def better(self) -> dict[str, Any]:
        """The best trial's knobs that are not as they were."""
        if self.best is None:
            return {}
        before = self.trials[0].knobs
        return {key: value for key, value in self.best.knobs.items() if value != before[key]}

    def write(self, folder: Path, base: Any) -> None:
        """trials.csv, a row a trial, and best.json: what was searched, starting from what, and what it came to."""
        folder.mkdir()
        with (folder / "trials.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["number", "state", "loss", "epochs", *self.searched])
            for each in self.trials:
                values = [_plain(each.knobs[key]) for key in self.searched]
                rows.writerow([each.number, each.state, "" if each.loss is None else repr(each.loss), each.epochs, *values])
        found = {
            "base": base,
            "base_loss": self.trials[0].loss if self.trials else None,
            "best": None if self.best is None else {"trial": self.best.number, "loss": self.best.loss, "knobs": self.better},
            "searched": list(self.searched),
            "states": dict(Counter(each.state for each in self.trials)),
            "trials": len(self.trials),
            "unsearched": list(self.unsearched),
        }
        write_json(folder / "best.json", found)

    def __str__(self) -> str:
        if self.best is None:
            return "Searched nothing: tune.n_trials in params.yaml is 0."
        states = Counter(each.state for each in self.trials)
        ends = ", ".join(f"{states[state]:,} {state}" for state in ("pruned", "diverged", "unfit") if states[state])
        tried = f"{len(self.trials):,} {'set' if len(self.trials) == 1 else 'sets'} of params{f' ({ends})' if ends else ''}"
        loss, where = self.trials[0].loss, "log loss over the folds" if self.params.n_splits else "valid log loss"
        if self.better:
            knobs = ", ".join(f"{key} {_plain(value)}" for key, value in self.better.items())
            said = f"Tried {tried}: {where} {loss:.4f} -> {self.best.loss:.4f}. Best: {knobs}. Apply with `{APPLY}`."
        else:
            said = f"Tried {tried}: none was better than the present one, {where} {loss:.4f}."
        return "\n".join(filter(None, [self._left_alone(), said]))

    def _left_alone(self) -> str:
        sections = list(dict.fromkeys(key.split(".")[0] for key in self.unsearched))
        networks = " and ".join(each for each in sections if each in NETWORKS)
        reasons = [f"of {networks}, since the network is {self.params.network}"] if networks else []
        reasons += ["of trees, since there are none"] if "trees" in sections else []
        return f"Not searched: knobs {', and '.join(reasons)}." if reasons else ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
