"""Networks as members of the blend: built, initialized from an earlier classifier if there is one, and fitted."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import nn

from veritable.models.build import build_network
from veritable.models.features import find_bins
from veritable.models.network import Network
from veritable.models.transfer import adopt_bins, copy_weights
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.fit import EpochCallback, TrainingError, fit
from veritable.training.inputs import TrainingInputs
from veritable.training.learner import Fitted
from veritable.training.params import MLPParams
from veritable.training.streaming import in_memory

_BIN_ROWS = 200_000  # sample of a streamed part; find_bins uses as many rows of a part in memory


class NetworkLearner:
    """`n_networks` networks with different seeds.

    They are not fitted again on all rows: an average of networks fitted on different folds is better than one network fitted on
    all of them (docs/decisions/0015-every-row.md).

    Parameters
    ----------
    callback
        Called after each epoch of the first network of the first fold: see `fit`.

    Attributes
    ----------
    spec
        What `build_network` needs to build the networks.
    copied
        Names of the parameters that were copied from the earlier classifier, at least in part.

    Raises
    ------
    TrainingError
        The earlier classifier has another kind of network.
    """

    name: ClassVar[str] = "networks"

    def __init__(self, inputs: TrainingInputs, callback: EpochCallback | None = None):
        self.inputs, self.callback = inputs, callback
        self.spec = _network_spec(inputs)
        self.copied: list[str] = []

    def fit(self, train: Part | Shards, valid: Part | Shards, number: int) -> Fitted:
        plan, n_classes = self.inputs.plan, self.inputs.n_classes
        networks, histories = list[Network](), list[pd.DataFrame]()
        first = number * plan.n_networks
        for i in range(first, first + plan.n_networks):
            seeded = plan.with_seed(i)
            torch.manual_seed(seeded.seed)
            module = build_network(self.inputs.encoder, n_classes, self.spec)
            self.copied = self._initialize(module, i)
            scratch = self.inputs.scratch / f"network-{i + 1}"
            scratch.mkdir(exist_ok=True)
            history = fit(
                module,
                seeded,
                train,
                valid,
                n_classes=n_classes,
                scratch=scratch,
                threads=self.inputs.threads,
                callback=self.callback if i == 0 else None,
            )
            history.insert(0, "network", i + 1)
            networks.append(Network(module))
            histories.append(history)
        return Fitted(tuple(networks), history=pd.concat(histories, ignore_index=True))

    def refit(self, pool: Part, fits: Sequence[Fitted]) -> None:
        return None

    def _initialize(self, module: nn.Module, number: int) -> list[str]:
        """Copy weights of the earlier classifier, if there is one, and freeze those of `freeze`; return the names copied."""
        inputs = self.inputs
        if inputs.earlier is None:
            return []
        plan = inputs.plan
        copied = copy_weights(module, inputs.encoder, inputs.contract.classes, inputs.earlier, number)
        if not copied:
            raise TrainingError(
                "train.init must be a classifier whose weights fit, but no weights of its network do. Give "
                f"train.{plan.network} the sizes that it was trained with, or train without train.init."
            )
        for prefix in plan.freeze:
            if not any(name.startswith(prefix) for name in copied):
                raise TrainingError(
                    f"train.freeze must name parameters that were copied from train.init, but none starts with '{prefix}'. "
                    f"Copied are: {', '.join(copied)}."
                )
        for name, weight in module.named_parameters():
            weight.requires_grad_(not name.startswith(tuple(plan.freeze)))
        return copied


def _network_spec(inputs: TrainingInputs) -> dict[str, Any]:
    """Return what `build_network` needs; bins of known numbers are those of the earlier classifier."""
    plan, earlier, recipe = inputs.plan, inputs.earlier, inputs.plan.recipe
    if earlier is not None and not earlier.networks:
        raise TrainingError(
            "train.init must be a classifier with a network, but the blend of this one has none. Train it with train.blend: []."
        )
    if earlier is not None and earlier.spec["name"] != plan.network:
        kind = earlier.spec["name"]
        raise TrainingError(
            f"train.init must be a classifier with the network '{plan.network}', but its network is '{kind}'. Set "
            f"train.network to '{kind}'."
        )
    if isinstance(recipe, MLPParams):
        return recipe.spec
    X = in_memory(inputs.train, plan, inputs.n_classes, _BIN_ROWS).X
    bins = find_bins(X, inputs.encoder.cardinalities.tolist(), recipe.n_bins, plan.seed)
    return {**recipe.spec, "bins": bins if earlier is None else adopt_bins(bins, inputs.encoder, earlier)}
