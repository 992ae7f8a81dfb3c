"""From encoded parts to a classifier: networks, boosted trees or a blend of both, calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax
from torch import nn

from veritable.models.classifier import Classifier, build_network
from veritable.models.features import find_bins
from veritable.models.members import Members, tempered
from veritable.models.transfer import adopt_bins, take_over
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.parts import Part, Shards
from veritable.tables.typing.contract import Contract
from veritable.training.boosting import fit_trees
from veritable.training.fit import Told, TrainingError, fit
from veritable.training.folds import deal_folds
from veritable.training.params import MLPParams, TrainParams
from veritable.training.streaming import in_memory

_DOUBT_ROWS = 5  # that speak for equal shares and a temperature of 1: of few valid rows, chance must not decide
_LEAST = 1e-15
_BIN_ROWS = 200_000  # of a part on disk; find_bins takes no more of one in memory


@dataclass(frozen=True)
class Judged:
    """Rows that a classifier was not fitted on, and what is predicted of them.

    Attributes
    ----------
    part
        Valid; with folds, all rows of train and valid.
    y_prob
        Blended and calibrated; with folds, what that classifier says that the row neither fitted nor chose.
        Shape: (n, classes)
    fold
        From 0; without folds all 0. Shape: (n,)
    """

    part: Part
    y_prob: np.ndarray
    fold: np.ndarray


@dataclass(frozen=True)
class Trained:
    """What `train_classifier` makes.

    Attributes
    ----------
    classifier
        Its threshold is left open.
    history
        Of its networks: network (from 1), epoch (from 1), train_loss, valid_loss.
    taken
        Names of the weights of which anything was taken over from an earlier classifier.
    """

    classifier: Classifier
    history: pd.DataFrame
    judged: Judged
    taken: list[str]


def train_classifier(
    params: TrainParams,
    encoder: Encoder,
    contract: Contract,
    train: Part | Shards,
    valid: Part | Shards,
    scratch: Path,
    earlier: Classifier | None = None,
    told: Told | None = None,
    threads: int | None = None,
) -> Trained:
    """Fit what `train.network`, `train.trees` and `train.n_splits` ask for; rows that were not fitted on weigh networks and
    trees against each other and calibrate.

    Parameters
    ----------
    scratch
        An existing folder that outlives a killed run: see `fit`.
    earlier
        Networks start from this classifier's, as far as they fit.
    told
        Called after each epoch of the first network: see `fit`.
    threads
        Number of CPU threads; None: `choose_threads` for a network, one per core for trees.

    Raises
    ------
    TrainingError
        Nothing of the earlier classifier fits, or what is to be frozen is not there.
    UserError
        There are fewer rows than folds.
    """
    n_classes = len(contract.classes)
    spec = _spec(params, encoder, train, n_classes, earlier)
    trees = params.trees
    networks: list[nn.Module] = []
    histories: list[pd.DataFrame] = []
    texts: list[str] = []
    taken: list[str] = []
    held: list[Part] = []
    found: list[list[np.ndarray]] = []  # of each fold, what each of its members says of the rows held back
    for fold in deal_folds(train, valid, params.n_splits, params.seed):
        first = len(networks)
        for number in range(first, first + params.n_networks):
            own = _seeded(params, number)
            torch.manual_seed(own.seed)
            networks.append(build_network(encoder, n_classes, spec))
            if earlier is not None:
                taken = _start(networks[-1], own, encoder, contract, earlier, number)
            folder = scratch / f"network-{number + 1}"
            folder.mkdir(exist_ok=True)
            hear = told if number == 0 else None
            history = fit(
                networks[-1], own, fold.train, fold.valid, n_classes=n_classes, scratch=folder, told=hear, threads=threads
            )
            history.insert(0, "network", number + 1)
            histories.append(history)
        held.append(in_memory(fold.held, params, n_classes))
        boosted = None
        if trees.n_models:  # else no sample is read
            fitted = in_memory(fold.train, params, n_classes)
            judge = held[-1] if fold.valid is fold.held else in_memory(fold.valid, params, n_classes)
            own = _seeded(params, len(texts)).model_copy(update={"trees": trees})
            boosted = fit_trees(own, encoder.cardinalities, fitted, judge, n_classes=n_classes, threads=threads)
            texts += boosted.texts if boosted else ()
            trees = trees.model_copy(update={"n_models": len(texts) // len(held)})  # in every fold as many
        found.append(list(Members(tuple(networks[first:]), boosted).each(held[-1].X)))
    part, folds = Part.together(held), len(held)
    of_each = [np.concatenate(each) for each in zip(*found, strict=True)]
    shares = _weigh(of_each, part)
    y_prob = np.sum([share * each for share, each in zip(shares, of_each, strict=True)], axis=0)
    temperature = _find_temperature(y_prob, part) if params.calibrate else 1.0
    members = Members(
        tuple(networks),
        Trees(texts) if texts else None,
        (shares[0], *(share / folds for _ in held for share in shares[1:])),
        temperature,
    )
    judged = Judged(part, tempered(y_prob, temperature), np.repeat(np.arange(folds), [len(each) for each in held]))
    classifier = Classifier(members, spec, encoder, contract, None)
    return Trained(classifier, pd.concat(histories, ignore_index=True), judged, taken)


def _seeded(params: TrainParams, number: int) -> TrainParams:
    return params.model_copy(update={"seed": (params.seed + number) % 2**32})


def _spec(
    params: TrainParams, encoder: Encoder, train: Part | Shards, n_classes: int, earlier: Classifier | None
) -> dict[str, Any]:
    recipe = params.recipe
    if earlier is not None and earlier.spec["name"] != params.network:
        raise TrainingError(
            f"'train.init' in params.yaml must be a classifier with the same kind of network, however it has "
            f"'{earlier.spec['name']}' and train.network is '{params.network}'. Set train.network to '{earlier.spec['name']}'."
        )
    if isinstance(recipe, MLPParams):
        return recipe.spec
    X = in_memory(train, params, n_classes, _BIN_ROWS).X
    bins = find_bins(X, encoder.cardinalities.tolist(), recipe.n_bins, params.seed)
    return {**recipe.spec, "bins": bins if earlier is None else adopt_bins(bins, encoder, earlier)}


def _start(
    network: nn.Module, params: TrainParams, encoder: Encoder, contract: Contract, earlier: Classifier, number: int
) -> list[str]:
    """Take over what fits of the earlier classifier, and freeze what `train.freeze` names; returns what was taken."""
    taken = take_over(network, encoder, contract.classes, earlier, number)
    if not taken:
        raise TrainingError(
            "the classifier that 'train.init' names must have something in common with this one, however no weights of its "
            f"network fit. Give train.{params.network} the sizes that it was trained with, or set train.init to models/nothing."
        )
    for beginning in params.freeze:
        if not any(name.startswith(beginning) for name in taken):
            raise TrainingError(
                f"'train.freeze' in params.yaml must name weights that were taken over, however none begins with "
                f"'{beginning}'. Taken were: {', '.join(taken)}."
            )
    for name, weight in network.named_parameters():
        weight.requires_grad_(not name.startswith(tuple(params.freeze)))
    return taken


def _weigh(of_each: Sequence[np.ndarray], part: Part) -> list[float]:
    """The shares of the networks and of each boosted model in the blend that has the least loss; half for the networks is what
    is expected. Shape: (n, classes) each
    """
    models = len(of_each) - 1
    if not models:
        return [1.0]
    expected = np.array([0.5, *[0.5 / models] * models])
    y_prob, weight = np.stack([each[np.arange(len(part)), part.y] for each in of_each]), _weights(part)

    def loss(scores: np.ndarray) -> float:
        shares = softmax(scores)
        doubt = 2 * _DOUBT_ROWS * expected @ np.log(expected / shares)
        return float(doubt - weight @ np.log(np.maximum(shares @ y_prob, _LEAST)))

    shares = softmax(minimize(loss, np.log(expected), method="L-BFGS-B").x).round(3)
    shares[shares.argmax()] += 1 - shares.sum()
    return [float(share) for share in shares]


def _find_temperature(y_prob: np.ndarray, part: Part) -> float:
    """That has the least loss. Shape: (n, classes)"""
    rows, weight = np.arange(len(part)), _weights(part)

    def loss(log_temperature: float) -> float:
        own = tempered(y_prob, np.exp(log_temperature))[rows, part.y]
        return float(_DOUBT_ROWS * log_temperature**2 - weight @ np.log(np.maximum(own, _LEAST)))

    return round(float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x)), 3)


def _weights(part: Part) -> np.ndarray:
    """Of the rows, 1 on average."""
    return np.ones(len(part)) if part.weight is None else part.weight / part.weight.mean()
