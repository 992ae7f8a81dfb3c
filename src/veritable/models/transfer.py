"""Warm start: copy weights of an earlier classifier into a new network, matched by column, level and class."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from veritable.models.classifier import Classifier
from veritable.models.features import MIN_BIN_WIDTH, Bins, Features
from veritable.models.mlp import OneHot
from veritable.tables.encoding.encoder import Encoder

Label = tuple[str, str | int | None]


def adopt_bins(bins: Bins, encoder: Encoder, earlier: Classifier) -> Bins:
    """Replace the bins of numbers that the earlier classifier knows with its bins, converted to the scale of this encoder.

    The weights of the earlier classifier for a bin keep their meaning that way.

    Shape: (width,), each with 0 or more edges
    """
    known = dict(zip(earlier.encoder.names, earlier.spec["bins"], strict=True))
    new_scales, old_scales = _scales(encoder), _scales(earlier.encoder)
    adopted = []
    for name, edges in zip(encoder.names, bins, strict=True):
        if edges and known.get(name):
            (mean, scale), (old_mean, old_scale) = new_scales[name], old_scales[name]
            converted = (np.array(known[name]) * old_scale + old_mean - mean) / scale
            edges = converted.tolist() if np.diff(converted).min() > MIN_BIN_WIDTH else edges
        adopted.append(edges)
    return adopted


def copy_weights(network: nn.Module, encoder: Encoder, classes: Sequence[str], earlier: Classifier, number: int) -> list[str]:
    """Copy the weights of one of the earlier classifier's networks into `network` where they fit.

    Both networks must be of the same kind. Inputs are matched by column and level, outputs by class, all other weights by name
    and size. New columns, levels and classes, and layers of another size, keep their initial weights.

    Parameters
    ----------
    number
        Index of the earlier classifier's network, from 0, modulo the number of its networks.

    Returns
    -------
    Names of the parameters that were copied, at least in part.
    """
    source = earlier.networks[number % len(earlier.networks)]
    new_labels, old_labels = _labels(network, encoder, classes), _labels(source, earlier.encoder, earlier.classes)
    old, copied = dict(source.named_parameters()), []
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name not in old or old[name].ndim != weight.ndim:
                continue
            matches = [
                _match(new_labels.get((name, axis)), old_labels.get((name, axis)), new_size, old_size)
                for axis, (new_size, old_size) in enumerate(zip(weight.shape, old[name].shape, strict=True))
            ]
            if all(len(places) for places, _ in matches):
                new_places, old_places = (np.ix_(*places) for places in zip(*matches, strict=True))
                weight[new_places] = old[name][old_places]
                copied.append(name)
    return copied


def _match(
    new_labels: list[Label] | None, old_labels: list[Label] | None, new_size: int, old_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places with equal labels along an axis of both networks. Axes without labels match if their sizes do."""
    if new_labels is None or old_labels is None:
        every = np.arange(new_size if new_size == old_size else 0)
        return every, every
    old = {label: i for i, label in enumerate(old_labels)}
    both = [(i, old[label]) for i, label in enumerate(new_labels) if label in old]
    new_places, old_places = np.array(both, dtype=np.int64).reshape(-1, 2).T
    return new_places, old_places


def _labels(network: nn.Module, encoder: Encoder, classes: Sequence[str]) -> dict[tuple[str, int], list[Label]]:
    """Label the axes of a network's parameters that stand for columns or classes, by parameter name and axis."""
    weights = dict(network.named_parameters())
    outputs: list[Label] = [("class", name) for name in classes]
    axis = 0 if weights["output.bias"].ndim == 1 else -1  # TabM: the last axis
    found = {(name, axis % weights[name].ndim): outputs for name in ("output.weight", "output.bias")}
    features = next((each for each in network.modules() if isinstance(each, Features)), None)
    if features is None:
        one_hot = next(each for each in network.modules() if isinstance(each, OneHot))
        inputs = _input_labels(one_hot, range(len(encoder.names)), encoder)
    else:
        binned = [encoder.names[i] for i in features.binned.tolist()]
        found |= {(name, 0): [(each, None) for each in binned] for name in weights if name.startswith("features.")}
        inputs = [(f"embedded {name}", unit) for name in binned for unit in range(features.d_embedding)]
        inputs += _input_labels(features.one_hot, features.plain.tolist(), encoder)
        inputs += [("padding", i) for i in range(features.padding)]
    return found | {(name, weight.ndim - 1): inputs for name, weight in weights.items() if _takes_inputs(name, weights)}


def _takes_inputs(name: str, weights: dict[str, nn.Parameter]) -> bool:
    """Return whether the last axis of a parameter stands for the inputs: the first layer, and TabM's scaling."""
    first = next(each for each in weights if not each.startswith("features."))
    return name.startswith(first.removesuffix("weight")) and name.endswith((".weight", ".r"))


def _input_labels(one_hot: OneHot, columns: Sequence[int], encoder: Encoder) -> list[Label]:
    """Label each output of the one-hot encoding with its encoded column and level."""
    levels = {column.name: column.levels for column in encoder.columns if column.kind == "category"}
    found: list[Label] = []
    for place, code in zip(one_hot.column.tolist(), one_hot.level.tolist(), strict=True):
        name = encoder.names[columns[place]]
        found.append((name, f"level {levels[name][int(code) - 1]}" if code > 0 else None))
    return found


def _scales(encoder: Encoder) -> dict[str, tuple[float, float]]:
    """Return the mean and the scale of each encoded column; 0 and 1 if it is not standardized."""
    of_columns = {column.name: (column.mean, column.scale) for column in encoder.columns}
    return {name: of_columns.get(name, (0.0, 1.0)) for name in encoder.names}
