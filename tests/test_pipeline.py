"""The pipeline as a user sees it: run, change and compare, share, bring a table, make a mistake."""

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from tests.conftest import HERE, Toy, until
from tests.pipeline import AFTER_GENERATE, REPRO, call, change, ran, veritable, would_run
from veritable.errors import UserError
from veritable.tables.reading.pseudonyms import fingerprint


def test_the_run_ends_with_the_headline(finished: Path) -> None:
    """The first run runs every stage, and prints metrics with intervals, the stages and the path of the report."""
    *_, metrics, stages, report = (finished / "first-run.txt").read_text().strip().splitlines()
    assert re.match(r"Test part, 60 rows: ROC AUC 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]; log loss .*accuracy .*F1 ", metrics)
    assert "Stages      ran: code, generate, preprocess, baselines, plan, train, tune, evaluate, explain, report" == stages
    assert "Report      reports/report.html" == report


def test_the_second_run_runs_nothing(demo: Toy) -> None:
    """A second run runs only the stage `code`, and prints the headline of the first run."""
    again = demo.run(*REPRO)
    assert [] == ran(again.text)
    headline = next(line for line in demo.read("first-run.txt").splitlines() if line.startswith("Test part"))
    assert [headline, "Stages      ran: code; up to date: 9", "Report      reports/report.html"] == again.text.splitlines()[-3:]


def test_a_part_of_the_pipeline_has_no_headline(versions: Path) -> None:
    """If the stage report is not part of the run, its metrics are those of an earlier classifier: they are not printed."""
    text = (versions / "part.txt").read_text()
    *_, stages, outputs, report = text.splitlines()
    assert "Test part" not in text
    assert "Stages      ran: code, plan, train; up to date: 2" == stages
    assert "Outputs     code, models/plan, models/classifier" == outputs
    assert "Report      not part of this run. Run `python -m veritable repro` to update it." == report


def test_a_stage_that_is_not_sealed_is_refused(demo: Toy) -> None:
    """`repro` and `lint` refuse a command without the seal, unless the stage's meta has the reason."""
    script = "from pathlib import Path\n\nPath('x').write_text('1')\n"
    demo.write("stages/lone.py", script)
    demo.write(
        "dvc.yaml", demo.read("dvc.yaml").replace("stages:\n", "stages:\n  lone: {cmd: python stages/lone.py, outs: [x]}\n")
    )
    message = "stage 'lone' must run a sealed script, but its command is: python stages/lone.py."
    for command in (REPRO, (sys.executable, "-m", "veritable", "lint")):
        refused = demo.run(*command)
        assert (1, True) == (refused.status, message in refused), refused.text
        assert "meta: {unsealed: REASON}" in refused
    assert not (demo.root / "x").exists()
    demo.write(
        "dvc.yaml",
        demo.read("dvc.yaml").replace("{cmd: python stages/lone", "{meta: {unsealed: a test}, cmd: python stages/lone"),
    )
    done = demo.run(*REPRO)
    assert 0 == done.status, done.text
    assert "1" == demo.read("x")
    assert "The pipeline is in order" in demo.run(sys.executable, "-m", "veritable", "lint")


def test_make_repro_is_that_run(demo: Toy) -> None:
    """`make repro` is `python -m veritable repro` in the environment."""
    (demo.root / ".venv").symlink_to(sys.prefix)
    made = demo.run("make", "--old-file=.venv/ready", "repro")
    assert 0 == made.status, made.text
    assert "up to date: 9" in made.text


def test_the_lint_finds_nothing(demo: Toy) -> None:
    """dvc.yaml, dvc.lock, code/ and params.yaml of the repository agree."""
    assert "The pipeline is in order" in demo.run(sys.executable, "-m", "veritable", "lint")


def test_the_outputs_name_no_machine(finished: Path) -> None:
    """No output contains an absolute path."""
    for folder in ("code", "data", "models", "reports"):
        for file in (each for each in (finished / folder).rglob("*") if each.is_file()):
            content = file.read_bytes()
            for path in (str(finished), sys.prefix, str(Path.home()) + "/"):
                assert path.encode() not in content, file


