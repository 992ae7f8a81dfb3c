"""The lint says what does not fit together, and the line to add or remove."""

import pytest

from tests.conftest import Toy
from veritable.stage.lint import find_faults

TRAIN = "      - code/train.txt\n      - data/prepared/contract.json\n"
FAULTS = {
    "a stage without its code": (TRAIN, "      - data/prepared/contract.json\n", "    + code/train.txt"),
    "a dep that nobody provides": (TRAIN, f"{TRAIN}      - data/none.csv\n", "reads data/none.csv, which no stage makes"),
    "a dep that only the lock has": (
        "      - models/baselines\n      - models/classifier\n",
        "      - models/classifier\n",
        "    - models/baselines",
    ),
    "a param that is in the key and not in it": (
        "      - data.time\n      - threshold\n      - train\n",
        "      - data.time\n      - machine.threads\n      - threshold\n      - train\n",
        "remove from stages.train.meta.unkeyed in dvc.yaml:\n    - machine",
    ),
    "a param that the lock has not": ("      - evaluate\n    outs", "      - evaluate\n      - train\n    outs", "    + train"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line(demo: Toy, fault: str) -> None:
    """Code that is not declared, a dep without a provider, a difference to dvc.lock: each with the line to add or remove."""
    old, new, line = FAULTS[fault]
    assert old in demo.read("dvc.yaml")
    demo.write("dvc.yaml", demo.read("dvc.yaml").replace(old, new, 1))
    assert any(line in finding for finding in find_faults(demo.root)), find_faults(demo.root)


def test_a_section_that_no_stage_declares_is_named(demo: Toy) -> None:
    """A section of params.yaml that no stage declares has no effect, and is named."""
    demo.write("params.yaml", demo.read("params.yaml") + "\nspare:\n  a: 1\n")
    assert any("'spare'" in finding for finding in find_faults(demo.root))
