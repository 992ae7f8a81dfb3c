"""Captum's explainers."""

from collections.abc import Callable

import numpy as np
import torch
from captum.attr import DeepLiftShap, ShapleyValueSampling
from case import Case
from torch import Tensor, nn

from veritable.models.mlp import MLP
from veritable.models.network import Network


def sampling(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    """Return the mean over the background of the values against each of its rows, with captum's default of 25 orders."""
    torch.manual_seed(0)
    explainer = ShapleyValueSampling(lambda X: torch.from_numpy(case.log_odds(X.numpy())))
    background = torch.from_numpy(case.background)

    def explain(X: np.ndarray) -> np.ndarray:
        rows = (torch.from_numpy(row).expand(len(background), -1) for row in X)
        return np.stack([explainer.attribute(each, baselines=background).double().mean(dim=0).numpy() for each in rows])

    return explain


def deep_lift(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    """Explain the inputs of the first layer, and add up those of each column. The log-odds are a layer of their own."""
    (member,), (weight,) = case.classifier.ensemble.members, case.classifier.ensemble.weights
    assert isinstance(member, Network) and isinstance(member.module, MLP)
    one_hot, *layers = member.module.eval()
    difference = nn.Linear(2, 1, bias=False)
    difference.weight.data = torch.tensor([[-weight, weight]])
    explainer = DeepLiftShap(nn.Sequential(*layers, difference).eval())
    columns = one_hot.column if one_hot.has_categories else torch.arange(case.X.shape[1])

    def inputs(X: np.ndarray) -> Tensor:
        return one_hot(torch.from_numpy(X)).clone()

    def explain(X: np.ndarray) -> np.ndarray:
        each = torch.cat([explainer.attribute(inputs(row[None]), baselines=inputs(case.background)) for row in X])
        return torch.zeros(X.shape).index_add_(1, columns, each.detach()).numpy()

    return explain
