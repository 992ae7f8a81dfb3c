"""The classifier on disk: it predicts the same from raw rows after loading, and cannot run code."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.rooms import HOSTILE, mixed_table, prepare_frame, prepared
from tests.training import MLP_SPEC, NETWORKS, others_of, spec_of, train_plan, untrained
from veritable.errors import TableError, UserError
from veritable.files import read_json
from veritable.models.build import NETWORK_CLASSES as KNOWN
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble

KINDS = [*NETWORKS, "blend"]


@cache
def classifier(classes: int = 2, threshold: float | None = 0.4, kind: str = "mlp") -> Classifier:
    """Return an untrained classifier with one network, or a blend of two networks with all other kinds of members."""
    done = prepared(300, classes)
    if kind == "blend":
        return untrained(done, MLP_SPEC, threshold, networks=2, others=others_of(done))
    spec = MLP_SPEC if kind == "mlp" else spec_of(train_plan(kind), done.encoder.cardinalities, done.parts["train"])
    return untrained(done, spec, threshold)


def test_all_networks_are_tested() -> None:
    """Every network that params.yaml can name is tested here."""
    assert list(KNOWN) == list(NETWORKS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_raw_rows_as_encoded_rows(classes: int, kind: str) -> None:
    """Probabilities of raw rows are those of their encoding: one per class, summing to 1, in float64."""
    one = classifier(classes, kind=kind)
    test = prepared(300, classes).parts["test"]
    raw = one.predict_proba(mixed_table(300, classes).iloc[test.row])
    assert (len(test.y), classes) == raw.shape
    assert np.float64 == raw.dtype
    np.testing.assert_allclose(1, raw.sum(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(one.predict_proba(test.X), raw)


def test_is_the_networks_softmax() -> None:
    """Probabilities are the softmax of the logits without dropout, even in training mode."""
    one, X = classifier(), prepared().parts["test"].X
    (network,) = one.networks
    network.eval()
    expected = network(torch.from_numpy(X)).double().softmax(dim=1).detach().numpy()
    network.train()
    np.testing.assert_allclose(expected, one.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_save_and_load(tmp_path: Path, classes: int, kind: str) -> None:
    """A loaded classifier has the same classes and threshold, and the same probabilities, bit for bit."""
    one = classifier(classes, kind=kind)
    one.save(tmp_path / "classifier")
    two = Classifier.load(tmp_path / "classifier")
    assert (one.classes, one.threshold, one.spec, one.encoder) == (two.classes, two.threshold, two.spec, two.encoder)
    rows = mixed_table(300, classes)
    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes(tmp_path: Path, kind: str) -> None:
    """Saving twice, also after loading, writes the same bytes: arrays, LightGBM's text, JSON, and no pickle."""
    classifier(kind=kind).save(tmp_path / "one")
    Classifier.load(tmp_path / "one").save(tmp_path / "two")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    others = {"network-2.safetensors", "trees-1.txt", "trees-2.txt", "forest-1.safetensors", "linear-1.safetensors"}
    more = others if kind == "blend" else set()
    assert {"network-1.safetensors", "classifier.json", "SHA256SUMS"} | more == set(one)
    assert one == two


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_any_company(kind: str, classes: int) -> None:
    """The probabilities of a row are the same bits alone, among others and in any position; no rows give an empty result."""
    one, rows = classifier(classes, kind=kind), mixed_table(300, classes)
    expected = one.predict_proba(rows)
    for size in (1, 7, 256, 299):
        pieces = [one.predict_proba(rows.iloc[start : start + size]) for start in range(0, len(rows), size)]
        np.testing.assert_array_equal(expected, np.concatenate(pieces))
    order = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(expected[order], one.predict_proba(rows.iloc[order]))
    assert (0, classes) == one.predict_proba(rows.head(0)).shape


def test_many_rows() -> None:
    """More rows than a batch are predicted in their order."""
    one, X = classifier(), np.tile(prepared().parts["test"].X, (100, 1))
    probabilities = one.predict_proba(X)
    np.testing.assert_array_equal(probabilities[:60], probabilities[-60:])


@pytest.mark.parametrize("kind", KINDS)
def test_new_values(kind: str) -> None:
    """Levels, missing values and sizes that the train part lacks have probabilities."""
    rows = pd.DataFrame({"age": [None, 1e9], "colour": ["purple", None], "member": [None, "no"], "score": [None, -1e140]})
    probabilities = classifier(kind=kind).predict_proba(rows)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(1, probabilities.sum(axis=1))


