"""`python -m veritable compare` with more than two revisions groups runs into two versions, and pairs them by their seeds."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from tests.rooms import section
from tests.test_repeats import judge
from veritable.cli import repeats
from veritable.cli.repeats import compare_runs
from veritable.cli.revisions import Version
from veritable.errors import UserError
from veritable.reporting.comparison import Side

Y_TRUE = np.random.default_rng(0).integers(0, 2, 200)


def make_run(name: str, *, dropout: float, seed: int, split: int = 42) -> Version:
    params = {
        "data": section("data", seed=split),
        "train": section("train") | {"seed": seed, "tabm": {"dropout": dropout}},
        "evaluate": section("evaluate", n_resamples=100),
    }
    return Version(name, name, params, {"data/raw/demo.csv": "a"}, "", {"train": {}}, {}, [])


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that compares runs as the command does; a lower dropout predicts better."""

    def judged(version: Version) -> Side:
        train = version.params["train"]
        return Side(version.name, judge(Y_TRUE, 1.5 - train["tabm"]["dropout"], np.random.default_rng(train["seed"])))

    def run(*versions: Version) -> str:
        by_name = {version.name: version for version in versions}
        monkeypatch.setattr(repeats, "read_versions", lambda root, names, paths: [by_name[name] for name in names])
        monkeypatch.setattr(repeats, "make_side", judged)
        assert 0 == compare_runs([version.name for version in versions])
        return capsys.readouterr().out

    return run


def test_runs_are_paired_by_their_seeds(compare: Callable[..., str]) -> None:
    """Runs in any order are sorted into two versions, and those with the same seeds are a pair; others are named as unused."""
    runs = [make_run(f"thin-{seed}", dropout=0.9, seed=seed) for seed in (1, 2, 3)]
    runs += [make_run(f"wide-{seed}", dropout=0.1, seed=seed) for seed in (3, 2, 4)]
    text = compare(*runs)
    assert "## wide\\-3 against thin\\-1, 2 pairs of runs" in text
    assert "Pairs: thin\\-2 and wide\\-2; thin\\-3 and wide\\-3." in text
    assert "no run with the same seeds: thin\\-1, wide\\-4." in text
    assert re.search(r"\| ROC AUC \| 0\.\d+ \| 0\.\d+ \| \+0\.\d+ \[\+.+\] \| \*\*better\*\* \|", text)
    assert "| train.tabm.dropout | 0.9 | 0.1 |" in text
    assert "judged on the same test rows" in text


def test_mistakes(compare: Callable[..., str]) -> None:
    """Runs of one or three versions, runs with equal seeds, and one pair alone are errors in one sentence."""
    one, two, three = (make_run(f"a{seed}", dropout=0.9, seed=seed) for seed in (1, 2, 3))
    with pytest.raises(UserError, match="runs of two versions that differ in more than seeds, but there are 1 versions: a1"):
        compare(one, two, three)
    other, third = make_run("b", dropout=0.5, seed=1), make_run("c", dropout=0.1, seed=1)
    with pytest.raises(UserError, match="but there are 3 versions: a1, b, c"):
        compare(one, other, third)
    with pytest.raises(UserError, match=r"but a1 and again have the same \(data\.seed 42, train\.seed 1\)\. Leave one"):
        compare(one, make_run("again", dropout=0.9, seed=1), other)
    with pytest.raises(UserError, match="at least two pairs of runs with the same seeds, but has 1"):
        compare(one, two, other)