def test_change_and_compare(repository: Toy, finished: Path) -> None:
    """Metrics, params and plots of two commits can be compared, and the earlier one comes back without a run."""
    demo, old = repository, (finished / "reports/report.html").read_bytes()
    assert ["plan", "train", "evaluate", "explain", "report"] == ran(demo.read("part.txt") + demo.read("rest.txt"))
    metrics = json.loads(demo.dvc("metrics", "diff", "HEAD~1", "--json").text)["reports/metrics.json"]
    assert 0 != metrics["log_loss"]["diff"]
    params = json.loads(demo.dvc("params", "diff", "HEAD~1", "--json").text)
    assert {"params.yaml": {"train.mlp.max_epochs": {"old": 3, "new": 8, "diff": 5}}} == params
    plots = demo.dvc("plots", "diff", "HEAD~1", "--out", "diff")
    page = (demo.root / "diff/index.html").read_text()
    assert 0 == plots.status, plots.text
    for title in ("ROC curve", "Precision and recall", "Calibration", "Confusion matrix", "Loss by epoch"):
        assert title in page
    assert "window.vegaEmbed" in page
    assert "<script src" not in page
    assert 0 == demo.git("checkout", "-q", "HEAD~1").status
    assert 0 == demo.dvc("checkout").status
    assert old == (demo.root / "reports/report.html").read_bytes()
    assert [] == ran(demo.dvc("repro").text)


def test_the_classifier_is_an_artifact(demo: Toy, tmp_path: Path) -> None:
    """A tag that names a version lets others download the classifier with `dvc artifacts get`; stages have descriptions."""
    demo.git("tag", "-a", "classifier@v1.0.0", "-m", "the first release")
    got = demo.dvc("artifacts", "get", str(demo.root), "classifier", "--rev", "v1.0.0", "--out", str(tmp_path / "got"))
    assert 0 == got.status, got.text
    expected = {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}
    assert expected == {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()}
    stages = [line.split(maxsplit=1) for line in demo.dvc("stage", "list").text.splitlines()]
    assert [] == [name for name, text in stages if text.startswith(("Outputs", "No outputs"))]


@pytest.mark.slow
def test_two_people_share(demo: Toy, tmp_path: Path) -> None:
    """After a push and a pull, the clone runs nothing, and takes earlier experiments from the run cache."""
    demo.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    demo.commit("a remote")
    demo.git("checkout", "-q", "-b", "a-try")
    change(demo, "train.mlp.max_epochs", "4")
    assert 0 == demo.dvc("repro").status
    demo.commit("a try")
    demo.git("checkout", "-q", "main")
    demo.dvc("checkout")
    pushed = demo.dvc("push", "--all-commits", "--run-cache")
    assert 0 == pushed.status, pushed.text

    other = Toy(tmp_path / "other")
    assert 0 == demo.git("clone", "-q", str(demo.root), str(other.root)).status
    pulled = other.dvc("pull", "--all-commits", "--run-cache")
    assert 0 == pulled.status, pulled.text
    assert [] == ran(other.dvc("repro").text)
    assert (demo.root / "reports/report.html").read_bytes() == (other.root / "reports/report.html").read_bytes()
    change(other, "train.mlp.max_epochs", "4")
    again = other.dvc("repro")
    assert ["report"] == ran(again.text), again.text
    assert "Stage 'train' is cached" in again.text


@pytest.mark.slow
def test_an_experiment_in_a_temporary_copy(demo: Toy) -> None:
    """`dvc exp run --temp -S` does not change the workspace, and `dvc exp show` shows its metrics."""
    params = demo.read("params.yaml")
    done = demo.dvc("exp", "run", "--temp", "-S", "train.mlp.max_epochs=2")
    assert 0 == done.status, done.text
    assert params == demo.read("params.yaml")
    shown = demo.dvc("exp", "show", "--csv")
    assert 0 == shown.status
    assert "roc_auc" in shown.text


@pytest.mark.slow
def test_killed_training_resumes(demo: Toy) -> None:
    """After a kill of training and DVC, a second run resumes at the last epoch and makes the same bytes as one run."""
    change(demo, "train.mlp.max_epochs", "30")
    script = demo.read("params.yaml")
    call(demo, "plan", "train")  # undisturbed
    expected = {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}
    process = demo.start(sys.executable, "-m", "dvc", "repro", "train")
    checkpoint = demo.root / ".dvc/tmp/stages/train/scratch/network-1/resume.ckpt"
    seen = set[int]()

    def written_three_times() -> bool:
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        return len(seen) >= 3

    until(written_three_times)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert checkpoint.exists()
    assert not (demo.root / "models/classifier").exists()
    assert script == demo.read("params.yaml")
    resumed = demo.dvc("repro", "train")
    assert 0 == resumed.status, resumed.text
    assert expected == {path.name: path.read_bytes() for path in (demo.root / "models/classifier").iterdir()}
    assert not checkpoint.exists()


