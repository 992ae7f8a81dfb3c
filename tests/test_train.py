"""From encoded parts to a classifier: networks, boosted trees or a blend, calibrated; a killed run ends with the same bytes."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from tests.rooms import InMemory, mixed_table, prepare_frame, prepared
from tests.test_fit import Killed
from tests.training import NETWORKS, SMALL, inputs_of, train_plan
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble, apply_temperature
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training import train as room
from veritable.training.module import ClassifierModule
from veritable.training.params import TrainParams
from veritable.training.plan import TrainPlan
from veritable.training.train import Trained, train_classifier

TREES = {"n_models": 2}


def trained(
    scratch: Path,
    plan: TrainPlan,
    classes: int = 2,
    *,
    done: InMemory | None = None,
    train: Part | None = None,
    valid: Part | None = None,
    earlier: Classifier | None = None,
) -> Trained:
    done = done or prepared(300, classes)
    scratch.mkdir(exist_ok=True)
    return train_classifier(inputs_of(done, plan, scratch, train=train, valid=valid, earlier=earlier))


def saved(made: Trained, folder: Path) -> dict[str, bytes]:
    """Return the bytes of everything that is saved."""
    made.classifier.save(folder)
    made.history.to_csv(folder / "history.csv", index=False)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def loss(y_prob: np.ndarray, part: Part) -> float:
    """Compute the log loss."""
    return -float(np.log(y_prob[np.arange(len(part)), part.y]).mean())


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Restore the number of threads, which `fit` sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def kill_in_network(patch: pytest.MonkeyPatch, seed: int, epoch: int) -> None:
    """Let the run die in an epoch (from 0) of the network with a seed."""
    before = ClassifierModule.training_step

    def dying(self: ClassifierModule, block: Any, batch_idx: int) -> None:
        if (self.plan.seed, self.current_epoch) == (seed, epoch):
            raise Killed
        before(self, block, batch_idx)

    patch.setattr(ClassifierModule, "training_step", dying)


def die(*_: Any, **__: Any) -> None:
    raise Killed


class TestSame:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_same_twice(self, tmp_path: Path, name: str, classes: int) -> None:
        """The same parameters and parts give the same bytes: weights, trees, shares, temperature, history."""
        params = train_plan(name, n_networks=2, trees=TREES, calibrate=True)
        one = saved(trained(tmp_path / "a", params, classes), tmp_path / "one")
        torch.rand(7)
        two = saved(trained(tmp_path / "b", params, classes), tmp_path / "two")
        assert one == two
        assert 6 == len(one)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_killed_in_the_second_network(self, tmp_path: Path, name: str) -> None:
        """Killed in the second of two networks, the run repeats no step of the first, and ends with the same bytes."""
        params = train_plan(name, n_networks=2, trees=TREES, calibrate=True)
        undisturbed = saved(trained(tmp_path / "a", params), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, params.seed + 1, 2)
            with pytest.raises(Killed):
                trained(tmp_path / "b", params)
        with pytest.MonkeyPatch.context() as patch:
            for epoch in range(4):
                kill_in_network(patch, params.seed, epoch)
            kill_in_network(patch, params.seed + 1, 1)
            assert undisturbed == saved(trained(tmp_path / "b", params), tmp_path / "two")

    def test_killed_between_networks_and_trees(self, tmp_path: Path) -> None:
        """Killed after all networks are trained, the run continues with the trees, and ends with the same bytes."""
        params = train_plan(n_networks=2, trees=TREES, calibrate=True)
        undisturbed = saved(trained(tmp_path / "a", params), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(room, "fit_trees", die)
            with pytest.raises(Killed):
                trained(tmp_path / "b", params)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassifierModule, "training_step", die)
            assert undisturbed == saved(trained(tmp_path / "b", params), tmp_path / "two")

    def test_killed_again_and_again(self, tmp_path: Path) -> None:
        """Killed in every epoch of every network in turn, the run ends with the same bytes."""
        params = train_plan(n_networks=2, trees=TREES)
        undisturbed = saved(trained(tmp_path / "a", params), tmp_path / "one")
        for seed in (params.seed, params.seed + 1):
            for epoch in range(4):
                with pytest.MonkeyPatch.context() as patch:
                    kill_in_network(patch, seed, epoch)
                    with pytest.raises(Killed):
                        trained(tmp_path / "b", params)
        assert undisturbed == saved(trained(tmp_path / "b", params), tmp_path / "two")

    def test_leaves_only_its_scratch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only a checkpoint of each network is written, to the scratch folder."""
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        trained(tmp_path / "a", train_plan(n_networks=2, trees=TREES))
        files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
        assert ["a/network-1/resume.ckpt", "a/network-2/resume.ckpt"] == sorted(files)

    def test_silent(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a terminal, training prints nothing."""
        trained(tmp_path / "a", train_plan("tabm", n_networks=2, trees=TREES, calibrate=True))
        assert ("", "") == capfd.readouterr()

    @pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
    def test_any_seed(self, tmp_path: Path, seed: int) -> None:
        """Any valid seed works, also with several networks and models."""
        made = trained(tmp_path / "a", train_plan(n_networks=2, trees=TREES, max_epochs=2, seed=seed)).classifier
        assert np.isfinite(made.predict_proba(prepared(300).parts["test"].X)).all()


OTHER: dict[str, Any] = {
    "network": "resnet",
    "n_networks": 2,
    "n_splits": 3,
    "calibrate": True,
    "class_weight": "balanced",
    "precision": "64-true",
    "seed": 43,
    "trees": {"n_models": 1},
}
UNMOVED = {"accelerator", "memory_gib"}  # without an effect on the result here
OF_AN_EARLIER = {"init", "freeze"}  # test_transfer.py


class TestKnobs:
    @pytest.mark.parametrize("knob", OTHER)
    def test_every_knob_matters(self, tmp_path: Path, knob: str) -> None:
        """Each parameter of the section changes the result; test_fit.py and test_boosting.py cover the inner sections."""
        done = prepared(300)
        train = done.parts["train"].take(np.flatnonzero((done.parts["train"].y == 1) | (done.parts["train"].row % 3 == 0)))
        network = OTHER[knob] if knob == "network" else "mlp"
        change = {} if knob == "network" else {knob: OTHER[knob]}
        one, two = (
            saved(trained(tmp_path / name, plan, train=train), tmp_path / f"{name} saved")
            for name, plan in (("a", train_plan(max_epochs=2)), ("b", train_plan(network, max_epochs=2, **change)))
        )
        assert one != two

    def test_every_knob_is_moved(self) -> None:
        """A new parameter must be added to the test above, or to those without an effect."""
        assert set(TrainParams.model_fields) == set(OTHER) | UNMOVED | OF_AN_EARLIER | {"mlp", "resnet", "tabm"}
        assert set(SMALL) == set(TrainParams.model_fields)


class TestNetworks:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_each_has_the_next_seed(self, tmp_path: Path, name: str) -> None:
        """The second of two networks is the one that the next seed trains alone."""
        both = trained(tmp_path / "a", train_plan(name, n_networks=2)).classifier
        for i in range(2):
            alone = trained(tmp_path / f"alone {i}", train_plan(name, seed=42 + i)).classifier
            X = prepared(300).parts["test"].X
            expected = alone.ensemble.predict_networks(X)
            np.testing.assert_array_equal(expected, Ensemble(both.ensemble.networks[i : i + 1]).predict_networks(X))

    def test_history(self, tmp_path: Path) -> None:
        """The history has a row for each epoch of each network, both from 1, with finite losses."""
        done = trained(tmp_path / "a", train_plan(n_networks=2))
        made, history = done.classifier, done.history
        assert ["network", "epoch", "train_loss", "valid_loss"] == list(history.columns)
        assert [1] * 4 + [2] * 4 == history["network"].tolist()
        assert [1, 2, 3, 4] * 2 == history["epoch"].tolist()
        assert list(range(8)) == history.index.tolist()
        assert np.isfinite(history).all(axis=None)
        valid = prepared(300).parts["valid"]
        for i, network in enumerate(made.ensemble.networks, 1):
            best = history.loc[history["network"] == i, "valid_loss"].min()
            assert best == pytest.approx(loss(Ensemble((network,)).predict_networks(valid.X), valid), rel=1e-5)

    def test_the_spec_builds_it(self, tmp_path: Path) -> None:
        """A classifier holds the spec of its networks, with the bins; its threshold is not chosen."""
        for name in NETWORKS:
            made = trained(tmp_path / name, train_plan(name, max_epochs=1)).classifier
            assert name == made.spec["name"]
            assert (name != "mlp") == ("bins" in made.spec)
            assert made.threshold is None
            assert ["class 0", "class 1"] == made.classes

    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_save_and_load(self, tmp_path: Path, name: str, classes: int) -> None:
        """A trained classifier predicts the same bits after saving and loading."""
        made = trained(tmp_path / "a", train_plan(name, n_networks=2, trees=TREES, calibrate=True), classes).classifier
        made.save(tmp_path / "saved")
        rows = mixed_table(300, classes)
        np.testing.assert_array_equal(made.predict_proba(rows), Classifier.load(tmp_path / "saved").predict_proba(rows))
        made.save(tmp_path / "saved again")
        assert not [
            path.name for path in (tmp_path / "saved").iterdir() if path.suffix not in {".json", ".safetensors", ".txt"}
        ]

    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize(
        "columns",
        [
            {"x": list("abcabd") * 20},
            {"x": [True, False, False] * 40},
            {"index": range(120)},
            {"x": [1.5, None, 2.5] * 40, "d": pd.date_range("2020-01-01", periods=120, freq="7h")},
            {f"x{i}": np.random.default_rng(i).normal(size=120) for i in range(40)},
        ],
        ids=["a category", "a boolean", "a number", "gaps and dates", "forty numbers"],
    )
    def test_any_columns(self, tmp_path: Path, name: str, columns: dict[str, Any]) -> None:
        """Every network, blended with trees, trains on columns of any type, also on a single one."""
        frame = pd.DataFrame(columns).assign(part=["train", "train", "valid", "test"] * 30, target=list("ynyny") * 24)
        done = prepare_frame(frame, part="part", types={name: "number" for name in columns if name == "index"})
        made = trained(
            tmp_path / "a", train_plan(name, trees={"n_models": 1}, max_epochs=2, calibrate=True), done=done
        ).classifier
        y_prob = made.predict_proba(done.parts["test"].X)
        assert np.isfinite(y_prob).all()
        np.testing.assert_allclose(1, y_prob.sum(axis=1), rtol=1e-9)

    @pytest.mark.parametrize("absent", ["train", "valid"])
    def test_a_class_absent(self, tmp_path: Path, absent: str) -> None:
        """A class that a part lacks has a probability."""
        parts = {name: prepared(300, 5).parts[name] for name in ("train", "valid")}
        parts[absent] = parts[absent].take(np.flatnonzero(parts[absent].y != 3))
        for balance in ("none", "balanced"):
            params = train_plan("tabm", trees=TREES, calibrate=True, class_weight=balance, max_epochs=2)
            made = trained(tmp_path / balance, params, 5, **parts).classifier
            y_prob = made.predict_proba(prepared(300, 5).parts["test"].X)
            assert 5 == y_prob.shape[1]
            assert np.isfinite(y_prob).all()


FOLDS: dict[str, Any] = {"n_splits": 3, "trees": TREES, "calibrate": True, "max_epochs": 3}


class TestFolds:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_an_ensemble(self, tmp_path: Path, name: str, classes: int) -> None:
        """Each fold adds its networks and trees, and all predict together, also after saving and loading."""
        made = trained(tmp_path / "a", train_plan(name, n_networks=2, **FOLDS), classes).classifier
        assert (6, 6) == (len(made.ensemble.networks), len(made.ensemble.trees.texts if made.ensemble.trees else ()))
        assert 1 == pytest.approx(sum(made.ensemble.shares), abs=1e-12)
        assert made.ensemble.shares[1:3] == made.ensemble.shares[3:5] == made.ensemble.shares[5:7]
        made.save(tmp_path / "saved")
        X = prepared(300, classes).parts["test"].X
        np.testing.assert_array_equal(made.predict_proba(X), Classifier.load(tmp_path / "saved").predict_proba(X))

    def test_judged(self, tmp_path: Path) -> None:
        """Every row of train and valid is predicted once, by the models of its fold alone."""
        done, params = prepared(300), train_plan("tabm", **FOLDS)
        made = trained(tmp_path / "a", params)
        everyone = [*done.parts["train"].row, *done.parts["valid"].row]
        assert sorted(everyone) == sorted(made.held_out.part.row)
        assert [0, 1, 2] == sorted(set(made.held_out.fold.tolist()))
        members, shares = made.classifier.ensemble, made.classifier.ensemble.shares
        assert members.trees is not None
        for i in range(3):
            rows = np.flatnonzero(made.held_out.fold == i)
            own = (shares[0], 3 * shares[1], 3 * shares[2])
            trees = Trees(members.trees.texts[2 * i : 2 * i + 2])
            fold = Ensemble(members.networks[i : i + 1], trees, own, members.temperature)
            found = fold.predict_proba(made.held_out.part.take(rows).X)
            np.testing.assert_allclose(made.held_out.y_prob[rows], found, rtol=1e-12)

    def test_nothing_is_learned_where_there_is_nothing(self, tmp_path: Path) -> None:
        """With random classes, predictions for rows held out are at chance level, although the same rows can be memorized."""
        draw = np.random.default_rng(0)
        parts = {
            name: replace(part, y=draw.integers(0, 2, len(part)))
            for name, part in prepared(300).parts.items()
            if name != "test"
        }
        made = trained(tmp_path / "a", train_plan(n_splits=4, max_epochs=60, hidden_layer_sizes=[64], dropout=0.0), **parts)
        part = made.held_out.part
        unseen = (made.held_out.y_prob.argmax(1) == part.y).mean()
        by_heart = (made.classifier.predict_proba(part.X).argmax(1) == part.y).mean()
        assert 0.4 < unseen < 0.58
        assert by_heart > 0.6

    def test_without_folds_valid_is_judged(self, tmp_path: Path) -> None:
        """Without folds, the rows held out are those of valid, as the classifier predicts them."""
        made = trained(tmp_path / "a", train_plan(trees=TREES, calibrate=True))
        valid = prepared(300).parts["valid"]
        assert valid.row.tolist() == made.held_out.part.row.tolist()
        np.testing.assert_array_equal(made.classifier.predict_proba(valid.X), made.held_out.y_prob)

    def test_killed_in_the_second_fold(self, tmp_path: Path) -> None:
        """Killed in the second fold, the run continues there and ends with the same bytes."""
        params = train_plan(**FOLDS)
        undisturbed = saved(trained(tmp_path / "a", params), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, params.seed + 1, 2)
            with pytest.raises(Killed):
                trained(tmp_path / "b", params)
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, params.seed, 0)
            assert undisturbed == saved(trained(tmp_path / "b", params), tmp_path / "two")


class TestBlend:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_share(self, tmp_path: Path, name: str, classes: int) -> None:
        """The shares are between 0 and 1; on valid, the blend is no worse than equal shares and than its worst model."""
        made = trained(tmp_path / "a", train_plan(name, trees=TREES), classes).classifier
        valid, members = prepared(300, classes).parts["valid"], made.ensemble
        assert all(0 < share < 1 for share in members.shares)
        assert 1.0 == members.temperature
        assert members.trees is not None
        assert 2 == len(members.trees.texts) == len(members.shares) - 1
        assert 1 == pytest.approx(sum(members.shares), abs=1e-12)
        blend = loss(members.predict_proba(valid.X), valid)
        assert blend <= loss(replace(members, shares=(0.5, 0.25, 0.25)).predict_proba(valid.X), valid) + 1e-6
        assert blend <= max(loss(each, valid) for each in members.predict_each(valid.X))

    def test_the_better_one_counts_more(self, tmp_path: Path) -> None:
        """A network that learned nothing gets a small share, and so do trees that learned nothing."""
        useless = {"learning_rate": 1e-9, "max_epochs": 1}
        to_trees = trained(tmp_path / "a", train_plan(trees={"n_models": 2, "n_estimators": 60}, **useless)).classifier
        useless_trees = {"n_models": 2, "n_estimators": 1, "learning_rate": 1e-9}
        to_network = trained(tmp_path / "b", train_plan(trees=useless_trees, max_epochs=30)).classifier
        assert to_trees.ensemble.shares[0] < 0.5 < to_network.ensemble.shares[0]

    def test_few_rows_decide_little(self, tmp_path: Path) -> None:
        """With a few valid rows, the shares stay nearly equal and the temperature near 1."""
        valid = prepared(300).parts["valid"].take(np.arange(2))
        made = trained(tmp_path / "a", train_plan(trees=TREES, calibrate=True), valid=valid).classifier
        assert 0.3 < made.ensemble.shares[0] < 0.7
        assert 0.75 < made.ensemble.temperature < 1.34

    def test_without_trees(self, tmp_path: Path) -> None:
        """Without trees there is no blend."""
        made = trained(tmp_path / "a", train_plan(n_networks=2)).classifier
        assert made.ensemble.trees is None
        assert (1.0,) == made.ensemble.shares
        assert 2 == len(made.ensemble.networks)

    def test_weights_of_valid(self, tmp_path: Path) -> None:
        """Rows of valid count by their weight; the scale of the weights has no effect."""
        valid = prepared(300).parts["valid"]
        params = train_plan(trees=TREES, calibrate=True)
        draw = np.random.default_rng(0).exponential(size=len(valid)) * (np.arange(len(valid)) % 3 > 0)
        found = [
            trained(tmp_path / str(i), params, valid=replace(valid, weight=weight)).classifier.ensemble
            for i, weight in enumerate((draw, 1024 * draw, np.ones(len(valid)), None))
        ]
        shares = [(members.shares, members.temperature) for members in found]
        assert shares[0] == shares[1] != shares[2]
        assert shares[2] == shares[3]


def with_logits(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply the logits of every trained network by a factor."""
    before = room.fit

    def fit(network: nn.Module, *rest: Any, **named: Any) -> pd.DataFrame:
        history = before(network, *rest, **named)
        with torch.no_grad():
            for weight in list(network.parameters())[-2:]:
                weight.mul_(factor)
        return history

    monkeypatch.setattr(room, "fit", fit)


class TestTemperature:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_too_sure_and_not_sure_enough(
        self, tmp_path: Path, name: str, classes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An overconfident network gets a temperature above 1, an underconfident one a temperature below 1."""
        params = train_plan(name, calibrate=True, max_epochs=12)
        found = []
        for factor in (8.0, 0.2):
            with monkeypatch.context() as patch:
                with_logits(factor, patch)
                found.append(trained(tmp_path / str(factor), params, classes).classifier.ensemble.temperature)
        assert found[1] < 1 < found[0]

    @pytest.mark.parametrize("factor", [5.0, 1.0, 0.3])
    @pytest.mark.parametrize("trees", [{}, TREES], ids=["network", "blend"])
    def test_lowers_the_loss(
        self, tmp_path: Path, factor: float, trees: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With enough valid rows, the loss is close to the minimum over all temperatures."""
        with_logits(factor, monkeypatch)
        valid = prepared(300).parts["valid"]
        valid = valid.take(np.tile(np.arange(len(valid)), 50))
        params = train_plan(trees=trees, calibrate=True, max_epochs=12)
        members = trained(tmp_path / "a", params, valid=valid).classifier.ensemble
        plain = replace(members, temperature=1.0).predict_proba(valid.X)
        least = min(loss(apply_temperature(plain, temperature), valid) for temperature in np.geomspace(0.2, 5, 60))
        assert loss(members.predict_proba(valid.X), valid) < least + 0.01
        assert loss(members.predict_proba(valid.X), valid) < loss(plain, valid) + 1e-6

    def test_not_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without `calibrate` the temperature is 1."""
        with_logits(8.0, monkeypatch)
        assert 1.0 == trained(tmp_path / "a", train_plan()).classifier.ensemble.temperature

    def test_changes_nothing_else(self, tmp_path: Path) -> None:
        """Calibration changes neither the networks nor the trees nor their shares."""
        one, two = (
            trained(tmp_path / str(asked), train_plan(trees=TREES, calibrate=asked)).classifier.ensemble
            for asked in (False, True)
        )
        assert one.shares == two.shares
        assert two.temperature != 1.0
        X = copy.deepcopy(prepared(300).parts["test"].X)
        np.testing.assert_array_equal(one.predict_proba(X), replace(two, temperature=1.0).predict_proba(X))
