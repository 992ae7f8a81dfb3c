"""The plan: `auto` is resolved, and parameters without effect are dropped, so that they run no stage again."""

from pathlib import Path
from typing import Any

import pytest

from tests.rooms import section
from tests.training import FACTS, SMALL, train_params
from veritable.errors import UserError
from veritable.files import read_json, write_json
from veritable.training.params import NETWORKS, TrainParams, TuneParams
from veritable.training.plan import TableFacts, TrainPlan, plan_training, plan_tuning

GIB_PER_BYTE = 2**-30
SPACE: dict[str, Any] = {"mlp.dropout": [0.1], "tabm.dropout": [0.1], "trees.lambda_l2": [1.0]}


def planned(params: TrainParams, *, n_classes: int = 2, demo: bool = False, has_init: bool = False) -> TrainPlan:
    facts = TableFacts(n_classes, FACTS.n_rows, FACTS.width, FACTS.weighted)
    return plan_training(params, facts, demo=demo, has_init=has_init)


def tune_params(space: dict[str, Any] = SPACE, **changes: Any) -> TuneParams:
    return TuneParams.parse("tune", section("tune", **{"n_trials": 9, "space": space} | changes))


def other(value: Any) -> Any:
    """Return another valid value of a parameter."""
    if isinstance(value, bool | None | str):
        return {None: 1, True: False, False: True, "relu": "tanh", "constant": "cosine"}[value]
    if isinstance(value, list):
        return [*value, 8]
    return value + 8 if isinstance(value, int) else value / 2 + 0.01


class TestAuto:
    @pytest.mark.parametrize(
        ("demo", "n_classes", "expected"), [(True, 2, "mlp"), (False, 9, "tabm"), (False, 10, "resnet"), (True, 10, "mlp")]
    )
    def test_network(self, demo: bool, n_classes: int, expected: str) -> None:
        """`auto` is the MLP for the demo table; for others TabM, or the ResNet from 10 classes on."""
        params = TrainParams.parse("train", SMALL | {"network": "auto"})
        assert expected == planned(params, demo=demo, n_classes=n_classes).network

    @pytest.mark.parametrize("name", NETWORKS)
    def test_given_network(self, name: str) -> None:
        """A network that is given is used for every table."""
        for demo in (True, False):
            plan = planned(train_params(name), demo=demo, n_classes=50)
            assert name == plan.network
            assert plan.recipe is getattr(plan, name)

    @pytest.mark.parametrize(("demo", "n_classes", "expected"), [(True, 2, False), (False, 100, True), (False, 101, False)])
    def test_trees(self, demo: bool, n_classes: int, expected: bool) -> None:
        """`auto` means no trees for the demo table and for more than 100 classes."""
        plan = planned(train_params(trees={"n_models": "auto"}), demo=demo, n_classes=n_classes)
        assert expected == (plan.trees is not None)

    @pytest.mark.parametrize("models", [0, 3])
    def test_given_trees(self, models: int) -> None:
        """A number of boosted models that is given is used for every table; 0 means no trees."""
        plan = planned(train_params(trees={"n_models": models}), demo=True, n_classes=500)
        assert models == (plan.trees.n_models if plan.trees else 0)


