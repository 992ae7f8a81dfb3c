"""TabM: networks that share most of their weights and are trained together, from the package of its authors.

Gorishniy et al. 2024, "TabM: advancing tabular deep learning with parameter-efficient ensembling".
"""

from collections.abc import Sequence

import tabm
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.features import Bins, Features
from veritable.models.first_layer import FirstLayer
from veritable.models.mlp import ALIGNMENT


class Output(tabm.LinearEnsemble):  # type: ignore[misc]
    """The output layer of each of the k networks.

    In evaluation mode, the output for a row does not depend on the position of the row in the batch: see `mlp.Linear`.

    Shape: (n, k, in_features) -> (n, k, out_features)
    """

    def forward(self, X: Tensor) -> Tensor:
        padding = -self.out_features % ALIGNMENT
        if self.training or not padding:
            return super().forward(X)  # type: ignore[no-any-return]
        logits = X.transpose(0, 1) @ functional.pad(self.weight, (0, padding))
        return logits.transpose(0, 1)[..., : self.out_features] + self.bias  # type: ignore[no-any-return]


class TabM(nn.Module):
    """Embedded features, blocks (linear, ReLU, dropout) and an output layer for each of the k networks.

    Shape: (n, width) -> (n, k, n_classes)

    Parameters
    ----------
    cardinalities, bins, d_embedding
        See `Features`.
    n_classes
        Number of classes.
    k, n_blocks, d_block, dropout
        See `train.tabm`.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_classes: int,
        *,
        bins: Bins,
        d_embedding: int,
        k: int,
        n_blocks: int,
        d_block: int,
        dropout: float,
    ):
        super().__init__()
        self.features = Features(cardinalities, bins, d_embedding)
        self.view = tabm.EnsembleView(k=k)
        self.backbone = tabm.make_tabm_backbone(
            d_in=self.features.out_features,
            n_blocks=n_blocks,
            d_block=d_block,
            dropout=dropout,
            k=k,
            arch_type="tabm",
            start_scaling_init="normal" if self.features.numbers else "random-signs",
            start_scaling_init_chunks=self.features.chunks,
        )
        self.output = Output(d_block, n_classes, k=k)

    def forward(self, X: Tensor) -> Tensor:
        logits: Tensor = self.output(self.backbone(self.view(self.features(X))))
        return logits

    def split(self) -> FirstLayer:
        """Return the first layer of all k networks, and the rest, for evaluation."""
        (first, *others), *blocks = self.backbone.blocks
        following = nn.Sequential(*others, *blocks)
        weight = first.weight.T[:, None] * first.r.T[:, :, None] * first.s  # (in_features, k, d_block)

        def rest(hidden: Tensor) -> Tensor:
            logits: Tensor = self.output(following(hidden.view(-1, *first.bias.shape)))
            return logits

        return FirstLayer(self.features, self.features.column, weight.flatten(1), first.bias.flatten(), rest)
