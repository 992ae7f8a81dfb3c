"""The multilayer perceptron, and the layers that all networks share."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.first_layer import FirstLayer

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
ALIGNMENT = 16  # lengths that are multiples of it have the same bits wherever a row lies: docs/decisions/0005-tables.md


class OneHot(nn.Module):
    """One-hot encoding of category codes; an unseen level (code 0) becomes all zeros. Numbers pass unchanged.

    Shape: (n, width) -> (n, out_features)

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    """

    def __init__(self, cardinalities: Sequence[int]):
        super().__init__()
        wide = [(i, level) for i, codes in enumerate(cardinalities) for level in (range(1, codes) if codes else [-1])]
        self.out_features = len(wide)
        self.column: Tensor
        self.level: Tensor
        self.register_buffer("column", torch.tensor([i for i, _ in wide], dtype=torch.long), persistent=False)
        self.register_buffer("level", torch.tensor([float(level) for _, level in wide]), persistent=False)
        self.has_categories = any(cardinalities)

    def forward(self, X: Tensor) -> Tensor:
        if not self.has_categories:
            return X
        wide = X[:, self.column]
        return torch.where(self.level < 0, wide, (wide == self.level).to(X.dtype))


class Linear(nn.Linear):
    """nn.Linear whose output for a row, in evaluation mode, does not depend on the position of the row in the batch.

    The order in which the CPU library adds the products of a row depends on how the row is aligned in memory. Padding the
    inputs with zeros to a multiple of 16 aligns all rows in the same way.

    Shape: (n, in_features) -> (n, out_features)
    """

    def forward(self, input: Tensor) -> Tensor:
        padding = -self.in_features % ALIGNMENT
        if self.training or not padding:
            return super().forward(input)
        return functional.linear(functional.pad(input, (0, padding)), functional.pad(self.weight, (0, padding)), self.bias)


class MLP(nn.Sequential):
    """One-hot encoding, hidden layers (linear, activation, dropout), and a linear output layer.

    Shape: (n, width) -> (n, n_classes)

    Parameters
    ----------
    cardinalities
        Number of codes of each encoded column, 0 for a number (`Encoder.cardinalities`). Shape: (width,)
    n_classes
        Number of classes.
    hidden_layer_sizes, activation, dropout
        See `train.mlp`.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_classes: int,
        *,
        hidden_layer_sizes: Sequence[int],
        activation: str,
        dropout: float,
    ):
        one_hot = OneHot(cardinalities)
        layers: dict[str, nn.Module] = {"one_hot": one_hot}
        size = one_hot.out_features
        for i, hidden in enumerate(hidden_layer_sizes, 1):
            added = (Linear(size, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout))
            layers |= {f"{name}_{i}": layer for name, layer in zip(("hidden", "activation", "dropout"), added, strict=True)}
            size = hidden
        super().__init__(OrderedDict(layers, output=Linear(size, n_classes)))

    def split(self) -> FirstLayer:
        """Return the first layer and the rest, for evaluation."""
        one_hot, first, *rest = self.children()
        assert isinstance(one_hot, OneHot)
        assert isinstance(first, nn.Linear)
        return FirstLayer(one_hot, one_hot.column.numpy(), first.weight.T.contiguous(), first.bias, nn.Sequential(*rest))
