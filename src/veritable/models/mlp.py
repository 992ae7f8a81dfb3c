"""The multilayer perceptron, fed with encoded rows."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class OneHot(nn.Module):
    """Category codes to one column per level; a level that was not seen (code 0) is all zeros. Numbers pass.

    Shape: (n, width) -> (n, out_features)
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
    """nn.Linear whose rows, once it is trained, do not depend on where they stand.

    The processor's library adds a row's products in an order that hangs on how the row lies in memory. Inputs filled up with
    zeros to a multiple of 16 lie alike, all of them: docs/decisions/0005-tables.md.

    Shape: (n, in_features) -> (n, out_features)
    """

    def forward(self, input: Tensor) -> Tensor:
        gap = -self.in_features % 16
        if self.training or not gap:
            return super().forward(input)
        return functional.linear(functional.pad(input, (0, gap)), functional.pad(self.weight, (0, gap)), self.bias)


class MLP(nn.Sequential):
    """One-hot, then hidden layers of linear, activation and dropout, then the logits.

    Shape: (n, width) -> (n, classes)

    Parameters
    ----------
    cardinalities
        Of each encoded column the number of its codes, 0 for a number (`Encoder.cardinalities`).
    """

    def __init__(
        self, cardinalities: Sequence[int], classes: int, *, hidden_layer_sizes: Sequence[int], activation: str, dropout: float
    ):
        one_hot = OneHot(cardinalities)
        layers: dict[str, nn.Module] = {"one_hot": one_hot}
        size = one_hot.out_features
        for i, hidden in enumerate(hidden_layer_sizes, 1):
            own = (Linear(size, hidden), ACTIVATIONS[activation](), nn.Dropout(dropout))
            layers |= {f"{name}_{i}": layer for name, layer in zip(("hidden", "activation", "dropout"), own, strict=True)}
            size = hidden
        super().__init__(OrderedDict(layers, output=Linear(size, classes)))
