"""Findings about the decisions of a classifier. docs/decide.md lists the codes; a test compares it with this module."""

from collections.abc import Iterator

from veritable.evaluation.decision import MIN_CLASS_ROWS, Decision
from veritable.metrics.params import CONSTRAINED
from veritable.tables.checking.findings import Finding

MIN_ROWS = 100  # of the test part: an accuracy of 80 % on 100 rows has an interval of 72 % to 88 %
_ODDS = 1.5  # ratio of the odds of being flagged in test and where the threshold was chosen: 10 % and 14 %, or 50 % and 60 %
CODES: dict[str, str] = {
    "few_test_rows": "the test part has too few rows to judge the classifier",
    "few_threshold_rows": "the threshold was chosen on too few rows of a class",
    "threshold_misfit": "another threshold would be clearly better on the test part",
    "flagged_drift": "the share of flagged rows in test differs clearly from the rows that the threshold was chosen on",
    "constraint_unreachable": "no threshold meets decision.constraint",
    "constraint_missed": "decision.constraint is not met on the test part",
    "costs_no_gain": "the decisions are not shown to cost less than always predicting one class",
    "free_mistakes": "decision.costs gives some wrong predictions no cost",
}


def find_problems(decision: Decision, *, folds: bool) -> list[Finding]:
    """Return the findings about the decisions, warnings first.

    Parameters
    ----------
    folds
        Whether the threshold was chosen on all rows of train and valid.
    """
    found = [*_few_rows(decision, folds=folds), *_fit(decision), *_constraint(decision), *_costs(decision)]
    return sorted(found, key=lambda each: each.level != "warning")


def _few_rows(decision: Decision, *, folds: bool) -> Iterator[Finding]:
    classes = decision.classes
    binary = len(classes) == 2
    by_part = {part: (int(rows.sum()), int(rows.argmin()), int(rows.min())) for part, rows in decision.rows.items()}
    rows, rarer, n = by_part["test"]
    if rows < MIN_ROWS or (binary and n < MIN_CLASS_ROWS):
        of_them = f", {n:,} of them '{classes[rarer]}'" if binary else ""
        wanted = f"at least {MIN_ROWS}" + (f", and {MIN_CLASS_ROWS} of each class," if binary else "")
        yield Finding(
            "few_test_rows",
            "warning",
            f"the test part has {_rows(rows)}{of_them}: {wanted} are needed to judge the classifier. Increase data.test, or "
            "add rows to the table.",
            numbers={"rows": rows, "rarer": n},
        )
    rows, rarer, n = by_part["held_out"]
    if binary and n < MIN_CLASS_ROWS:
        more = "Add rows to the table"
        way_out = more if folds else "Set train.n_splits to 4 to choose on all rows of train and valid, or add rows"
        yield Finding(
            "few_threshold_rows",
            "warning",
            f"the threshold was chosen on {_rows(rows)}, {n:,} of them '{classes[rarer]}'; below {MIN_CLASS_ROWS}, it follows "
            f"the probabilities more than these rows. {way_out}, or give the costs in decision.costs.",
            numbers={"rows": rows, "rarer": n},
        )


def _fit(decision: Decision) -> Iterator[Finding]:
    refit, flagged = decision.refit, decision.flagged
    if refit is not None and refit.value is not None and refit.low is not None and refit.high is not None and refit.low > 0:
        what, scale = decision.goal.describe().removeprefix("the highest "), 1
        if decision.goal.costs:
            what, scale = "cost of 1,000 rows", 1000
        value, low, high = (f"{scale * end:.3g}" for end in (refit.value, refit.low, refit.high))
        yield Finding(
            "threshold_misfit",
            "warning",
            f"the threshold does not fit the test part: chosen there, it would improve the {what} by {value} [{low}, {high}]. "
            "The test rows differ from those that it was chosen on; look at the findings about drift, and train on newer rows.",
            numbers={"improvement": refit.value, "low": refit.low, "high": refit.high},
        )
    if flagged:
        difference = flagged["difference"]
        apart = float(difference.low or 0) > 0 or float(difference.high or 0) < 0
        odds = [_odds(float(flagged[part].value or 0), flagged[part].n) for part in ("held_out", "test")]
        if apart and max(odds) / min(odds) > _ODDS:
            shares = {part: float(flagged[part].value or 0) for part in ("held_out", "test")}
            yield Finding(
                "flagged_drift",
                "warning",
                f"{shares['test'] * 100:.3g} % of the test rows are flagged, but {shares['held_out'] * 100:.3g} % of the rows "
                "that the threshold was chosen on, so counts and costs will not be those expected. Look at the findings about "
                "drift, and train on newer rows.",
                numbers=shares,
            )


def _constraint(decision: Decision) -> Iterator[Finding]:
    if not decision.limited:
        return
    (name, limit), text = decision.goal.limit, decision.goal.constraint
    sign = 1 if CONSTRAINED[name] == ">=" else -1
    own, test, positives = decision.limited["held_out"], decision.limited["test"], int(decision.rows["held_out"][1])
    numbers = {"limit": limit, "held_out": own.value, "test": test.value}
    # expectations replace some of the labels, so a value may differ a little from the limit on the same rows
    if own.value is not None and sign * (own.value - limit) < -1 / max(1, positives) ** 0.5:
        yield Finding(
            "constraint_unreachable",
            "warning",
            f"decision.constraint '{text}' is not met on the rows that the threshold was chosen on ({name} {own.value:.3g}); "
            "the threshold that comes nearest is used. Relax the constraint, or improve the classifier.",
            numbers=numbers,
        )
    if test.value is None or test.low is None or test.high is None or sign * (test.value - limit) >= 0:
        return
    clearly = (test.high if sign > 0 else -test.low) < sign * limit
    how = "is not met" if clearly else "is narrowly missed"
    yield Finding(
        "constraint_missed",
        "warning" if clearly else "note",
        f"decision.constraint '{text}' {how} on the test part: {name} {test.value:.3g} [{test.low:.3g}, {test.high:.3g}]. "
        + ("Look at the findings about drift, or ask for more." if clearly else "Ask for more to be on the safe side."),
        numbers=numbers,
    )


def _costs(decision: Decision) -> Iterator[Finding]:
    saved = decision.saved
    if saved is not None and saved.value is not None and saved.low is not None and saved.low <= 0:
        own, constant = (float(decision.costs[name].value or 0) for name in ("classifier", "cheapest_class"))
        yield Finding(
            "costs_no_gain",
            "warning",
            f"the decisions cost {own:,.4g} of 1,000 test rows, and always predicting '{decision.constants['cheapest_class']}' "
            f"{constant:,.4g}; no gain is shown (saved {saved.value:,.4g} [{saved.low:,.4g}, {saved.high:,.4g}]). Decide "
            "without a classifier, or improve it.",
            numbers={"classifier": own, "cheapest_class": constant},
        )
    matrix = decision.goal.cost_matrix
    if matrix is not None and len(matrix) > 2:
        free = int((matrix <= matrix.diagonal()[:, None]).sum()) - len(matrix)
        if free:
            yield Finding(
                "free_mistakes",
                "warning",
                f"{free:,} of {len(matrix) * (len(matrix) - 1):,} wrong predictions cost no more than the right one, so the "
                "classifier avoids the others by making these. Add them to decision.costs if they matter.",
                numbers={"free": free},
            )


def _odds(share: float, rows: int) -> float:
    return (share * rows + 0.5) / ((1 - share) * rows + 0.5)


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"
