"""The hook refuses what is in a declared place, and yet in no cache key."""

import pytest

from tests.sealing import Outcomes, Sealed
from veritable.stage import landlock


def test_the_text_of_the_stages_own_code_is_refused(refused: Outcomes, allowed: Outcomes) -> None:
    """The key has the syntax of the code, and the text has comments; a script that is a dep can be read."""
    kind, message = refused["own source"]
    expected = "stage 'x' may not read stages/x.py: code/x.txt has a hash of its syntax, not of its text.\n  at stages/x.py:"
    assert ("AccessRefusedError", True) == (kind, message.startswith(expected)), message
    assert ["OSError", "could not get source code"] == refused["getsource"]
    assert "returned" == allowed["own source"][0] == allowed["getsource"][0]


def test_only_the_importer_may_list_the_modules(refused: Outcomes, allowed: Outcomes) -> None:
    """The folder of the modules is open to import statements; a listing by the stage must be declared."""
    assert "may not list the folder src: dvc.yaml does not declare it." in refused["list of the modules"][1]
    assert ["returned", []] == allowed["list of the modules"]


def test_a_file_that_dvcignore_names_is_refused(refused: Outcomes, allowed: Outcomes) -> None:
    """DVC does not hash an ignored file in a declared folder, so a stage may not read it; the file beside it is open."""
    message = "stage 'x' may not read data/open/ignored.tmp: .dvcignore names it, so DVC does not see it change.\n"
    assert ("AccessRefusedError", True) == (refused["ignored file"][0], refused["ignored file"][1].startswith(message))
    if landlock.abi():
        assert "CalledProcessError" == refused["ignored file by a program"][0]
    assert ["returned", "text"] == refused["file beside an ignored one"] == allowed["ignored file"]


def test_extended_attributes_are_refused(refused: Outcomes, allowed: Outcomes) -> None:
    """The attributes of an undeclared file are not readable."""
    assert "may not read data/secret.csv: dvc.yaml does not declare it." in refused["extended attribute"][1]
    assert "returned" == allowed["extended attribute"][0]


def test_a_stage_with_refusals_fails_and_one_without_succeeds(refused: Outcomes, allowed: Outcomes) -> None:
    """Refusals that the stage's code caught make it fail all the same."""
    assert (("returned", 1), ("returned", 0)) == (refused["exit code"], allowed["exit code"])


def test_a_traceback_shows_source_lines(sealed: Sealed) -> None:
    """Once a stage has failed, its source may be shown, because the error needs it."""
    ran = sealed.run("result = 1 / 0")
    assert (1, True) == (ran.status, "    result = 1 / 0\n" in ran), ran.text


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_can_run_the_script(sealed: Sealed, method: str) -> None:
    """A worker process compiles the script of the stage, which is not a read of its text."""
    body = f'with multiprocessing.get_context("{method}").Pool(1) as pool:\n    result = pool.map(_f, [1])\n'
    body += 'stage.outputs["out"].write_text(str(result))'
    ran = sealed.run(body, "import multiprocessing\ndef _f(x):\n    return x + 1")
    assert (0, "") == (ran.status, ran.text)
    assert "[2]" == sealed.result()
