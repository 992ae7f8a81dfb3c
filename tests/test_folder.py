"""A damaged or hostile folder of a classifier: one sentence, never a crash and never a number."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.explaining import with_background
from tests.rooms import mixed_table, prepared
from tests.training import MLP_SPEC, others_of, untrained
from veritable.errors import UserError
from veritable.models.classifier import Classifier
from veritable.models.folder import CHECKSUMS, ModelFolder, write_checksums

ROWS = mixed_table(8)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a classifier with members of all kinds."""
    done, folder = prepared(300), tmp_path_factory.mktemp("sound") / "classifier"
    with_background(untrained(done, MLP_SPEC, 0.4, others=others_of(done)), done).save(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "classifier"))


def refusal(folder: Path) -> str:
    """Return why a folder is refused, after its checksums are made right: whoever alters a file can do that too."""
    write_checksums(folder)
    with pytest.raises(UserError) as error:
        Classifier.load(folder)
    return str(error.value).replace(str(folder), "F")


def test_coreutils_agree(sound: Path) -> None:
    """The checksums are those of `sha256sum -c`, of all files in the folder."""
    done = subprocess.run(["sha256sum", "-c", CHECKSUMS], cwd=sound, capture_output=True, text=True, check=True)
    names = {line.removesuffix(": OK") for line in done.stdout.splitlines()}
    assert {path.name for path in sound.iterdir()} - {CHECKSUMS} == names


@pytest.mark.parametrize(
    "name", ["classifier.json", "network-1.safetensors", "trees-1.txt", "forest-1.safetensors", "background.safetensors"]
)
def test_a_changed_file(folder: Path, name: str) -> None:
    """A file with one other bit is refused by name, and so is one without a checksum; an additional file is ignored."""
    data = bytearray((folder / name).read_bytes())
    data[-2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}' must have the checksum in SHA256SUMS, but was changed or damaged\. Train"):
        Classifier.load(folder)
    data[-2] ^= 1
    (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("not part of it")
    Classifier.load(folder)
    if name != "background.safetensors":  # explanations need it, predictions do not
        sums = (folder / CHECKSUMS).read_text().splitlines(keepends=True)
        (folder / CHECKSUMS).write_text("".join(line for line in sums if not line.endswith(f"{name}\n")))
        with pytest.raises(UserError, match=rf"must have the checksum of '{name}', but lacks it"):
            Classifier.load(folder)


@pytest.mark.parametrize("text", ["", "x\n", f"{'0' * 64}  ../x\n", f"{'0' * 63}  x\n", f"{'0' * 64} x\n"])
def test_damaged_checksums(folder: Path, text: str) -> None:
    """Checksums in another format, or of files elsewhere, are refused; without any, the error says how to write them."""
    (folder / CHECKSUMS).write_text(text)
    with pytest.raises(UserError, match="must hold lines of a checksum and a name in this folder, but is damaged"):
        ModelFolder.open(folder)
    (folder / CHECKSUMS).unlink()
    with pytest.raises(UserError, match=r"sha256sum \* > SHA256SUMS"):
        ModelFolder.open(folder)


def keys(*path: Any, value: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        inner = content
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return content

    return change


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (keys("weights", 0, value=float("nan")), "must hold a finite number at 'weights.0', but has nan"),
        (keys("weights", 0, value=-1.0), "must hold greater than or equal to 0 at 'weights.0', but has -1.0"),
        (keys("weights", value=[1.0]), "must hold a weight for each of"),
        (keys("threshold", value="0.4"), "must hold a valid number at 'threshold', but has '0.4'"),
        (keys("threshold", value=None), "must hold a threshold for two classes, and none for more, but holds None"),
        (keys("threshold", value=1.5), "must hold less than or equal to 1 at 'threshold', but has 1.5"),
        (keys("members", 0, value="pickle"), "at 'members.0', but has 'pickle'"),
        (keys("network", "hidden_layer_sizes", value=[10**9]), "must hold less than or equal to 65536"),
        (keys("network", "name", value="rnn"), "but has {"),
        (
            keys("encoder", "columns", 0, "scale", value=0.0),
            "must hold greater than 0 at 'encoder.columns.0.scale'",
        ),
        (keys("encoder", "columns", 0, "name", value="x"), "must hold an encoder of the columns that the contract uses"),
        (keys("encoder", "columns", value=[]), "must hold encoded columns with different names, but does not"),
        (keys("contract", "classes", value=["a", "a"]), "must hold two or more different classes"),
        (keys("contract", "reading", "database", value="sqlite:///x"), "must hold no database, query, max_rows, max_bytes"),
        (keys("contract", "target", value="x"), "one of them the target"),
        (keys("decision", value={"metric": "auc"}), "at 'decision.metric', but has 'auc'"),
        (keys("networks", value=10**9), "must not have the key 'networks', but has it"),
        (lambda content: [], "must hold an object, but has []"),
    ],
)
def test_a_rule_of_the_content(folder: Path, change: Callable[[Any], Any], rule: str) -> None:
    """Each value in classifier.json has a type and a range; a sentence names the file, the rule and the value."""
    file = folder / "classifier.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    text = refusal(folder)
    assert text.startswith("'F/classifier.json' must ")
    assert text.endswith(" Train it again, or fetch it again.")
    assert rule in text


