"""What builds the networks: the part of their parameters that is saved with the classifier, and its bounds."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from veritable.params import Section

Dropout = Annotated[float, Field(ge=0, lt=1)]
LayerSize = Annotated[int, Field(ge=1, le=65_536)]
Edges = Annotated[list[float], Field(max_length=4097)]


class MLPLayers(Section):
    """Layers of the multilayer perceptron."""

    hidden_layer_sizes: Annotated[list[LayerSize], Field(max_length=32)]
    activation: Literal["relu", "gelu", "silu", "tanh"]
    dropout: Dropout


class BlockLayers(Section):
    """Layers of networks of equal blocks on embedded numbers."""

    n_blocks: Annotated[int, Field(ge=1, le=64)]
    d_block: Annotated[int, Field(ge=8, le=65_536, multiple_of=8)]  # other sizes: the bits of a row depend on its position
    dropout: Dropout
    d_embedding: Annotated[int, Field(ge=1, le=4096)]


class TabMLayers(BlockLayers):
    """Layers of TabM."""

    k: Annotated[int, Field(ge=1, le=1024)]


class MLPSpec(MLPLayers):
    """What builds an MLP."""

    name: Literal["mlp"]

    def count_weights(self, cardinalities: list[int], n_classes: int) -> int:
        """Return the number of weights of the layers, without biases."""
        inputs = sum(codes - 1 if codes else 1 for codes in cardinalities)
        return sum(rows * columns for rows, columns in pairwise((inputs, *self.hidden_layer_sizes, n_classes)))


class _Binned(BlockLayers):
    bins: list[Edges]

    def _count_first(self, cardinalities: list[int]) -> int:
        """Return the number of weights of the embeddings and of the first layer.

        Raises
        ------
        ValueError
            The bins are not those of the encoded columns.
        """
        if len(self.bins) != len(cardinalities):
            raise ValueError(f"must hold bins of {len(cardinalities)} columns, but holds those of {len(self.bins)}")
        for edges, codes in zip(self.bins, cardinalities, strict=True):
            if edges and (codes or len(edges) < 3):
                raise ValueError("must hold 3 or more edges of bins for a number and none for a category, but does not")
        binned = [len(edges) for edges in self.bins if edges]
        plain = sum(codes - 1 if codes else 1 for edges, codes in zip(self.bins, cardinalities, strict=True) if not edges)
        embeddings = len(binned) * (max(binned, default=1) - 1) * self.d_embedding
        return embeddings + (len(binned) * self.d_embedding + plain) * self.d_block


class ResNetSpec(_Binned):
    """What builds a ResNet."""

    name: Literal["resnet"]

    def count_weights(self, cardinalities: list[int], n_classes: int) -> int:
        """Return the number of weights of the layers, without biases. Raises ValueError if the bins do not fit."""
        return self._count_first(cardinalities) + self.n_blocks * 4 * self.d_block**2 + self.d_block * n_classes


class TabMSpec(_Binned, TabMLayers):
    """What builds a TabM."""

    name: Literal["tabm"]

    def count_weights(self, cardinalities: list[int], n_classes: int) -> int:
        """Return the number of weights of the layers, without biases. Raises ValueError if the bins do not fit."""
        blocks = (self.n_blocks - 1) * self.d_block**2 + self.n_blocks * 2 * self.k * self.d_block
        return self._count_first(cardinalities) + blocks + self.k * self.d_block * n_classes


Spec = Annotated[MLPSpec | ResNetSpec | TabMSpec, Field(discriminator="name")]
