"""The sentences of the record: what the figures hold for, and why these metrics are reported."""

from collections.abc import Callable, Mapping
from typing import Any

from veritable.reporting.privacy_sentences import write_privacy

_MAX_COLUMNS = 5  # sensitive columns that are described in words; the tables have all


def write_limits(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    """Say for which rows the figures hold, and where the classifier is worst."""
    sentences = [
        f"The figures hold for rows like the {summary['rows']:,} test rows. {_origin(summary['params']['data'], emphasize)}"
    ]
    sentences += _worst_class(summary, emphasize)
    if not summary["groups"]:
        sentences.append("data.sensitive names no column, so whether some groups of people fare worse was not measured.")
    for column, by_group in list(summary["groups"].items())[:_MAX_COLUMNS]:
        sentences += _groups(column, by_group, emphasize)
    counts = {level: sum(each["level"] == level for each in summary["findings"]) for level in ("error", "warning")}
    if any(counts.values()):
        listed = " and ".join(f"{n} {level}{'s' * (n != 1)}" for level, n in counts.items() if n)
        sentences.append(f"The findings above have {listed}.")
    sentences += write_privacy(summary["members"])
    sentences.append("The explanation says how the classifier uses a column, not what the column causes.")
    return sentences


def _origin(data: Mapping[str, Any], emphasize: Callable[[str], str]) -> str:
    if data["part"]:
        return f"The column {emphasize(data['part'])} says which rows these are."
    if data["test_file"]:
        return f"They are those of the file {emphasize(data['test_file'])}."
    if data["time"]:
        return f"They are the latest rows by {emphasize(data['time'])}."
    return "They were drawn at random from the table, so they show nothing about later or other sources of rows."


def _worst_class(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    recalls = []
    for row in summary["confusion"]:
        rows, right = sum(cell["rows"] for cell in row["cells"]), sum(c["rows"] for c in row["cells"] if c["kind"] == "right")
        if rows and any(cell["kind"] == "right" for cell in row["cells"]):
            recalls.append((right / rows, right, rows, row["actual"]))
    if not recalls:
        return []
    _, right, rows, name = min(recalls)
    among = f" of the {len(recalls)} most frequent" if len(recalls) < len(summary["classes"]) else ""
    return [
        f"The class{among} that is recognized least is {emphasize(name)}: {right:,} of its {rows:,} test rows are predicted "
        "right."
    ]


def _groups(column: str, by_group: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    groups = [
        each for each in by_group["groups"] if each["metrics"] is not None and each["metrics"]["accuracy"]["value"] is not None
    ]
    small = sum(each["metrics"] is None for each in by_group["groups"])
    unmeasured = f" {small:,} of its groups have too few rows to tell." if small else ""
    if len(groups) < 2:
        return [f"The accuracy was not compared between groups of {emphasize(column)}.{unmeasured}"]
    ordered = sorted(groups, key=lambda each: each["metrics"]["accuracy"]["value"])
    worst, best = (_group(each, emphasize) for each in (ordered[0], ordered[-1]))
    return [f"By {emphasize(column)}, the accuracy is lowest for {worst}, and highest for {best}.{unmeasured}"]


def _group(group: Mapping[str, Any], emphasize: Callable[[str], str]) -> str:
    accuracy = group["metrics"]["accuracy"]
    interval = "" if accuracy["low"] is None else f" [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
    name = "missing values" if group["group"] is None else emphasize(group["group"])
    return f"{name} with {accuracy['value']:.3f}{interval} ({group['rows']:,} rows)"


def write_why_metrics(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    """Say why these metrics are reported, and which of them decides."""
    sentences = [
        "Log loss decides whether the classifier is better than a baseline: it judges the probabilities themselves, is "
        "lowest for "
        "the true ones, and depends on no threshold. The Brier score does so too, and forgives confident errors more.",
        "ROC AUC says how well the classifier ranks rows.",
    ]
    if summary["positive"] is None:
        sentences.append(
            "Balanced accuracy, F1, precision and recall are means over the classes, so that a rare class counts as much as a "
            "frequent one; accuracy counts rows."
        )
        return sentences
    rows = {each["name"]: each["rows"] for each in summary["table"]["classes"]}
    share = rows[summary["positive"]] / sum(rows.values())
    most = max(share, 1 - share)
    sentences += [
        f"Average precision says how well it finds {emphasize(summary['positive'])}, which {share:.1%} of the rows are; a "
        "random order would score this share.".replace("%", " %"),
        "Accuracy, F1, precision, recall and MCC depend on the threshold.",
        f"Always predicting the more frequent class would have an accuracy of about {most:.3f}.",
    ]
    return sentences