def test_sizes_need_weights(folder: Path) -> None:
    """A network is not built if its file has fewer weights than the spec needs: the memory is that of the file."""
    file = folder / "classifier.json"
    file.write_text(json.dumps(keys("network", "hidden_layer_sizes", value=[65_536] * 32)(json.loads(file.read_text()))))
    assert refusal(folder).startswith("'F/network-1.safetensors' must hold the 133,")


TREES = [
    ("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
    ("split_feature=", "split_feature=99999999 "),
    ("left_child=", "left_child=2000000 "),
    ("left_child=", "left_child=-2000000 "),
    ("left_child=", "left_child=0 "),
    ("num_cat=0", "num_cat=50000"),
    ("num_leaves=", "num_leaves=9"),
    ("leaf_value=", "leaf_value=nan "),
    ("threshold=", "threshold=1e999 "),
    ("end of trees", "end"),
    ("is_linear=0", "is_linear=1"),
    ("version=v4", "version=v3"),
]


@pytest.mark.parametrize(("old", "new"), TREES, ids=[new.strip() for _, new in TREES])
def test_altered_trees(folder: Path, old: str, new: str) -> None:
    """Text that makes LightGBM crash, hang or read foreign memory is refused, or has no effect."""
    file = folder / "trees-1.txt"
    text = file.read_text()
    start = text.index(old)
    if new.endswith(" "):  # instead of the first number
        end = min(i for i in (text.find(" ", start), text.find("\n", start)) if i > 0)
        file.write_text(text[:start] + new.strip() + text[end:])
    else:
        file.write_text(text.replace(old, new, 1))
    if "num_cat" in new:
        write_checksums(folder)
        assert np.isfinite(Classifier.load(folder).predict_proba(ROWS)).all()
    else:
        assert refusal(folder).startswith("'F/trees-1.txt' must hold ")


FILES = ("classifier.json", "trees-1.txt", "network-1.safetensors", "forest-1.safetensors", "linear-1.safetensors")
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)


def attempt(folder: Path, name: str, data: bytes) -> None:
    """Load with another content of a file: the folder is refused, or its probabilities are probabilities."""
    file = folder / name
    earlier = file.read_bytes()
    try:
        file.write_bytes(data)
        write_checksums(folder)
        y_prob = Classifier.load(folder).predict_proba(ROWS)
    except UserError:
        return
    finally:
        file.write_bytes(earlier)
    assert np.isfinite(y_prob).all()
    np.testing.assert_allclose(1, y_prob.sum(axis=1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), seed=st.integers(0, 2**32), kind=st.sampled_from(["flip", "cut", "number", "insert"]))
def test_random_bytes(folder: Path, name: str, seed: int, kind: str) -> None:
    """Flipped bits, truncations, numbers and bytes anywhere in a file are refused, or probabilities remain probabilities."""
    draw = random.Random(seed)
    data = bytearray((folder / name).read_bytes())
    place = draw.randrange(len(data))
    if kind == "flip":
        data[place] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "number":
        data[place : place + 8] = draw.choice([b"99999999", b"-1 -1 -1", b"\xff" * 8, b"nan nan "])
    else:
        data[place:place] = draw.randbytes(5)
    attempt(folder, name, bytes(data))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, seed=st.integers(0, 2**32))
def test_random_values(folder: Path, value: Any, seed: int) -> None:
    """Any value at any place of classifier.json is refused, or probabilities remain probabilities."""
    draw = random.Random(seed)
    content = json.loads((folder / "classifier.json").read_text())
    inner, key = {"": content}, ""
    while isinstance(inner[key], dict | list) and inner[key] and draw.random() < 0.9:
        inner = inner[key]
        key = draw.choice(list(inner) if isinstance(inner, dict) else list(range(len(inner))))
    inner[key] = value
    attempt(folder, "classifier.json", json.dumps(inner[""] if key == "" else content).encode())
