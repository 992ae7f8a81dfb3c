"""Parameters of `decision`."""

import difflib
import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from veritable.params import Section

ThresholdMetric = Literal["f1", "balanced_accuracy", "accuracy", "mcc"]
CONSTRAINED = {"recall": ">=", "precision": ">=", "flagged": "<="}
_CONSTRAINT = re.compile(r"\s*([a-z]+)\s*([<>]=)\s*(0?\.\d+|[01](?:\.0*)?)\s*")
_Costs = dict[str, Annotated[dict[str, float], Field(min_length=1)]]


class DecisionParams(Section):
    """Section `decision`. Exactly one of the three is given."""

    metric: ThresholdMetric | None
    costs: Annotated[_Costs, Field(min_length=1)] | None
    constraint: str | None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [f"decision.{key}" for key in ("metric", "costs", "constraint") if getattr(self, key) is not None]
        if len(given) != 1:
            are = f"{' and '.join(given)} are. Set the others to null" if given else "all are null"
            raise ValueError(f"exactly one of decision.metric, decision.costs and decision.constraint must be set, but {are}")
        if self.constraint is not None:
            parse_constraint(self.constraint)
        return self


def parse_constraint(text: str) -> tuple[str, float]:
    """Return the name and the limit of a constraint.

    Raises
    ------
    ValueError
        The text is not one of the three kinds.

    Examples
    --------
    >>> parse_constraint("recall >= 0.9")
    ('recall', 0.9)
    """
    found = _CONSTRAINT.fullmatch(text)
    if found and CONSTRAINED.get(found[1]) == found[2] and 0 < float(found[3]) < 1:
        return found[1], float(found[3])
    near = difflib.get_close_matches(text.split(maxsplit=1)[0], CONSTRAINED, n=1) if text.strip() else []
    hint = f". Did you mean '{near[0]}'?" if near and not text.startswith(near[0]) else ""
    raise ValueError(
        "decision.constraint must be 'recall >= SHARE', 'precision >= SHARE' or 'flagged <= SHARE', with a share above 0 and "
        f"below 1, but is {text[:80]!r}{hint}"
    )
