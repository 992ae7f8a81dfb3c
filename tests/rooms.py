"""Small tables, params and fitted things that the tests of several rooms use."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from veritable.params import Section
from veritable.tables.params import DataParams
from veritable.tables.parts import Part
from veritable.tables.prepare import Prepared, prepare

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "src/veritable/reporting/templates"
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "say \"hi\" & 'bye'",
    "a|b||c",
    "line\nbreak",
    "=1+1",
    "`code` *bold* [link](https://example.org)",
    "{{ 7 * 7 }} {% raw %}",
    "$\\frac{1}$ $",
    "naïve 😀 表",
    "x" * 120,
]
S = TypeVar("S", bound=Section)


@cache
def _template() -> dict[str, dict[str, Any]]:
    return YAML(typ="safe").load((ROOT / "params.yaml").read_text())  # type: ignore[no-any-return]


def section(name: str, **changes: Any) -> dict[str, Any]:
    """A section of the template's params.yaml, changed."""
    return _template()[name] | changes


def params(model: type[S], name: str, **changes: Any) -> S:
    """A section of the template's params.yaml, changed and parsed."""
    return model.parse(name, section(name, **changes))


def mixed_table(rows: int = 300, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    """A number with gaps, a category with gaps, a boolean, a plain number, and a target that depends on all of them."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.normal(40, 12, rows).round(1),
            "colour": draw.choice(["red", "green", "blue"], rows),
            "member": draw.choice(["yes", "no"], rows),
            "score": draw.normal(size=rows),
        }
    )
    signal = (frame["age"] - 40) / 12 + (frame["colour"] == "red") - (frame["member"] == "no") + frame["score"]
    frame["target"] = pd.qcut(signal + draw.normal(0, 0.5, rows), classes, labels=False).map("class {}".format)
    frame.loc[draw.random(rows) < 0.1, "age"] = np.nan
    frame.loc[draw.random(rows) < 0.1, "colour"] = None
    return frame


@cache
def prepared(rows: int = 300, classes: int = 2) -> Prepared:
    """`mixed_table`, split and encoded."""
    return prepare(mixed_table(rows, classes), params(DataParams, "data"))


def numbers_part(rows: int, seed: int, classes: int = 2, width: int = 4) -> Part:
    """Rows of plain numbers whose sum, noisily, says the class."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(rows, width)).astype(np.float32)
    y = np.clip(np.floor(X.sum(axis=1) + draw.normal(0, 0.7, rows) + classes / 2), 0, classes - 1).astype(np.int64)
    return Part(np.arange(rows), y, X)
