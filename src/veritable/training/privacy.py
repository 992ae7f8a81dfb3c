"""Differentially private training of a network: Opacus bounds what the weights can tell about any row of the train part.

Abadi et al. 2016, "Deep learning with differential privacy": every step draws each row with the same probability (Poisson
sampling), clips the gradient of each row, and adds noise to their sum. The accountant turns the steps into an epsilon.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from veritable.errors import UserError
from veritable.models.mlp import Linear
from veritable.tables.encoding.parts import Part, Shards
from veritable.training.feeding import CHUNK_BATCHES
from veritable.training.module import ClassifierModule
from veritable.training.params import PrivacyParams
from veritable.training.plan import TrainPlan

_ACCOUNTANT = "rdp"
_NOISE, _SAMPLING = 1, 2  # streams of random numbers: noise that depends on the drawn rows would protect nothing


def _import_opacus() -> Any:
    try:
        import opacus
        import opacus.accountants.utils
        import opacus.grad_sample
        import opacus.optimizers
    except ImportError:
        raise UserError(
            "train.privacy needs the package opacus, which is not installed. Install it with: pip install '.[privacy]'."
        ) from None
    return opacus


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the accountant's warning that another bound could be tighter: the one that it returns holds."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order")
        yield


class PoissonChunks:
    """One epoch of batches that draw each row independently, in lists of several batches.

    Parameters
    ----------
    columns
        The rows: X and y, and the weights if there are any. Shape: (rows, ...) each
    sample_rate
        Probability with which a batch holds a row.
    """

    def __init__(self, columns: tuple[Tensor, ...], sample_rate: float, n_batches: int, seed: int):
        self.columns, self.sample_rate, self.n_batches, self.seed = columns, sample_rate, n_batches, seed

    def __len__(self) -> int:
        return -(-self.n_batches // CHUNK_BATCHES)

    def __iter__(self) -> Iterator[list[tuple[Tensor, ...]]]:
        generator = torch.Generator().manual_seed(self.seed)
        y = self.columns[1]
        for start in range(0, self.n_batches, CHUNK_BATCHES):
            batches = []
            for _ in range(min(CHUNK_BATCHES, self.n_batches - start)):
                drawn = torch.rand(len(y), generator=generator) < self.sample_rate
                places = torch.nonzero(drawn).flatten().to(y.device)
                batches.append(tuple(column[places] for column in self.columns))
            yield batches


class PrivateModule(ClassifierModule):
    """`ClassifierModule` whose steps draw rows by Poisson sampling, clip the gradient of each row and add noise.

    Opacus computes the gradients of single rows by hooks on the layers of the network, so the network itself, its weights and
    their names are the same as without privacy.

    Raises
    ------
    UserError
        Opacus is not installed, or no noise is enough for the epsilon.
    """

    def __init__(self, network: nn.Module, plan: TrainPlan, train: Part | Shards, valid: Part | Shards, n_classes: int):
        super().__init__(network, plan, train, valid, n_classes)
        opacus = _import_opacus()
        assert plan.privacy is not None
        self.privacy = plan.privacy
        self.sample_rate, steps = _rate_and_steps(plan, len(self.rows["train"]))
        self.noise = find_noise(plan.privacy, self.sample_rate, plan.recipe.max_epochs * steps)
        opacus.grad_sample.register_grad_sampler(Linear)(opacus.grad_sample.compute_linear_grad_sample)
        hooks = opacus.GradSampleModule(network, loss_reduction="sum")
        self._opacus = (opacus, hooks)  # in a tuple, so that Lightning saves the weights once

    def train_dataloader(self) -> PoissonChunks:  # type: ignore[override]
        """Return the batches of the current epoch; a resumed run draws the same rows."""
        rows = self.rows["train"]
        columns = (rows.X, rows.y) if rows.weight is None else (rows.X, rows.y, rows.weight)  # type: ignore[union-attr]
        return PoissonChunks(columns, self.sample_rate, self.steps_per_epoch, self._seed(_SAMPLING))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        opacus, _ = self._opacus
        self.generator = torch.Generator(self.device)
        optimizer: torch.optim.Optimizer = opacus.optimizers.DPOptimizer(
            super().configure_optimizers(),
            noise_multiplier=self.noise,
            max_grad_norm=self.privacy.max_grad_norm,
            expected_batch_size=self.plan.recipe.batch_size,
            generator=self.generator,
        )
        return optimizer

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.generator.manual_seed(self._seed(_NOISE))  # the same noise in a resumed run

    def teardown(self, stage: str) -> None:
        self._opacus[1].to_standard_module()  # the network is used without hooks

    def _seed(self, stream: int) -> int:
        """Return a seed for the current epoch and a stream of random numbers."""
        return int(np.random.SeedSequence([self.plan.seed, self.current_epoch, stream]).generate_state(1, np.uint64)[0] >> 1)

    def _batches(self, chunk: Any) -> list[tuple[Tensor, ...]]:
        return list(chunk)

    def _loss(
        self, network: nn.Module, X: Tensor, y: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | int]:
        """Return the sum of the losses of the rows, which Opacus divides by the expected size of a batch."""
        logits = network(X)
        n_outputs = logits.shape[1] if logits.ndim > 2 else 1
        flat, repeated = logits.reshape(-1, logits.shape[-1]), y.repeat_interleave(n_outputs)
        losses = nn.functional.cross_entropy(flat, repeated, reduction="none")
        row_weight = self.class_weights[y] if weight is None else self.class_weights[y] * weight
        loss = (losses.view(len(y), n_outputs).mean(dim=1) * row_weight).sum()
        return loss, loss.detach(), row_weight.sum()


@cache
def find_noise(privacy: PrivacyParams, sample_rate: float, steps: int) -> float:
    """Return the noise multiplier with which so many steps spend at most the epsilon.

    Raises
    ------
    UserError
        No noise is enough.
    """
    opacus = _import_opacus()
    try:
        with _quiet():
            noise = opacus.accountants.utils.get_noise_multiplier(
                target_epsilon=privacy.epsilon,
                target_delta=privacy.delta,
                sample_rate=sample_rate,
                steps=steps,
                accountant=_ACCOUNTANT,
            )
    except ValueError:
        raise UserError(
            f"train.privacy.epsilon must be large enough that some noise suffices for {steps:,} steps with "
            f"{sample_rate:.2%} of the rows, but is {privacy.epsilon:g}. Increase it, or decrease max_epochs or batch_size."
        ) from None
    return float(noise)


def compute_spent(plan: TrainPlan, train: Part | Shards, *, epochs: int) -> dict[str, float]:
    """Return what a training has spent: the guarantee for one row of the train part that is added or removed.

    Returns
    -------
    A dict for JSON: `epsilon` and `delta`; `max_grad_norm`; `noise_multiplier`, the standard deviation of the noise relative to
    that norm; `sample_rate`, the probability with which a step draws a row; `steps`; and `rows`, those of train.
    """
    assert isinstance(train, Part)  # the plan streams nothing
    assert plan.privacy is not None
    rows = len(train) if train.weight is None else int((train.weight > 0).sum())
    rate, steps_per_epoch = _rate_and_steps(plan, rows)
    noise = find_noise(plan.privacy, rate, plan.recipe.max_epochs * steps_per_epoch)
    accountant = _import_opacus().accountants.create_accountant(_ACCOUNTANT)
    accountant.history = [(noise, rate, epochs * steps_per_epoch)]
    with _quiet():
        epsilon = float(accountant.get_epsilon(plan.privacy.delta))
    return {
        "epsilon": epsilon,
        "delta": plan.privacy.delta,
        "max_grad_norm": plan.privacy.max_grad_norm,
        "noise_multiplier": noise,
        "sample_rate": rate,
        "steps": epochs * steps_per_epoch,
        "rows": rows,
    }


def _rate_and_steps(plan: TrainPlan, rows: int) -> tuple[float, int]:
    """Return the probability with which a step draws a row, and the steps per epoch."""
    batch_size = plan.recipe.batch_size
    return min(1.0, batch_size / rows), -(-rows // batch_size)
