"""The record of a run: the model card, what identifies its inputs, and how to make it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from veritable.training.params import TrainParams
from veritable.training.plan import TableFacts, plan_training

COMMANDS = (
    ("git log -1 --format=%H -- dvc.lock", "the commit that holds these results, if they were committed; check it out"),
    ("dvc pull", "the table and the results, if a remote has them"),
    ("make repro", "run what is missing or changed; if nothing is, no stage but code runs"),
    ("dvc repro --force --no-run-cache", "run everything again"),
    ("git diff --exit-code dvc.lock", "no difference: every result is the same, byte for byte"),
)
_MAX_CHANGED = 100  # params in the record; data.types, for example, may name thousands of columns
_UNCHANGED = object()


def make_record(
    *,
    hashes: Mapping[str, str],
    main: Sequence[str],
    pipeline: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    defaults: Mapping[str, Any],
    contract: Mapping[str, Any],
    table: Mapping[str, Any],
) -> dict[str, Any]:
    """Collect the record of a run, except the model card.

    Parameters
    ----------
    hashes
        SHA-256 of each input of the report, by path.
    main
        Paths of the rows and of the classifier, whose hashes the short text has too.
    pipeline
        The stages; see `read_pipeline`.
    params
        The params of the run; `train` is the plan, in which `auto` is resolved and what has no effect is left out.
    defaults
        The content of the params.yaml that Veritable comes with.
    contract, table
        Contract and facts of the prepared table, on which the plan depends.
    """
    changed = find_changed_params(params, defaults, TableFacts.from_json(contract, table))
    return {
        "hashes": [{"path": path, "sha256": hashes[path], "is_main": path in main} for path in sorted(hashes)],
        "pipeline": list(pipeline),
        "changed_params": changed[:_MAX_CHANGED],
        "further_params": max(0, len(changed) - _MAX_CHANGED),
        "commands": [{"command": command, "effect": effect} for command, effect in COMMANDS],
    }


def find_changed_params(params: Mapping[str, Any], defaults: Mapping[str, Any], facts: TableFacts) -> list[dict[str, Any]]:
    """Return the params of a run that differ from the defaults, sorted by key.

    `auto` is no difference: the plan of the run is compared with the plan that the defaults give for the same table. A section
    of one plan only, such as that of another network, is compared with the defaults as they are.

    Returns
    -------
    Dicts of `key`, `value` and `default`; a value is None where the key is null or absent.
    """
    planned = plan_training(TrainParams.parse("train", defaults["train"]), facts, has_init=False).to_json()
    train = {key: value for key, value in params["train"].items() if key in defaults["train"]}  # the plan has facts of its own
    base = _flatten(defaults) | _flatten({"train": planned})
    found = _flatten({**params, "train": train})
    changed = {key for key, value in found.items() if base.get(key, _UNCHANGED) != value and (value is not None or key in base)}
    emptied = tuple(f"{key}." for key in _empty(params))
    changed |= {key for key in base if key not in found and emptied and key.startswith(emptied)}
    changes = [{"key": key, "value": found.get(key), "default": base.get(key)} for key in changed]
    if (blend := _blend(params["train"])) != (usual := _blend(planned)):
        changes.append({"key": "train.blend", "value": blend, "default": usual})
    return sorted(changes, key=lambda each: str(each["key"]))


def _blend(plan: Mapping[str, Any]) -> list[str]:
    return [name for name in ("trees", "forest", "linear") if plan.get(name)]


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested params by dotted key; tuples become lists, as in JSON."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _empty(params: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of the empty dicts among nested params."""
    found: list[str] = []
    for key, value in params.items():
        if isinstance(value, Mapping):
            found += _empty(value, f"{prefix}{key}.") if value else [f"{prefix}{key}"]
    return found
