"""List the stages of dvc.yaml with their deps and outs, so that a stage can depend on them: DVC accepts dvc.yaml as no dep."""

import json
from pathlib import PurePath
from typing import Any


def list_pipeline(text: str) -> str:
    """Return the deps and outs of each stage by name, as JSON. Templates such as `${data.path}` stay as dvc.yaml has them.

    Parameters
    ----------
    text
        Content of dvc.yaml. DVC has read it already, so it is valid.
    """
    sections = {"deps": ["deps"], "outs": ["outs", "metrics", "plots"]}
    listed = {name: {key: _paths(entry, names) for key, names in sections.items()} for name, entry in _entries(text).items()}
    return json.dumps(listed, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def list_variables(text: str) -> dict[str, set[str]]:
    """Return the names in `meta.env` of the stages, by the name of the script without its ending."""
    found: dict[str, set[str]] = {}
    for entry in _entries(text).values():
        for word in str(entry["cmd"]).split():
            if word.endswith(".py"):
                found.setdefault(PurePath(word).stem, set()).update((entry.get("meta") or {}).get("env", []))
    return found


def _entries(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML  # takes a while, and only the stage that lists the code needs it

    return {name: entry.get("do", entry) for name, entry in YAML(typ="safe").load(text)["stages"].items()}


def _paths(entry: dict[str, Any], sections: list[str]) -> list[str]:
    listed = [each for section in sections for each in entry.get(section) or []]
    return sorted(each if isinstance(each, str) else next(iter(each)) for each in listed)
