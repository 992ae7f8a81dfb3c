"""The knobs of `train`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from veritable.params import Section
from veritable.tables.params import Seed


class TrainParams(Section):
    """Section `train`."""

    hidden_sizes: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=32)]
    activation: Literal["relu", "gelu", "silu", "tanh"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    l1: Annotated[float, Field(ge=0)]
    class_weights: Literal["none", "balanced"]
    batch_size: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)] | None
    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]
    seed: Seed

    @property
    def network(self) -> dict[str, Any]:
        """What the network is built from."""
        return {"hidden_sizes": self.hidden_sizes, "activation": self.activation, "dropout": self.dropout}
