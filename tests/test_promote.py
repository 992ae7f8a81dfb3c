"""`python -m veritable promote`, and the report that compares with the reference."""

import json
import sys
from pathlib import Path

from tests.conftest import Toy
from tests.pipeline import REPRO, change, ran, veritable
from veritable.cli.yaml_file import read_yaml

PROMOTE = (sys.executable, "-m", "veritable", "promote")


def test_the_report_compares_with_the_reference(repository: Toy, finished: Path) -> None:
    """The promoted version is a folder in DVC, and the report compares the next version with it by its tag."""
    demo, predictions = repository, (finished / "reports/evaluation/predictions.parquet").read_bytes()
    done = demo.run(*PROMOTE, "v1")
    assert 0 == done.status, done.text
    assert "models/reference holds the results of v1." in done
    assert "models/reference" == read_yaml(demo.root / "params.yaml")["report"]["reference"]
    assert predictions == (demo.root / "models/reference/evaluation/predictions.parquet").read_bytes()
    facts = json.loads(demo.read("models/reference/reference.json"))
    assert (".dir", "v1") == (facts["classifier"][-4:], facts["name"])
    assert (demo.root / "models/reference.dvc").is_file()

    made = demo.run(*REPRO)
    assert ["report"] == ran(made.text), made.text
    assert 0 == made.status, made.text
    page, text = demo.read("reports/report.html"), demo.read("reports/report.md")
    assert 'data-test="comparison-headline"' in page
    assert "## Compared with v1" in text
    assert "| train.mlp.max\\_epochs | 3 | 8 |" in text
    assert "The pipeline is in order" in demo.run(sys.executable, "-m", "veritable", "lint")

    demo.git("reset", "-q", "--soft", "v1")  # its classifier is not that of the workspace
    uncommitted = demo.run(*PROMOTE)
    assert (1, True) == (uncommitted.status, "the classifier of the workspace must be committed" in uncommitted), (
        uncommitted.text
    )
    demo.commit("the second version")
    again = demo.run(*PROMOTE)
    assert 0 == again.status, again.text
    second = (demo.root / "reports/evaluation/predictions.parquet").read_bytes()
    assert predictions != second == (demo.root / "models/reference/evaluation/predictions.parquet").read_bytes()


def test_what_cannot_be_promoted(demo: Toy) -> None:
    """A version whose params changed after its run is refused, and so is a folder that holds something else."""
    change(demo, "train.mlp.max_epochs", "9")
    demo.commit("without a run")
    outdated = demo.run(*PROMOTE)
    assert (1, True) == (outdated.status, "train in params.yaml changed after its last run" in outdated), outdated.text
    change(demo, "report.reference", "data/prepared")
    other = demo.run(*PROMOTE)
    assert (1, True) == (other.status, "data/prepared must be the folder of a reference" in other), other.text
    assert (demo.root / "data/prepared/contract.json").is_file()


def test_a_missing_reference_is_named(demo: Toy) -> None:
    """A folder that does not exist is an error that names the parameter."""
    change(demo, "report.reference", "models/v0")
    refused = veritable(demo, "repro")
    assert 1 == refused.status
    assert "'report.reference' in params.yaml must be the folder of a reference, but 'models/v0' does not exist." in refused


def test_the_default_is_no_reference(finished: Path) -> None:
    """Without a reference, the report has no comparison."""
    assert "comparison-headline" not in (finished / "reports/report.html").read_text()
