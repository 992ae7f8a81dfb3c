"""Warm start: weights are copied by meaning, and new columns, levels and classes keep their initial weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tests.rooms import InMemory, mixed_table, prepare_frame, prepared
from tests.training import NETWORKS, inputs_of, spec_of, train_plan, trees_of
from veritable.models.build import build_network
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.models.network import Network
from veritable.models.transfer import adopt_bins, copy_weights
from veritable.training.fit import TrainingError
from veritable.training.train import train_classifier


def made(done: InMemory, name: str, seed: int, *, networks: int = 1, **knobs: Any) -> Classifier:
    """Return an untrained classifier on a table."""
    params = train_plan(name, **knobs)
    spec = spec_of(params, done.encoder.cardinalities, done.parts["train"])
    torch.manual_seed(seed)
    built = []
    for _ in range(networks):
        built.append(build_network(done.encoder, len(done.classes), spec))
        with torch.no_grad():
            for weight in built[-1].parameters():  # some are equal at first
                weight.add_(torch.randn_like(weight) / 9)
    members = tuple(Network(module) for module in built)
    return Classifier(Ensemble(members, (1 / networks,) * networks), spec, done.encoder, done.contract, None)


def warm(done: InMemory, earlier: Classifier, number: int = 0) -> tuple[nn.Module, list[str]]:
    """Return a new network of the same kind, and the names of the copied parameters."""
    spec = dict(earlier.spec)
    if "bins" in spec:
        own = spec_of(train_plan(spec["name"]), done.encoder.cardinalities, done.parts["train"])["bins"]
        spec["bins"] = adopt_bins(own, done.encoder, earlier)
    torch.manual_seed(1)
    network = build_network(done.encoder, len(done.classes), spec)
    return network, copy_weights(network, done.encoder, done.classes, earlier, number)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [2, 4])
def test_same_table(name: str, classes: int) -> None:
    """On the same table, all weights are copied, and the predictions are the same, bit for bit."""
    done = prepared(300, classes)
    earlier = made(done, name, 0)
    network, taken = warm(done, earlier)
    assert [each for each, _ in network.named_parameters()] == taken
    X = done.parts["test"].X
    np.testing.assert_array_equal(earlier.predict_proba(X), Ensemble((Network(network),), (1.0,)).predict_proba(X))


@pytest.mark.parametrize("name", NETWORKS)
def test_other_order(name: str) -> None:
    """With another order of columns, classes and levels, and other scales, the predictions are the same."""
    frame = mixed_table(400, 3)
    done = prepare_frame(frame)
    earlier = made(done, name, 0)
    more = frame[frame["colour"] == "blue"].sample(200, replace=True, random_state=0)  # changes the most frequent colour
    moved = pd.concat([frame, more])[["score", "target", "member", "age", "colour"]]
    other = prepare_frame(moved, duplicates="together")
    assert done.encoder != other.encoder
    network, _ = warm(other, earlier)
    after = Classifier(Ensemble((Network(network),), (1.0,)), earlier.spec, other.encoder, other.contract, None)
    expected, found = (each.predict_proba(frame) for each in (earlier, after))
    if name == "mlp":  # standardized numbers are shifted by another mean
        assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.9
        return
    known = frame["age"].notna().to_numpy()  # a missing number is the mean, which has changed
    np.testing.assert_allclose(expected[known], found[known], atol=0.02)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_new(name: str) -> None:
    """A new column, level and class keep their initial weights; all others are copied."""
    frame = mixed_table(400, 2)
    done = prepare_frame(frame)
    earlier = made(done, name, 0)
    grown = frame.assign(extra=np.random.default_rng(0).normal(size=400))
    grown["colour"] = grown["colour"].where(np.arange(400) % 7 > 0, "purple")
    grown["target"] = grown["target"].where(np.arange(400) % 5 > 0, "class 9")
    other = prepare_frame(grown)
    fresh, _ = warm(other, made(other, name, 5))
    network, taken = warm(other, earlier)
    old, new, other_new = (dict(each.named_parameters()) for each in (earlier.networks[0], network, fresh))
    assert set(old) == set(taken)
    axis = 0 if new["output.bias"].ndim == 1 else -1
    both = torch.arange(2)
    torch.testing.assert_close(old["output.bias"], new["output.bias"].index_select(axis, both))
    torch.manual_seed(1)
    untouched = build_network(
        other.encoder, 3, earlier.spec | ({"bins": spec_bins(other, earlier)} if "bins" in earlier.spec else {})
    )
    third = torch.tensor([2])
    torch.testing.assert_close(
        dict(untouched.named_parameters())["output.bias"].index_select(axis, third),
        new["output.bias"].index_select(axis, third),
    )
    assert other_new.keys() == new.keys()


def spec_bins(done: InMemory, earlier: Classifier) -> list[list[float]]:
    own = spec_of(train_plan(earlier.spec["name"]), done.encoder.cardinalities, done.parts["train"])["bins"]
    return adopt_bins(own, done.encoder, earlier)


def test_another_width() -> None:
    """Layers of another size are not copied; all others are."""
    done = prepared(300)
    earlier = made(done, "tabm", 0, d_block=16)
    params = train_plan("tabm", d_block=8)
    network = build_network(done.encoder, 2, spec_of(params, done.encoder.cardinalities, done.parts["train"]))
    taken = copy_weights(network, done.encoder, done.classes, earlier, 0)
    assert taken
    assert all(each.startswith("features.") or each.endswith((".r", "output.bias")) for each in taken)


def test_networks_in_turn() -> None:
    """Each network starts from the earlier network with the same number, modulo their count."""
    done = prepared(300)
    earlier = made(done, "mlp", 0, networks=2)
    for number in range(4):
        network, _ = warm(done, earlier, number)
        expected = earlier.networks[number % 2].state_dict()
        assert all(torch.equal(expected[name], weight) for name, weight in network.state_dict().items())


class TestTraining:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_goes_on(self, tmp_path: Path, name: str) -> None:
        """The first epoch is better with the weights of an earlier classifier than with random ones."""
        losses = []
        earlier = None
        for i, epochs in enumerate((12, 1, 1)):
            scratch = tmp_path / str(i)
            scratch.mkdir()
            start = earlier if i == 2 else None
            plan = train_plan(name, max_epochs=epochs)
            trained = train_classifier(inputs_of(prepared(300), plan, scratch, earlier=start))
            earlier = trained.classifier if i == 0 else earlier
            losses.append(trained.history["valid_loss"].iloc[0])
        assert losses[2] < losses[1]

    @pytest.mark.parametrize(("name", "frozen"), [("tabm", "features"), ("resnet", "block_1"), ("mlp", "hidden_1")])
    def test_frozen(self, tmp_path: Path, name: str, frozen: str) -> None:
        """Frozen weights stay the same, bit for bit; all others change."""
        done = prepared(300)
        earlier = made(done, name, 0)
        plan = train_plan(name, freeze=[frozen], weight_decay=0.1, gradient_clip_val=1.0)
        trained = train_classifier(inputs_of(done, plan, tmp_path, earlier=earlier))
        before, after = (dict(each.networks[0].named_parameters()) for each in (earlier, trained.classifier))
        assert {n for n in before if n.startswith(frozen)} == {n for n in before if torch.equal(before[n], after[n])}

    def test_nothing_fits(self, tmp_path: Path) -> None:
        """Another kind of network, weights that do not fit, and unknown weights to freeze are refused."""
        done = prepared(300)
        earlier = made(done, "mlp", 0)
        cases = [
            (train_plan("tabm"), r"must be a classifier with the network 'tabm', but its network is 'mlp'"),
            (train_plan("mlp", freeze=["features"]), r"train\.freeze must name parameters .* none starts with 'features'"),
        ]
        for plan, words in cases:
            with pytest.raises(TrainingError, match=words):
                train_classifier(inputs_of(done, plan, tmp_path, earlier=earlier))
        stranger = prepare_frame(pd.DataFrame({"z": np.random.default_rng(0).normal(size=90), "target": list("ab") * 45}))
        other = replace(made(stranger, "mlp", 0, hidden_layer_sizes=[5]), contract=stranger.contract)
        with pytest.raises(TrainingError, match=r"no weights of its network do"):
            train_classifier(inputs_of(done, train_plan("mlp"), tmp_path, earlier=other))

    def test_no_network(self, tmp_path: Path) -> None:
        """An earlier classifier whose blend has no network is refused."""
        done = prepared(300)
        earlier = replace(made(done, "mlp", 0), ensemble=Ensemble(tuple(trees_of(done)), (1.0,)))
        with pytest.raises(TrainingError, match=r"must be a classifier with a network, .* Train it with train\.blend: \[\]"):
            train_classifier(inputs_of(done, train_plan("mlp"), tmp_path, earlier=earlier))

    def test_in_every_fold(self, tmp_path: Path) -> None:
        """The networks of all folds start from the earlier classifier, in turn from each of its networks."""
        done = prepared(300)
        earlier = made(done, "mlp", 0, networks=2)
        plan = train_plan("mlp", n_splits=3, max_epochs=1, learning_rate=1e-12)
        trained = train_classifier(inputs_of(done, plan, tmp_path, earlier=earlier))
        assert [name for name, _ in earlier.networks[0].named_parameters()] == trained.copied
        for i, network in enumerate(trained.classifier.networks):
            for old, new in zip(earlier.networks[i % 2].parameters(), network.parameters(), strict=True):
                torch.testing.assert_close(old, new)
