"""Feeding: chunks of batches, with each row once per epoch."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from veritable.training import feeding
from veritable.training.feeding import CHUNK_BATCHES, Chunks


def chunks(rows: int, batch_size: int, seed: int | None = None, *, weighted: bool = False) -> Chunks:
    """Return chunks of numbered rows."""
    number = torch.arange(rows)
    return Chunks(number[:, None].float(), number, number / 7 if weighted else None, batch_size, seed)


@given(st.integers(1, 2000), st.integers(1, 40), st.none() | st.integers(0, 99), st.booleans())
def test_each_row_once(rows: int, batch_size: int, seed: int | None, weighted: bool) -> None:
    """An epoch has each row once, with its class and weight; all chunks but the last have CHUNK_BATCHES full batches."""
    fed = chunks(rows, batch_size, seed, weighted=weighted)
    found = list(fed)
    assert math.ceil(rows / batch_size) == fed.n_batches
    assert math.ceil(rows / batch_size / CHUNK_BATCHES) == len(fed) == len(found)
    assert {batch_size * CHUNK_BATCHES} >= {len(y) for _, y, *_ in found[:-1]}
    assert 0 < len(found[-1][1]) <= batch_size * CHUNK_BATCHES
    X, y, *weight = (torch.cat(column) for column in zip(*found, strict=True))
    assert list(range(rows)) == sorted(y.tolist())
    assert torch.equal(y.float()[:, None], X)
    assert [weighted] == [bool(weight)]
    assert not weight or torch.equal(y / 7, weight[0])


def test_same_order_twice() -> None:
    """A second iteration yields the same order; another seed yields another."""
    one, two, other = (torch.cat([y for _, y in each]) for each in (*[chunks(50, 1, 1)] * 2, chunks(50, 1, 2)))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_the_global_state_does_not_matter() -> None:
    """The order does not depend on torch's global random state, and does not change it."""
    orders, after = [], []
    for drawn in (1, 5):
        torch.manual_seed(0)
        torch.rand(drawn)
        orders.append(torch.cat([y for _, y in chunks(50, 4, seed=3)]))
        torch.manual_seed(0)
        list(chunks(50, 4, seed=3))
        after.append(float(torch.rand(1)))
    assert torch.equal(*orders)
    torch.manual_seed(0)
    assert [float(torch.rand(1))] * 2 == after


def test_no_seed() -> None:
    """Without a seed, the rows keep their order."""
    assert list(range(777)) == torch.cat([y for _, y in chunks(777, 2)]).tolist()


@pytest.mark.parametrize("steps", [1, 3, 1000])
def test_the_order_does_not_depend_on_the_chunks(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the rows, and so each batch, is the same for any number of batches per chunk."""
    expected = torch.cat([y for _, y in chunks(501, 5, seed=1)])
    monkeypatch.setattr(feeding, "CHUNK_BATCHES", steps)
    assert torch.equal(expected, torch.cat([y for _, y in chunks(501, 5, seed=1)]))
