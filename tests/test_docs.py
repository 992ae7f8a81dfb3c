"""The documentation agrees with the repository: links, parameters, commands, code blocks."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.rooms import ROOT

CARD = ROOT / "docs/model-card.md"  # belongs to the user
DOCS = [page for page in sorted((ROOT / "docs").glob("*.md")) if page != CARD]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@every_page
def test_links(page: Path) -> None:
    """Each link to a file leads to a file, and its anchor to a heading."""
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_table_of_contents() -> None:
    """docs/index.md links every page of docs/."""
    index = (ROOT / "docs/index.md").read_text()
    assert [] == [page.name for page in PAGES if page.parent.name == "docs" and f"({page.name})" not in index + "(index.md)"]


def keys(params: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, value in params.items():
        found |= {f"{prefix}{key}"} | (keys(value, f"{prefix}{key}.") if isinstance(value, dict) else set())
    return found


@every_page
def test_parameters(page: Path) -> None:
    """Each parameter that is named, such as `train.n_splits`, exists in params.yaml."""
    if page.name == "CHANGELOG.md":
        return  # names those that are gone
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    sections = "|".join(params)
    named = re.findall(rf"`((?:{sections})\.[\w.]+)", page.read_text()) + re.findall(r"-S ([\w.]+)=", page.read_text())
    assert [] == [name for name in named if name not in keys(params)]


@every_page
def test_commands_exist(page: Path) -> None:
    """Each make target and each command of `python -m veritable` that is named exists."""
    text = page.read_text()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", text)) | set(re.findall(r"^make ([\w-]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"python -m veritable (\w+)", text)) <= {
        "repro",
        "lint",
        "apply",
        "check",
        "compare",
        "promote",
        "prove",
        "predict",
        "explain",
        "annex",
        "share",
        "fetch",
        "fsck",
    }


@every_page
def test_code_blocks_parse(page: Path) -> None:
    """Each block of Python or YAML parses."""
    for block in blocks(page, "python"):
        ast.parse(block)
    for block in blocks(page, "yaml"):
        YAML(typ="safe").load(block)


@pytest.mark.parametrize("name", ["docs/ci-example.yml", ".pre-commit-config.yaml"])
def test_examples_parse(name: str) -> None:
    """The example workflow and the pre-commit configuration are YAML, and the files that they run exist."""
    text = (ROOT / name).read_text()
    assert YAML(typ="safe").load(text)
    assert set(re.findall(r"make (\w+)", text)) <= {"setup", "repro"}
