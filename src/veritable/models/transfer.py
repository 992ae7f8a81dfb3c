"""Warm start: a network takes over from an earlier classifier's what means the same, column by column, level by level and class
by class.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from veritable.models.classifier import Classifier
from veritable.models.features import NARROWEST, Bins, Features
from veritable.models.mlp import OneHot
from veritable.tables.encoding.encoder import Encoder

Label = tuple[str, str | int | None]


def adopt_bins(bins: Bins, encoder: Encoder, earlier: Classifier) -> Bins:
    """The bins of this table's numbers; of a number that the earlier classifier knew they are its own, in units of this table's
    encoder, so that what it learned of a bin still holds.

    Shape: (width,), each of 0 or more edges
    """
    known = dict(zip(earlier.encoder.names, earlier.spec["bins"], strict=True))
    now, before = _scales(encoder), _scales(earlier.encoder)
    adopted = []
    for name, own in zip(encoder.names, bins, strict=True):
        if own and known.get(name):
            (mean, scale), (old_mean, old_scale) = now[name], before[name]
            edges = (np.array(known[name]) * old_scale + old_mean - mean) / scale
            own = edges.tolist() if np.diff(edges).min() > NARROWEST else own
        adopted.append(own)
    return adopted


def take_over(network: nn.Module, encoder: Encoder, classes: Sequence[str], earlier: Classifier, number: int) -> list[str]:
    """Copy into `network` what fits of one of the earlier classifier's networks, which must be of the same kind.

    Inputs are matched by column and level, outputs by class, all else by name and size. What has no match keeps its initial
    weights: a column, a level or a class that is new, a layer of another width.

    Parameters
    ----------
    number
        Of the earlier classifier's network, from 0; after its last comes its first again.

    Returns
    -------
    Names of the weights of which anything was taken.
    """
    source = earlier.members.networks[number % len(earlier.members.networks)]
    mine, theirs = _labels(network, encoder, classes), _labels(source, earlier.encoder, earlier.classes)
    old, taken = dict(source.named_parameters()), []
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name not in old or old[name].ndim != weight.ndim:
                continue
            matches = [
                _match(mine.get((name, axis)), theirs.get((name, axis)), here, there)
                for axis, (here, there) in enumerate(zip(weight.shape, old[name].shape, strict=True))
            ]
            if all(len(places) for places, _ in matches):
                here, there = (np.ix_(*places) for places in zip(*matches, strict=True))
                weight[here] = old[name][there]
                taken.append(name)
    return taken


def _match(mine: list[Label] | None, theirs: list[Label] | None, size: int, old_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along an axis that mean the same, in the new network and in the old; without labels all, if they are as many."""
    if mine is None or theirs is None:
        every = np.arange(size if size == old_size else 0)
        return every, every
    old = {label: i for i, label in enumerate(theirs)}
    both = [(i, old[label]) for i, label in enumerate(mine) if label in old]
    here, there = np.array(both, dtype=np.int64).reshape(-1, 2).T
    return here, there


def _labels(network: nn.Module, encoder: Encoder, classes: Sequence[str]) -> dict[tuple[str, int], list[Label]]:
    """What stands along the axes of a network's weights that are of columns or of classes: by weight and axis."""
    weights = dict(network.named_parameters())
    outputs: list[Label] = [("class", name) for name in classes]
    axis = 0 if weights["output.bias"].ndim == 1 else -1  # of several members: the last
    found = {(name, axis % weights[name].ndim): outputs for name in ("output.weight", "output.bias")}
    features = next((each for each in network.modules() if isinstance(each, Features)), None)
    if features is None:
        one_hot = next(each for each in network.modules() if isinstance(each, OneHot))
        inputs = _levels(one_hot, range(len(encoder.names)), encoder)
    else:
        binned = [encoder.names[i] for i in features.binned.tolist()]
        found |= {(name, 0): [(each, None) for each in binned] for name in weights if name.startswith("features.")}
        inputs = [(f"embedded {name}", unit) for name in binned for unit in range(features.d_embedding)]
        inputs += _levels(features.one_hot, features.plain.tolist(), encoder)
        inputs += [("nothing", i) for i in range(features.gap)]
    return found | {(name, weight.ndim - 1): inputs for name, weight in weights.items() if _takes_inputs(name, weights)}


def _takes_inputs(name: str, weights: dict[str, nn.Parameter]) -> bool:
    """Whether a weight's last axis is that of the inputs: those of the first layer behind the features, TabM's scaling too."""
    first = next(each for each in weights if not each.startswith("features."))
    return name.startswith(first.removesuffix("weight")) and name.endswith((".weight", ".r"))


def _levels(one_hot: OneHot, columns: Sequence[int], encoder: Encoder) -> list[Label]:
    """Of each of its outputs the encoded column and, of a category, the level."""
    levels = {column.name: column.levels for column in encoder.columns if column.kind == "category"}
    found: list[Label] = []
    for place, code in zip(one_hot.column.tolist(), one_hot.level.tolist(), strict=True):
        name = encoder.names[columns[place]]
        found.append((name, f"level {levels[name][int(code) - 1]}" if code > 0 else None))
    return found


def _scales(encoder: Encoder) -> dict[str, tuple[float, float]]:
    """Mean and scale of each encoded column; of what is not standardised 0 and 1."""
    of_columns = {column.name: (column.mean, column.scale) for column in encoder.columns}
    return {name: of_columns.get(name, (0.0, 1.0)) for name in encoder.names}
