"""Whether an undeclared file exists, and the environment variables of DVC, are hidden from a stage."""

import pytest

from tests.sealing import Outcomes

ASKED = ("exists", "is_file", "size", "lstat", "access", "stat in an open folder", "readlink")
RETURNED = (True, True, 4, 4, True, 4, "secret.csv")


@pytest.mark.parametrize("name", ASKED)
def test_own_code_may_not_ask_for_an_undeclared_file(refused: Outcomes, name: str) -> None:
    """A question about a file that is there is refused, with the line to add to dvc.yaml."""
    kind, message = refused[name]
    file = "data/link.csv" if name == "readlink" else "data/secret.csv"
    expected = f"stage 'x' may not ask for {file}: dvc.yaml does not declare it.\n  at stages/x.py:"
    assert ("AccessRefusedError", True) == (kind, message.startswith(expected)), message
    assert message.endswith(f"Add to stages.x.deps in dvc.yaml:\n      - {file}")


def test_a_declared_file_can_be_asked_for(allowed: Outcomes) -> None:
    """Every question about a declared file has its answer."""
    assert [["returned", each] for each in RETURNED] == [allowed[name] for name in ASKED]


def test_a_library_finds_no_undeclared_file(refused: Outcomes, allowed: Outcomes) -> None:
    """For a library an undeclared file does not exist, and the stage does not fail for its question."""
    assert (["returned", False], ["returned", True]) == (refused["library stat"], allowed["library stat"])


def test_an_absent_file_and_the_folders_above_a_declared_one_can_be_asked_for(refused: Outcomes) -> None:
    """A file that is absent is absent; the folder of a declared file exists."""
    assert (["returned", False], ["returned", True]) == (refused["absent"], refused["folder above"])


@pytest.mark.parametrize("name", ["variable", "getenv"])
def test_own_code_may_not_read_an_undeclared_variable(refused: Outcomes, allowed: Outcomes, name: str) -> None:
    """The refusal names the variable, the source line and the line to add; a declared variable can be read."""
    kind, message = refused[name]
    expected = "stage 'x' may not read the environment variable TOWN: dvc.yaml does not declare it.\n  at stages/x.py:"
    assert ("AccessRefusedError", True) == (kind, message.startswith(expected)), message
    assert "Add to stages.x.meta.env in dvc.yaml:\n      - TOWN\n" in message
    assert ["returned", "Bern"] == allowed[name]


def test_libraries_and_programs_do_not_get_an_undeclared_variable(refused: Outcomes, allowed: Outcomes) -> None:
    """A variable that is not declared is not in the environment of the stage and of its children."""
    for name, value, absent in (("library variable", "Bern", None), ("variable of a child", "Bern\n", "\n")):
        assert (["returned", absent], ["returned", value]) == (refused[name], allowed[name])
    assert ["returned", "word"] == allowed["secret variable"]


def test_a_variable_that_the_stage_sets_is_its_own(refused: Outcomes) -> None:
    """What a stage writes into its environment, it can read."""
    assert ["returned", "11"] == refused["own variable"]


def test_the_environment_of_the_supervisor_is_hidden(refused: Outcomes) -> None:
    """/proc does not show what DVC has in its environment."""
    assert "PermissionError" == refused["environment of the parent"][0]
