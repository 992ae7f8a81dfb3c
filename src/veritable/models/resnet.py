"""The residual network of Gorishniy et al. 2021, "Revisiting deep learning models for tabular data".

It uses layer normalization instead of batch normalization, so the prediction for a row does not depend on other rows.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from veritable.models.features import Bins, Features
from veritable.models.first_layer import FirstLayer
from veritable.models.mlp import Linear


class Block(nn.Module):
    """A residual block: normalize, expand, ReLU, dropout, project back, and add the input. Shape: (n, d) -> (n, d)"""

    def __init__(self, d_block: int, dropout: float):
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(d_block),
            Linear(d_block, 2 * d_block),
            nn.ReLU(),
            nn.Dropout(dropout),
            Linear(2 * d_block, d_block),
        )

    def forward(self, X: Tensor) -> Tensor:
        return X + self.body(X)  # type: ignore[no-any-return]


class ResNet(nn.Sequential):
    """Embedded features, residual blocks, and a linear output layer.

    Shape: (n, width) -> (n, n_classes)

    Parameters
    ----------
    cardinalities, bins, d_embedding
        See `Features`.
    n_classes
        Number of classes.
    n_blocks, d_block, dropout
        See `train.resnet`.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_classes: int,
        *,
        bins: Bins,
        d_embedding: int,
        n_blocks: int,
        d_block: int,
        dropout: float,
    ):
        features = Features(cardinalities, bins, d_embedding)
        layers: dict[str, nn.Module] = {"features": features, "input": Linear(features.out_features, d_block)}
        layers |= {f"block_{i}": Block(d_block, dropout) for i in range(1, n_blocks + 1)}
        layers |= {"norm": nn.LayerNorm(d_block), "relu": nn.ReLU(), "output": Linear(d_block, n_classes)}
        super().__init__(OrderedDict(layers))

    def split(self) -> FirstLayer:
        """Return the first layer and the rest, for evaluation."""
        features, first, *rest = self.children()
        assert isinstance(features, Features)
        assert isinstance(first, nn.Linear)
        return FirstLayer(features, features.column, first.weight.T.contiguous(), first.bias, nn.Sequential(*rest))
