"""DVC resolves what dvc.yaml declares for the running stage; the stage gets it by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Toy
from veritable.errors import UserError
from veritable.stage.declaration import Declaration, name_of, resolve


@pytest.fixture
def look_up(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Declaration]:
    """Return a function that resolves stages/x.py with a given dvc.yaml."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.chdir(toy.root)
    toy.write("stages/x.py", "")

    def resolved(dvc_yaml: str) -> Declaration:
        toy.write("dvc.yaml", dvc_yaml)
        return resolve(toy.root / "stages/x.py")

    return resolved


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("data/prepared/train", "train"),
        ("data/prepared/encoder.json", "encoder.json"),
        ("${data.path}", "data.path"),
        ("data/${item.table}", "item.table"),
        ("../in/", "in"),
    ],
)
def test_a_name_is_the_last_part_of_a_path(declared: str, name: str) -> None:
    """The name comes from the path in dvc.yaml before DVC fills in its templates, so it does not change with a param."""
    assert name == name_of(declared)


def test_everything_declared_is_found(toy: Toy, look_up: Callable[[str], Declaration]) -> None:
    """Deps, outs, metrics and plots are found by name, params nested as in the file; DVC fills in templates and vars."""
    toy.write("params.yaml", "p: {a: 1, flag: no, deep: {b: [1, 2]}}\nwhere: data/in.csv\n")
    toy.write("more.yaml", "q: 3\n")
    found = look_up(
        "vars: [{folder: made}]\nstages:\n  x:\n    cmd: python stages/x.py\n    deps: ['${where}', code/x.txt]\n"
        "    params: [p.a, p.flag, p.deep, more.yaml: [q]]\n    outs: ['${folder}/one', two: {cache: false}]\n"
        "    metrics: [m.json]\n    plots: [c.csv: {x: a}]\n"
    )
    root = toy.root
    assert {"where": root / "data/in.csv"} == found.inputs
    assert {"one": root / "made/one", "two": root / "two", "m.json": root / "m.json", "c.csv": root / "c.csv"} == found.outputs
    assert {"p": {"a": 1, "flag": "no", "deep": {"b": [1, 2]}}, "q": 3} == found.params
    assert {"p.a", "p.flag", "p.deep", "q"} == set(found.param_keys)
    assert found.declares_code


def test_yaml_is_read_as_dvc_reads_it(look_up: Callable[[str], Declaration]) -> None:
    """A missing param is one sentence. (That `no` is a text in YAML 1.2 is tested above.)"""
    with pytest.raises(UserError, match=r"x\.py: Parameters 'p\.gone' are missing from 'params\.yaml'"):
        look_up("stages:\n  x: {cmd: python stages/x.py, params: [p.gone], outs: [out]}\n")


def test_unkeyed_params_are_handed_over_beside_the_others(toy: Toy, look_up: Callable[[str], Declaration]) -> None:
    """Params in `meta: {unkeyed: [...]}` are read, but do not count when two declarations are compared."""
    toy.write("params.yaml", "p: {a: 1, b: 2}\nmachine: {threads: 4}\n")
    entry = "stages:\n  x: {cmd: python stages/x.py, meta: {unkeyed: [machine, p.b]}, params: [p.a], outs: [out]}\n"
    found = look_up(entry)
    assert {"p": {"a": 1}} == found.params
    assert {"machine": {"threads": 4}, "p": {"b": 2}} == found.unkeyed
    toy.write("params.yaml", "p: {a: 1, b: 3}\nmachine: {threads: 8}\n")
    assert found == look_up(entry)


FAULTS = {
    "no stage": ("stages:\n  y: {cmd: echo, outs: [out]}\n", "no stage in dvc.yaml runs stages/x.py"),
    "several stages": (
        "stages:\n  a: {cmd: python stages/x.py, outs: [a]}\n  b: {cmd: python stages/x.py 2, outs: [b]}\n",
        "several stages run stages/x.py: a, b. Select one: DVC_STAGE=a python stages/x.py",
    ),
    "one name twice": (
        "stages:\n  x: {cmd: python stages/x.py, outs: [a/out, b/out]}\n",
        "stage 'x' must declare paths with different names, but 'a/out' and 'b/out' are both 'out'. Rename one.",
    ),
    "unkeyed params that are not a list": (
        "stages:\n  x: {cmd: python stages/x.py, meta: {unkeyed: p.a}, outs: [out]}\n",
        "stages.x.meta.unkeyed in dvc.yaml must be a list of keys of params.yaml, but is 'p.a'.",
    ),
    "an unkeyed param that is missing": (
        "stages:\n  x: {cmd: python stages/x.py, meta: {unkeyed: [p.gone]}, outs: [out]}\n",
        "x.py: Parameters 'p.gone' are missing from 'params.yaml'",
    ),
    "invalid YAML": ("stages: [", "x.py: "),
}


@pytest.mark.parametrize(("dvc_yaml", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_dvc_yaml_is_one_sentence(look_up: Callable[[str], Declaration], dvc_yaml: str, words: str) -> None:
    """The sentence says what to do."""
    with pytest.raises(UserError) as raised:
        look_up(dvc_yaml)
    assert words in str(raised.value)


def test_outside_a_repository_nothing_runs(tmp_path: Path) -> None:
    """A script outside a DVC repository has no declaration."""
    with pytest.raises(UserError, match="must lie in a DVC repository"):
        resolve(tmp_path / "x.py")
