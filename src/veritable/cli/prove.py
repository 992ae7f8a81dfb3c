"""`python -m veritable prove`: run a committed version again from nothing, and compare each output with dvc.lock."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.progress import Progress

from veritable.cli.proof import Stage, describe_difference, describe_machine, list_differences, read_stages
from veritable.cli.revisions import fetch_outputs, open_repository, resolve_revision
from veritable.errors import UserError, one_line
from veritable.progress import progress

LOG = Path(".dvc/tmp/prove.log")
# Whatever the settings of the repository and the user say, the clone has a cache and records of hashes of its own.
SETTINGS = "[cache]\n    dir = cache\n[core]\n    site_cache_dir = {}\n"
FOREIGN = re.compile("DVC_|GIT_|MAKE|MFLAGS|PYTHON|VERITABLE_|VIRTUAL_ENV")  # variables that would reach outside the clone


class NotProvedError(UserError):
    """An output differs from that of dvc.lock, or a stage failed."""


def prove(revision: str, keep: Path | None = None) -> int:
    """Check that a revision of the repository in the working directory makes the outputs that its dvc.lock names.

    The revision is cloned into an empty folder, `make setup` makes an environment there, and `dvc repro` runs every stage
    without the outputs, the cache and the records of earlier runs. Return the exit code.

    Parameters
    ----------
    revision
        A commit, branch, tag or experiment.
    keep
        Folder for the clone, new or empty; the clone stays there. By default the folder is a temporary one, which stays only
        if an output differs or a stage fails.

    Raises
    ------
    NotProvedError
        An output differs, or a stage fails.
    UserError
        The revision does not exist or holds no finished run, the folder is not empty, the environment cannot be made, or data
        that no stage makes cannot be had.
    """
    started, root = time.monotonic(), Path.cwd()
    with open_repository(root) as repo:
        commit, cache = resolve_revision(repo, revision), Path(repo.cache.local.path)
    if _run(["git", "status", "--porcelain"], root):
        print("Changes in the workspace that are not committed are not part of what is proved.", file=sys.stderr)
    folder = _make_folder(keep)
    try:
        with progress() as bar:
            proved = _prove(commit, folder, cache, bar)
    except NotProvedError as error:
        raise NotProvedError(f"{commit[:7]} is not proved: {error}\nThe clone in which it ran is {folder}.") from None
    except BaseException:
        if not keep:
            shutil.rmtree(folder)
        raise
    if not keep:
        shutil.rmtree(folder)
    print(f"identical: {proved} at {commit[:7]}. It took {time.monotonic() - started:,.0f} s.")
    return 0


def _prove(commit: str, folder: Path, cache: Path, bar: Progress) -> str:
    """Prove a commit in an empty folder. Return which outputs were identical, in words."""
    task = bar.add_task("Clone", total=None)
    _clone(commit, folder)
    expected = read_stages(folder)
    outs = [out for stage in expected.values() for out in stage.outs.values()]
    if not outs or not all(out.md5 for out in outs):
        raise UserError(
            f"dvc.lock of {commit[:7]} must record every output, but does not. Run `make repro` and commit dvc.lock."
        )
    bar.update(task, description="Fetch data")
    _fetch_data(commit, folder, cache, expected)
    _remove_outputs(folder, expected)
    bar.update(task, description="Install libraries")
    _make_environment(folder)
    data = [name for name, stage in expected.items() if stage.is_data]
    bar.update(task, total=len(expected) - len(data), description="Run")
    ran: list[str] = []
    for name in _run_stages(folder):
        bar.update(task, description=f"Run {name}", completed=len(ran))
        ran.append(name)
    made = read_stages(folder)
    order = dict.fromkeys([*data, *ran, *expected])  # a stage that did not run differs too
    if different := list_differences(expected, made, order):
        name, path = different[0]
        raise NotProvedError(
            f"{len(different)} of {len(outs)} hashes differ from dvc.lock. The first difference, in '{name}', is in "
            f"{describe_difference(folder, path, expected[name].outs[path], cache)}\n{_explain(expected[name], made[name])}"
        )
    outs = [out for stage in expected.values() if not stage.is_data for out in stage.outs.values()]
    files, size_mb = sum(out.files for out in outs), sum(out.size_bytes for out in outs) / 1e6
    return f"{files:,} files ({size_mb:,.1f} MB) that {len(ran)} stages made from nothing are those of dvc.lock"


def _make_folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="veritable-prove-")).resolve()
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UserError(f"--keep must name a new or empty folder, but {keep} is not empty. Name another one.")
    keep.mkdir(parents=True, exist_ok=True)
    return keep.resolve()


def _clone(commit: str, folder: Path) -> None:
    """Check out a commit, without its history, in a new repository."""
    _run(["git", "init", "--quiet"], folder)
    _run(["git", "fetch", "--quiet", "--depth=1", str(Path.cwd()), commit], folder)
    _run(["git", "checkout", "--quiet", "FETCH_HEAD"], folder)
    if not (folder / ".dvc").is_dir() or not (folder / "dvc.lock").is_file():
        raise UserError(f"{commit[:7]} must have a finished run of the pipeline, but has no dvc.lock. Name another revision.")
    (folder / ".dvc/config.local").write_text(SETTINGS.format(folder / ".dvc/tmp/site"), "utf-8")


def _fetch_data(commit: str, folder: Path, cache: Path, stages: Mapping[str, Stage]) -> None:
    """Get the data that no stage makes: from the cache of the repository, after it was fetched into it from the remote."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    paths = [path for stage in stages.values() if stage.is_data for path, out in stage.outs.items() if not out.in_git]
    if not paths:
        return
    with open_repository(Path.cwd()) as repo:
        reason = fetch_outputs(repo, commit, paths)
    here = {"remote": {"here": {"url": str(cache.parents[1]), "verify": True}}}
    try:  # with other records of hashes than those of the run, which hashes the data again
        with Repo(str(folder), config=here | {"core": {"site_cache_dir": str(folder / ".dvc/tmp/fetch")}}) as clone:
            clone.pull(targets=[str(folder / path) for path in paths], remote="here")
    except DvcException as error:
        raise UserError(
            f"{', '.join(paths)} of {commit[:7]} must be in DVC's cache or in the remote, but cannot be had: "
            f"{one_line(reason or str(error))}. Run `dvc push` where the data was added."
        ) from None


