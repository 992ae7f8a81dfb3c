"""A pretrained model joins the blend: shown the train rows, weighed like any member, and saved with the classifier."""

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tests.rooms import prepared
from tests.training import inputs_of, train_plan
from veritable.errors import UserError
from veritable.models import pretrained as room
from veritable.models.classifier import Classifier
from veritable.models.pretrained import MemberFacts, Pretrained
from veritable.training.train import Trained, train_classifier

NUMPY = f"numpy=={metadata.version('numpy')}"


class Neighbors:
    """Stands for a foundation model: its weights are the number of neighbors."""

    def __init__(self, folder: Path, cardinalities: np.ndarray):
        self.k = int((folder / "weights.txt").read_text())
        self.width = len(cardinalities)

    def predict_proba(self, X_train: np.ndarray, y_train: np.ndarray, X: np.ndarray) -> np.ndarray:
        assert X.shape[1] == X_train.shape[1] == self.width
        if not len(X):
            return np.empty((0, y_train.max() + 1))
        return np.asarray(KNeighborsClassifier(self.k, algorithm="brute").fit(X_train, y_train).predict_proba(X))


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package provides the model "neighbors"."""
    point = metadata.EntryPoint("neighbors", "tests.test_pretrained:Neighbors", room.ENTRY_POINTS)
    monkeypatch.setattr(room.metadata, "entry_points", lambda group: [point] if group == room.ENTRY_POINTS else [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "weights"
    made.mkdir()
    (made / "weights.txt").write_text("7")
    write(made)
    return made


def write(folder: Path, **changes: Any) -> None:
    (folder / "member.json").write_text(json.dumps({"model": "neighbors", "package": NUMPY, "license": "MIT"} | changes))


def trained(scratch: Path, member: Path, classes: int = 2, **changes: Any) -> Trained:
    plan = train_plan(blend=["linear"], refit=True, **changes)
    scratch.mkdir()
    return train_classifier(replace(inputs_of(prepared(300, classes), plan, scratch), member=member))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("n_splits", [0, 2])
def test_part_of_the_blend(folder: Path, tmp_path: Path, classes: int, n_splits: int) -> None:
    """It has a share of the weights, is shown all rows of train and valid, and the classifier names its licence."""
    made = trained(tmp_path / "a", folder, classes, n_splits=n_splits).classifier
    (member,) = (each for each in made.ensemble.members if isinstance(each, Pretrained))
    done = prepared(300, classes)
    assert len(done.parts["train"]) + len(done.parts["valid"]) == len(member.X)
    assert {"model": "neighbors", "license": "MIT"} == made.facts["pretrained"]
    assert 0 < next(each["share"] for each in made.facts["blend"] if each["kind"] == "pretrained") < 1


def test_round_trip(folder: Path, tmp_path: Path) -> None:
    """The classifier's folder alone predicts the same bits, for raw rows as for encoded ones, even if the weights are gone."""
    made = replace(trained(tmp_path / "a", folder).classifier, threshold=0.5)
    X = prepared().parts["test"].X
    expected = made.predict_proba(X)
    made.save(tmp_path / "classifier")
    (folder / "weights.txt").unlink()
    again = Classifier.load(tmp_path / "classifier")
    np.testing.assert_array_equal(expected, again.predict_proba(X))
    np.testing.assert_array_equal(expected[:1], again.predict_proba(X[:1]))
    assert {"pretrained-1", "pretrained-1.safetensors"} <= {path.name for path in (tmp_path / "classifier").iterdir()}
    (tmp_path / "classifier/pretrained-1/more.txt").write_text("1")
    with pytest.raises(UserError, match=r"must have the checksum of 'pretrained-1/more\.txt', but lacks it"):
        Classifier.load(tmp_path / "classifier")


def test_probabilities_of_the_model(folder: Path) -> None:
    """Its scores are the logarithms of the model's probabilities; 0 counts as the smallest probability."""
    parts = prepared().parts
    train, X = parts["train"], parts["test"].X
    member = Pretrained.open(folder, np.ascontiguousarray(train.X), train.y, prepared().encoder.cardinalities)
    expected = KNeighborsClassifier(7, algorithm="brute").fit(train.X, train.y).predict_proba(X)
    np.testing.assert_allclose(expected, np.exp(member.scores(X)), atol=1e-12)
    assert (0, 2) == member.scores(X[:0]).shape


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"model": "oracle"},
            r"'oracle' must be an entry point 'veritable\.members' of an installed package, but known are: neigh",
        ),
        ({"package": "numpy==0.1"}, r"must run with the package 'numpy==0\.1', but version .* is installed"),
        ({"package": "tabular-oracle==1"}, r"'tabular-oracle==1', but it is not installed\. Install it"),
        ({"license": 3}, r"member\.json' must hold a valid string at 'license', but has 3\. Correct it"),
        ({"url": "x"}, r"member\.json' must not have the key 'url', but has it\. Correct it"),
    ],
)
def test_mistakes(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    """A model or a version that is not installed, and a wrong member.json, are one sentence."""
    write(folder, **changes)
    with pytest.raises(UserError, match=sentence):
        MemberFacts.read(folder).load(folder, np.zeros(1))


def test_no_facts(tmp_path: Path) -> None:
    """A folder without member.json is refused."""
    with pytest.raises(UserError, match=r"the file '.*member\.json' must exist, but does not"):
        MemberFacts.read(tmp_path)