def test_absent_column() -> None:
    """A column without missing values in train is required; any other absent column counts as missing."""
    with pytest.raises(TableError, match="must have the column 'score', because no row of the train part lacks it"):
        classifier().predict_proba(mixed_table(5).drop(columns="score"))
    rows = mixed_table(5)
    np.testing.assert_array_equal(
        classifier().predict_proba(rows.assign(colour=None)), classifier().predict_proba(rows.drop(columns="colour"))
    )


def test_hostile_names(tmp_path: Path) -> None:
    """Names, levels and classes with any text can be saved."""
    frame = pd.DataFrame({name: np.sqrt(np.arange(66)) for name in HOSTILE} | {"levels": HOSTILE * 6})
    done = prepare_frame(frame.assign(target=[text.strip() for text in HOSTILE * 6]))
    untrained(done, others=others_of(done)).save(tmp_path)
    again = Classifier.load(tmp_path)
    assert sorted(HOSTILE) == again.classes
    assert (66, len(HOSTILE)) == again.predict_proba(frame).shape


@pytest.mark.parametrize(
    "absent", ["classifier.json", "network-1.safetensors", "network-2.safetensors", "trees-2.txt", "forest-1.safetensors"]
)
def test_no_classifier(tmp_path: Path, absent: str) -> None:
    """A folder that does not exist, or lacks a file, is refused with the name of the file."""
    with pytest.raises(UserError, match=r"must hold a classifier, but '.*/none/classifier\.json' does not exist"):
        Classifier.load(tmp_path / "none")
    classifier(kind="blend").save(tmp_path)
    (tmp_path / absent).unlink()
    with pytest.raises(UserError, match=f"must hold a classifier, but '.*/{absent}' does not exist"):
        Classifier.load(tmp_path)


def test_json_is_plain(tmp_path: Path) -> None:
    """The JSON file holds the spec of the networks, the kinds and weights of the members, and no arrays."""
    one = classifier(kind="blend")
    one.save(tmp_path)
    content = read_json(tmp_path / "classifier.json")
    assert {"contract", "encoder", "network", "members", "weights", "threshold", "decision"} == set(content)
    assert (["class 0", "class 1"], 0.4) == (content["contract"]["classes"], content["threshold"])
    assert ["network", "network", "trees", "trees", "forest", "linear"] == content["members"]
    assert (MLP_SPEC, list(one.ensemble.weights)) == (content["network"], content["weights"])


def test_facts() -> None:
    """The facts describe the composition: the share of the weights by kind, and their inverse sum, the temperature."""
    blend = [
        {"kind": "network", "models": 2, "share": 0.2},
        {"kind": "trees", "models": 2, "share": 0.4},
        {"kind": "forest", "models": 1, "share": 0.2},
        {"kind": "linear", "models": 1, "share": 0.2},
    ]
    assert {"network": "mlp", "blend": blend, "temperature": 0.8} == classifier(kind="blend").facts
    alone = [{"kind": "network", "models": 1, "share": 1.0}]
    assert {"network": "tabm", "blend": alone, "temperature": 1.0} == classifier(kind="tabm").facts


def test_bins_survive(tmp_path: Path) -> None:
    """The bin edges are unchanged after loading."""
    one = classifier(kind="tabm")
    one.save(tmp_path)
    assert one.spec["bins"] == Classifier.load(tmp_path).spec["bins"]
    assert any(one.spec["bins"])


def test_the_blend_predicts() -> None:
    """A classifier predicts the blend, not one of its members alone."""
    one, X = classifier(kind="blend"), prepared().parts["test"].X
    np.testing.assert_array_equal(one.ensemble.predict_proba(X), one.predict_proba(X))
    for member in one.ensemble.members:
        assert not np.allclose(Ensemble((member,), (1.0,)).predict_proba(X), one.predict_proba(X))


@pytest.mark.parametrize("kind", ["network", "trees", "forest", "linear"])
def test_without_a_kind(tmp_path: Path, kind: str) -> None:
    """A blend may lack any kind of member, the networks too; saved over another classifier, only the newer one is loaded."""
    one = classifier(kind="blend")
    one.save(tmp_path)
    others = [member for member in one.ensemble.members if member.kind != kind]
    other = replace(one, ensemble=Ensemble(tuple(reversed(others)), tuple(np.linspace(0.1, 0.4, len(others)).tolist())))
    other.save(tmp_path)
    again, X = Classifier.load(tmp_path), prepared().parts["test"].X
    np.testing.assert_array_equal(other.predict_proba(X), again.predict_proba(X))
    assert other.facts == again.facts
    assert (0 if kind == "network" else 2) == len(again.networks)


def test_needs_no_trainer() -> None:
    """Prediction imports neither Lightning nor shap nor matplotlib."""
    unwanted = ("pytorch_lightning", "shap", "matplotlib")
    code = f"import sys, veritable.models.classifier; print([each for each in {unwanted} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
