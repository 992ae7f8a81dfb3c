"""Findings as the report lists them: those of the same kind together, with what to write into params.yaml."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from veritable.tables.checking.findings import CODES

_DROP = {"gives_target_away", "identifier", "free_text", "constant", "all_missing"}
_MAX_NAMES = 12  # of the columns that are listed in a sentence


def group_findings(findings: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Group findings of the same code and level.

    Parameters
    ----------
    findings
        Findings as JSON objects, in the order to show them.
    data
        The section `data` of params.yaml.

    Returns
    -------
    A dict for each group, in the order of its first finding: `code`, `level`, `sentence`, `sentences` (of the single findings,
    if there are several) and `params` (lines for params.yaml, or empty).

    Examples
    --------
    >>> same = {"code": "constant", "level": "warning", "numbers": {}}
    >>> findings = [same | {"column": name, "sentence": f"'{name}' has the same value in every row."} for name in "ab"]
    >>> group, = group_findings(findings, {"drop": ["c"]})
    >>> print(group["sentence"])
    2 columns: a column has the same value in all rows; it is not used. They are 'a' and 'b'.
    >>> print(group["params"])
    data:
      drop: ["c", "a", "b"]
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in findings:
        groups.setdefault((each["code"], each["level"]), []).append(each)
    return [
        {
            "code": code,
            "level": level,
            "sentence": _capitalize(own[0]["sentence"] if len(own) == 1 else _summarize(code, own)),
            "sentences": [_capitalize(each["sentence"]) for each in own] if len(own) > 1 else [],
            "params": _params(code, own, data),
        }
        for (code, level), own in groups.items()
    ]


def _capitalize(sentence: str) -> str:
    """Return a sentence that begins with a capital letter; on the terminal it follows the level and a colon."""
    return sentence[:1].upper() + sentence[1:]


def _summarize(code: str, findings: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(f"'{each['column']}'" for each in findings if each["column"] is not None))
    if len(names) < 2:
        return f"{len(findings):,} times: {CODES[code]}."
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if len(names) > _MAX_NAMES:
        listed = f"{', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES:,} more"
    return f"{len(names):,} columns: {CODES[code]}. They are {listed}."


def _params(code: str, findings: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> str:
    """Return the lines for params.yaml that act on the findings."""
    columns = list(dict.fromkeys(each["column"] for each in findings if each["column"] is not None))
    changes: dict[str, Any] = {}
    if code in _DROP and columns:
        changes["drop"] = [*data.get("drop", []), *(each for each in columns if each not in data.get("drop", []))]
    elif code == "time_order" and columns:
        changes["time"] = columns[0]
    elif code == "sentinel":
        codes = {each["column"]: [each["numbers"]["value"]] for each in findings if "value" in each["numbers"]}
        changes["missing_codes"] = {**data.get("missing_codes", {}), **codes}
    elif code == "duplicates_across_parts":
        changes["duplicates"] = "drop"
    lines = [f"  {key}: {_to_yaml(value)}" for key, value in changes.items()]
    return "\n".join(["data:", *lines]) if lines else ""


def _to_yaml(value: Any) -> str:
    """Return JSON, which is YAML once the characters that YAML does not allow as such are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
