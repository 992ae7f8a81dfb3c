"""The technical documentation says what was measured, with hashes, and what a person owes."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.reports import facts
from tests.rooms import HOSTILE, ROOT
from veritable.cli import annex as command
from veritable.cli.main import main
from veritable.files import read_json, write_json
from veritable.reporting.annex_statements import OWED
from veritable.stage.pipeline import list_pipeline

CLASSES, COLUMNS = ["no", "yes", HOSTILE[0]], ["age", "colour", HOSTILE[3]]
CLAIM = re.compile(r"^(.*) \(([^ ]+), sha256 ([0-9a-f]{12})\)$", re.MULTILINE)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outputs of an invented run, in the working directory."""
    made = facts(CLASSES, COLUMNS, "target", 300, sensitive={"sex": ["f", "m"], HOSTILE[1]: [HOSTILE[4], None]})
    for folder in ("code", "data/prepared", "docs", "models/plan", "reports/evaluation", "reports/explanation"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("params.yaml", "docs/model-card.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "code/train.txt").write_text("python 3.11\npackage torch 2.13.0\n")
    (tmp_path / "code/pipeline.json").write_text(list_pipeline((ROOT / "dvc.yaml").read_text()))
    write_json(tmp_path / "data/prepared/table.json", made["table"])
    plan = {"network": "mlp", "n_splits": 4, "mlp": {"max_epochs": 3}, "trees": {"learning_rate": 0.05}}
    write_json(tmp_path / "models/plan/train.json", plan)
    write_json(tmp_path / "reports/findings.json", {"findings": made["findings"]})
    write_json(tmp_path / "reports/evaluation/metrics.json", made["results"])
    write_json(tmp_path / "reports/evaluation/groups.json", made["evaluation"]["groups"])
    write_json(tmp_path / "reports/evaluation/findings.json", {"findings": made["findings"]})
    write_json(tmp_path / "reports/explanation/explanation.json", made["explanation"])
    made["importance"].to_csv(tmp_path / "reports/explanation/importance.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_stale_stages", list)
    return tmp_path


def written() -> str:
    assert 0 == main(["annex", "-o", "out.md"])
    return Path("out.md").read_text("utf-8")


def plain(text: str) -> str:
    """Return a Markdown text without the backslashes of escapes."""
    return re.sub(r"\\([^\w\s])", r"\1", text)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in numbers(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in numbers(inner)]
    return [value] if isinstance(value, (int, float)) else []


def stands_in(number: str, file: Path) -> bool:
    """Return whether a file has a number, literally or before it was rounded."""
    text = file.read_text("utf-8")
    bare = number.replace(",", "")
    if re.search(rf"(?<![\d.])({re.escape(number)}|{re.escape(bare)})(?![\d]|\.\d)", text):
        return True
    digits = len(number.partition(".")[2])
    found = numbers(json.loads(text)) if file.suffix == ".json" else map(float, re.findall(r"\d+\.\d+(?:e-?\d+)?", text))
    return any(f"{each:.{digits}f}" == bare for each in found)


def test_each_number_stands_in_its_file(workspace: Path) -> None:
    """Each measured sentence names a file with its hash, and each number of the sentence stands in that file."""
    claims = [(plain(each[1]), Path(plain(each[2])), each[3]) for each in CLAIM.finditer(written())]
    assert len(claims) > 30
    assert {"reports/evaluation/metrics.json", "reports/evaluation/groups.json"} <= {str(file) for _, file, _ in claims}
    for sentence, file, digest in claims:
        assert hashlib.sha256(file.read_bytes()).hexdigest().startswith(digest), sentence
        for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", sentence):
            assert stands_in(number.rstrip(","), file), (number, sentence)


def test_an_altered_file_changes_its_hash(workspace: Path) -> None:
    """If a file changes, only the hashes of the sentences from it change; if none does, the bytes are the same."""
    before = written()
    assert before == written()
    file = workspace / "reports/evaluation/metrics.json"
    write_json(file, read_json(file) | {"added": 1})
    old, new = (CLAIM.findall(text) for text in (before, written()))
    changed = {plain(one[1]) for one, two in zip(old, new, strict=True) if one[2] != two[2]}
    assert {"reports/evaluation/metrics.json"} == changed


def test_every_statement_is_missing_or_stated(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The card as it comes states nothing; each statement is marked, and a filled card removes the marks."""
    missing = re.findall(r"^MISSING: (.*)\. State it below", written(), re.MULTILINE)
    assert sorted(OWED.values()) == sorted(missing)
    assert f"{len(OWED)} statements are missing." in capsys.readouterr().out
    card = workspace / "docs/model-card.md"
    card.write_text("\n\n".join(f"# {name}\n\nAbout {name}.\n\n- {HOSTILE[0]}" for name in OWED))
    stated = written()
    assert "MISSING:" not in stated
    assert [] == [name for name in OWED if f"About {name}." not in plain(stated)]


def test_the_card_has_a_heading_for_each_statement() -> None:
    """docs/model-card.md has exactly the headings that the documentation takes statements from."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/model-card.md").read_text(), re.MULTILINE)
    assert sorted(OWED) == sorted(headings)


def test_sections(workspace: Path) -> None:
    """The document has the nine sections of Annex IV in order."""
    assert [*"123456789"] == re.findall(r"^## (\d)\.", written(), re.MULTILINE)


def test_hostile_names(workspace: Path) -> None:
    """Names from the table are text: no HTML, and no line of their own."""
    text = written()
    assert not re.search(r"(?<!\\)<", text)
    assert "alert" in text


def test_stale_outputs(workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """If outputs do not belong to the current code, params and data, the document and the terminal say so."""
    assert "CAUTION" not in written()
    monkeypatch.setattr(command, "_stale_stages", lambda: ["train"])
    assert "**CAUTION: the outputs do not belong to the current code, params and data, because of: train." in written()
    assert "not up to date, because of: train. Run `dvc repro`" in capsys.readouterr().err


def test_missing_output(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an output, and without groups, the command says what to do."""
    (workspace / "reports/evaluation/groups.json").unlink()
    assert "MISSING: the accuracy for groups of persons. Name their columns in data.sensitive in params.yaml." in written()
    (workspace / "models/plan/train.json").unlink()
    assert 1 == main(["annex"])
    assert "models/plan/train.json does not exist. Run `dvc repro`, or `dvc pull`" in capsys.readouterr().err