@pytest.mark.slow
def test_tuning_from_search_to_headline(demo: Toy) -> None:
    """A search that is killed and resumed ends like an undisturbed one; applying its result changes only values of params.yaml,
    and training with them has the loss of the search."""
    change(demo, "tune.n_trials", "9")
    change(demo, "train.mlp.max_epochs", "10")
    demo.commit("a search")
    before = demo.read("params.yaml")
    call(demo, "plan", "tune")  # undisturbed
    expected = {path.name: path.read_bytes() for path in (demo.root / "models/tuning").iterdir()}
    process = demo.start(sys.executable, "-m", "dvc", "repro", "tune")
    checkpoint = demo.root / ".dvc/tmp/stages/tune/scratch/trial-7/network-1/resume.ckpt"
    until(checkpoint.exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert checkpoint.exists()
    resumed = demo.dvc("repro", "tune")
    assert 0 == resumed.status, resumed.text
    assert expected == {path.name: path.read_bytes() for path in (demo.root / "models/tuning").iterdir()}
    assert "Tried 9 parameter sets" in resumed.text

    applied = demo.run(sys.executable, "-m", "veritable", "apply")
    assert 0 == applied.status, applied.text
    best = json.loads(expected["best.json"])
    lines = dict(re.findall(r"^(\S+) .* -> (.*)$", applied.text, re.MULTILINE))
    params = {f"train.{key}": value for key, value in best["best"]["params"].items()}
    assert params | {"tune.n_trials": 0} == {key: json.loads(value) for key, value in lines.items()}
    after = demo.read("params.yaml").splitlines()
    changed = [number for number, line in enumerate(before.splitlines()) if line != after[number]]
    assert len(lines) == len(changed)
    assert len(before.splitlines()) == len(after)
    assert 0 == demo.dvc("repro", "train").status
    history = demo.read("models/classifier/history.csv").splitlines()[1:]
    assert min(float(line.split(",")[-1]) for line in history) == pytest.approx(best["best"]["loss"], rel=0.05)  # uncalibrated


def test_a_table_of_ones_own(demo: Toy) -> None:
    """A CSV in data/ and two lines of params.yaml are enough: the breast cancer table, with classes as texts."""
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    frame.rename(columns={"target": "diagnosis"}).to_csv(demo.root / "data/cancer.csv", index=False)
    assert 0 == demo.dvc("add", "data/cancer.csv").status
    for key, value in {
        "data.path": "data/cancer.csv",
        "data.target": "diagnosis",
        "train.network": "auto",
        "train.tabm.max_epochs": "3",
        "train.blend": "[trees]",
        "train.trees.n_models": "2",
        "train.trees.n_estimators": "100",
        "explain.rows": "10",
    }.items():
        change(demo, key, value)
    done = demo.run(*REPRO)
    assert 0 == done.status, done.text
    auc = json.loads(demo.read("reports/evaluation/metrics.json"))["classifier"]["roc_auc"]
    assert abs(auc["n"] - 569 / 5) <= 2 * 2  # two rows per class
    assert json.loads(demo.read("reports/metrics.json"))["roc_auc"] == auc["value"] > 0.97
    assert "malignant" in demo.read("reports/report.md")
    assert "The pipeline is in order" in demo.run(sys.executable, "-m", "veritable", "lint")


@pytest.mark.slow
def test_more_than_two_classes(demo: Toy) -> None:
    """Every stage handles three classes."""
    for key, value in {"generate.n_classes": "3", "generate.n_informative": "4"}.items():
        change(demo, key, value)
    call(demo, "generate", *AFTER_GENERATE)
    assert None is json.loads(demo.read("reports/metrics.json"))["threshold"]


MISTAKES = {
    "an unknown key": ("data.seed", "1\n  sead: 1", "params.yaml has no key 'data.sead'. Did you mean 'data.seed'?"),
    "a wrong type": (
        "train.mlp.max_epochs",
        "ten",
        "'train.mlp.max_epochs' in params.yaml must be a valid integer, but is 'ten'.",
    ),
    "out of range": ("train.mlp.dropout", "1.5", "'train.mlp.dropout' in params.yaml must be less than 1, but is 1.5."),
    "an unknown key in the search space": (
        "tune.space",
        "\n    mlp.droput: [0.1]",
        "'tune.space.mlp.droput' in params.yaml must name a parameter of train, but there is no 'train.mlp.droput'.",
    ),
    "a missing file": (
        "data.path",
        "data/nowhere.csv",
        "'data.path' in params.yaml must be a table, but 'data/nowhere.csv' does not exist. Correct the path.",
    ),
    "a missing target": ("data.target", "churn", "data.target must name a column of the table, but names 'churn'."),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_sentence(demo: Toy, what: str) -> None:
    """A mistake is one sentence without a traceback, with exit code 1, and the report stays as it was."""
    key, value, sentence = MISTAKES[what]
    change(demo, key, value)
    report = (demo.root / "reports/report.html").read_bytes()
    done = demo.run(*REPRO) if what == "a missing target" else veritable(demo, "repro")
    assert 0 != done.status
    assert sentence in done.text
    assert "Traceback" not in done.text
    assert report == (demo.root / "reports/report.html").read_bytes()


def test_a_bad_table_is_one_sentence(demo: Toy) -> None:
    """A target with one class is one sentence, and the earlier outputs stay. See also test_bad_input.py."""
    before = demo.read("data/prepared/contract.json")
    demo.write("data/bad.csv", "\n".join(["x,y", *["1,a", "2,"] * 9]) + "\n")
    change(demo, "data.path", "data/bad.csv")
    change(demo, "data.target", "y")
    done = demo.dvc("repro", "preprocess")
    assert 0 != done.status
    assert "must have at least two classes, but has one: 'a' (9 rows)" in done.text
    assert "Traceback" not in done.text
    assert "Earlier outputs restored: data/prepared, reports/findings.json." in done.text
    assert before == demo.read("data/prepared/contract.json")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["1,a"] * 9, "must have at least two classes, but has one: 'a' \\(9 rows\\)"),
        (["1,a", "2,b,c"] * 9, "line 3"),
        ([], "must have rows, but has none"),
    ],
)
def test_other_bad_tables(demo: Toy, rows: list[str], sentence: str) -> None:
    """A target with one class, an invalid row and an empty table are one sentence each."""
    demo.write("data/bad.csv", "\n".join(["x,y", *rows]) + "\n")
    change(demo, "data.path", "data/bad.csv")
    change(demo, "data.target", "y")
    with pytest.raises(UserError, match=sentence):
        call(demo, "preprocess")


