"""What a classifier predicts with: networks, boosted trees, or a blend of both."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from veritable.models.trees import Trees

_BATCH_ROWS = 256  # every batch is filled up to it: a matrix product adds in another order with another number of rows
_LEAST = 1e-15  # probability


@dataclass(frozen=True)
class Members:
    """Predicts class probabilities from encoded rows.

    Attributes
    ----------
    networks
        Of equal weight among themselves.
    trees
        None where there are none.
    shares
        In the blend: of the networks together, then of each boosted model; they sum to 1.
    temperature
        Above 1, probabilities are drawn towards each other, below 1 apart (Guo et al. 2017, "On calibration of modern neural
        networks").
    """

    networks: tuple[nn.Module, ...]
    trees: Trees | None = None
    shares: tuple[float, ...] = (1.0,)
    temperature: float = 1.0

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """To the last bit the same in any company. Shape: (n, width) -> (n, classes), float64"""
        return tempered(
            np.sum([share * each for share, each in zip(self.shares, self.each(X), strict=True)], axis=0), self.temperature
        )

    def each(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Of what is blended, in the order of the shares. Shape: (n, width) -> (n, classes) each, float64"""
        yield self.of_networks(X)
        if self.trees is not None:
            yield from self.trees.each(X)

    def of_networks(self, X: np.ndarray) -> np.ndarray:
        """The mean of the networks alone. Shape: (n, width) -> (n, classes), float64"""
        return np.asarray(np.mean([_predict(network, X) for network in self.networks], axis=0))


def tempered(y_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logarithms are divided by the temperature. Shape: (n, classes)"""
    if temperature == 1:
        return y_prob
    scaled = np.maximum(y_prob, _LEAST) ** (1 / temperature)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def log_probabilities(logits: Tensor) -> Tensor:
    """The log of a network's mean over its own members, as TabM has some; of one, its log-softmax.

    Shape: (n, classes) or (n, members, classes) -> (n, classes)
    """
    own = logits.log_softmax(-1)
    return own if own.ndim == 2 else own.logsumexp(1) - math.log(own.shape[1])


def _predict(network: nn.Module, X: np.ndarray) -> np.ndarray:
    network.eval()
    found = []
    full = torch.zeros((_BATCH_ROWS, X.shape[1]), dtype=torch.float32)
    with torch.inference_mode():
        for start in range(0, len(X), _BATCH_ROWS):
            rows = torch.from_numpy(np.ascontiguousarray(X[start : start + _BATCH_ROWS]))
            full[: len(rows)] = rows
            found.append(log_probabilities(network(full).double())[: len(rows)].exp())
        return torch.cat(found).numpy() if found else np.empty((0, network(full).shape[-1]))
