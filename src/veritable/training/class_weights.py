"""Weights of classes and rows, and rows for classes that a part lacks."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from veritable.errors import UserError
from veritable.metrics.goals import Goal
from veritable.tables.encoding.parts import Part


def balanced_weights(y: Tensor, weight: Tensor | None, n_classes: int) -> Tensor:
    """Return class weights that give all classes the same total weight, with a mean of 1 over the rows; 1 for absent classes.

    Shape: y (rows,), weight (rows,) -> (n_classes,)
    """
    return balance(torch.bincount(y, weight, minlength=n_classes))


def balance(masses: Tensor) -> Tensor:
    """Return balanced class weights from the total weight of each class. Shape: (n_classes,) -> (n_classes,)"""
    counts = masses.float()
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts), 1.0)


def row_weights(part: Part, class_weight: str, n_classes: int) -> np.ndarray | None:
    """Return the weight of each row times that of its class; None if all are equal. Shape: (rows,)

    Parameters
    ----------
    class_weight
        "none", or "balanced".
    """
    if class_weight != "balanced":
        return part.weight
    weight = None if part.weight is None else torch.from_numpy(part.weight)
    of_class = balanced_weights(torch.from_numpy(part.y), weight, n_classes).numpy()
    return np.asarray(of_class[part.y] * (1 if part.weight is None else part.weight))


def weigh(part: Part, class_weight: str, n_classes: int) -> Part:
    """Return a part with the weights of `row_weights`, divided by their mean, and an average row for each class that it lacks.

    With that row of weight 1, a class is improbable but not impossible, also if the classes are balanced. The mean is 1 because
    LightGBM compares sums of weights with absolute limits: it would not split rows whose weights sum to 1.
    """
    weight = row_weights(part, class_weight, n_classes)
    part = replace(part, weight=None if weight is None else weight / weight.mean())
    absent = np.setdiff1d(np.arange(n_classes), part.y)
    if not len(absent):
        return part
    added = replace(
        part,
        row=np.full(len(absent), -1),
        y=absent.astype(part.y.dtype),
        X=np.zeros((len(absent), part.X.shape[1]), dtype=part.X.dtype),  # the mean of a number, code 0 of a category
        weight=None if weight is None else np.ones(len(absent)),
        unit=None if part.unit is None else np.zeros(len(absent), dtype=part.unit.dtype),
    )
    return Part.together([part, added])


def check_costs(goal: Goal, class_weight: str) -> None:
    """Refuse expected costs of probabilities that class weights have shifted; a threshold of two classes is chosen on them.

    Raises
    ------
    UserError
        There are costs for more than two classes, and the classes are balanced.
    """
    if goal.costs is not None and len(goal.costs) > 2 and class_weight != "none":
        raise UserError(
            f"train.class_weight must be none with decision.costs and more than two classes, but is {class_weight}: it shifts "
            "the probabilities, so that the expected costs would be wrong. Set one of them to its default in params.yaml."
        )
