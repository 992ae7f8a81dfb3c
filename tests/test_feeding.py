"""Feeding: blocks of batches, each row once an epoch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from veritable.training import feeding
from veritable.training.feeding import STEPS, Blocks


def blocks(rows: int, batch_size: int, seed: int | None = None, *, weighted: bool = False) -> Blocks:
    """Rows that can be told by their number."""
    number = torch.arange(rows)
    return Blocks(number[:, None].float(), number, number / 7 if weighted else None, batch_size, seed)


@given(st.integers(1, 2000), st.integers(1, 40), st.none() | st.integers(0, 99), st.booleans())
def test_each_row_once(rows: int, batch_size: int, seed: int | None, weighted: bool) -> None:
    """An epoch has each row once with its own class and weight; all blocks but the last are of so many whole batches."""
    fed = blocks(rows, batch_size, seed, weighted=weighted)
    found = list(fed)
    assert math.ceil(rows / batch_size) == fed.batches
    assert math.ceil(rows / batch_size / STEPS) == len(fed) == len(found)
    assert {batch_size * STEPS} >= {len(y) for _, y, *_ in found[:-1]}
    assert 0 < len(found[-1][1]) <= batch_size * STEPS
    X, y, *weight = (torch.cat(column) for column in zip(*found, strict=True))
    assert list(range(rows)) == sorted(y.tolist())
    assert torch.equal(y.float()[:, None], X)
    assert [weighted] == [bool(weight)]
    assert not weight or torch.equal(y / 7, weight[0])


def test_walked_twice() -> None:
    """Walked again, the order is the same; another seed deals another."""
    one, two, other = (torch.cat([y for _, y in each]) for each in (*[blocks(50, 1, 1)] * 2, blocks(50, 1, 2)))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_the_global_state_does_not_matter() -> None:
    """What was drawn before changes no order, and no order changes what is drawn after."""
    orders, after = [], []
    for drawn in (1, 5):
        torch.manual_seed(0)
        torch.rand(drawn)
        orders.append(torch.cat([y for _, y in blocks(50, 4, seed=3)]))
        torch.manual_seed(0)
        list(blocks(50, 4, seed=3))
        after.append(float(torch.rand(1)))
    assert torch.equal(*orders)
    torch.manual_seed(0)
    assert [float(torch.rand(1))] * 2 == after


def test_as_they_stand() -> None:
    """Without a seed rows keep their order."""
    assert list(range(777)) == torch.cat([y for _, y in blocks(777, 2)]).tolist()


@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_the_order_hangs_on_no_block(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches make a block, the rows come in the same order, so batches have the same rows."""
    expected = torch.cat([y for _, y in blocks(501, 5, seed=1)])
    monkeypatch.setattr(feeding, "STEPS", steps)
    assert torch.equal(expected, torch.cat([y for _, y in blocks(501, 5, seed=1)]))
