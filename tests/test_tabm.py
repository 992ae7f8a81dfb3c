"""TabM: networks that share most of their weights, with separate logits."""

from typing import Any

import numpy as np
import pytest
import tabm
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings
from torch import Tensor
from torch.nn import functional

from veritable.models.tabm import TabM

CARDINALITIES = [0, 3, 0]
BINS = [[-2.0, -1.0, 4.0], [], [-1.0, 0.0, 1.0, 3.0]]
# 7 columns a number and 2 levels are 16: no zeros are needed to fill them up, and the authors' network has as many
KNOBS: dict[str, Any] = {"bins": BINS, "d_embedding": 7, "k": 5, "n_blocks": 2, "d_block": 12, "dropout": 0.2}


def network(classes: int = 3, **changes: Any) -> TabM:
    torch.manual_seed(0)
    return TabM(CARDINALITIES, classes, **{**KNOBS, **changes})


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """Set random weights."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            torch.manual_seed(sum(map(ord, name)))
            weight.normal_()
    return net


def rows(n: int = 9) -> Tensor:
    draw = np.random.default_rng(0)
    return torch.from_numpy(np.stack([draw.normal(size=n), draw.integers(1, 3, n), draw.normal(size=n)], 1)).float()


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("width", [7, 16])
def test_is_its_authors(blocks: int, members: int, width: int) -> None:
    """With the same weights, the logits are those of the authors' `TabM.make`."""
    net = randomised(network(n_blocks=blocks, k=members, d_block=width)).double().eval()
    edges = [torch.tensor(edges, dtype=torch.float64) for edges in BINS if edges]
    embeddings = PiecewiseLinearEmbeddings(edges, 7, activation=False, version="B")
    theirs = tabm.TabM.make(
        n_num_features=2, cat_cardinalities=[2], d_out=3, num_embeddings=embeddings, k=members, n_blocks=blocks, d_block=width
    )
    renamed = {name.replace("features.numbers", "num_module"): weight for name, weight in net.state_dict().items()}
    theirs.double().load_state_dict(renamed)
    X = rows().double()
    torch.testing.assert_close(theirs.eval()(X[:, [0, 2]], X[:, [1]].long() - 1), net(X))


def test_starts_as_its_authors_do() -> None:
    """At first, the networks differ by one factor per column of the table: normal, or a sign if no number has bins."""
    net = network(k=40)
    for column in net.backbone.blocks[0][0].r.split([7, 7, 2], dim=1):
        assert torch.equal(column, column[:, :1].expand_as(column))
        assert 40 == len(column[:, 0].unique())
    signs = TabM([3, 0], 2, **{**KNOBS, "bins": [[], []], "k": 40}).backbone.blocks[0][0].r
    assert {-1.0, 1.0} == set(signs.flatten().tolist())


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("members", [1, 4])
def test_shapes(classes: int, members: int) -> None:
    """Rows become logits of each network, one per class; so do one row and no rows."""
    net = network(classes, k=members).eval()
    for n in (9, 1, 0):
        assert (n, members, classes) == net(rows(n)).shape


def test_members_share_and_differ() -> None:
    """The networks have different logits although they share most weights: another one adds few weights."""
    logits = network()(rows())
    assert not torch.allclose(logits[:, 0], logits[:, 1])

    def weights(members: int) -> int:
        return sum(weight.numel() for weight in network(k=members, d_block=64).parameters())

    assert weights(6) < 1.5 * weights(3) < 3 * weights(1)


def test_members_learn_alone() -> None:
    """Apart from the shared weights, the weights of a network affect only its own logits."""
    net = network(dropout=0.0)
    functional.cross_entropy(net(rows(64))[:, 1], torch.arange(64) % 3).backward()
    grad = net.output.weight.grad
    assert grad is not None
    assert [False, True, False, False, False] == [bool(each.any()) for each in grad]


@pytest.mark.parametrize(
    "change",
    [
        {"bins": [[-2.0, -1.0, 4.0], [], []]},
        {"bins": [[-2.0, 0.0, 4.0], [], BINS[2]]},
        {"d_embedding": 5},
        {"k": 6},
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
        randomised(net)
        torch.manual_seed(1)
        logits.append(net.train()(rows()))
    assert not torch.equal(*logits)


def test_every_weight_learns() -> None:
    """Gradients reach every weight."""
    net = randomised(network(dropout=0.0))
    net(rows(64)).square().sum().backward()
    unmoved = {name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert set() == unmoved
