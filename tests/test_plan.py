"""The plan: `auto` is resolved, and parameters without effect are dropped, so that they run no stage again."""

from dataclasses import replace
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


def planned(params: TrainParams, *, n_classes: int = 2, has_init: bool = False, **facts: Any) -> TrainPlan:
    """Return the plan for a table with the facts of `FACTS` and other ones."""
    return plan_training(params, replace(FACTS, n_classes=n_classes, **facts), has_init=has_init)


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
    @pytest.mark.parametrize(("n_classes", "expected"), [(2, "tabm"), (9, "tabm"), (10, "resnet"), (500, "resnet")])
    def test_network(self, n_classes: int, expected: str) -> None:
        """`auto` is TabM, or the ResNet from 10 classes on."""
        assert expected == planned(TrainParams.parse("train", SMALL | {"network": "auto"}), n_classes=n_classes).network

    @pytest.mark.parametrize("name", NETWORKS)
    def test_given_network(self, name: str) -> None:
        """A network that is given is used for every table."""
        for n_classes in (2, 50):
            plan = planned(train_params(name), n_classes=n_classes)
            assert name == plan.network
            assert plan.recipe is getattr(plan, name)

    @pytest.mark.parametrize(("n_classes", "expected"), [(2, True), (100, True), (101, False)])
    def test_blend(self, n_classes: int, expected: bool) -> None:
        """`auto` blends the network with everything, or with nothing above 100 classes."""
        plan = planned(train_params(blend="auto", refit=True), n_classes=n_classes)
        assert [expected] * 3 == [plan.trees is not None, plan.forest is not None, plan.refit]
        assert not plan.linear

    @pytest.mark.parametrize("blend", [[], ["linear"], ["trees"], ["forest"], ["forest", "trees"]], ids=str)
    def test_given_blend(self, blend: list[str]) -> None:
        """A blend that is given is used for every table; the network alone is not fitted again on all rows."""
        for n_classes in (2, 500):
            plan = planned(train_params(blend=blend, refit=True), n_classes=n_classes)
            found = {"trees": plan.trees is not None, "forest": plan.forest is not None, "linear": plan.linear}
            assert {name: name in blend for name in found} == found
            assert bool(blend) == plan.refit

    @pytest.mark.parametrize(("rows", "expected"), [(9_999, 4), (10_000, 3), (1_000_000, 3)])
    def test_folds(self, rows: int, expected: int) -> None:
        """`auto` is 4 folds, or 3 from 10,000 rows on; there may be fewer."""
        n_rows = {"train": rows - 60, "valid": 60}
        plan = planned(train_params(n_splits="auto"), n_rows=n_rows)
        assert (expected, True) == (plan.n_splits, plan.fewer_splits)
        assert (0, False) == _splits(planned(train_params(n_splits="auto"), n_rows=n_rows, timed=True))

    @pytest.mark.parametrize("n_splits", [0, 4])
    def test_given_folds(self, n_splits: int) -> None:
        """A number of folds that is given is used for every table."""
        for rows in (100, 20_000):
            plan = planned(train_params(n_splits=n_splits), n_rows={"train": rows, "valid": 60})
            assert (n_splits, False) == _splits(plan)

    def test_no_folds_on_disk(self) -> None:
        """With `auto`, parts that do not fit in memory have no folds, and nothing is fitted again on both of them."""
        params = train_params(n_splits="auto", blend=["trees"], refit=True, memory_gib=70_000 * GIB_PER_BYTE)
        plan = planned(params)
        assert ("train",) == plan.streamed
        assert (0, False, False) == (*_splits(plan), plan.refit)

    @pytest.mark.parametrize("blend", [[], ["forest"]], ids=str)
    def test_memory_for_folds(self, blend: list[str]) -> None:
        """With `auto`, memory has room for the copies of the rows that folds are, refit or not, as with a given number."""
        facts = {"n_rows": {"train": 200, "valid": 60}, "width": 100}
        for refit in (True, False):
            for gib in range(80_000, 400_000, 10_000):
                given, auto = (
                    planned(train_params(n_splits=n, blend=blend, refit=refit, memory_gib=gib * GIB_PER_BYTE), **facts)
                    for n in (4, "auto")
                )
                assert given.streamed == auto.streamed


def _splits(plan: TrainPlan) -> tuple[int, bool]:
    return plan.n_splits, plan.fewer_splits


