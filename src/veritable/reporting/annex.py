"""Technical documentation after Annex IV of the EU AI Act (Regulation (EU) 2024/1689), as Markdown.

Each measured sentence names the output that its numbers stand in, and the first digits of its SHA-256. Each statement that only
a person can make comes from the model card or is marked as missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from veritable.metrics.labels import LABELS
from veritable.reporting.annex_statements import OWED
from veritable.reporting.card import parse_card
from veritable.reporting.privacy_sentences import write_privacy
from veritable.reporting.render import escape_markdown, format_number, format_param
from veritable.reporting.summary import MODELS

MISSING = "MISSING: "  # at the beginning of a line
_DIGITS = 12  # of a hash beside a sentence; the table at the end has all
_MAX_LISTED = 50  # names in a sentence


@dataclass(frozen=True)
class Output:
    """A file of the workspace that sentences are taken from.

    Attributes
    ----------
    path
        Its path, as the document names it.
    sha256
        Its SHA-256.
    content
        What it holds.
    """

    path: str
    sha256: str
    content: Any

    def says(self, sentence: str) -> str:
        """Return a sentence followed by the name and the short hash of this file."""
        return f"{sentence} ({_md(self.path)}, sha256 {self.sha256[:_DIGITS]})"


class Annex:
    """The paragraphs of the document, collected in order."""

    def __init__(self, outputs: Mapping[str, Output]):
        self.outputs, self.lines = outputs, list[str]()
        card = parse_card(outputs["card"].content)
        self.stated = {field["name"].casefold(): field["blocks"] for field in card["fields"] if field["blocks"]}

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section."""
        self.lines += [f"{'#' * level} {text}", ""]

    def measured(self, output: str, *sentences: str) -> None:
        """Add sentences whose numbers stand in an output."""
        for sentence in sentences:
            self.lines += [self.outputs[output].says(sentence), ""]

    def owed(self, *headings: str) -> None:
        """Add what the model card states below these headings, or mark it as missing."""
        for name in headings:
            blocks = self.stated.get(name.casefold())
            if blocks is None:
                file = _md(self.outputs["card"].path)
                self.lines += [f'{MISSING}{OWED[name]}. State it below "{name}" in {file}.', ""]
                continue
            for block in blocks:
                lines = [_md(text) for text in block["texts"]]
                self.lines += [*(f"- {line}" for line in lines), ""] if block["is_list"] else [*lines, ""]
            self.lines += [self.outputs["card"].says(f'Stated below "{name}".'), ""]


def write_annex(outputs: Mapping[str, Output], stale: Iterable[str]) -> str:
    """Write the document.

    Parameters
    ----------
    outputs
        By name: `card`, `versions`, `pipeline`, `table`, `plan`, `findings`, `evaluation`, `test_findings`, `explanation`,
        `importance` and, for a table with sensitive columns, `groups`.
    stale
        Stages whose outputs do not belong to the current code, params and data.
    """
    annex = Annex(outputs)
    _introduce(annex, sorted(stale))
    for write in (_general, _development, _control, _metrics, _rest):
        write(annex)
    missing = sum(line.startswith(MISSING) for line in annex.lines)
    annex.lines[2:2] = [f"**Statements that a person owes and that are missing: {missing}.**", ""]
    annex.heading("Hashes")
    annex.lines += ["| file | SHA-256 |", "| --- | --- |"]
    annex.lines += [f"| {_md(each.path)} | {each.sha256} |" for each in sorted(outputs.values(), key=lambda each: each.path)]
    return "\n".join(annex.lines) + "\n"


def _introduce(annex: Annex, stale: list[str]) -> None:
    annex.heading("Technical documentation", 1)
    annex.lines += [
        "This document follows Annex IV of Regulation (EU) 2024/1689, the AI Act. `python -m veritable annex` wrote it. "
        "Whether the "
        "system is a high-risk one, and whether this documentation suffices, is for its provider to judge.",
        "",
        "A measured sentence names the file that its numbers stand in and the first 12 digits of the SHA-256 of that file. A "
        "statement of a person comes from the model card; where there is none, it is marked as MISSING.",
        "",
    ]
    if stale:
        names = ", ".join(map(_md, stale))
        annex.lines += [
            f"**CAUTION: the outputs do not belong to the current code, params and data, because of: {names}. Run `dvc "
            "repro` and "
            "write this document again.**",
            "",
        ]


