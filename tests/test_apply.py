"""`python -m veritable apply` writes the best params of the search into params.yaml, and changes nothing else."""

import difflib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rooms import ROOT, section
from veritable.cli.apply import flatten
from veritable.cli.main import main
from veritable.cli.yaml_file import change_values, read_yaml
from veritable.errors import UserError
from veritable.training.params import TrainParams
from veritable.training.trials import Trial, Tuning

BEST = {
    "tabm.dropout": 0.23,
    "tabm.d_block": 256,
    "mlp.hidden_layer_sizes": [128, 128],
    "tabm.weight_decay": 1e-05,
    "trees.num_leaves": 31,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the template's params.yaml."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def search(place: Path, best: Mapping[str, Any] = BEST, *, better: bool = True, **base: Any) -> None:
    """Write the result of a search that started from the template's params, changed by `base`."""
    train = TrainParams.parse("train", section("train", **base))
    before = {key: getattr(getattr(train, key.split(".")[0]), key.split(".")[1]) for key in best}
    trials = (Trial(1, "complete", 0.4, 9, before), Trial(2, "complete", 0.39 if better else 0.41, 9, dict(best)))
    (place / "models").mkdir(exist_ok=True)
    start = dict(flatten({"data": {"path": section("data")["path"]}, "train": train.model_dump()}))
    Tuning(trials, start, searched=tuple(best)).write(place / "models/tuning")


def differing(before: str, after: str) -> list[str]:
    return [line[1:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("+ ")]


class TestApply:
    def test_only_the_best_knobs_change(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Only the changed values of the template's params.yaml differ, their comments stay, and each change is printed."""
        search(place)
        before = (place / "params.yaml").read_text()
        assert 0 == main(["apply"])
        after = (place / "params.yaml").read_text()
        assert [
            "     hidden_layer_sizes: [128, 128] # units of each hidden layer; [] is a linear model",
            "     d_block: 256               # units of a block, a multiple of 8",
            "     dropout: 0.23",
            "     weight_decay: 1e-05",
        ] == differing(before, after)
        *lines, last = capsys.readouterr().out.splitlines()
        assert [
            "train.mlp.hidden_layer_sizes [64, 64] -> [128, 128]",
            "train.tabm.d_block 192 -> 256",
            "train.tabm.dropout 0.1 -> 0.23",
            "train.tabm.weight_decay 0.0003 -> 1e-05",
        ] == lines
        assert "`dvc repro`" in last
        assert ["params.yaml"] == [path.name for path in place.iterdir() if path.is_file()]

    def test_the_search_is_over(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """tune.n_trials becomes 0, so that `dvc repro` does not search again."""
        change_values(place / "params.yaml", {"tune.n_trials": 40})
        search(place)
        assert 0 == main(["apply"])
        assert 0 == read_yaml(place / "params.yaml")["tune"]["n_trials"]
        assert "tune.n_trials 40 -> 0" in capsys.readouterr().out.splitlines()

    def test_again(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A second application changes nothing."""
        search(place)
        assert 0 == main(["apply"])
        once = (place / "params.yaml").read_text()
        capsys.readouterr()
        assert 0 == main(["apply"])
        assert once == (place / "params.yaml").read_text()
        assert capsys.readouterr().out.startswith("params.yaml already has the best params.")

    def test_nothing_better(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """If the current params were the best, a message says so and nothing changes."""
        search(place, better=False)
        before = (place / "params.yaml").read_text()
        assert 0 == main(["apply"])
        assert before == (place / "params.yaml").read_text()
        assert "Nothing to apply: none of 2 parameter sets was better" in capsys.readouterr().out

    @pytest.mark.parametrize("there", [None, "empty"])
    def test_no_result(self, place: Path, capsys: pytest.CaptureFixture[str], there: str | None) -> None:
        """Without the result of a search, the message says how to get one."""
        if there:
            (place / "models").mkdir()
            Tuning().write(place / "models/tuning")
        assert 1 == main(["apply"])
        assert "models/tuning must hold the result of a search, but holds none. Set tune.n_trials" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"train.tabm.max_epochs": 20}, "train.tabm.max_epochs was 40 in the search and is now 20"),
            ({"train.tabm.dropout": 0.3}, "train.tabm.dropout was 0.1 in the search and is now 0.3"),
            ({"train.network": "resnet"}, "train.network was auto in the search and is now resnet"),
            ({"data.path": "data/mine.csv"}, "data.path was data/raw/demo.csv in the search and is now data/mine.csv"),
        ],
    )
    def test_of_other_params(
        self, place: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
    ) -> None:
        """The result of a search from other params is refused; the message names the first that differs."""
        search(place)
        change_values(place / "params.yaml", changes)
        before = (place / "params.yaml").read_text()
        assert 1 == main(["apply"])
        assert words in capsys.readouterr().err
        assert before == (place / "params.yaml").read_text()

    def test_in_another_place(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Another folder can be given; a missing params.yaml is one sentence."""
        search(place)
        (place / "models/tuning").rename(place / "elsewhere")
        assert 0 == main(["apply", "elsewhere"])
        (place / "params.yaml").unlink()
        assert 1 == main(["apply", "elsewhere"])
        assert "params.yaml does not exist in this folder" in capsys.readouterr().err

    def test_params_that_cannot_be(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An invalid params.yaml is refused without a traceback."""
        search(place)
        for text in (
            "[]\n",
            "train: 3\n",
            "a: [\n",
            (ROOT / "params.yaml").read_text().replace("dropout: 0.1", "dropout: 1.1"),
        ):
            (place / "params.yaml").write_text(text)
            assert 1 == main(["apply"])
            message = capsys.readouterr().err
            assert "params.yaml" in message
            assert "Traceback" not in message


KEYS = [
    (f"{name}.{key}" if inner is None else f"{name}.{key}.{inner}")
    for name in ("train", "evaluate", "data")
    for key, value in section(name).items()
    for inner in (value if name == "train" and isinstance(value, dict) else [None])
]


class TestChangeValues:
    @pytest.mark.parametrize("value", [0.5, 10**6, [1, 2], None, True, "none", "a b # c: 'd'"], ids=str)
    def test_every_knob_of_the_template(self, tmp_path: Path, value: Any) -> None:
        """Each param can be set to any value; only its line changes, and the comment stays."""
        file, text = tmp_path / "params.yaml", (ROOT / "params.yaml").read_text()
        file.write_text(text)
        wanted = read_yaml(file)
        for key in KEYS:
            *above, last = key.split(".")
            inner = wanted
            for each in above:
                inner = inner[each]
            inner[last] = value
        change_values(file, dict.fromkeys(KEYS, value))
        assert wanted == read_yaml(file)
        old, new = text.splitlines(), file.read_text().splitlines()
        assert len(old) == len(new)
        changed = [(one, two) for one, two in zip(old, new, strict=True) if one != two]
        assert len(KEYS) - 20 < len(changed) <= len(KEYS)
        for one, two in changed:
            assert one.partition(":")[0] == two.partition(":")[0]
            assert two.endswith(one.partition(" #")[2])

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a: {x: 1, y: 2}\n", "a: {x: 7, y: 2}\n"),
            ("a:\n  x: 1      # why\n", "a:\n  x: 7      # why\n"),
            ("a:\n  x: 12345  # why\n", "a:\n  x: 7      # why\n"),
            ("a:\n  x:\n  # why\n  y: 2\n", "a:\n  x: 7\n  # why\n  y: 2\n"),
            ("a:\n  x:  # why\n", "a:\n  x: 7 # why\n"),
            ("a:\n  x: '1' # why\r\n  y: |\n    t\n", "a:\n  x: 7   # why\r\n  y: |\n    t\n"),
            ("a:\n  x:   # why\n  - 1\n  - [2]\n  y: 2\n", "a:\n  x: 7 # why\n  y: 2\n"),
            ("# é😀\na:\n  x: [1,\n      2]  # why\n", "# é😀\na:\n  x: 7    # why\n"),
            ("b: &z {x: 1}\na: {<<: *z}\n", "b: &z {x: 1}\na: {<<: *z, x: 7}\n"),
            ("b: &z 1\na: {x: *z}\n", "b: &z 1\na: {x: 7}\n"),
            ('"a": {"x": 1}\n', '"a": {"x": 7}\n'),
            ("a:\n  x: 1", "a:\n  x: 7\n"),
        ],
    )
    def test_any_form(self, tmp_path: Path, before: str, after: str) -> None:
        """A value is replaced whatever its form, and comments stay."""
        file = tmp_path / "p.yaml"
        file.write_bytes(before.encode())
        change_values(file, {"a.x": 7})
        assert after == file.read_bytes().decode()

    @pytest.mark.parametrize(
        "text",
        ["a: &z {x: 1}\nb: *z\n", "a: 3\n", "a: {y: 1}\n", "{}\n"],
    )
    def test_cannot(self, tmp_path: Path, text: str) -> None:
        """A value that does not exist or is shared by an alias is refused, and the file stays as it is."""
        file = tmp_path / "p.yaml"
        file.write_text(text)
        with pytest.raises(UserError, match=r"p.yaml must hold a separate value for a.x"):
            change_values(file, {"a.x": 7})
        assert text == file.read_text()
        assert ["p.yaml"] == [path.name for path in tmp_path.iterdir()]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a:\n  x: [1, 2]  # why\n", "a:\n  x: [8, 16] # why\n"),
            ("a:\n  x:\n    - 1\n    - 2  # two\n  # why\n  y: 2\n", "a:\n  x:\n    - 8\n    - 16 # two\n  # why\n  y: 2\n"),
            ("a:\n  x:\n    - 1\n  # why\n  y: 2\n", "a:\n  x:\n    - 8\n    - 16\n  # why\n  y: 2\n"),
            ("a:\n  x: null  # why\n", "a:\n  x: [8, 16] # why\n"),
        ],
    )
    def test_lists(self, tmp_path: Path, before: str, after: str) -> None:
        """A list keeps its layout, and the comments around it stay."""
        file = tmp_path / "p.yaml"
        file.write_text(before)
        change_values(file, {"a.x": [8, 16]})
        assert after == file.read_text()

    def test_several(self, tmp_path: Path) -> None:
        """Several values can be changed at once."""
        file = tmp_path / "p.yaml"
        file.write_text("a: {x: 1, y: 2}\nb:\n  - 3\nc: last\n")
        change_values(file, {"c": "first", "a.y": 1e-07, "b": [], "a.x": 22222})
        assert "a: {x: 22222, y: 1e-07}\nb: []\nc: first\n" == file.read_text()
        assert json.loads('{"a": {"x": 22222, "y": 1e-07}, "b": [], "c": "first"}') == read_yaml(file)
