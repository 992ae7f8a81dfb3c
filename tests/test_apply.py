"""`python -m veritable apply` writes the result of the search into params.yaml and changes nothing else in it."""

import difflib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rooms import ROOT, section
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
    "trees.num_leaves": 64,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the template's params.yaml."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def write_tuning(folder: Path, best: Mapping[str, Any] = BEST, *, better: bool = True, **base: Any) -> None:
    """Write the result of a search that started from the template's params with the changes in `base`."""
    train = TrainParams.parse("train", section("train", **base))
    before = {key: getattr(getattr(train, key.split(".")[0]), key.split(".")[1]) for key in best}
    trials = (Trial(1, "complete", 0.4, 9, before), Trial(2, "complete", 0.39 if better else 0.41, 9, dict(best)))
    (folder / "models").mkdir(exist_ok=True)
    start: dict[str, Any] = {
        "data.path": section("data")["path"],
        "train.network": train.network,
        **{f"train.tabm.{key}": value for key, value in train.tabm.model_dump().items()},
        **{f"train.{key}": value for key, value in before.items()},
    }
    Tuning(trials, start, searched=tuple(best)).write(folder / "models/tuning")


def new_lines(before: str, after: str) -> list[str]:
    return [line[1:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("+ ")]


class TestApply:
    def test_only_the_best_params_change(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Only the best values change in params.yaml, the comments stay in their columns, and each change is printed."""
        write_tuning(folder)
        before = (folder / "params.yaml").read_text()
        assert 0 == main(["apply"])
        after = (folder / "params.yaml").read_text()
        assert [
            "     hidden_layer_sizes: [128, 128]  # units of each hidden layer; [] is a linear model",
            "     d_block: 256               # units of a block, a multiple of 8",
            "     dropout: 0.23",
            "     weight_decay: 1e-05",
        ] == new_lines(before, after)
        *lines, last = capsys.readouterr().out.splitlines()
        assert [
            "train.mlp.hidden_layer_sizes [64, 64] -> [128, 128]",
            "train.tabm.d_block 192 -> 256",
            "train.tabm.dropout 0.1 -> 0.23",
            "train.tabm.weight_decay 0.0003 -> 1e-05",
        ] == lines
        assert "`dvc repro`" in last
        assert ["params.yaml"] == [path.name for path in folder.iterdir() if path.is_file()]

    def test_the_search_is_over(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """tune.n_trials becomes 0, so that `dvc repro` does not search again from the new values."""
        change_values(folder / "params.yaml", {"tune.n_trials": 40})
        write_tuning(folder)
        assert 0 == main(["apply"])
        assert 0 == read_yaml(folder / "params.yaml")["tune"]["n_trials"]
        assert "tune.n_trials 40 -> 0" in capsys.readouterr().out.splitlines()

    def test_again(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The second time, nothing changes."""
        write_tuning(folder)
        assert 0 == main(["apply"])
        once = (folder / "params.yaml").read_text()
        capsys.readouterr()
        assert 0 == main(["apply"])
        assert once == (folder / "params.yaml").read_text()
        assert capsys.readouterr().out.startswith("params.yaml already has the best params.")

    def test_nothing_better(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """If the current params were the best, nothing changes and the message says so."""
        write_tuning(folder, better=False)
        before = (folder / "params.yaml").read_text()
        assert 0 == main(["apply"])
        assert before == (folder / "params.yaml").read_text()
        assert "Nothing to apply: none of 2 parameter sets was better" in capsys.readouterr().out

    @pytest.mark.parametrize("there", [False, True])
    def test_no_result(self, folder: Path, capsys: pytest.CaptureFixture[str], there: bool) -> None:
        """Without the result of a search, the message tells how to get one."""
        if there:
            (folder / "models").mkdir()
            Tuning().write(folder / "models/tuning")
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
    def test_changed_params(
        self, folder: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
    ) -> None:
        """If params.yaml changed after the search, the result is rejected with the first param that differs."""
        write_tuning(folder)
        change_values(folder / "params.yaml", changes)
        before = (folder / "params.yaml").read_text()
        assert 1 == main(["apply"])
        assert words in capsys.readouterr().err
        assert before == (folder / "params.yaml").read_text()

    def test_another_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The folder of the result can be given. Without params.yaml in the working directory, the error is one sentence."""
        write_tuning(folder)
        (folder / "models/tuning").rename(folder / "other")
        assert 0 == main(["apply", "other"])
        (folder / "params.yaml").unlink()
        assert 1 == main(["apply", "other"])
        assert "params.yaml does not exist in this folder." in capsys.readouterr().err

    def test_invalid_params(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """An invalid params.yaml is rejected in one sentence."""
        write_tuning(folder)
        for text in (
            "[]\n",
            "train: 3\n",
            "a: [\n",
            (ROOT / "params.yaml").read_text().replace("dropout: 0.1", "dropout: 1.1"),
        ):
            (folder / "params.yaml").write_text(text)
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


DVC_STYLE = """\
train:
  mlp:
    hidden_layer_sizes:           # units of each hidden layer
    - 128
    - 64  # two
    activation: relu      # as dvc exp run -S writes it
    patience:             # null
    space:
    - - 32
    - - 64
      - 64

  # Trees
  trees:
    drop: [a,
           b]             # two lines
    rounds: '12'
    name:   é😀            # non-ASCII
"""


class TestChangeValues:
    @pytest.mark.parametrize("value", [0.5, [[32], [64, 64]], {"a": [-9]}, None, True, "none", "null", "é # c: 'd'"], ids=str)
    def test_every_param_of_the_template(self, tmp_path: Path, value: Any) -> None:
        """Each param can be set to any value. Only its line changes, and the comment of the line stays."""
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
        ("key", "value", "before", "after"),
        [
            ("mlp.hidden_layer_sizes", [32], "sizes:           # units of each hidden layer\n    - 128\n    - 64  # two\n",
             "sizes: [32]      # units of each hidden layer  # two\n"),
            ("mlp.activation", "gelu", "relu      #", "gelu      #"),
            ("mlp.patience", 8, "patience:             #", "patience: 8           #"),
            ("mlp.patience", None, "patience:             #", "patience: null        #"),
            ("mlp.space", [[8, 8]], "space:\n    - - 32\n    - - 64\n      - 64\n", "space: [[8, 8]]\n"),
            ("trees.drop", ["c"], "[a,\n           b]             #", "[c]             #"),
            ("trees.rounds", 20, "'12'", "20"),
            ("trees.name", "ü: 2", "é😀            #", "'ü: 2'        #"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
    def test_other_lines_stay(self, tmp_path: Path, key: str, value: Any, before: str, after: str, end: str) -> None:
        """All other bytes stay in a file that DVC wrote: comments below lists, empty values, quotes, line ends."""
        file = tmp_path / "params.yaml"
        file.write_bytes(DVC_STYLE.replace("\n", end).encode())
        change_values(file, {f"train.{key}": value})
        assert 1 == DVC_STYLE.count(before)
        assert DVC_STYLE.replace(before, after).replace("\n", end) == file.read_bytes().decode()

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("a: {x: 1, y: 2}\n", "a: {x: 7, y: 2}\n"),
            ("a:\n  x: 1      # why\n", "a:\n  x: 7      # why\n"),
            ("a:\n  x: 12345  # why\n", "a:\n  x: 7      # why\n"),
            ("a:\n  x:\n  # why\n  y: 2\n", "a:\n  x: 7\n  # why\n  y: 2\n"),
            ("a:\n  x:  # why\n", "a:\n  x: 7  # why\n"),
            ("a:\n  x: '1' # why\r\n  y: |\n    t\n", "a:\n  x: 7   # why\r\n  y: |\n    t\n"),
            ("a:\n  x:\n    - 1\n    - 2  # two\n  # why\n  y: 2\n", "a:\n  x: 7  # two\n  # why\n  y: 2\n"),
            ("a:\n  x:   # why\n  - 1\n  - [2]\n  y: 2\n", "a:\n  x: 7  # why\n  y: 2\n"),
            ("a:\n  x:\n  - 1", "a:\n  x: 7"),
            ("# é😀\na:\n  x: [1,\n      2]  # why\n", "# é😀\na:\n  x: 7  # why\n"),
            ('"a": {"x": 1}\n', '"a": {"x": 7}\n'),
            ("\ufeffa:\n  x: 1", "\ufeffa:\n  x: 7"),
        ],
    )
    def test_any_form(self, tmp_path: Path, before: str, after: str) -> None:
        """A value is replaced in place, whatever its form."""
        file = tmp_path / "p.yaml"
        file.write_bytes(before.encode())
        change_values(file, {"a.x": 7})
        assert after == file.read_bytes().decode()

    @pytest.mark.parametrize(
        "text",
        ["a: &z {x: 1}\nb: *z\n", "b: &z {x: 1}\na: {<<: *z}\n", "b: &z 1\na: {x: *z}\n", "a: {x: &z 1}\nb: *z\n", "a: 3\n",
         "a: {y: 1}\n", "{}\n"],
    )  # fmt: skip
    def test_rejected(self, tmp_path: Path, text: str) -> None:
        """A shared or missing value is rejected, and the file stays as it is."""
        file = tmp_path / "p.yaml"
        file.write_text(text)
        with pytest.raises(UserError, match=r"p.yaml must have a separate value for a.x, but does not. Change it by hand"):
            change_values(file, {"a.x": 7})
        assert text == file.read_text()
        assert ["p.yaml"] == [path.name for path in tmp_path.iterdir()]

    def test_interrupted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the new file cannot be put in place, the old one stays as it is and no temporary file remains."""

        def fail(*_: Any) -> None:
            raise OSError("disk full")

        file = tmp_path / "p.yaml"
        file.write_text("a: {x: 1}\n")
        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            change_values(file, {"a.x": 7})
        assert "a: {x: 1}\n" == file.read_text()
        assert ["p.yaml"] == [path.name for path in tmp_path.iterdir()]

    def test_several(self, tmp_path: Path) -> None:
        """Several values change in one call."""
        file = tmp_path / "p.yaml"
        file.write_text("a: {x: 1, y: 2}\nb:\n  - 3\nc: last\n")
        change_values(file, {"c": "first", "a.y": 1e-07, "b": [], "a.x": 22222})
        assert "a: {x: 22222, y: 1e-07}\nb: []\nc: first\n" == file.read_text()
        assert json.loads('{"a": {"x": 22222, "y": 1e-07}, "b": [], "c": "first"}') == read_yaml(file)
