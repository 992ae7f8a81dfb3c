"""Render the summary as an HTML page and as a Markdown text, through thin templates."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from veritable.evaluation.comparison import find_outcome
from veritable.figures.style import STYLE
from veritable.reporting import charts
from veritable.reporting.comparison_figures import figures_of
from veritable.reporting.confusion import MAX_TABLE_CLASSES
from veritable.reporting.explanation_charts import MAX_LEVELS
from veritable.reporting.opening import draw_differences, make_opening, make_slider
from veritable.reporting.pipeline import draw_pipeline
from veritable.reporting.sentences import write_sentences
from veritable.reporting.summary import MAX_CLASSES, MAX_COLUMNS, MAX_FINDINGS

FIGURE_FILES = {  # drawn beside the Markdown text, with their captions
    "differences": "Differences with their intervals",
    "roc": "ROC curve",
    "calibration": "Calibration",
    "importance": "Importance of the columns",
}
_MAX_PARAM = 300  # characters of the value of a param
_MAX_DIGITS = 5  # of a metric that is nearly 0 or 1
_RATES = {
    "positive": "positive",
    "predicted_positive": "flagged",
    "recall": "recall",
    "false_positive_rate": "false positive rate",
    "precision": "precision",
    "accuracy": "accuracy",
    "calibration": "calibration",
}
_LIMITS = {
    "rates": _RATES,
    "max_columns": MAX_COLUMNS,
    "max_findings": MAX_FINDINGS,
    "max_classes": MAX_CLASSES,
    "max_levels": MAX_LEVELS,
    "max_table_classes": MAX_TABLE_CLASSES,
    "max_table_rows": 100,
    "max_mistake_columns": 20,
}


def draw_figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the figures of the page; the files beside the Markdown text are some of them."""
    return {**charts.draw(summary), "differences": draw_differences(summary)}


def render_html(summary: Mapping[str, Any], templates: Path, drawn: Mapping[str, Any] | None = None) -> str:
    """Render one self-contained page: style, script and figures are inlined, and no other script may run.

    `drawn` is what `draw_figures` returns for the summary, if it was called before.
    """
    sentences = write_sentences(summary, lambda name: f"<b>{escape(name)}</b>")
    safe = {name: Markup(text) for name, text in sentences.items()}  # noqa: S704  names were escaped above
    template = make_environment(templates / "html", escape=True).get_template("report.html.j2")
    script = (templates / "html" / "report.js").read_text("utf-8")
    figures = figures_of(summary["reference"]) if summary["reference"] else {}
    return template.render(
        summary,
        comparison=summary["reference"],
        **figures,
        charts=drawn or draw_figures(summary),
        opening=make_opening(summary),
        slider=make_slider(summary),
        pipeline_figure=draw_pipeline(summary["record"]["pipeline"]),
        sentences=safe,
        figure_style=STYLE,
        script=script,
        policy=make_policy(script),
        **_LIMITS,
    )


def make_policy(script: str) -> str:
    """Return a Content-Security-Policy that allows this script, inline styles, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def render_markdown(summary: Mapping[str, Any], templates: Path) -> str:
    """Render a text for git, code review and mail. It shows the pictures of FIGURE_FILES in the folder figures/ beside it."""
    sentences = write_sentences(summary, lambda name: f"**{escape_markdown(name)}**")
    template = make_environment(templates / "markdown", escape=False).get_template("report.md.j2")
    opening = make_opening(summary)
    texts = {"opening": opening, "sentences": sentences, "figures": FIGURE_FILES}
    return template.render(summary, comparison=summary["reference"], **texts, **_LIMITS)


def make_environment(templates: Path, *, escape: bool) -> Environment:
    """Return an environment for the templates of a folder, with the filters that they use."""
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=escape,  # noqa: S701  Markdown is escaped by the filter `md`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": format_number,
        "difference": format_difference,
        "md": escape_markdown,
        "dotted": flatten_params,
        "param": format_param,
        "further_groups": describe_further_groups,
        "outcome": lambda difference, key: find_outcome(key, difference["low"], difference["high"]),
    }
    return environment


def format_number(value: float | None, digits: int = 3) -> str:
    """Format a metric; an undefined metric is a dash. One that is nearly 0 or 1 has more digits than one that is.

    >>> format_number(0.91249), format_number(0.99961), format_number(1.0)
    ('0.912', '0.9996', '1.000')
    """
    if value is None:
        return "–"
    while digits < _MAX_DIGITS and value not in (0, 1) and round(value, digits) in (0, 1):
        digits += 1
    return f"{value:.{digits}f}"


def format_difference(value: float | None) -> str:
    """Format a difference of metrics with its sign.

    >>> format_difference(0.00921)
    '+0.0092'
    """
    return "–" if value is None else f"{round(value, 4) + 0:+.4f}".replace("-", "−")


def escape_markdown(text: Any) -> str:
    r"""Escape text so that it stays text in a Markdown table: no markup, no HTML, no line break.

    >>> escape_markdown("a|b <i>")
    'a\\|b \\<i\\>'
    """
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", re.sub(r"\s+", " ", str(text)))


def flatten_params(params: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """List nested params with dotted names.

    >>> flatten_params({"train": {"mlp": {"max_epochs": 10}}})
    [('train.mlp.max_epochs', 10)]
    """
    pairs: list[tuple[str, Any]] = []
    for key, value in params.items():
        pairs += flatten_params(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return pairs


def format_param(value: Any) -> str:
    """Format the value of a param as params.yaml has it.

    >>> format_param(None), format_param("tabm"), format_param([1, "a"])
    ('null', 'tabm', '[1, "a"]')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_PARAM else f"{text[:_MAX_PARAM]}... ({len(text):,} characters)"


def describe_further_groups(by_group: Mapping[str, Any]) -> str:
    """Say how many groups of a column are not shown."""
    return f"{by_group['further_groups']:,} less frequent groups with {by_group['further_rows']:,} rows in total are not shown."
