"""Outside the repository a stage has the system, the interpreter, and folders of its own."""

from pathlib import Path

import pytest

from tests.sealing import NEVER, Outcomes, Sealed
from veritable.stage import landlock
from veritable.stage.meta import Exceptions
from veritable.stage.surroundings import environment

FILES = ("file outside", "stat outside", "list outside", "write outside", "program outside")


@pytest.mark.parametrize("name", FILES)
def test_a_file_outside_must_be_declared(around: Sealed, refused: Outcomes, allowed: Outcomes, name: str) -> None:
    """The refusal says that the file is outside, and how to declare it; with `meta.outside` the stage may use it."""
    kind, message = refused[name]
    if name == "program outside":
        assert not landlock.abi() or kind == "CalledProcessError"
    else:
        assert ("AccessRefusedError", True) == (kind, "it is outside the repository, and dvc.yaml" in message), message
        assert "meta.outside" in message
        assert f"      - {around.beside}" in message
    assert "returned" == allowed[name][0], allowed[name]
    if name in ("file outside", "program outside"):
        assert "outside" == allowed[name][1]


@pytest.mark.parametrize("name", NEVER)
def test_folders_that_all_programs_share_are_refused(refused: Outcomes, name: str) -> None:
    """Another program could leave something in the temporary folder of the machine or in shared memory."""
    assert "AccessRefusedError" == refused[name][0]


def test_home_and_temporary_files_are_the_stages_own(refused: Outcomes) -> None:
    """The home of libraries is an empty folder among the temporary files, which the stage may write."""
    assert ["returned", [[], True]] == refused["home"]
    assert ["returned", 1] == refused["temporary file"]


def test_the_system_can_be_read(refused: Outcomes) -> None:
    """System libraries, their configuration and /proc are open."""
    assert ["returned", True] == refused["system"]


def test_standard_input_is_empty(refused: Outcomes) -> None:
    """A stage gets no input that DVC does not see."""
    assert ["returned", ""] == refused["standard input"]


def test_an_input_outside_the_repository_can_be_read(sealed: Sealed) -> None:
    """A dep with a path outside is declared, so DVC sees it change; its folder stays closed."""
    outside = sealed.beside / "outside.txt"
    body = f'stage.outputs["out"].write_text(stage.inputs["outside.txt"].read_text())\nos.listdir("{outside.parent}")'
    ran = sealed.run(body, "import os", deps=(outside,))
    assert (1, True) == (ran.status, f"may not list the folder {outside.parent}: it is outside" in ran), ran.text
    ran = sealed.run(body.splitlines()[0], deps=(outside,))
    assert (0, "outside") == (ran.status, sealed.result())


def test_an_environment_is_cut_to_what_libraries_need() -> None:
    """Locale, threads, BLAS and CUDA pass, and what `meta` declares; the rest does not."""
    passing = {"LANG": "C", "LC_ALL": "C", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0", "PATH": "/bin", "TZ": "UTC"}
    declared = {"TOWN": "Bern", "SECRET": "word"}
    found = environment(
        passing | declared | {"HOME": "/root", "AWS_PROFILE": "x"}, Exceptions(env=("TOWN",), secrets=("SECRET",))
    )
    assert passing | declared == found


def test_a_note_names_the_variables_that_a_library_missed(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If a stage fails, a note names the variables of DVC that libraries looked for and did not get."""
    (tmp_path / "needy.py").write_text("import os\nTOWN = os.environ.get('TOWN')\n")
    monkeypatch.setenv("TOWN", "Bern")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    ran = sealed.run("1 / 0", "import needy")
    assert "ZeroDivisionError" in ran
    assert "note: libraries looked for environment variables that are set, but that the stage does not get: TOWN." in ran
