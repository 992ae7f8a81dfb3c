"""The background is a random sample of the train part that travels with the classifier, or is withheld."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.rooms import prepared
from tests.test_classifier import classifier
from veritable.models.background import Background
from veritable.models.classifier import Classifier


@pytest.mark.parametrize("rows", [10, 180, 1000])
def test_draw(rows: int) -> None:
    """It has distinct rows of the train part with their classes, at most as many as asked for, and the size of the part."""
    train = prepared(300, 2).parts["train"]
    found = Background.draw(train, rows, seed=3)
    assert found is not None
    assert min(rows, 180) == len(found.X) == len(found.y)
    assert 180 == found.n_train
    places = [
        np.flatnonzero((train.X == each).all(axis=1) & (train.y == code)) for each, code in zip(found.X, found.y, strict=True)
    ]
    assert all(len(each) for each in places)
    again, other = (Background.draw(train, rows, seed) for seed in (3, 4))
    assert again is not None
    assert other is not None
    assert found.X.tobytes() == again.X.tobytes() != other.X.tobytes()


def test_withheld(tmp_path: Path) -> None:
    """With 0 rows there is none, and nothing of the train part is in the folder."""
    assert Background.draw(prepared(300, 2).parts["train"], 0, seed=0) is None
    classifier().save(tmp_path / "one")
    assert not [path for path in (tmp_path / "one").iterdir() if "background" in path.name]
    assert Classifier.load(tmp_path / "one").background is None


def test_travels_with_the_classifier(tmp_path: Path) -> None:
    """A loaded classifier has the background that it was saved with, to the bit."""
    background = Background.draw(prepared(300, 2).parts["train"], 50, seed=0)
    assert background is not None
    replace(classifier(), background=background).save(tmp_path / "one")
    found = Classifier.load(tmp_path / "one").background
    assert found is not None
    assert (background.X.tobytes(), background.y.tobytes(), background.n_train) == (found.X.tobytes(), found.y.tobytes(), 180)
