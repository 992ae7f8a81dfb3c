"""A residual network (Gorishniy et al. 2021, "Revisiting deep learning models for tabular data"), with layer instead of batch
normalisation, so that a row's prediction hangs on no other row.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from veritable.models.features import Bins, Features
from veritable.models.mlp import Linear


class Block(nn.Module):
    """Normalised, widened, narrowed, and added to what came in. Shape: (n, width) -> (n, width)"""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width),
            Linear(width, 2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            Linear(2 * width, width),
        )

    def forward(self, X: Tensor) -> Tensor:
        return X + self.body(X)  # type: ignore[no-any-return]


class ResNet(nn.Sequential):
    """Embedded features, residual blocks, then the logits.

    Shape: (n, width) -> (n, classes)

    Parameters
    ----------
    cardinalities, bins, d_embedding
        See `Features`.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        classes: int,
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
        layers |= {"norm": nn.LayerNorm(d_block), "relu": nn.ReLU(), "output": Linear(d_block, classes)}
        super().__init__(OrderedDict(layers))
