"""A waterfall: how the values of the columns of a row lead from a base value to its output."""

from collections.abc import Sequence
from dataclasses import dataclass

from veritable.figures.axes import Axis, make_x_axis
from veritable.figures.bars import Rows
from veritable.figures.svg import WIDTH, Data, Figure, element, line, picture
from veritable.figures.text import isolate
from veritable.figures.ticks import Scale, find_range, format_short, with_minus

MAX_STEPS = 12  # columns with a step of their own


@dataclass(frozen=True)
class Step:
    """A column, its cell in the row, its value, and the standard error of the value (None if it has none)."""

    column: str
    cell: str
    value: float
    error: float | None = None


def format_step(value: float, error: float | None = None) -> str:
    """Format a value with its standard error, if it has one.

    >>> format_step(0.8123, 0.021)
    '+0.812 ± 0.021'
    """
    return f"{value:+.3g} ± {error:.2g}" if error else f"{value:+.3g}"


def merge_steps(steps: Sequence[Step]) -> list[Step]:
    """Return the first twelve steps, and the sum of the others, which has no error because theirs are not independent."""
    others = steps[MAX_STEPS:]
    if not others:
        return list(steps)
    name = f"{len(others):,} other column{'s' * (len(others) > 1)}"
    return [*steps[:MAX_STEPS], Step(name, "", sum(step.value for step in others))]


def find_ends(steps: Sequence[Step], base: float | None) -> list[tuple[float, float]]:
    """Return where each step begins and ends: where the last one ended, or at 0 if there is no base value.

    >>> find_ends([Step("age", "39", 2.0), Step("city", "Rome", -0.5)], 1.0)
    [(1.0, 3.0), (3.0, 2.5)]
    """
    start, ends = base or 0.0, []
    for step in steps:
        ends.append((start, start + step.value))
        start = start if base is None else start + step.value
    return ends


def draw_waterfall(
    title: str, steps: Sequence[Step], base: float, axis: Axis, *, base_name: str, output_name: str, description: str = ""
) -> Figure:
    """Draw the steps from the base value to the output, with their standard errors.

    Parameters
    ----------
    steps
        Columns in the order in which they are drawn; those after the twelfth are merged.
    base_name, output_name
        Names of the first and of the last line.

    Examples
    --------
    >>> steps = [Step("age", "39", 2.0, 0.1), Step("city", "Rome", -0.5)]
    >>> figure = draw_waterfall("Row 7", steps, 1.0, Axis("log-odds"), base_name="mean", output_name="row 7")
    >>> figure.data["value"]
    [2.0, -0.5]
    """
    shown = merge_steps(steps)
    ends = find_ends(shown, base)
    output = ends[-1][1] if ends else base
    names = [
        base_name,
        *(f"{isolate(step.column)} = {isolate(step.cell)}" if step.cell else step.column for step in shown),
        output_name,
    ]
    notes = [format_short(base), *(with_minus(format_step(step.value, step.error)) for step in shown), format_short(output)]
    rows = Rows.fit(names, notes)
    reach = [end + sign * (step.error or 0.0) for step, (_, end) in zip(shown, ends, strict=True) for sign in (-1, 1)]
    low, high = find_range([base, *(each for pair in ends for each in pair), *reach])
    scale, bottom = Scale(low, high, rows.left + 2, rows.right - 10), rows.bottom(len(names))
    parts = make_x_axis(scale, axis, bottom, rows.top)
    parts += [line(scale(base), rows.top, scale(base), bottom, "rule")]
    for i, (name, note) in enumerate(zip(names, notes, strict=True)):
        parts += [rows.label(i, name), rows.note(i, note, "" if i in (0, len(names) - 1) else "soft")]
    for place, row in ((base, 0), (output, len(names) - 1)):
        middle = rows.middle(row)
        parts.append(line(scale(place), middle - 8, scale(place), middle + 8, "line over"))
    for i, (step, (start, end)) in enumerate(zip(shown, ends, strict=True), start=1):
        left, right = sorted((scale(start), scale(end)))
        middle = rows.middle(i)
        parts.append(
            element(
                "rect",
                x=left,
                y=middle - 7,
                width=max(right - left, 0.5),
                height=14,
                class_=f"bar {'up' if step.value >= 0 else 'down'}",
            )
        )
        if step.error:
            parts.append(line(scale(end - step.error), middle, scale(end + step.error), middle, "whisker over"))
    data: Data = {
        "column": [step.column for step in steps],
        "cell": [step.cell for step in steps],
        "value": [step.value for step in steps],
        "standard error": [step.error if step.error is not None else float("nan") for step in steps],
    }
    return Figure(picture(title, description, WIDTH, bottom + 42, parts), data)
