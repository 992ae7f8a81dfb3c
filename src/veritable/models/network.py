"""A network as a member of the classifier."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from veritable.models.first_layer import FirstLayer

_BATCH_ROWS = 256  # every batch is padded to this size: matrix products of another size may add in another order
_HIDDEN_ROWS = 64  # as above; walks come in smaller numbers


@dataclass(frozen=True)
class Network:
    """A network whose scores are log-probabilities.

    Attributes
    ----------
    module
        The network, from encoded rows to logits.
    """

    module: nn.Module
    kind: ClassVar[str] = "network"

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return log-probabilities, the same bits whatever the other rows in X. Shape: (n, width) -> (n, classes), float64"""
        self.module.eval()
        batches = []
        padded = torch.zeros((_BATCH_ROWS, X.shape[1]), dtype=torch.float32)
        with torch.inference_mode():
            for start in range(0, len(X), _BATCH_ROWS):
                rows = torch.from_numpy(np.ascontiguousarray(X[start : start + _BATCH_ROWS]))
                padded[: len(rows)] = rows
                batches.append(log_probabilities(self.module(padded).double())[: len(rows)])
            return torch.cat(batches).numpy() if batches else np.empty((0, self.module(padded).shape[-1]))

    @cached_property
    def parts(self) -> FirstLayer:
        """The first layer of the network, and the rest."""
        with torch.inference_mode():
            return self.module.eval().split()  # type: ignore[operator, no-any-return]

    def scores_of_hidden(self, hidden: Tensor) -> np.ndarray:
        """Return log-probabilities from outputs of the first layer, as `scores`. Shape: (n, units) -> (n, classes), float64"""
        batches = []
        padded = torch.zeros((_HIDDEN_ROWS, hidden.shape[1]))
        with torch.inference_mode():
            for start in range(0, len(hidden), _HIDDEN_ROWS):
                rows = hidden[start : start + _HIDDEN_ROWS]
                padded[: len(rows)] = rows
                batches.append(log_probabilities(self.parts.rest(padded).double())[: len(rows)])
        return torch.cat(batches).numpy()

    def save(self, stem: Path) -> None:
        """Write the weights to `stem`.safetensors."""
        save_file(self.module.state_dict(), f"{stem}.safetensors")


def log_probabilities(logits: Tensor) -> Tensor:
    """Return the log-softmax of logits; for TabM, the log of the mean over its k networks.

    Shape: (n, classes) or (n, k, classes) -> (n, classes)
    """
    log_prob = logits.log_softmax(-1)
    return log_prob if log_prob.ndim == 2 else log_prob.logsumexp(1) - math.log(log_prob.shape[1])
