"""dvc.yaml, line by line: what a stage declares runs it again, and nothing else does."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.conftest import HERE, Toy
from tests.pipeline import REPRO, call, change, ran, veritable, would_run
from veritable.errors import UserError

STAGES: dict[str, Any] = YAML(typ="safe").load((HERE / "dvc.yaml").read_text())["stages"]
PARAMS: dict[str, Any] = YAML(typ="safe").load((HERE / "params.yaml").read_text())
DEPS = sorted({dep for entry in STAGES.values() for dep in entry["deps"]})
# Another value for every knob, so that a knob that is forgotten here fails the test below.
OTHER = {
    "generate": {"n_samples": "301", "n_features": "11", "n_informative": "3", "n_redundant": "1", "n_classes": "3",
                 "seed": "1"},
    "data": {
        "path": "data/text.csv", "test_file": "test.csv", "database": "sqlite:///none.db", "query": "SELECT 1",
        "allow_outside": "false", "columns": "[a, b]", "header": "false", "delimiter": "';'", "encoding": "utf-16",
        "missing": '[""]', "missing_codes": "{feature_1: [0.5]}", "target": "feature_9",
        "positive": "0", "labels": '{"1": one}', "drop": "[feature_0]", "types": "{feature_0: category}", "id": "feature_0",
        "group": "feature_0", "time": "feature_0", "weight": "feature_0", "sensitive": "[]", "withhold": "[feature_0]",
        "pseudonymise": "[feature_0]", "pseudonym_key": "0123456789abcdef", "min_count": "1",
        "max_categories": "1", "part": "feature_0", "valid": "0.3", "test": "0.3", "duplicates": "drop", "strict": "true",
        "shard_rows": "50", "seed": "1",
    },
    "train": {
        "network": "resnet", "blend": "[trees]", "n_networks": "2", "n_splits": "3", "refit": "false", "background_rows": "99",
        "init": "models/v1", "member": "models/m",
        "freeze": "[output]",
        "privacy": "{epsilon: 3.0, delta: 0.001, max_grad_norm: 1.0}", "class_weight": "balanced",
        "accelerator": "auto", "precision": "64-true",
        "memory_gib": "0.5", "seed": "1",
        "mlp": "{}", "resnet": "{}", "tabm": "{}", "trees": "{}", "forest": "{}",  # see WITHIN_TRAIN
    },
    "machine": {"threads": "1", "max_rows": "1000000", "max_bytes": "1000000"},
    "share": {"trusted": "[store]", "time_limit": "60"},
    "tune": {"n_trials": "3", "pruning": "false", "seed": "1", "space": "\n    mlp.l1: [0.1]"},
    "baselines": {"max_rows": "50", "learning_curve": "[0.5, 1]", "seed": "1"},
    "decision": {"metric": "accuracy", "costs": "{a: {b: 1}}", "constraint": "recall >= 0.9"},
    "evaluate": {"n_resamples": "101", "confidence_level": "0.9", "seed": "1"},
    "report": {"model_card": "README.md", "reference": "models/baselines"},
    "explain": {
        "rows": "10", "output": "probability", "error": "0.02", "fixed": f"[{', '.join(f'feature_{i}' for i in range(10))}]",
        "groups": "{some: [feature_0, feature_1]}", "seed": "1",
    },
}  # fmt: skip


def mutate(path: Path) -> None:
    """Append a byte to a file, or to a file of a folder."""
    file = (
        path if path.is_file() else min(each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    )
    file.chmod(0o644)
    with file.open("ab") as handle:
        handle.write(b" ")


@pytest.mark.slow
@pytest.mark.parametrize("dep", DEPS)
def test_a_changed_dep_runs_its_stages_again(demo: Toy, dep: str) -> None:
    """A change of a declared dep runs every stage that declares it, or a folder that contains it, and no other."""
    path = _resolve(dep)
    mutate(demo.root / path)
    concerned = {
        name for name, entry in STAGES.items() for each in entry["deps"] if f"{path}/".startswith(f"{_resolve(each)}/")
    } - {"code"}
    found = would_run(demo, *STAGES)
    makers = {name for name, entry in STAGES.items() if _makes(entry, path)}  # DVC also restores a changed output
    assert concerned == set(found) - makers


def _resolve(dep: str) -> str:
    """Insert the values of params into a path."""
    return re.sub(r"\$\{(\w+)\.(\w+)\}", lambda found: str(PARAMS[found[1]][found[2]]), dep)


def _makes(entry: dict[str, Any], path: str) -> bool:
    outs = [each if isinstance(each, str) else next(iter(each)) for each in entry.get("outs", [])]
    return any(path == out or path.startswith(f"{out}/") for out in outs)


@pytest.mark.slow
def test_a_changed_param_runs_its_stages_again(demo: Toy) -> None:
    """A change of a section runs every stage that declares the section, and no other."""
    original = demo.read("params.yaml")
    for section, values in OTHER.items():
        key = "seed" if "seed" in values else next(iter(values))
        change(demo, f"{section}.{key}", values[key])
        assert [name for name, entry in STAGES.items() if section in entry.get("params", [])] == would_run(demo, *STAGES), (
            section
        )
        demo.write("params.yaml", original)


def test_every_section_of_params_is_walked() -> None:
    """A new parameter must be added to the mutation test."""
    assert {section: set(values) for section, values in PARAMS.items()} == {
        section: set(each) for section, each in OTHER.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "section", [each for each in OTHER if each not in {"train", "machine", "share"}]
)  # `train`: test_train.py; `machine` and `share` change no result
def test_every_knob_changes_what_its_stage_makes(demo: Toy, section: str) -> None:
    """Each declared parameter matters: with another value, its stage makes something else (or says why it cannot)."""
    stage = {"data": "preprocess", "decision": "train", "tune": "plan"}.get(section, section)
    if section == "data":
        _bring_a_table_with_everything(demo)
    if section == "decision":
        change(demo, "train.mlp.max_epochs", "1")  # a good network has the same threshold for all metrics
        _made(demo, "plan")
    if section == "tune":
        change(demo, "tune.n_trials", "9")
    base, before = demo.read("params.yaml"), _made(demo, stage)
    unmoved = []
    for key, value in OTHER[section].items():
        if key in ("path", "pseudonym_key"):  # a different path is a different dep; without pseudonyms the key is not read
            continue
        change(demo, f"{section}.{key}", value)
        unmoved += [key] if _made(demo, stage) == before else []
        demo.write("params.yaml", base)
    assert [] == unmoved


# A parameter, another value, and parameters of a training that is short but depends on it.
WITHIN_TRAIN = {
    "mlp.activation": ("tanh", {"network": "mlp", "mlp.max_epochs": "1"}),
    "resnet.n_blocks": ("2", {"network": "resnet", "resnet.max_epochs": "1", "resnet.d_block": "8", "resnet.n_blocks": "1"}),
    "tabm.k": ("3", {"network": "tabm", "tabm.max_epochs": "1", "tabm.d_block": "8", "tabm.k": "2"}),
    "forest.n_estimators": ("4", {"blend": "[forest]", "mlp.max_epochs": "1", "forest.n_estimators": "3"}),
    "trees.num_leaves": (
        "3",
        {"blend": "[trees]", "mlp.max_epochs": "1", "trees.n_models": "1", "trees.n_estimators": "5", "trees.num_leaves": "8"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("knob", WITHIN_TRAIN)
def test_knobs_within_train_reach_it(demo: Toy, knob: str) -> None:
    """The parameters of the chosen network, and of the trees, reach the stage through its plan."""
    other, base = WITHIN_TRAIN[knob]
    for key, value in base.items():
        change(demo, f"train.{key}", value)
    before = _trained(demo)
    change(demo, f"train.{knob}", other)
    assert not isinstance(before, str)
    assert before != _trained(demo)


def test_no_needless_run(demo: Toy) -> None:
    """A parameter without effect runs only the plan again; one of train does not run a search that is off."""
    unused = {"train.resnet.d_block": "64", "train.trees.n_estimators": "9", "train.memory_gib": "8.0", "tune.seed": "7"}
    for key, value in {**unused, "train.freeze": "[output]", "tune.pruning": "false"}.items():
        change(demo, key, value)
    call(demo, "plan")
    assert ["plan"] == would_run(demo, *STAGES)
    change(demo, "machine.threads", "1")
    assert ["plan"] == would_run(demo, *STAGES)
    change(demo, "train.mlp.max_epochs", "2")
    call(demo, "plan")
    assert ["plan", "train"] == would_run(demo, "plan", "train", "tune")


@pytest.mark.slow
def test_cross_validation(demo: Toy) -> None:
    """With folds, the classifier combines the models of all folds, and the report and the metrics show each fold."""
    change(demo, "train.n_splits", "3")
    call(demo, "plan", "train", "evaluate", "explain", "report")
    assert 3 == len(list((demo.root / "models/classifier").glob("network-*.safetensors")))
    auc = json.loads(demo.read("reports/evaluation/metrics.json"))["folds"]["roc_auc"]
    values = auc["values"]
    assert np.mean(values) == pytest.approx(auc["mean"])
    assert 3 == len(set(values))
    assert all("Cross-validation" in demo.read(f"reports/report.{kind}") for kind in ("html", "md"))
    change(demo, "data.time", "feature_0")
    refused = demo.run(*REPRO)
    assert "'train.n_splits' in params.yaml must be 0 or auto if data.time is set, but is 3" in refused, refused.text


@pytest.mark.slow
def test_warm_start(demo: Toy) -> None:
    """Training starts from the classifier train.init, and runs again if its files change."""
    shutil.copytree(demo.root / "models/classifier", demo.root / "models/v1")
    change(demo, "train.init", "models/v1")
    change(demo, "train.mlp.max_epochs", "1")
    done = demo.run(*REPRO, "train")
    assert "Copied 6 parameters of the network from the earlier classifier." in done
    mutate(demo.root / "models/v1/classifier.json")
    assert ["train"] == would_run(demo, "train")
    change(demo, "train.init", "models/v2")
    missing = veritable(demo, "repro")
    assert 1 == missing.status
    assert "'train.init' in params.yaml must be the folder of a classifier, but 'models/v2' does not exist." in missing


@pytest.mark.slow
def test_auto_is_the_same_for_every_table(demo: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """With `auto`, the demo gets the blend that any table gets: networks of all folds, trees and a forest."""
    auto = {"network": "auto", "blend": "auto", "n_splits": "auto", "tabm.max_epochs": "2", "tabm.d_block": "8"}
    for key, value in auto.items():
        change(demo, f"train.{key}", value)
    call(demo, "plan", "train", "evaluate", "explain", "report")
    planned = "Planned a tabm network, blended with boosted trees, a forest, on 4 folds, for 2 classes."
    assert planned in capsys.readouterr().out
    made = {path.name for path in (demo.root / "models/classifier").iterdir()}
    assert made >= {"classifier.json", "history.csv", *(f"fold-{fold}.parquet" for fold in range(1, 5))}
    assert "A blend, by share of the weights: " in demo.read("reports/report.md")


def _bring_a_table_with_everything(demo: Toy) -> None:
    """Bring a table from outside the repository, with missing values, equal rows, and a column that reveals the target."""
    header, *rows = demo.read("data/raw/demo.csv").splitlines()
    texts = [("NA", "few", "many", "many")[n % 4] for n in range(len(rows))]
    lines = [f"{text},copy {row[-1]},{row}" for text, row in zip(texts, rows, strict=True)]
    (demo.root.parent / "text.csv").write_text("\n".join([f"text,copy,{header}", *lines, *lines[:9]]) + "\n")
    for key, value in {"path": "../text.csv", "allow_outside": "true", "sensitive": "[text]"}.items():
        change(demo, f"data.{key}", value)


def _trained(copy: Toy) -> dict[str, bytes] | str:
    """Run the plan and the training, and return what `_made` returns for the training."""
    _made(copy, "plan")
    return _made(copy, "train")


def _made(copy: Toy, stage: str) -> dict[str, bytes] | str:
    """Return all bytes that the stage writes, or its error message."""
    try:
        call(copy, stage)
    except UserError as error:
        return str(error)
    outs = [copy.root / (each if isinstance(each, str) else next(iter(each))) for each in STAGES[stage]["outs"]]
    return {str(file): file.read_bytes() for out in outs for file in (out, *out.rglob("*")) if file.is_file()}


EDITS = {
    "a comment": ("src/veritable/training/fit.py", "\n# a comment\n", []),
    "a formula of the metrics": ("src/veritable/metrics/metrics.py", "\n_NEW = 1\n", ["evaluate", "report"]),
    "the training": (
        "src/veritable/training/fit.py",
        "\n_NEW = 1\n",
        ["baselines", "train", "tune", "report"],
    ),  # the report lists the library versions
    "a template of the report": ("src/veritable/reporting/templates/markdown/report.md.j2", "\n", ["report"]),
    "the seal": ("src/veritable/stage/seal.py", "\n_NEW = 1\n", []),
    "the README": ("README.md", "\n", []),
    "a test": ("tests/test_stages.py", "\n", []),
    "the Makefile": ("Makefile", "\n", []),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_runs_what_it_concerns(demo: Toy, what: str) -> None:
    """A comment, the README or a test runs no stage; a changed function runs the stages that use it."""
    path, text, expected = EDITS[what]
    demo.write(path, demo.read(path) + text)
    demo.state()
    assert expected == would_run(demo, *STAGES)


def test_what_follows_runs_if_its_inputs_changed(demo: Toy) -> None:
    """Of the stages after one that ran again, only those with changed inputs run."""
    change(demo, "evaluate.confidence_level", "0.9")
    assert ["evaluate", "report"] == ran(demo.dvc("repro").text)
    change(demo, "train.precision", "'32-true'")
    assert [] == ran(demo.dvc("repro").text)  # the same value in other words
    change(demo, "train.accelerator", "auto")  # without a GPU, the classifier is the same
    assert ["plan", "train", "report"] == ran(demo.dvc("repro").text)  # the report shows the parameters


@pytest.mark.slow
def test_force_twice_is_the_same(demo: Toy) -> None:
    """`dvc repro --force` leaves dvc.lock, and so every output, the same, byte for byte."""
    before = demo.read("dvc.lock")
    done = demo.dvc("repro", "--force", "--no-run-cache")
    assert list(STAGES)[1:] == sorted(ran(done.text), key=list(STAGES).index), done.text
    assert before == demo.read("dvc.lock")


def test_a_stage_by_hand_is_the_stage_under_dvc(demo: Toy) -> None:
    """`python stages/train.py`, and the function of the stage, write the same bytes as `dvc repro train`."""
    before = {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}
    done = demo.by_hand("train")
    assert 0 == done.status, done.text
    assert before == {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}
    call(demo, "train")
    assert before == {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}


def test_only_who_needs_it_imports_the_heavy_libraries(demo: Toy) -> None:
    """Only baselines, train and tune import Lightning, only tune Optuna, only explain shap; only who predicts imports torch."""
    for stage in (name for name in STAGES if name != "code"):
        text = demo.read(f"code/{stage}.txt")
        owners = {"pytorch-lightning": ["baselines", "train", "tune"], "optuna": ["tune"], "shap": ["explain"]}
        for library, names in owners.items():
            assert (stage in names) == (f"package {library} " in text), (stage, library)
        assert (stage in ("baselines", "train", "tune", "evaluate", "explain")) == ("package torch " in text), stage


def test_sensitive_columns_do_not_train_again(demo: Toy) -> None:
    """Naming sensitive columns runs only the stages that evaluate and report them, and the plan, which stays the same."""
    change(demo, "data.sensitive", "[feature_0]")
    call(demo, "preprocess", "plan", "evaluate")
    assert ["preprocess", "plan", "evaluate", "report"] == would_run(demo, *STAGES)
    assert (demo.root / "reports/evaluation/groups.json").is_file()
