"""The models that a classifier predicts with: networks, boosted trees, or a blend of both."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from veritable.metrics.losses import MIN_PROBABILITY
from veritable.models.trees import Trees

_BATCH_ROWS = 256  # every batch is padded to this size: matrix products of another size may add in another order


@dataclass(frozen=True)
class Ensemble:
    """Networks and boosted trees whose probabilities are blended and calibrated. Predicts from encoded rows.

    Attributes
    ----------
    networks
        Networks; all have the same weight in the blend.
    trees
        Boosted trees; None if there are none.
    shares
        Weights in the blend: of the mean of the networks, then of each boosted model. They sum to 1.
    temperature
        Divisor of the log-probabilities: above 1 it makes probabilities more equal, below 1 more extreme (Guo et al. 2017, "On
        calibration of modern neural networks").
    """

    networks: tuple[nn.Module, ...]
    trees: Trees | None = None
    shares: tuple[float, ...] = (1.0,)
    temperature: float = 1.0

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Predict probabilities, the same bits whatever the other rows in X. Shape: (n, width) -> (n, classes), float64"""
        blended = np.sum([share * y_prob for share, y_prob in zip(self.shares, self.predict_each(X), strict=True)], axis=0)
        return apply_temperature(blended, self.temperature)

    def predict_each(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Predict with each element of the blend, in the order of `shares`. Shape: (n, width) -> (n, classes) each, float64"""
        yield self.predict_networks(X)
        if self.trees is not None:
            yield from self.trees.predict_each(X)

    def predict_networks(self, X: np.ndarray) -> np.ndarray:
        """Predict with the mean of the networks. Shape: (n, width) -> (n, classes), float64"""
        return np.asarray(np.mean([_predict(network, X) for network in self.networks], axis=0))


def apply_temperature(y_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logarithms of the probabilities by the temperature. Shape: (n, classes) -> (n, classes)"""
    if temperature == 1:
        return y_prob
    scaled = np.maximum(y_prob, MIN_PROBABILITY) ** (1 / temperature)
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def log_probabilities(logits: Tensor) -> Tensor:
    """Return the log-softmax of logits; for TabM, the log of the mean over its k networks.

    Shape: (n, classes) or (n, k, classes) -> (n, classes)
    """
    log_prob = logits.log_softmax(-1)
    return log_prob if log_prob.ndim == 2 else log_prob.logsumexp(1) - math.log(log_prob.shape[1])


def _predict(network: nn.Module, X: np.ndarray) -> np.ndarray:
    network.eval()
    batches = []
    padded = torch.zeros((_BATCH_ROWS, X.shape[1]), dtype=torch.float32)
    with torch.inference_mode():
        for start in range(0, len(X), _BATCH_ROWS):
            rows = torch.from_numpy(np.ascontiguousarray(X[start : start + _BATCH_ROWS]))
            padded[: len(rows)] = rows
            batches.append(log_probabilities(network(padded).double())[: len(rows)].exp())
        return torch.cat(batches).numpy() if batches else np.empty((0, network(padded).shape[-1]))
