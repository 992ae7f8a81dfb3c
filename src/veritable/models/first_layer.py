"""A network as a sum over columns: its first linear layer on features of single columns, and the rest.

The switch of a column changes the output of the first layer by a difference that is known beforehand. So a walk from one row
to another needs only the rest of the network at each step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

ROWS = 64  # rows that are computed together; always as many, because matrix products of another size may add in another order


@dataclass(frozen=True)
class FirstLayer:
    """The parts of a network.

    Attributes
    ----------
    features
        From encoded rows to features. Shape: (n, width) -> (n, in_features)
    column
        Encoded column of each feature, -1 for padding. Shape: (in_features,) int64
    weight, bias
        The first layer. Shape: (in_features, units), (units,)
    rest
        From the output of the first layer to logits. Shape: (n, units) -> (n, classes) or (n, k, classes)
    """

    features: Callable[[Tensor], Tensor]
    column: np.ndarray
    weight: Tensor
    bias: Tensor
    rest: Callable[[Tensor], Tensor]

    def start(self, X: np.ndarray) -> Tensor:
        """Return the output of the first layer. Shape: (64, width) -> (64, units)"""
        return self.features(torch.from_numpy(X)) @ self.weight + self.bias

    def differences(self, start: np.ndarray, end: np.ndarray, owner: np.ndarray) -> Tensor:
        """Return how the output of the first layer changes when each player is switched from the start to the end.

        Shape: start and end (64, width), owner (width,) -> (64, players, units)
        """
        change = self.features(torch.from_numpy(end)) - self.features(torch.from_numpy(start))
        player = np.where(self.column < 0, -1, owner[self.column])
        found = []
        for each in range(owner.max() + 1):
            own = torch.from_numpy(np.flatnonzero(player == each))
            padding = -len(own) % ROWS
            found.append(functional.pad(change[:, own], (0, padding)) @ functional.pad(self.weight[own], (0, 0, 0, padding)))
        return torch.stack(found, dim=1)
