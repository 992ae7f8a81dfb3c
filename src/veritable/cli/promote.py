"""`python -m veritable promote`: make the results of a committed classifier the reference that the report compares with."""

import json
import shutil
from pathlib import Path

from veritable.cli.compare import REPORTS
from veritable.cli.revisions import WORKSPACE, describe_commit, read_versions
from veritable.cli.sections import NOTHING
from veritable.cli.yaml_file import change_values, read_yaml
from veritable.errors import UserError
from veritable.reporting.comparison import Side
from veritable.reporting.params import ReportParams
from veritable.reporting.reference import FACTS, FILES, write_reference

FOLDER, PLAN = "models/reference", "models/plan/train.json"


def promote(revision: str) -> int:
    """Write the folder of `report.reference`, and add it to DVC. Return the exit code.

    If the parameter names no folder yet, it becomes `models/reference`.

    Parameters
    ----------
    revision
        A commit, branch, tag or experiment. HEAD must have the classifier of the workspace, so that the one that was just
        trained is not mistaken for the committed one.

    Raises
    ------
    UserError
        The revision does not exist, its results cannot be had or do not belong to its params and code, or the folder holds
        something else.
    """
    file, root = Path("params.yaml"), Path.cwd()
    params = read_yaml(file)
    folder = Path(ReportParams.parse("report", params.get("report", {}) if isinstance(params, dict) else {}).reference)
    is_new = folder == Path(NOTHING)
    folder = Path(FOLDER) if is_new else folder
    if folder.exists() and not (folder / FACTS).is_file():
        raise UserError(f"{folder} must be the folder of a reference, but holds something else. Remove or rename it.")
    version, *workspace = read_versions(
        root, [revision, *([WORKSPACE] if revision == "HEAD" else [])], [*(REPORTS + name for name in FILES), PLAN]
    )
    if workspace and workspace[0].classifier != version.classifier:
        raise UserError(
            "the classifier of the workspace must be committed to become the reference, but HEAD has another one. Commit "
            "dvc.lock and the reports, or name a revision: python -m veritable promote REVISION"
        )
    if version.notes:
        raise UserError(f"{revision} must be complete and up to date to become the reference, but is not. {version.notes[0]}")
    name = describe_commit(root, version.commit)
    side = Side(
        name=name,
        judged=None,
        classifier=version.classifier,
        params={key: values for key, values in version.params.items() if key not in ("report", "train", "tune")}
        | {"train": json.loads(version.files[PLAN])},
        code={"train": version.code.get("train", {})},
    )
    files = {path.removeprefix(REPORTS): content for path, content in version.files.items() if path != PLAN}
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    write_reference(partial, files, side)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    _add_to_dvc(root, folder)
    if is_new:
        change_values(file, {"report.reference": folder.as_posix()})
    print(
        f"{folder} holds the results of {name}. Run `dvc repro` to compare with it, and commit {folder}.dvc with params.yaml."
    )
    return 0


def _add_to_dvc(root: Path, folder: Path) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            repo.add(str(folder))
    except DvcException as error:
        raise UserError(f"{folder} must be added to DVC, but cannot be: {error}. Run `dvc add {folder}`.") from error
