"""`python -m veritable compare` with more than two revisions: two versions with several runs each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from veritable.cli.compare import PATHS, make_side
from veritable.cli.revisions import Version, read_versions
from veritable.errors import UserError
from veritable.evaluation.comparison import Judged
from veritable.evaluation.params import EvaluateParams
from veritable.evaluation.repeats import compare_repeats
from veritable.reporting.comparison import list_differences, render_repeats
from veritable.reporting.render import flatten_params

SEEDS = ("data.seed", "train.seed")
_SECTIONS = ("generate", "data", "train", "tune", "decision")  # whose params change a classifier or its threshold


def compare_runs(names: Sequence[str]) -> int:
    """Compare the two versions that revisions of the repository in the working directory hold. Return the exit code.

    Runs that differ in nothing but seeds are runs of one version. The version of the first revision is the old one.

    Raises
    ------
    UserError
        The revisions do not hold exactly two versions, or fewer than two pairs of runs have the same seeds.
    """
    versions = read_versions(Path.cwd(), names, PATHS)
    old, new = _group(versions)
    common = [seeds for seeds in old if seeds in new]
    pairs = [(_judged(old[seeds]), _judged(new[seeds])) for seeds in common]
    params = versions[0].params
    test = params["data"]["test"]
    compared = compare_repeats(pairs, EvaluateParams.parse("evaluate", params["evaluate"]), test_to_train=test / (1 - test))
    first, second = (next(iter(each.values())) for each in (old, new))
    alone = [version.name for one, other in ((old, new), (new, old)) for seeds, version in one.items() if seeds not in other]
    facts = {
        "old": first.name,
        "new": second.name,
        "params": list_differences(_settings(first), _settings(second)),
        "runs": [(old[seeds].name, new[seeds].name) for seeds in common],
        "alone": alone,
    }
    print(render_repeats(compared, facts), end="")
    return 0


def _group(versions: Sequence[Version]) -> list[dict[tuple[Any, ...], Version]]:
    """Return the runs of each of the two versions by their seeds."""
    groups: dict[str, dict[tuple[Any, ...], Version]] = {}
    for version in versions:
        flat = dict(flatten_params(version.params))
        what = repr((_settings(version), version.inputs, version.code.get("train")))
        runs, seeds = groups.setdefault(what, {}), tuple(flat.get(name) for name in SEEDS)
        if seeds in runs:
            raise UserError(
                f"Each run of a version must have seeds of its own, but {runs[seeds].name} and {version.name} have the same "
                f"({', '.join(f'{name} {seed}' for name, seed in zip(SEEDS, seeds, strict=True))}). Leave one of them out."
            )
        runs[seeds] = version
    if len(groups) != 2:
        one_each = ", ".join(next(iter(runs.values())).name for runs in groups.values())
        raise UserError(
            f"More than two revisions must be runs of two versions that differ in more than seeds, but there are "
            f"{len(groups)} versions: {one_each}. Name runs of two of them."
        )
    return list(groups.values())


def _settings(version: Version) -> dict[str, Any]:
    """Return the params that make a version, without the seeds."""
    params: Mapping[str, Any] = {name: version.params[name] for name in _SECTIONS if name in version.params}
    return {name: value for name, value in flatten_params(params) if name.rpartition(".")[2] != "seed"}


def _judged(version: Version) -> Judged:
    judged = make_side(version).judged
    if judged is None:
        raise UserError(f"{version.name} must have predictions, but: {' '.join(version.notes)}")
    return judged