def _general(annex: Annex) -> None:
    table, versions = annex.outputs["table"].content, annex.outputs["versions"].content
    annex.heading("1. General description")
    annex.heading("(a) Intended purpose, provider, version", 3)
    annex.measured(
        "table", f"The system predicts the column {_md(table['target'])}, one of the classes {_names(table['classes'])}."
    )
    annex.owed("Purpose", "Out of scope", "Owner", "Contact", "Version")
    annex.heading("(b) Interaction with hardware and software", 3)
    annex.owed("Interaction")
    annex.heading("(c) Versions of software", 3)
    used = ", ".join(f"{_md(name)} {_md(version)}" for name, version in versions.items())
    annex.measured("versions", f"It was trained with {used}.")
    annex.heading("(d), (f) Forms and products", 3)
    annex.owed("Distribution")
    annex.heading("(e) Hardware", 3)
    annex.owed("Hardware")
    annex.heading("(g), (h) User interface and instructions for use", 3)
    annex.owed("User interface", "Instructions for use")


def _development(annex: Annex) -> None:
    table, plan, evaluation = (annex.outputs[name].content for name in ("table", "plan", "evaluation"))
    annex.heading("2. Elements of the system and its development")
    annex.heading("(a), (b) Methods, design and what is optimized", 3)
    members = [f"networks of the kind {plan['network']}"]
    members += [
        name
        for key, name in (("trees", "boosted trees"), ("forest", "a random forest"), ("linear", "a linear model"))
        if plan.get(key)
    ]
    members += ["a pretrained model"] if plan.get("member") else []
    if plan.get("init"):
        annex.measured("plan", f"Training started from the weights of the earlier classifier {_md(plan['init'])}.")
    if plan.get("member"):
        annex.measured("plan", f"The pretrained model {_md(plan['member'])} is a part of it.")
    annex.measured(
        "plan",
        f"The classifier blends the probabilities of {_join(members)}. Each is fitted to a low log loss on the training "
        "rows; the "
        "weights of the blend minimize the log loss on rows that its members were not fitted on.",
        f"The params of the training are: {_params(plan)}.",
    )
    annex.measured("evaluation", *write_privacy(evaluation["members"]))
    if evaluation["threshold"] is not None:
        annex.measured(
            "evaluation",
            f"The class {_md(evaluation['classes'][1])} is predicted from a probability of "
            f"{format_number(evaluation['threshold'])} "
            "upwards.",
        )
    annex.owed("Design choices", "Affected people")
    annex.heading("(c) Architecture and computing resources", 3)
    steps = "; ".join(
        f"{_md(each['name'])}{' after ' + _join([_md(name) for name in each['after']]) if each['after'] else ''}"
        for each in annex.outputs["pipeline"].content
    )
    annex.measured("pipeline", f"The stages of the pipeline run in this order: {steps}.")
    annex.heading("(d) Data", 3)
    columns = [_md(each["name"]) for each in table["columns"] if each.get("used", True)]
    parts = table["parts"]
    annex.measured(
        "table",
        f"The table has {table['rows']:,} rows: {parts['train']:,} for training, {parts['valid']:,} for validation, "
        f"{parts['test']:,} for the test.",
        "Rows by class: "
        f"{', '.join(_md(each['name']) + ' ' + format(each['rows'], ',') for each in table['classes'][:_MAX_LISTED])}"
        f"{_more(table['classes'])}.",
        f"The columns that are used are {', '.join(columns[:_MAX_LISTED])}{_more(columns)}.",
    )
    _findings(annex, "findings", "The checks of the table found nothing.")
    annex.owed("Data origin", "Labeling")
    annex.heading("(e) Human oversight", 3)
    annex.owed("Human oversight")
    annex.heading("(f) Changes determined in advance", 3)
    annex.owed("Planned changes")
    annex.heading("(g) Validation and testing", 3)
    annex.measured(
        "evaluation",
        f"The metrics are computed on {evaluation['classifier']['accuracy']['n']:,} test rows, which were used neither for "
        f"training nor for any choice, with bootstrap intervals at a confidence level of {evaluation['confidence']:g}.",
        *(_metric(key, evaluation["classifier"][key]) for key in LABELS),
        f"Verdict: {_md(evaluation['verdict']['sentence'])}",
    )
    for name in (each for each in MODELS if each in evaluation["baselines"]):
        losses = evaluation["baselines"][name]
        annex.measured("evaluation", f"Baseline, {MODELS[name]}: {_metric('log_loss', losses['log_loss'])}")
    _findings(annex, "test_findings", "The checks of the test found nothing.")
    annex.owed("Test reports")
    annex.heading("(h) Cybersecurity", 3)
    annex.owed("Cybersecurity")


