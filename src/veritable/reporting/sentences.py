"""The sentences that the HTML page and the Markdown text share, so that the two cannot drift apart."""

from collections.abc import Callable, Mapping
from typing import Any

from veritable.evaluation.groups import MIN_ROWS
from veritable.reporting.charts import MAX_CLASSES as MAX_CURVES
from veritable.reporting.privacy_sentences import write_privacy
from veritable.reporting.record_sentences import write_limits, write_why_metrics
from veritable.reporting.summary import MAX_FINDINGS
from veritable.tables.encoding.gate import HIDDEN

_CHECKS = (
    "The checks look for columns that predict the target almost perfectly, identify rows, or are constant or empty; for text "
    "that hides missing values; for rare categories and classes; for numbers that stand for missing values; for duplicate "
    "rows in several parts; and for drift between the parts."
)


def write_sentences(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> dict[str, str]:
    """Write the sentences of each section by name; a section without any has an empty text.

    Parameters
    ----------
    emphasize
        Escapes a name that comes from the table and makes it stand out. Everything else in the sentences is safe in HTML and
        in Markdown.
    """
    writers = {
        "lead": _lead,
        "findings": _findings,
        "metrics": _metrics,
        "folds": _folds,
        "confusion": _confusion,
        "groups": _groups,
        "curves": _curves,
        "explanation": _explanation,
        "mistake": _mistake,
        "change": _change,
        "parts": _parts,
        "classes": _classes,
        "classifier": _classifier,
        "limits": write_limits,
        "why_metrics": write_why_metrics,
    }
    return {name: " ".join(write(summary, emphasize)) for name, write in writers.items()}


def _lead(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    table = summary["table"]
    return [f"{len(summary['classes']):,} classes, {table['rows']:,} rows, {len(table['columns']):,} columns"]


def _findings(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    findings = summary["findings"]
    if not findings:
        return ["The checks found nothing.", _CHECKS]
    hidden = len(summary["grouped_findings"]) - MAX_FINDINGS
    return [f"{hidden:,} more findings are in {summary['findings_file']}."] if hidden > 0 else []


def _metrics(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    sentences = [
        f"{summary['rows']:,} test rows, which were used neither for training nor for any choice, with "
        f"{summary['confidence'] * 100:g} % bootstrap intervals."
    ]
    if summary["positive"] is not None:
        sentences.append(
            f"The positive class is {emphasize(summary['positive'])}. It is predicted from a probability of "
            f"{summary['threshold']:.3f} upwards, a threshold that was chosen on rows that the models were not fitted on."
        )
    else:
        sentences.append("Precision, recall, F1, ROC AUC and average precision are means over the classes.")
    if summary["weight"] is not None:
        sentences.append(
            f"Every row counts by its weight in the column {emphasize(summary['weight'])}, except in the confusion matrix."
        )
    fitted = summary["fitted"]
    if fitted["rows"] < fitted["total_rows"]:
        sentences.append(f"The baselines were fitted on {fitted['rows']:,} of the {fitted['total_rows']:,} train rows.")
    if "gradient_boosting" not in summary["models"]:
        sentences.append("Gradient boosting is omitted: it grows one tree per class and round, and there are too many classes.")
    if summary["opacity"]:
        sentences.append(summary["opacity"])
    return sentences


def _folds(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    if not summary["folds"]:
        return []
    n_folds = len(summary["folds"]["accuracy"]["values"])
    return [
        f"The train and valid parts were split into {n_folds} folds. Each fold was predicted by models that were not fitted on "
        "it. The fold also stopped these fits and helped to weigh the models, so these figures are slightly too good; those of "
        "the test part are not. The spread is the standard deviation over the folds."
    ]


def _confusion(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    sentences = []
    if len(summary["confusion"]) < len(summary["classes"]):
        sentences.append(
            f"The {len(summary['confusion']) - 1} most frequent of {len(summary['classes']):,} classes; all others share one "
            "row and one column."
        )
    return [*sentences, "Unweighted row counts."] if summary["weight"] is not None else sentences


def _groups(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    if summary["positive"] is None:
        rates = "Accuracy"
    else:
        name = emphasize(summary["positive"])
        rates = (
            f"The share of rows that are {name} (positive) and that are predicted to be (flagged); recall, the flagged share "
            "of the positive rows; the false positive rate, that of the others; precision, the positive share of the flagged "
            "rows"
        )
    return [
        f"{rates}; and calibration, the mean predicted probability minus the observed share. Intervals use the rows of a group "
        f"alone. Groups of fewer than {MIN_ROWS} rows are marked and not compared.",
    ]


def _curves(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    return [f"Curves of the {MAX_CURVES} most frequent classes."] if len(summary["classes"]) > MAX_CURVES else []


def _explanation(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    facts = summary["explanation"]
    output = {"log_odds": "log-odds" if summary["positive"] else "score", "probability": "probability"}[facts["output"]]
    of = f"the {output} of {emphasize(facts['class'])}"
    which = (
        f"all {facts['train_rows']:,}" if facts["background_rows"] == facts["train_rows"] else f"{facts['background_rows']:,}"
    )
    errors, deletion = facts["errors"], facts["deletion"]
    sentences = [
        f"Shapley values of {facts['rows']:,} test rows, compared with {which} rows of the train part: how much each column "
        f"changes {of}." + (" Each row is explained for the class predicted for it." if facts["each_row_its_class"] else ""),
        "The importance of a column is the mean absolute value, here with 95 % intervals over rows.",
        f"The mean standard error of the values is {errors['mean']:.1%} of their mean absolute value, and at most "
        f"{errors['worst_row']:.1%} in a row."
        + (
            f" Another sample of train rows to compare with would change the values by {errors['background']:.1%}."
            if errors["background"]
            else ""
        ),
    ]
    interval = f"mean difference {deletion['difference']:.2f}, from {deletion['low']:.2f} to {deletion['high']:.2f}"
    if deletion["low"] > 0:
        sentences.append(
            "Check: replacing the most important columns of a row first changes its prediction sooner than a random order does "
            f"({interval})."
        )
    elif len(summary["importance"]) > 1:  # one column has no order
        sentences.append(
            "Check not passed: replacing the most important columns of a row first was not shown to change its prediction "
            f"sooner than a random order does ({interval}). Do not rely on the order of the columns."
        )
    for names in facts["shared"]:
        listed = ", ".join(map(emphasize, names[:6])) + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")
        sentences.append(
            f"Much of the same information is in {listed}: they share the credit. explain.groups explains them as one."
        )
    return [sentence.replace("%", " %").replace("  %", " %") for sentence in sentences]


def _mistake(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    """Describe the row of the waterfall. Rows are numbered as in predictions.parquet: the first one is row 0."""
    worst = summary["explanation"]["worst"]
    actual, predicted, explained = (emphasize(worst[name]) for name in ("actual", "predicted", "class"))
    where = f"Row {worst['row']:,} of the table (counted from 0)"
    if worst["actual"] == worst["predicted"]:
        which = f"{where} is the least certain of {worst['of_rows']:,} test rows, which are all predicted correctly: {actual}."
    else:
        which = (
            f"{where} is the most confident mistake among {worst['of_rows']:,} test rows: it is {actual}, but {predicted} was "
            "predicted."
        )
    if worst["against"] is None:
        return [
            which,
            f"The predicted probability of {explained} is {worst['probability']:.3f}. The columns lead from the mean output of "
            "the train rows to that of the row, each with its standard error.",
        ]
    return [
        which,
        f"The predicted probability of {explained} is {worst['probability']:.3f}, that of {emphasize(worst['against'])} "
        f"{worst['other_probability']:.3f}. The columns show why: each changes the score of {explained} minus that of "
        f"{emphasize(worst['against'])}, given with an upper bound of its standard error.",
    ]


def _change(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    change = summary["explanation"]["worst"]["change"]
    if change is None:
        return ["No change of at most three columns was found that turns its decision."]
    changed = [
        f"{emphasize(each['column'])} were {'another value' if each['after'] == HIDDEN else emphasize(each['after'])}"
        + ("" if each["before"] == HIDDEN else f" instead of {emphasize(each['before'])}")
        for each in change["columns"]
    ]
    return [f"{emphasize(change['predicted'])} would be predicted if {' and '.join(changed)}."]


def _parts(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    parts = summary["table"]["parts"]
    return ["Rows by part: " + ", ".join(f"{name} {parts[name]:,}" for name in ("train", "valid", "test")) + "."]


def _classes(summary: Mapping[str, Any], emphasize: Callable[[str], str]) -> list[str]:
    table, listed = summary["table"], summary["listed_classes"]
    shares = (f"{emphasize(each['name'])} {each['rows']:,} ({each['rows'] / table['rows']:.1%})" for each in listed)
    hidden = len(table["classes"]) - len(listed)
    more = f", and {hidden:,} less frequent classes" if hidden else ""
    return [f"Rows by class: {', '.join(shares).replace('%)', ' %)')}{more}."]


def _classifier(summary: Mapping[str, Any], _: Callable[[str], str]) -> list[str]:
    members, best = summary["members"], summary["best"]
    of_kind = {
        "network": (f"network ({members['network']})", f"networks ({members['network']})"),
        "trees": ("boosted-tree model", "boosted-tree models"),
        "forest": ("forest of random trees", "forests of random trees"),
        "linear": ("linear model", "linear models"),
        "pretrained": ("pretrained model", "pretrained models"),
    }
    parts = [
        f"{each['models']} {of_kind[each['kind']][each['models'] > 1]} with {each['share']:.0%}".replace("%", " %")
        for each in members["blend"]
    ]
    n_networks = sum(each["models"] for each in members["blend"] if each["kind"] == "network")
    which = "the network" if n_networks == 1 else "the network with the lowest validation loss"
    if len(parts) == 1:
        made = f"{parts[0].rsplit(' with ', 1)[0]}."
    else:
        made = f"A blend, by share of the weights: {', '.join(parts[:-1])} and {parts[-1]}."
    return [
        f"{made[0].upper()}{made[1:]} Temperature {members['temperature']:.3g}. Epoch {best['epoch']} of {best['epochs']} of "
        f"{which} was kept, with a validation loss of {best['valid_loss']:.4f}.",
        *write_privacy(members),
    ]