class TestEffect:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("models", [0, 2])
    def test_sections(self, name: str, models: int) -> None:
        """A parameter changes the plan if, and only if, its network is chosen or there are trees."""
        base = train_params(name, trees={"n_models": models})
        for key in (*NETWORKS, "trees"):
            for param, value in SMALL[key].items():
                if param == "n_models":
                    continue
                changed = base.model_dump() | {key: base.model_dump()[key] | {param: other(value)}}
                used = key == name or (key == "trees" and models > 0)
                assert used == (planned(base) != planned(TrainParams.parse("train", changed))), (key, param)

    @pytest.mark.parametrize(
        "change",
        [
            {"n_networks": 2}, {"n_splits": 3}, {"calibrate": True}, {"class_weight": "balanced"}, {"accelerator": "auto"},
            {"precision": "64-true"}, {"seed": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_common(self, change: dict[str, Any]) -> None:
        """The parameters that all networks share change the plan."""
        assert planned(train_params()) != planned(train_params(**change))

    @pytest.mark.parametrize("change", [{"freeze": ["features"]}, {"init": "models/v2"}], ids=str)
    @pytest.mark.parametrize("has_init", [True, False])
    def test_warm_start(self, change: dict[str, Any], has_init: bool) -> None:
        """`init` and `freeze` change the plan only if there is an earlier classifier."""
        assert has_init == (planned(train_params(), has_init=has_init) != planned(train_params(**change), has_init=has_init))

    def test_memory(self) -> None:
        """Memory changes the plan only if a part does not fit."""
        enough, more = (planned(train_params(memory_gib=gib)) for gib in (1.0, 2.0))
        assert enough == more
        assert () == enough.streamed
        little, less = (planned(train_params(memory_gib=size * GIB_PER_BYTE)) for size in (39_000, 1000))
        assert ("train",) == little.streamed
        assert ("train", "valid") == less.streamed
        assert 39_000 * GIB_PER_BYTE == little.memory_gib

    @pytest.mark.parametrize("name", NETWORKS)
    def test_round_trip(self, tmp_path: Path, name: str) -> None:
        """A plan read from JSON is the plan that was written."""
        plan = planned(train_params(name, trees={"n_models": "auto"}, memory_gib=1000 * GIB_PER_BYTE), has_init=True)
        write_json(tmp_path / "train.json", plan.to_json())
        assert plan == TrainPlan.parse("train", read_json(tmp_path / "train.json"))


class TestTuning:
    def test_space(self) -> None:
        """Only parameters with an effect are searched; the others are named."""
        params = train_params("tabm")
        plan = plan_tuning(tune_params(), params, planned(params), "table.csv")
        assert {"tabm.dropout": [0.1]} == plan.space
        assert ["mlp.dropout", "trees.lambda_l2"] == plan.unsearched

    def test_other_domains(self) -> None:
        """The domain of a parameter without effect does not change the plan."""
        params = train_params("tabm")
        one, two = (
            plan_tuning(tune_params(SPACE | {"mlp.dropout": domain}), params, planned(params), "table.csv")
            for domain in ([0.1], [0.2])
        )
        assert one == two

    def test_base(self) -> None:
        """The base holds the path of the table and the parameters with an effect, before `auto` is resolved."""
        params = TrainParams.parse("train", SMALL | {"network": "auto"})
        base = plan_tuning(tune_params(), params, planned(params), "table.csv").base
        assert ("table.csv", "auto", 42) == (base["data.path"], base["train.network"], base["train.seed"])
        assert SMALL["tabm"]["dropout"] == base["train.tabm.dropout"]
        assert [] == [key for key in base if key.startswith(("train.mlp", "train.resnet", "train.trees", "train.init"))]

    def test_nothing_to_search(self) -> None:
        """A space without a parameter that has an effect is refused."""
        params = train_params("mlp")
        with pytest.raises(UserError, match=r"'tune.space' must have a parameter of mlp, but has none"):
            plan_tuning(tune_params({"tabm.dropout": [0.1]}), params, planned(params), "table.csv")


def test_splits_by_time() -> None:
    """Cross-validation is refused for a table that is split by time."""
    train_params(n_splits=3).check_splits(None)
    train_params().check_splits("date")
    with pytest.raises(UserError, match=r"'train.n_splits' in params.yaml must be 0 if data.time is set, but is 3"):
        train_params(n_splits=3).check_splits("date")


def test_facts() -> None:
    """The facts come from the contract and from table.json."""
    contract = {"classes": ["a", "b", "c"], "columns": [{"role": "feature"}, {"role": "weight"}]}
    facts = TableFacts.from_json(contract, {"parts": {"train": 5, "valid": 2, "test": 2}, "width": 7})
    assert (3, 5, 7, True) == (facts.n_classes, facts.n_rows["train"], facts.width, facts.weighted)
