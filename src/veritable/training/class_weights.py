"""Class weights that give all classes the same total weight."""

import torch
from torch import Tensor


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