def _findings(annex: Annex, output: str, nothing: str) -> None:
    """Add the findings of an output, or say that there are none."""
    found = annex.outputs[output]
    listed = [f"Finding ({each['level']}): {_md(each['sentence'])}" for each in found.content["findings"]]
    annex.measured(output, *(listed[:_MAX_LISTED] or [nothing]))
    if len(listed) > _MAX_LISTED:
        annex.lines += [f"{_md(found.path)} has more findings.", ""]


def _control(annex: Annex) -> None:
    annex.heading("3. Monitoring, functioning and control")
    annex.heading("Accuracy overall and for groups of persons", 3)
    annex.measured("evaluation", _metric("accuracy", annex.outputs["evaluation"].content["classifier"]["accuracy"]))
    if "groups" in annex.outputs:
        for column, by_group in annex.outputs["groups"].content.items():
            annex.measured("groups", *(_group(column, each) for each in by_group["groups"]))
            annex.measured("groups", f"{_md(column)}: {_md(by_group['sentence'])}")
    else:
        annex.lines += [
            f"{MISSING}the accuracy for groups of persons. Name their columns in data.sensitive in params.yaml.",
            "",
        ]
    annex.heading("Unintended outcomes and risks", 3)
    annex.owed("Ethics")
    annex.heading("Interpretation of the outputs", 3)
    facts, importance = annex.outputs["explanation"].content, annex.outputs["importance"].content
    annex.measured(
        "explanation",
        f"Predictions are explained by Shapley values; for {facts['rows']:,} test rows, the mean standard error relative to "
        f"the mean absolute value is {facts['errors']['mean']:.3f}.",
    )
    top = ", ".join(f"{_md(each['column'])} ({each['importance']:.4f})" for each in importance[:10])
    annex.measured("importance", f"The columns with the largest mean absolute Shapley value are {top}.")


def _metrics(annex: Annex) -> None:
    annex.heading("4. Appropriateness of the metrics")
    annex.lines += [
        "Log loss judges the probabilities and decides the comparison with the baselines: it is lowest for the true "
        "probabilities and "
        "depends on no threshold. ROC AUC and average precision judge the order of the rows; accuracy, balanced accuracy, F1, "
        "precision, recall and MCC judge the decisions.",
        "",
    ]
    annex.owed("Metrics")


def _rest(annex: Annex) -> None:
    for title, name in (
        ("5. Risk management system", "Risk management"),
        ("6. Changes through the lifecycle", "Changes"),
        ("7. Standards", "Standards"),
        ("8. EU declaration of conformity", "Declaration of conformity"),
        ("9. Evaluation after the system is on the market", "Monitoring"),
    ):
        annex.heading(title)
        annex.owed(name)


def _metric(key: str, metric: Mapping[str, Any]) -> str:
    interval = "" if metric["low"] is None else f" [{format_number(metric['low'])}, {format_number(metric['high'])}]"
    value = "not defined on these rows" if metric["value"] is None else f"{format_number(metric['value'])}{interval}"
    return f"{LABELS[key][0]}: {value}."


def _group(column: str, group: Mapping[str, Any]) -> str:
    name = "missing" if group["group"] is None else _md(group["group"])
    of = f"{_md(column)}, {name}, {group['rows']:,} test rows"
    return (
        f"{of}: too few rows to tell."
        if group["metrics"] is None
        else f"{of}: {_metric('accuracy', group['metrics']['accuracy'])}"
    )


def _params(params: Mapping[str, Any], prefix: str = "") -> str:
    return ", ".join(
        _params(value, f"{prefix}{key}.") if isinstance(value, Mapping) else f"{_md(prefix + key)} {_md(format_param(value))}"
        for key, value in params.items()
    )


def _names(classes: list[dict[str, Any]]) -> str:
    return ", ".join(_md(each["name"]) for each in classes[:_MAX_LISTED]) + _more(classes)


def _more(items: list[Any]) -> str:
    return " and others" if len(items) > _MAX_LISTED else ""


def _join(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _md(text: Any) -> str:
    return escape_markdown(text)
