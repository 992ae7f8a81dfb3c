"""The stages of the pipeline, which of them follows which, and a picture of it."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

_CODE = "code"  # the stage that lists the code of all others: it precedes each of them
_WIDTH, _HEIGHT, _GAP, _RISE = 8, 28, 18, 34  # pixels: of a character, of a box, between boxes, and between rows


def read_pipeline(stages: Mapping[str, Mapping[str, list[str]]], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stages of dvc.yaml, without `code`, in an order in which they can run; each with the stages that it uses.

    Parameters
    ----------
    stages
        The `deps` and `outs` of each stage of dvc.yaml, by name.
    params
        Params to insert for templates such as `${data.path}`; other templates name no output of a stage.

    Returns
    -------
    Dicts of `name` and `after`: the names of the stages whose outputs it uses, sorted.
    """
    outs = {name: [_insert(each, params) for each in stages[name]["outs"]] for name in stages if name != _CODE}
    after = {
        name: sorted(other for other in outs if other != name and _uses(stages[name]["deps"], outs[other], params))
        for name in outs
    }
    ordered: dict[str, list[str]] = {}
    while ready := [name for name in after if name not in ordered and all(each in ordered for each in after[name])]:
        ordered |= {name: after[name] for name in ready}
    return [{"name": name, "after": names} for name, names in ordered.items()]


def _uses(deps: list[str], outs: list[str], params: Mapping[str, Any]) -> bool:
    return any(_overlap(_insert(dep, params), out) for dep in deps for out in outs)


def _insert(path: str, params: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found: Any = params
        for key in match[1].split("."):
            found = found[key] if isinstance(found, Mapping) and key in found else None
        return found if isinstance(found, str) else match[0]

    return re.sub(r"\$\{\s*([^}]+?)\s*\}", value, path)


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def draw_pipeline(pipeline: list[dict[str, Any]]) -> Markup:
    """Draw the stages as boxes in rows from top to bottom, as SVG. An arrow that follows from others is left out."""
    after = _without_implied({each["name"]: each["after"] for each in pipeline})
    level: dict[str, int] = {}
    for name, names in after.items():
        level[name] = 1 + max((level[each] for each in names), default=-1)
    rows, edges = _place(after, level)
    width = _WIDTH * max(map(len, level), default=1) + 20
    total = max(map(len, rows), default=1) * (width + _GAP)
    middle = {
        node: ((column + 0.5) * total / len(row), number * (_HEIGHT + _RISE) + 1)
        for number, row in enumerate(rows)
        for column, node in enumerate(row)
    }
    parts = [_line(*middle[one], *middle[two], arrow=two in level) for one, two in edges]
    for name in level:
        x, y = middle[name]
        parts.append(
            f'<rect x="{x - width / 2:.1f}" y="{y}" width="{width}" height="{_HEIGHT}" rx="6"/>'
            f'<text x="{x:.1f}" y="{y + 18}">{escape(name)}</text>'
        )
    parts += [f'<path d="M{x:.1f} {y}V{y + _HEIGHT}"/>' for (name, (x, y)) in middle.items() if name not in level]
    height = len(rows) * (_HEIGHT + _RISE) - _RISE + 2
    order = "; ".join(f"{name} after {', '.join(names)}" if names else name for name, names in after.items())
    return Markup(  # noqa: S704  names were escaped
        f'<svg class="pipeline" viewBox="0 0 {total} {height}" width="{total}" height="{height}" role="img" '
        f'aria-label="The stages of the pipeline"><desc>{escape(order)}</desc>{"".join(parts)}</svg>'
    )


def _without_implied(after: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Leave out each stage that another of the same list comes after."""
    before: dict[str, set[str]] = {}
    for name, names in after.items():
        before[name] = set(names).union(*(before[each] for each in names))
    return {
        name: [each for each in names if not any(each in before[other] for other in names)] for name, names in after.items()
    }


def _place(after: Mapping[str, list[str]], level: Mapping[str, int]) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """Return the nodes of each row and the edges between neighboring rows. A longer edge passes through a node of its own."""
    rows: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=0))]
    edges: list[tuple[str, str]] = []
    for name, names in after.items():
        rows[level[name]].append(name)
        for above in names:
            passed = [f"{above}\n{name}\n{number}" for number in range(level[above] + 1, level[name])]  # no stage has this name
            for number, node in enumerate(passed, level[above] + 1):
                rows[number].append(node)
            edges += zip([above, *passed], [*passed, name], strict=True)
    for number in range(1, len(rows)):
        place = {node: (column + 0.5) / len(rows[number - 1]) for column, node in enumerate(rows[number - 1])}
        parents = {node: [place[one] for one, two in edges if two == node] for node in rows[number]}
        rows[number].sort(key=lambda node: sum(parents[node]) / max(1, len(parents[node])))
    return rows, edges


def _line(x: float, y: float, to_x: float, to_y: float, *, arrow: bool) -> str:
    start, end = y + _HEIGHT, to_y - (4 if arrow else 0)
    half = (start + end) / 2
    curve = f'<path d="M{x:.1f} {start}C{x:.1f} {half} {to_x:.1f} {half} {to_x:.1f} {end}"/>'
    return curve + (f'<path class="tip" d="M{to_x - 4:.1f} {end - 3}h8l-4 7z"/>' if arrow else "")
