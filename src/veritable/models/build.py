"""Build a network from its spec, and load its weights."""

from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from veritable.models.mlp import MLP
from veritable.models.resnet import ResNet
from veritable.models.specs import MLPSpec, ResNetSpec, TabMSpec
from veritable.models.tabm import TabM
from veritable.tables.encoding.encoder import Encoder

NETWORK_CLASSES: dict[str, type[nn.Module]] = {"mlp": MLP, "resnet": ResNet, "tabm": TabM}


def build_network(encoder: Encoder, n_classes: int, spec: Mapping[str, Any]) -> nn.Module:
    """Build a new network from its spec: `name`, and the keyword arguments of its class."""
    settings = {key: value for key, value in spec.items() if key != "name"}
    return NETWORK_CLASSES[spec["name"]](encoder.cardinalities.tolist(), n_classes, **settings)


def load_network(data: bytes, spec: MLPSpec | ResNetSpec | TabMSpec, encoder: Encoder, n_classes: int) -> nn.Module:
    """Build a network and load its weights from the content of a file.

    The network is built only if the file has as many weights as it needs: sizes in the spec alone cannot use up the memory.

    Raises
    ------
    ValueError
        The file is damaged, its weights are not those of the network, or one is not finite.
    """
    try:
        weights = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"must hold weights in the format safetensors, but is damaged: {error}") from None
    needed = spec.count_weights(encoder.cardinalities.tolist(), n_classes)
    stored = sum(each.numel() for each in weights.values())
    if stored < needed:
        raise ValueError(f"must hold the {needed:,} weights of the network in classifier.json, but holds {stored:,}")
    module = build_network(encoder, n_classes, spec.model_dump())
    expected = module.state_dict()
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))[0]
        raise ValueError(f"must hold the weights of the network in classifier.json, but differs in '{odd}'")
    for name, weight in weights.items():
        one, other = (f"{each.dtype} of Shape {tuple(each.shape)}" for each in (expected[name], weight))
        if one != other:
            raise ValueError(f"must hold '{name}' as {one}, but holds {other}")
        if not weight.isfinite().all():
            raise ValueError(f"must hold finite weights, but '{name}' does not")
    module.load_state_dict(weights)
    return module
