"""The summary as a page and as a text, through two thin templates."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from veritable.reporting import charts
from veritable.reporting.summary import MOST_CLASSES, MOST_COLUMNS, MOST_FINDINGS

_LIMITS = {"most_classes": MOST_CLASSES, "most_columns": MOST_COLUMNS, "most_findings": MOST_FINDINGS}


def render_html(summary: Mapping[str, Any], templates: Path) -> str:
    """One page that needs nothing else: styles, charts and figures stand in it."""
    drawn = {name: Markup(svg) for name, svg in charts.draw(summary).items()}  # noqa: S704  Vega escapes the texts in it
    figures = {name: base64.b64encode(png).decode() for name, png in summary["figures"].items()}
    return (
        _environment(templates, escape=True)
        .get_template("report.html.j2")
        .render(summary, charts=drawn, images=figures, shown_classes=charts.MAX_CLASSES, **_LIMITS)
    )


def render_markdown(summary: Mapping[str, Any], templates: Path) -> str:
    """A text for git, code review and mail."""
    return _environment(templates, escape=False).get_template("report.md.j2").render(summary, **_LIMITS)


def _environment(templates: Path, *, escape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=escape,  # noqa: S701  Markdown is escaped by the filter `md`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "interval": interval, "md": markdown_safe, "dotted": dotted}
    return environment


def number(value: float | None, digits: int = 3) -> str:
    """A metric as people read it; an undefined one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(metric: Mapping[str, float | None], digits: int = 3) -> str:
    """ "0.912 [0.905, 0.919]" """
    if metric["low"] is None:
        return number(metric["value"], digits)
    return f"{number(metric['value'], digits)} [{number(metric['low'], digits)}, {number(metric['high'], digits)}]"


def markdown_safe(text: Any) -> str:
    """Text that stays text in a Markdown table: neither markup nor HTML nor a new line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", re.sub(r"\s+", " ", str(text)))


def dotted(params: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Nested params as ("train.mlp.epochs", 10) pairs."""
    pairs: list[tuple[str, Any]] = []
    for key, value in params.items():
        pairs += dotted(value, f"{above}{key}.") if isinstance(value, Mapping) else [(f"{above}{key}", value)]
    return pairs
