"""Walk networks in the space of their first layer, where each switch of a player adds a difference that is known beforehand."""

from collections.abc import Sequence

import numpy as np
import torch

from veritable.models.first_layer import ROWS
from veritable.models.network import Network


def contrast(scores: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Return the log-odds of the second of two classes, or the scores of some classes minus the mean of all.

    Shape: (..., n_classes) -> (..., outputs)
    """
    if scores.shape[-1] == 2:
        return np.asarray(scores[..., 1:] - scores[..., :1])
    return np.asarray(scores[..., list(classes)] - scores.mean(axis=-1, keepdims=True))


class NetworkTerm:
    """A network as a term of a game, walked in the space of its first layer.

    Parameters
    ----------
    weight
        Weight of the network in the blend.
    classes
        Codes of the explained classes.
    owner
        Player that each encoded column belongs to. Shape: (width,)
    """

    def __init__(self, network: Network, weight: float, classes: Sequence[int], owner: np.ndarray):
        self.network, self.weight, self.classes, self.owner = network, weight, classes, owner
        self.cells = len(network.parts.bias) * (int(owner.max()) + 2)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return contrast(self.weight * self.network.scores(X), self.classes)

    def follow(self, start: np.ndarray, target: np.ndarray, orders: np.ndarray) -> "NetworkPath":
        return NetworkPath(self, start, target)


class NetworkPath:
    """Walks of a network: see `walks.Path`."""

    def __init__(self, term: NetworkTerm, start: np.ndarray, target: np.ndarray):
        self.term, parts = term, term.network.parts
        n, padding = len(start), ((0, -len(start) % ROWS), (0, 0))
        start, target = np.pad(start, padding), np.pad(target, padding)
        with torch.inference_mode():
            batches = [slice(first, first + ROWS) for first in range(0, len(start), ROWS)]
            self.hidden = torch.cat([parts.start(start[each]) for each in batches])[:n]
            self.steps = torch.cat([parts.differences(start[each], target[each], term.owner) for each in batches])[:n]
        self.walks = torch.arange(n)

    def switch(self, players: np.ndarray) -> None:
        with torch.inference_mode():
            self.hidden += self.steps[self.walks, torch.from_numpy(players)]

    def turn(self) -> None:
        with torch.inference_mode():
            self.steps = -self.steps

    def outputs(self, walks: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            scores = self.term.network.scores_of_hidden(self.hidden[torch.from_numpy(walks)])
        return contrast(self.term.weight * scores, self.term.classes)
