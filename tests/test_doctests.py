"""The examples in docstrings give what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.quick import SLOW_LIBRARIES, reaches
from tests.rooms import ROOT

PACKAGE = ROOT / "src"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * reaches(path, SLOW_LIBRARIES)) for path in MODULES],
)
def test_examples(path: Path) -> None:
    """Each example of a module gives the result that stands below it."""
    module = importlib.import_module(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    done = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted
    assert 0 == done.failed
