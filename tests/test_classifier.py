"""The classifier on disk: what was saved predicts the same from raw rows, anywhere, and cannot run code."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.rooms import HOSTILE, mixed_table, prepare_frame, prepared
from veritable.errors import UserError
from veritable.files import read_json
from veritable.networks.classifier import Classifier, build_network
from veritable.tables.errors import TableError

SPEC = {"hidden_sizes": [6], "activation": "gelu", "dropout": 0.3}


def classifier(classes: int = 2, threshold: float | None = 0.4, spec: dict[str, Any] = SPEC) -> Classifier:
    done = prepared(300, classes)
    torch.manual_seed(0)
    network = build_network(done.encoder, classes, spec)
    return Classifier(network, spec, done.encoder, done.contract, threshold if classes == 2 else None)


@pytest.mark.parametrize("classes", [2, 5])
def test_raw_rows_as_encoded_rows(classes: int) -> None:
    """Probabilities of raw rows are those of their encoding: one per class, summing to 1, in float64."""
    one = classifier(classes)
    test = prepared(300, classes).parts["test"]
    raw = one.predict_proba(mixed_table(300, classes).iloc[test.row])
    assert (len(test.y), classes) == raw.shape
    assert np.float64 == raw.dtype
    np.testing.assert_allclose(1, raw.sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(one.predict_encoded(test.X), raw)


def test_is_the_networks_softmax() -> None:
    """Probabilities are the softmax of the network's logits, without dropout, though it was left in training mode."""
    one, X = classifier(), prepared().parts["test"].X
    one.network.eval()
    expected = one.network(torch.from_numpy(X)).double().softmax(dim=1).detach().numpy()
    one.network.train()
    np.testing.assert_allclose(expected, one.predict_encoded(X), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 5])
def test_save_and_load(tmp_path: Path, classes: int) -> None:
    """A loaded classifier has the same classes and threshold, and gives the same probabilities bit for bit."""
    one = classifier(classes)
    one.save(tmp_path / "classifier")
    two = Classifier.load(tmp_path / "classifier")
    assert (one.classes, one.threshold, one.spec, one.encoder) == (two.classes, two.threshold, two.spec, two.encoder)
    rows = mixed_table(300, classes)
    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(rows))


def test_same_bytes(tmp_path: Path) -> None:
    """Saved twice, also after loading, it is the same files byte for byte: one of weights, one of JSON, no pickle."""
    classifier().save(tmp_path / "one")
    Classifier.load(tmp_path / "one").save(tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert {"weights.safetensors", "classifier.json"} == set(one)
    assert one == two


@pytest.mark.parametrize("hidden", [[], [6], [64, 64], [513, 130]])
@pytest.mark.parametrize("classes", [2, 5])
def test_any_company(hidden: list[int], classes: int) -> None:
    """A row has the same probabilities to the last bit alone, among others, and wherever it stands; no rows have none."""
    one, rows = classifier(classes, spec=SPEC | {"hidden_sizes": hidden}), mixed_table(300, classes)
    expected = one.predict_proba(rows)
    for size in (1, 7, 256, 299):
        pieces = [one.predict_proba(rows.iloc[start : start + size]) for start in range(0, len(rows), size)]
        np.testing.assert_array_equal(expected, np.concatenate(pieces))
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(expected[order], one.predict_proba(rows.iloc[order]))
    assert (0, classes) == one.predict_proba(rows.head(0)).shape


def test_many_rows() -> None:
    """More rows than one batch holds come in their order."""
    one, X = classifier(), np.tile(prepared().parts["test"].X, (100, 1))
    probabilities = one.predict_encoded(X)
    np.testing.assert_array_equal(probabilities[:60], probabilities[-60:])


def test_new_values() -> None:
    """Levels, gaps and sizes that the train part did not have still give probabilities."""
    rows = pd.DataFrame({"age": [None, 1e9], "colour": ["purple", None], "member": [None, "no"], "score": [None, -1e140]})
    probabilities = classifier().predict_proba(rows)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(1, probabilities.sum(axis=1))


def test_absent_column() -> None:
    """A column that no row of train lacked is needed, and named; another one counts as missing where it is absent."""
    with pytest.raises(TableError, match="needs the column 'score', which no row of its train part lacked"):
        classifier().predict_proba(mixed_table(5).drop(columns="score"))
    rows = mixed_table(5)
    np.testing.assert_array_equal(
        classifier().predict_proba(rows.assign(colour=None)), classifier().predict_proba(rows.drop(columns="colour"))
    )


def test_hostile_names(tmp_path: Path) -> None:
    """Names, levels and classes of any text survive saving."""
    frame = pd.DataFrame({name: np.arange(66.0) for name in HOSTILE} | {"levels": HOSTILE * 6})
    done = prepare_frame(frame.assign(target=[text.strip() for text in HOSTILE * 6]))
    Classifier(build_network(done.encoder, len(HOSTILE), SPEC), SPEC, done.encoder, done.contract, None).save(tmp_path)
    again = Classifier.load(tmp_path)
    assert sorted(HOSTILE) == again.classes
    assert (66, len(HOSTILE)) == again.predict_proba(frame).shape


@pytest.mark.parametrize("absent", ["classifier.json", "weights.safetensors"])
def test_no_classifier(tmp_path: Path, absent: str) -> None:
    """A folder that is missing or lacks a file is answered in one sentence that says what to do."""
    with pytest.raises(UserError, match=r"must hold a classifier, however it has no classifier\.json"):
        Classifier.load(tmp_path / "none")
    classifier().save(tmp_path)
    (tmp_path / absent).unlink()
    with pytest.raises(UserError, match=f"must hold a classifier, however it has no {absent}. Run `dvc repro train` first."):
        Classifier.load(tmp_path)


def test_json_is_plain(tmp_path: Path) -> None:
    """The JSON says what the network is built from, the classes, the threshold and the encoder."""
    classifier().save(tmp_path)
    content = read_json(tmp_path / "classifier.json")
    assert {"contract", "encoder", "network", "threshold"} == set(content)
    assert (["class 0", "class 1"], 0.4, SPEC) == (content["contract"]["classes"], content["threshold"], content["network"])


def test_needs_no_trainer() -> None:
    """To predict costs no import of Lightning, shap or matplotlib."""
    unwanted = ("pytorch_lightning", "shap", "matplotlib")
    code = f"import sys, veritable.networks.classifier; print([each for each in {unwanted} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
