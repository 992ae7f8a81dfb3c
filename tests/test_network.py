"""A network as a member: its scores are log-probabilities, the same bits for a row whatever the other rows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.rooms import prepared
from tests.training import NETWORKS, spec_of, train_plan
from veritable.models.build import build_network
from veritable.models.network import Network, log_probabilities

X = prepared(300, 5).parts["test"].X


def network(name: str) -> Network:
    """Return a network with random weights for a table with five classes."""
    done = prepared(300, 5)
    torch.manual_seed(0)
    return Network(build_network(done.encoder, 5, spec_of(train_plan(name), done.encoder.cardinalities, done.parts["train"])))


@pytest.mark.parametrize("name", NETWORKS)
def test_scores(name: str) -> None:
    """The scores are the log-softmax of the logits, averaged as probabilities over TabM's networks, in float64."""
    one = network(name)
    with torch.no_grad():
        y_prob = one.module.eval()(torch.from_numpy(X)).double().softmax(-1)
    y_prob = y_prob.mean(1) if y_prob.ndim == 3 else y_prob
    found = one.scores(X)
    assert np.float64 == found.dtype
    np.testing.assert_allclose(y_prob.log(), found, rtol=1e-5, atol=1e-6)  # another batch size adds in another order
    np.testing.assert_allclose(1, np.exp(found).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_is_over(name: str) -> None:
    """A network predicts without dropout, even if it is in training mode."""
    one = network(name)
    before = one.scores(X)
    one.module.train()
    np.testing.assert_array_equal(before, one.scores(X))


@pytest.mark.parametrize("rows", [0, 1, 255, 256, 257, 600])
def test_any_number_of_rows(rows: int) -> None:
    """Each row has its own scores below, at and above the size of a batch; without rows the result is empty."""
    one, many = network("tabm"), np.tile(X, (20, 1))[:rows]
    found = one.scores(many)
    assert (rows, 5) == found.shape
    np.testing.assert_array_equal(np.tile(one.scores(X), (20, 1))[:rows], found)


def test_save(tmp_path: Path) -> None:
    """The weights are written in the format of safetensors, which cannot run code."""
    one = network("resnet")
    one.save(tmp_path / "network-1")
    saved = load_file(tmp_path / "network-1.safetensors")
    assert [tmp_path / "network-1.safetensors"] == list(tmp_path.iterdir())
    assert saved.keys() == one.module.state_dict().keys()
    assert all(torch.equal(saved[name], weight) for name, weight in one.module.state_dict().items())


def test_the_networks_of_tabm_count_alike() -> None:
    """TabM predicts the mean of the probabilities of its networks; other networks predict their softmax."""
    logits = torch.randn(7, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(logits.softmax(-1).mean(1), log_probabilities(logits).exp())
    torch.testing.assert_close(logits[:, 0].softmax(-1), log_probabilities(logits[:, 0]).exp())


def test_far_logits() -> None:
    """Logits of any size have finite log-probabilities if the probabilities are not 0."""
    found = log_probabilities(torch.tensor([[[1e4, 0.0], [0.0, 1e4]], [[1e30, 1e30], [-1e30, -1e30]]]).double())
    torch.testing.assert_close(torch.full((2, 2), 0.5).double(), found.exp())
