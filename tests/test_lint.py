"""The lint reports files of the pipeline that disagree, with the line to add or remove."""

from pathlib import Path

import pytest

from tests.conftest import Toy
from veritable.errors import UserError
from veritable.stage.lint import find_faults

TRAIN = "      - code/train.txt\n      - data/prepared/contract.json\n"
FAULTS = {
    "a stage without its code": (TRAIN, "      - data/prepared/contract.json\n", "    + code/train.txt"),
    "a dep that nobody provides": (TRAIN, f"{TRAIN}      - data/none.csv\n", "depends on data/none.csv, which no stage makes"),
    "a dep that only the lock has": (
        "      - models/baselines\n      - models/classifier\n",
        "      - models/classifier\n",
        "    - models/baselines",
    ),
    "a param that is in the key and not in it": (
        "    params:\n      - decision\n    outs:\n      - models/classifier\n",
        "    params:\n      - machine.threads\n      - decision\n    outs:\n      - models/classifier\n",
        "remove from stages.train.meta.unkeyed in dvc.yaml:\n    - machine",
    ),
    "a param that the lock has not": ("      - evaluate\n    outs", "      - evaluate\n      - train\n    outs", "    + train"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(demo: Toy, fault: str) -> None:
    """Undeclared code, a dep without an origin, and differences to dvc.lock are reported with the line to add or remove."""
    old, new, line = FAULTS[fault]
    assert old in demo.read("dvc.yaml")
    demo.write("dvc.yaml", demo.read("dvc.yaml").replace(old, new, 1))
    assert any(line in finding for finding in find_faults(demo.root)), find_faults(demo.root)


def test_a_section_that_no_stage_declares_is_named(demo: Toy) -> None:
    """A section of params.yaml that no stage declares is reported, because it has no effect."""
    demo.write("params.yaml", demo.read("params.yaml") + "\nspare:\n  a: 1\n")
    assert any("'spare'" in finding for finding in find_faults(demo.root))


def test_no_repository_is_one_sentence(toy: Toy, tmp_path: Path) -> None:
    """A folder that is not a DVC repository, or one with an invalid dvc.yaml, is one sentence."""
    with pytest.raises(UserError, match=r"must be a valid DVC repository in git, but is not: "):
        find_faults(tmp_path)
    toy.write("dvc.yaml", "stages: {x: {cmd: 1, oust: []}}")
    with pytest.raises(UserError, match=r"must be a valid DVC repository in git, but is not: .*dvc\.yaml"):
        find_faults(toy.root)
