"""TabM: many networks that share most of their weights, trained side by side (Gorishniy et al. 2024, "TabM: advancing tabular
deep learning with parameter-efficient ensembling"), from its authors' package.
"""

from collections.abc import Sequence

import tabm
from torch import Tensor, nn
from torch.nn import functional

from veritable.models.features import Bins, Features

_ALIGNED = 16


class Output(tabm.LinearEnsemble):  # type: ignore[misc]
    """Each member's own logits, which once it is trained do not hang on where a row stands: see networks.mlp.Linear.

    Shape: (n, members, in_features) -> (n, members, out_features)
    """

    def forward(self, X: Tensor) -> Tensor:
        gap = -self.out_features % _ALIGNED
        if self.training or not gap:
            return super().forward(X)  # type: ignore[no-any-return]
        logits = X.transpose(0, 1) @ functional.pad(self.weight, (0, gap))
        return logits.transpose(0, 1)[..., : self.out_features] + self.bias  # type: ignore[no-any-return]


class TabM(nn.Module):
    """Embedded features, then blocks of linear, ReLU and dropout for each member, then each member's logits.

    Shape: (n, width) -> (n, members, classes)

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
        self.output = Output(d_block, classes, k=k)

    def forward(self, X: Tensor) -> Tensor:
        logits: Tensor = self.output(self.backbone(self.view(self.features(X))))
        return logits
