"""Differentially private training: gradients of single rows, a budget that is kept, and the same bytes for the same seed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.rooms import numbers_part, prepared
from tests.test_fit import fitted, network_of
from tests.training import FACTS, SMALL, inputs_of, train_params, train_plan
from veritable.errors import UserError
from veritable.models.classifier import Classifier
from veritable.params import ParamsError
from veritable.reporting.privacy_sentences import write_privacy
from veritable.training.params import TrainParams, TuneParams
from veritable.training.plan import PRIVATE_NETWORKS, TrainPlan, plan_training, plan_tuning
from veritable.training.privacy import PoissonChunks, PrivateModule
from veritable.training.train import train_classifier

pytest.importorskip("opacus", reason="opacus is not installed: pip install '.[privacy]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore:Full backward hook is firing"
)  # of the first layer, as it must; `fit` does so too

BUDGET = {"epsilon": 4.0, "delta": 1e-3, "max_grad_norm": 0.5}
TRAIN, VALID = numbers_part(96, 1), numbers_part(64, 2)


def private(network: str = "mlp", **changes: Any) -> TrainPlan:
    return train_plan(network, **{"privacy": BUDGET, "background_rows": 0, "max_epochs": 2, "dropout": 0.0, **changes})


@pytest.mark.parametrize("network", PRIVATE_NETWORKS)
def test_gradients_of_single_rows(network: str, tmp_path: Path) -> None:
    """Opacus's gradient of each row is the one that PyTorch computes for this row alone, for every weight of the network."""
    plan = private(network)
    module = network_of(plan)
    trained = PrivateModule(module, plan, TRAIN, VALID, 2)
    module.train()
    X, y = torch.from_numpy(TRAIN.X[:6]), torch.from_numpy(TRAIN.y[:6])
    trained._loss(module, X, y)[0].backward()
    found = {name: weight.grad_sample.clone() for name, weight in module.named_parameters()}
    trained.teardown("fit")
    assert not any(hasattr(weight, "grad_sample") for weight in module.parameters())
    for row in range(6):
        module.zero_grad()
        trained._loss(module, X[[row]], y[[row]])[0].backward()
        for name, weight in module.named_parameters():
            assert weight.grad is not None
            torch.testing.assert_close(weight.grad, found[name][row], rtol=1e-4, atol=1e-6)


def test_a_row_has_a_bounded_influence(tmp_path: Path) -> None:
    """Without noise, one row more changes the sum of the gradients by at most the norm."""
    plan = private()
    module = network_of(plan)
    trained = PrivateModule(module, plan, TRAIN, VALID, 2)
    optimizer: Any = trained.configure_optimizers()
    optimizer.noise_multiplier, optimizer.expected_batch_size = 0.0, 1
    module.train()
    sums = []
    for rows in (6, 7):
        optimizer.zero_grad()
        trained._loss(module, 100 * torch.from_numpy(TRAIN.X[:rows]), torch.from_numpy(TRAIN.y[:rows]))[0].backward()
        optimizer.pre_step()
        sums.append(torch.cat([weight.grad.flatten() for weight in module.parameters() if weight.grad is not None]))
    assert 0 < float((sums[1] - sums[0]).norm()) <= BUDGET["max_grad_norm"] * 1.001