class TestEffect:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("blend", [[], ["trees"], ["forest", "linear"]], ids=str)
    def test_sections(self, name: str, blend: list[str]) -> None:
        """A parameter changes the plan if, and only if, its network is chosen or the blend has its section."""
        base = train_params(name, blend=blend)
        for key in (*NETWORKS, "trees", "forest"):
            for param, value in SMALL[key].items():
                changed = base.model_dump() | {key: base.model_dump()[key] | {param: other(value)}}
                used = key in (name, *blend)
                assert used == (planned(base) != planned(TrainParams.parse("train", changed))), (key, param)

    @pytest.mark.parametrize(
        "change",
        [
            {"n_networks": 2}, {"n_splits": 3}, {"blend": ["linear"]}, {"class_weight": "balanced"}, {"accelerator": "auto"},
            {"precision": "64-true"}, {"seed": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_common(self, change: dict[str, Any]) -> None:
        """The parameters that all networks share change the plan."""
        assert planned(train_params()) != planned(train_params(**change))

    @pytest.mark.parametrize("blend", [[], ["linear"]], ids=str)
    def test_refit(self, blend: list[str]) -> None:
        """`refit` changes the plan only if there is something besides the network."""
        on, off = (planned(train_params(blend=blend, refit=refit)) for refit in (True, False))
        assert bool(blend) == (on != off)

    def test_member(self) -> None:
        """`member` changes the plan only if it is a pretrained model; that is then fitted again on all rows with `refit`."""
        one, two = (train_params(member=folder, refit=True) for folder in ("models/a", "models/b"))
        for has_member in (True, False):
            plans = [plan_training(each, FACTS, has_init=False, has_member=has_member) for each in (one, two)]
            assert has_member == (plans[0] != plans[1]) == plans[0].refit

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
        little, less = (planned(train_params(memory_gib=size * GIB_PER_BYTE)) for size in (58_000, 1000))
        assert ("train",) == little.streamed
        assert ("train", "valid") == less.streamed
        assert 58_000 * GIB_PER_BYTE == little.memory_gib

    @pytest.mark.parametrize("name", NETWORKS)
    def test_round_trip(self, tmp_path: Path, name: str) -> None:
        """A plan read from JSON is the plan that was written."""
        plan = planned(train_params(name, blend="auto", memory_gib=1000 * GIB_PER_BYTE), has_init=True)
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
        assert [] == base["train.blend"]
        assert ("table.csv", "auto", 42) == (base["data.path"], base["train.network"], base["train.seed"])
        assert SMALL["tabm"]["dropout"] == base["train.tabm.dropout"]
        unused = ("train.mlp", "train.resnet", "train.trees", "train.forest", "train.init")
        assert [] == [key for key in base if key.startswith(unused)]

    def test_no_folds(self) -> None:
        """With `auto`, the trials have no folds; a number that is given is used."""
        for n_splits, expected in (("auto", 0), (3, 3)):
            params = train_params("tabm", n_splits=n_splits)
            plan = plan_tuning(tune_params(), params, planned(params), "table.csv")
            assert (expected, False) == _splits(plan.train)
            assert n_splits == plan.base["train.n_splits"]

    def test_nothing_to_search(self) -> None:
        """A space without a parameter that has an effect is refused."""
        params = train_params("mlp")
        with pytest.raises(UserError, match=r"'tune.space' must have a parameter of mlp, but has none"):
            plan_tuning(tune_params({"tabm.dropout": [0.1]}), params, planned(params), "table.csv")


@pytest.mark.parametrize("allowed", [0, "auto"])
def test_splits_by_time(allowed: Any) -> None:
    """Cross-validation is refused for a table that is split by time."""
    train_params(n_splits=3).check_splits(None)
    train_params(n_splits=allowed).check_splits("date")
    with pytest.raises(UserError, match=r"'train.n_splits' in params.yaml must be 0 or auto if data.time is set, but is 3"):
        train_params(n_splits=3).check_splits("date")


@pytest.mark.parametrize(("roles", "weighted", "timed"), [(["feature", "weight"], True, False), (["time"], False, True)])
def test_facts(roles: list[str], weighted: bool, timed: bool) -> None:
    """The facts come from the contract and from table.json."""
    contract = {"classes": ["a", "b", "c"], "columns": [{"role": role} for role in roles]}
    facts = TableFacts.from_json(contract, {"parts": {"train": 5, "valid": 2, "test": 2}, "width": 7})
    assert TableFacts(3, {"train": 5, "valid": 2, "test": 2}, 7, weighted, timed) == facts