def test_yaml_is_read_as_dvc_reads_it(demo: Toy) -> None:
    """Files are YAML 1.2: 1e-3 is a number, and a duplicate key is refused."""
    change(demo, "train.mlp.learning_rate", "1e-3")
    assert [] == ran(demo.run(*REPRO).text)
    demo.write("params.yaml", demo.read("params.yaml") + "\nevaluate: {}\n")
    done = veritable(demo, "repro")
    assert 1 == done.status
    assert "evaluate" in done.text


def test_another_version_runs_what_uses_it(demo: Toy, tmp_path: Path) -> None:
    """If a library has another version, `dvc repro` runs the stages that use it, and no other."""
    info = next((Path(sys.prefix) / "lib").rglob("shap-*.dist-info"))
    shutil.copytree(info, tmp_path / "site" / info.name)
    metadata = tmp_path / "site" / info.name / "METADATA"
    metadata.write_text(re.sub(r"^Version: .*$", "Version: 0.0.1", metadata.read_text(), flags=re.MULTILINE))
    done = demo.dvc("repro", "code", PYTHONPATH=str(tmp_path / "site"))
    assert (0, True) == (done.status, "Running stage 'code'" in done), done.text
    assert "package shap 0.0.1\n" in demo.read("code/explain.txt")
    assert ["explain", "report"] == would_run(demo, "train", "explain", "report")