def _remove_outputs(folder: Path, stages: Mapping[str, Stage]) -> None:
    (folder / "dvc.lock").unlink()
    for path in (folder / each for stage in stages.values() if not stage.is_data for each in stage.outs):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _make_environment(folder: Path) -> None:
    command = ["make", "setup", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR: ")), lines[-1]).removeprefix("ERROR: ")
        raise UserError(f"`make setup` must install the libraries of requirements.lock, but failed: {one_line(reason)}")


def _run_stages(folder: Path) -> Iterator[str]:
    """Run all stages, and yield the name of each when it starts."""
    command = [str(folder / ".venv/bin/python"), "-m", "dvc", "repro", "--all-pipelines", "--force", "--no-run-cache"]
    text: list[str] = []
    name = ""
    with (
        subprocess.Popen(
            command, cwd=folder, env=_environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
        (folder / LOG).open("w", encoding="utf-8") as log,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if found := re.match("Running stage '([^']+)'", line):
                name, text = found[1], []
                yield name
            elif line.strip() and not line.startswith(("ERROR: ", "> ")):
                text.append(line.strip())
    if process.returncode:
        reason = one_line(text[-1]) if text else "it printed nothing"
        raise NotProvedError(f"stage '{name}' failed: {reason}\nAll that it printed is in {LOG}.")


def _environment(folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return inherited | {"PATH": os.pathsep.join([str(folder / ".venv/bin"), inherited.get("PATH", os.defpath)])}


def _explain(expected: Stage, made: Stage) -> str:
    """Say what may be the cause of a difference."""
    named = sorted(expected.inputs.keys() | made.inputs.keys())
    inputs = [name for name in named if expected.inputs.get(name) != made.inputs.get(name)]
    if inputs:
        return f"The stage last ran with other inputs than those committed: {', '.join(inputs)}. Run `make repro` and commit."
    return (
        f"This run: {describe_machine()}. The last digits of results depend on the CPU, and dvc.lock does not record which one "
        "made them: if it was another model, repeat the proof on that one."
    )


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"`{' '.join(command[:2])}` must succeed, but failed: {one_line(done.stderr.strip())}")
    return done.stdout