def test_poisson_sampling() -> None:
    """Each row is in a batch with the same probability, whatever the other rows; the same seed draws the same rows."""
    columns = (torch.zeros(400, 1), torch.arange(400))
    chunks = PoissonChunks(columns, 0.1, 200, seed=3)
    batches = [batch for chunk in chunks for batch in chunk]
    assert 200 == len(batches)
    counts = np.bincount(torch.cat([y for _, y in batches]).numpy(), minlength=400)
    assert 0.1 == pytest.approx(counts.mean() / 200, abs=0.004)
    assert 200 * 0.1 * 0.9 == pytest.approx(counts.var(), rel=0.25)  # binomial
    sizes = [len(y) for _, y in batches]
    assert len(set(sizes)) > 5
    assert sizes == [len(y) for chunk in chunks for _, y in chunk]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs give the same weights, another seed other ones; the network has the same names as without privacy."""
    runs = [fitted(tmp_path / str(i), private(seed=seed))[0].state_dict() for i, seed in enumerate((1, 1, 2))]
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not torch.equal(runs[0]["output.weight"], runs[2]["output.weight"])
    assert network_of(train_plan()).state_dict().keys() == runs[0].keys()


def test_the_noise_depends_on_the_budget(tmp_path: Path) -> None:
    """A smaller epsilon adds more noise: the weights end farther away from those that hardly any noise was added to."""

    def weights(epsilon: float) -> torch.Tensor:
        network, *_ = fitted(tmp_path / str(epsilon), private(privacy=BUDGET | {"epsilon": epsilon}))
        return nn.utils.parameters_to_vector(network.parameters()).detach()

    strict, lax, plain = (weights(epsilon) for epsilon in (0.5, 100.0, 1e6))
    assert float((strict - plain).norm()) > float((lax - plain).norm()) > 0


def test_what_was_spent_is_stated(tmp_path: Path) -> None:
    """The classifier and the report say what was spent, at most the budget; stopping early spends less."""
    done = prepared(300, 2)
    spent = {}
    for name, changes in (("all", {}), ("early", {"patience": 1, "learning_rate": 0.5, "max_epochs": 30})):
        (tmp_path / name).mkdir()
        trained = train_classifier(inputs_of(done, private(**changes), tmp_path / name))
        assert trained.classifier.privacy is not None
        spent[name] = trained.classifier.privacy
        replace(trained.classifier, threshold=0.5).save(tmp_path / name / "classifier")
        loaded = Classifier.load(tmp_path / name / "classifier")
        assert spent[name] == loaded.privacy == loaded.facts["privacy"]
    assert BUDGET["epsilon"] == pytest.approx(spent["all"]["epsilon"], abs=0.011)
    assert spent["all"]["epsilon"] <= BUDGET["epsilon"]
    assert spent["early"]["epsilon"] < BUDGET["epsilon"] - 0.1
    assert len(done.parts["train"]) == spent["all"]["rows"]
    text = " ".join(write_privacy(loaded.facts))
    assert f"epsilon {spent['early']['epsilon']:.3g} at delta 0.001" in text
    assert "does not cover the encoder" in text
    assert [] == write_privacy({"network": "mlp"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": "tabm"}, "'train.network' in params.yaml must be auto or mlp"),
        ({"blend": ["trees"]}, "'train.blend' in params.yaml must be auto or []: trees"),
        ({"n_splits": 3}, "'train.n_splits' in params.yaml must be auto or 0"),
        ({"n_networks": 2}, "'train.n_networks' in params.yaml must be 1"),
        ({"background_rows": 50}, "'train.background_rows' in params.yaml must be 0"),
        ({"l1": 0.1}, "'train.mlp.l1' in params.yaml must be 0"),
        ({"precision": "64-true"}, "'train.precision' in params.yaml must be 32-true"),
        ({"memory_gib": 1e-6}, "'train.memory_gib' in params.yaml must be enough"),
    ],
)
def test_what_would_undo_the_guarantee_is_refused(changes: dict[str, Any], said: str) -> None:
    """Parameters that would spend the epsilon again, or fit to the rows without noise, are refused with the reason."""
    with pytest.raises(ParamsError) as caught:
        private(**changes)
    assert said in str(caught.value)


def test_a_pretrained_member_and_a_search_are_refused() -> None:
    """A pretrained model sees the rows without noise, and each trial of a search spends the epsilon."""
    given = train_params(privacy=BUDGET, background_rows=0)
    with pytest.raises(ParamsError, match=r"train\.member"):
        plan_training(given, FACTS, has_init=False, has_member=True)
    tune = TuneParams.parse("tune", {"n_trials": 2, "pruning": False, "seed": 1, "space": {"mlp.l1": [0.1, 0.2]}})
    with pytest.raises(ParamsError, match=r"tune\.n_trials"):
        plan_tuning(tune, given, private(), "table.csv")


def test_auto_is_resolved_for_privacy() -> None:
    """With privacy, auto is a network alone, without folds, and gradients are clipped row by row only."""
    given = SMALL | {"network": "auto", "blend": "auto", "n_splits": "auto", "privacy": BUDGET, "background_rows": 0}
    plan = plan_training(TrainParams.parse("train", given), FACTS, has_init=False)
    assert ("mlp", 0, None, None) == (plan.network, plan.n_splits, plan.trees, plan.forest)
    assert plan.recipe.gradient_clip_val is None


def test_an_epsilon_that_no_noise_reaches(tmp_path: Path) -> None:
    """An epsilon that is too small for the number of steps is refused."""
    with pytest.raises(UserError, match=r"train\.privacy\.epsilon must be large enough"):
        PrivateModule(network_of(private()), private(privacy=BUDGET | {"epsilon": 1e-9, "delta": 1e-9}), TRAIN, VALID, 2)