PAGES = ["README.md", *(f"docs/{name}.md" for name in ("own-table", "cross-validation", "tune", "predict", "share"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_documentation_does_what_it_says(demo: Toy, page: str) -> None:
    """Every line of a page's shell blocks that begins with dvc, python or cp runs as it is, except those with a URL."""
    blocks = re.findall(r"```sh\n(.*?)```", (HERE / page).read_text(), re.DOTALL)
    commands = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [each for each in commands if each.startswith(("dvc ", "python ", "cp ")) and "URL" not in each]
    assert commands
    shutil.copy(demo.root / "data/raw/demo.csv", demo.root / "data/mine.csv")
    demo.dvc("remote", "add", "--default", "store", str(demo.root.parent / "store"))
    for command in commands:
        done = demo.run("sh", "-c", command)
        assert 0 == done.status, f"{command}\n{done.text}"


def test_a_table_beside_the_demo_is_safe(demo: Toy) -> None:
    """Neither a run nor `make clean` deletes a user's file in data/raw."""
    demo.write("data/raw/mine.csv", "a,y\n1,2\n")
    change(demo, "generate.seed", "1")
    assert ["generate"] == ran(demo.dvc("repro", "generate").text)
    demo.run("make", "clean")
    assert "a,y\n1,2\n" == demo.read("data/raw/mine.csv")
    assert not (demo.root / "data/raw/demo.csv").exists()
    assert "" == demo.git("status", "--porcelain", "--", "models", "reports").text


def test_mistakes_in_the_files_themselves(demo: Toy) -> None:
    """A missing or invalid params.yaml, and a run in a subfolder, are one sentence each."""
    (demo.root / "sub").mkdir()
    runs = [veritable(Toy(demo.root / "sub"), "repro")]
    for content in (b"[1, 2]\n", b"\xff\xfe\x00", b"train: 5\n"):
        (demo.root / "params.yaml").write_bytes(content)
        runs.append(veritable(demo, "repro"))
    (demo.root / "params.yaml").unlink()
    runs.append(demo.run(*REPRO))
    assert [1] * 5 == [each.status for each in runs]
    assert [] == [each.text for each in runs if "Traceback" in each.text]


def test_classes_that_are_numbers(demo: Toy) -> None:
    """The confusion matrix marks correct rows also if the names of the classes are numbers, as they are in the demo."""
    html = demo.read("reports/report.html")
    assert (2, 2, 0) == tuple(html.count(f'<td class="{kind}"') for kind in ("right", "wrong", "mixed"))


@pytest.mark.slow
def test_no_output_holds_what_was_pseudonymised(demo: Toy) -> None:
    """Outputs, cache and temporary files of a run, and predictions, have pseudonyms only; another key is refused."""
    key, raw = "k" * 40, ("Zorblax", "Quuxville", "Fnordham", "Xyzzyism", "Plughism")
    rows = [f"Zorblax-{i // 2},{raw[1 + i % 2]},{raw[3 + i // 3 % 2]},{i * 37 % 101},{'yn'[i * i % 7 > 3]}" for i in range(300)]
    table = "\n".join(["person,city,faith,age,target", *rows]) + "\n"
    demo.write("data/people.csv", table)
    changes = {"path": "data/people.csv", "id": "person", "sensitive": "[faith]", "pseudonymise": "[person, city, faith]"}
    for name, value in (changes | {"pseudonym_key": f'"{fingerprint(key)}"'}).items():
        change(demo, f"data.{name}", value)
    refused = demo.run(*REPRO, VERITABLE_PSEUDONYM_KEY="q" * 40)
    assert refused.status == 1
    assert "must have the fingerprint" in refused
    done = demo.run(*REPRO, timeout=300, VERITABLE_PSEUDONYM_KEY=key)
    assert done.status == 0, done.text
    predict = (sys.executable, "-m", "veritable", "predict", "models/classifier", "data/people.csv", "-o", "scored.csv")
    assert "which is not set" in demo.run(*predict)
    assert demo.run(*predict, VERITABLE_PSEUDONYM_KEY=key).status == 0
    files = [each for each in demo.root.rglob("*") if each.is_file() and each.name != "people.csv"]
    assert [] == [each for each in files if any(value.encode() in each.read_bytes() for value in raw)]
    assert [] == [value for value in (*raw, key) if value in done.text]
    assert [] == ran(demo.dvc("repro", "preprocess").text)  # nobody needs the key to run nothing
