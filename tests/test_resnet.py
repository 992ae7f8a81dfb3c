"""The residual network: embedded features, residual blocks, and the output layer."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.features import Features
from veritable.models.mlp import Linear
from veritable.models.resnet import Block, ResNet

CARDINALITIES = [0, 3, 0]
BINS = [[-2.0, -1.0, 4.0], [], [-1.0, 0.0, 1.0, 3.0]]
KNOBS: dict[str, Any] = {"bins": BINS, "d_embedding": 4, "n_blocks": 2, "d_block": 12, "dropout": 0.2}


def network(classes: int = 3, **changes: Any) -> ResNet:
    torch.manual_seed(0)
    return ResNet(CARDINALITIES, classes, **{**KNOBS, **changes})


def rows(n: int = 9) -> Tensor:
    draw = np.random.default_rng(0)
    return torch.from_numpy(np.stack([draw.normal(size=n), draw.integers(0, 3, n), draw.normal(size=n)], 1)).float()


def by_hand(net: ResNet, X: Tensor) -> Tensor:
    """Compute the formula of the paper with torch functions."""
    weights = dict(net.named_parameters())

    def linear(X: Tensor, name: str) -> Tensor:
        return functional.linear(X, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def normalised(X: Tensor, name: str) -> Tensor:
        mean, variance = X.mean(1, keepdim=True), X.var(1, keepdim=True, unbiased=False)
        return (X - mean) / torch.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    X = linear(net[0](X), "input")
    for i in range(1, 1 + sum(isinstance(layer, Block) for layer in net)):
        block = f"block_{i}.body"
        X = X + linear(linear(normalised(X, f"{block}.0"), f"{block}.1").clamp(min=0), f"{block}.4")
    return linear(normalised(X, "norm").clamp(min=0), "output")


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("width", [1, 12, 16])
def test_is_its_formula(blocks: int, width: int) -> None:
    """The logits are those of the paper's formula, with layer normalization and without dropout."""
    net = network(n_blocks=blocks, d_block=width).double().eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight) / 9)  # some are 0 or 1 at first
    torch.testing.assert_close(by_hand(net, rows().double()), net(rows().double()))


@pytest.mark.parametrize("classes", [2, 7])
def test_shapes(classes: int) -> None:
    """Rows become one logit per class; so do one row and no rows."""
    net = network(classes).eval()
    for n in (9, 1, 0):
        assert (n, classes) == net(rows(n)).shape


@pytest.mark.parametrize(
    "change",
    [
        {"bins": [[-2.0, -1.0, 4.0], [], []]},
        {"bins": [[-2.0, 0.0, 4.0], [], BINS[2]]},
        {"d_embedding": 5},
        {"n_blocks": 3},
        {"d_block": 13},
        {"dropout": 0.5},
    ],
    ids=str,
)
def test_every_knob_matters(change: dict[str, Any]) -> None:
    """Each parameter changes what the network computes in training."""
    logits = []
    for net in (network(), network(**change)):
        with torch.no_grad():
            for name, weight in net.named_parameters():
                torch.manual_seed(sum(map(ord, name)))
                weight.normal_()  # the embeddings' bins have none at first
        torch.manual_seed(1)
        logits.append(net.train()(rows()))
    assert not torch.equal(*logits)


def test_layers() -> None:
    """Each block is normalized, twice as wide inside, and has dropout; all linear layers are padded."""
    net = network(n_blocks=2, dropout=0.25)
    assert [Features, Linear, Block, Block, nn.LayerNorm, nn.ReLU, Linear] == [type(layer) for layer in net]
    assert [(16, 12), (12, 24), (24, 12), (12, 24), (24, 12), (12, 3)] == [
        (layer.in_features, layer.out_features) for layer in net.modules() if isinstance(layer, nn.Linear)
    ]
    assert {Linear} == {type(layer) for layer in net.modules() if isinstance(layer, nn.Linear)}
    assert [0.25, 0.25] == [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)]


def test_a_row_hangs_on_no_other() -> None:
    """In training, too, the logits of a row do not depend on other rows."""
    net = network(dropout=0.0).train()
    torch.testing.assert_close(net(rows())[:1], net(rows()[:1]))


def test_every_weight_learns() -> None:
    """Gradients reach every weight."""
    net = network(dropout=0.0)
    functional.cross_entropy(net(rows(64)), torch.arange(64) % 3).backward()
    assert [] == [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
