"""From encoded parts to a classifier: members are fitted, weighed and fitted again; a killed run ends with the same bytes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special
import torch
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn

from tests.rooms import InMemory, mixed_table, prepare_frame, prepared
from tests.test_fit import Killed
from tests.training import NETWORKS, SMALL, inputs_of, train_plan
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble
from veritable.models.folder import CHECKSUMS
from veritable.models.forest import Forest
from veritable.models.linear import Linear
from veritable.models.trees import Trees
from veritable.tables.encoding.parts import Part
from veritable.training import network as network_room
from veritable.training import train as room
from veritable.training.blending import choose_weights, prior_weights
from veritable.training.boosting import BoostingLearner
from veritable.training.forest import ForestLearner
from veritable.training.learner import Fitted
from veritable.training.linear import LinearLearner
from veritable.training.module import ClassifierModule
from veritable.training.params import TrainParams
from veritable.training.plan import TrainPlan
from veritable.training.train import Trained, fit_folds, train_classifier

ALL: dict[str, Any] = {"blend": ["trees", "forest", "linear"], "trees": {"n_models": 2}}
LEARNERS: dict[str, Any] = {"trees": BoostingLearner, "forest": ForestLearner, "linear": LinearLearner}
KINDS = ["network", *LEARNERS]


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


def of_kind(made: Trained, kind: str) -> list[tuple[Any, float]]:
    """Return the members of a kind with their weights."""
    ensemble = made.classifier.ensemble
    return [(each, weight) for each, weight in zip(ensemble.members, ensemble.weights, strict=True) if each.kind == kind]


def share(made: Trained, kind: str) -> float:
    """Return the share of a kind in the weights."""
    return sum(weight for _, weight in of_kind(made, kind)) / sum(made.classifier.ensemble.weights)


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.special.softmax(scores, axis=1))


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
    @pytest.mark.slow
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    @pytest.mark.parametrize("top", [{"n_splits": 0}, {"n_splits": 3, "refit": True}], ids=str)
    def test_same_twice(self, tmp_path: Path, name: str, classes: int, top: dict[str, Any]) -> None:
        """The same parameters and parts give the same bytes: weights, trees, arrays, history."""
        plan = train_plan(name, n_networks=2, max_epochs=2, **ALL, **top)
        one = saved(trained(tmp_path / "a", plan, classes), tmp_path / "one")
        torch.rand(7)
        np.random.rand(3)  # noqa: NPY002
        assert one == saved(trained(tmp_path / "b", plan, classes), tmp_path / "two")
        assert {"classifier.json", "history.csv", "network-1.safetensors", "network-2.safetensors"} < set(one)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_killed_in_the_second_network(self, tmp_path: Path, name: str) -> None:
        """Killed in the second of two networks, the run repeats no step of the first, and ends with the same bytes."""
        plan = train_plan(name, n_networks=2, **ALL)
        undisturbed = saved(trained(tmp_path / "a", plan), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, plan.seed + 1, 2)
            with pytest.raises(Killed):
                trained(tmp_path / "b", plan)
        with pytest.MonkeyPatch.context() as patch:
            for epoch in range(4):
                kill_in_network(patch, plan.seed, epoch)
            kill_in_network(patch, plan.seed + 1, 1)
            assert undisturbed == saved(trained(tmp_path / "b", plan), tmp_path / "two")

    @pytest.mark.parametrize("learner", LEARNERS)
    @pytest.mark.parametrize("step", ["fit", "refit"])
    def test_killed_after_the_networks(self, tmp_path: Path, learner: str, step: str) -> None:
        """Killed in any other member, the run trains no network again, and ends with the same bytes."""
        plan = train_plan(n_networks=2, refit=True, **ALL)
        undisturbed = saved(trained(tmp_path / "a", plan), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LEARNERS[learner], step, die)
            with pytest.raises(Killed):
                trained(tmp_path / "b", plan)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassifierModule, "training_step", die)
            assert undisturbed == saved(trained(tmp_path / "b", plan), tmp_path / "two")

    @pytest.mark.slow
    def test_killed_again_and_again(self, tmp_path: Path) -> None:
        """Killed in every epoch of every network of every fold in turn, the run ends with the same bytes."""
        plan = train_plan(n_networks=2, n_splits=2, refit=True, max_epochs=3, **ALL)
        undisturbed = saved(trained(tmp_path / "a", plan), tmp_path / "one")
        for seed in range(plan.seed, plan.seed + 4):
            for epoch in range(3):
                with pytest.MonkeyPatch.context() as patch:
                    kill_in_network(patch, seed, epoch)
                    with pytest.raises(Killed):
                        trained(tmp_path / "b", plan)
        assert undisturbed == saved(trained(tmp_path / "b", plan), tmp_path / "two")

    def test_leaves_only_its_scratch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only a checkpoint of each network is written, to the scratch folder."""
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        trained(tmp_path / "a", train_plan(n_splits=2, refit=True, max_epochs=1, **ALL))
        files = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
        assert ["a/network-1/resume.ckpt", "a/network-2/resume.ckpt"] == sorted(files)

    def test_silent(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a terminal, training prints nothing."""
        trained(tmp_path / "a", train_plan("tabm", n_splits=2, refit=True, max_epochs=1, **ALL))
        assert ("", "") == capfd.readouterr()

    @pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**32 - 1])
    def test_any_seed(self, tmp_path: Path, seed: int) -> None:
        """Any valid seed works, also with several networks, models and folds."""
        plan = train_plan(n_networks=2, max_epochs=2, n_splits=2, refit=True, seed=seed, **ALL)
        made = trained(tmp_path / "a", plan).classifier
        assert np.isfinite(made.predict_proba(prepared(300).parts["test"].X)).all()


OTHER: dict[str, Any] = {
    "network": "resnet",
    "blend": ["trees"],
    "n_networks": 2,
    "n_splits": 3,
    "refit": True,
    "class_weight": "balanced",
    "precision": "64-true",
    "seed": 43,
    "trees": {"num_leaves": 2, "n_models": 2},
    "forest": {"n_estimators": 6},
}
UNMOVED = {"accelerator", "memory_gib"}  # without an effect on the result here
ELSEWHERE = {"init", "freeze", "member", "background_rows", "privacy"}  # test_{transfer,pretrained,background,privacy}.py


class TestKnobs:
    @pytest.mark.parametrize("knob", OTHER)
    def test_every_knob_matters(self, tmp_path: Path, knob: str) -> None:
        """Each parameter of the section changes the result; other files test the inner sections."""
        done = prepared(300)
        train = done.parts["train"].take(np.flatnonzero((done.parts["train"].y == 1) | (done.parts["train"].row % 3 == 0)))
        network = OTHER[knob] if knob == "network" else "mlp"
        change = {} if knob == "network" else {knob: OTHER[knob]}
        one, two = (
            saved(trained(tmp_path / name, plan, train=train), tmp_path / f"{name} saved")
            for name, plan in (
                ("a", train_plan(max_epochs=2, **ALL)),
                ("b", train_plan(network, max_epochs=2, **ALL | change)),
            )
        )
        assert one != two

    def test_every_knob_is_moved(self) -> None:
        """A new parameter must be added to the test above, or to those without an effect."""
        assert set(TrainParams.model_fields) == set(OTHER) | UNMOVED | ELSEWHERE | set(NETWORKS)
        assert set(SMALL) == set(TrainParams.model_fields)


class TestNetworks:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_each_has_the_next_seed(self, tmp_path: Path, name: str) -> None:
        """The second of two networks is the one that the next seed trains alone."""
        both = trained(tmp_path / "a", train_plan(name, n_networks=2)).classifier.ensemble.members
        for i in range(2):
            alone = trained(tmp_path / f"alone {i}", train_plan(name, seed=42 + i)).classifier.ensemble.members[0]
            X = prepared(300).parts["test"].X
            np.testing.assert_array_equal(alone.scores(X), both[i].scores(X))

    def test_history(self, tmp_path: Path) -> None:
        """The history has a row for each epoch of each network, both from 1, with finite losses."""
        done = trained(tmp_path / "a", train_plan(n_networks=2))
        history = done.history
        assert ["network", "epoch", "train_loss", "valid_loss"] == list(history.columns)
        assert [1] * 4 + [2] * 4 == history["network"].tolist()
        assert [1, 2, 3, 4] * 2 == history["epoch"].tolist()
        assert list(range(8)) == history.index.tolist()
        assert np.isfinite(history).all(axis=None)
        valid = prepared(300).parts["valid"]
        for i, (member, _) in enumerate(of_kind(done, "network"), 1):
            best = history.loc[history["network"] == i, "valid_loss"].min()
            assert best == pytest.approx(loss(np.exp(member.scores(valid.X)), valid), rel=1e-5)

    def test_history_of_folds(self, tmp_path: Path) -> None:
        """With folds, the networks of all of them are numbered from 1."""
        history = trained(tmp_path / "a", train_plan(n_networks=2, n_splits=3, max_epochs=2)).history
        assert np.repeat(np.arange(1, 7), 2).tolist() == history["network"].tolist()

    def test_the_spec_builds_it(self, tmp_path: Path) -> None:
        """A classifier holds the spec of its networks, with the bins; its threshold is not chosen."""
        for name in NETWORKS:
            made = trained(tmp_path / name, train_plan(name, max_epochs=1)).classifier
            assert name == made.spec["name"]
            assert (name != "mlp") == ("bins" in made.spec)
            assert made.threshold is None
            assert ["class 0", "class 1"] == made.classes


class TestClassifier:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_save_and_load(self, tmp_path: Path, name: str, classes: int) -> None:
        """A trained classifier predicts the same bits after saving and loading, from raw and from encoded rows."""
        made = trained(tmp_path / "a", train_plan(name, n_networks=2, refit=True, **ALL), classes).classifier
        made = replace(made, threshold=0.4 if classes == 2 else None)
        made.save(tmp_path / "saved")
        rows, test = mixed_table(300, classes), prepared(300, classes).parts["test"]
        again = Classifier.load(tmp_path / "saved")
        np.testing.assert_array_equal(made.predict_proba(rows), again.predict_proba(rows))
        np.testing.assert_array_equal(made.predict_proba(test.X), again.predict_proba(rows.iloc[test.row]))
        files = [path for path in (tmp_path / "saved").iterdir() if path.name != CHECKSUMS]
        assert {".json", ".safetensors", ".txt"} >= {path.suffix for path in files}

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
        """Every network, blended with all other kinds, trains on columns of any type, also on a single one."""
        frame = pd.DataFrame(columns).assign(part=["train", "train", "valid", "test"] * 30, target=list("ynyny") * 24)
        done = prepare_frame(frame, part="part", types={name: "number" for name in columns if name == "index"})
        made = trained(tmp_path / "a", train_plan(name, max_epochs=2, refit=True, **ALL), done=done).classifier
        y_prob = made.predict_proba(done.parts["test"].X)
        assert np.isfinite(y_prob).all()
        np.testing.assert_allclose(1, y_prob.sum(axis=1), rtol=1e-9)

    @pytest.mark.parametrize("class_weight", ["none", "balanced"])
    @pytest.mark.parametrize("absent", [("train",), ("valid",), ("train", "valid")], ids=str)
    @pytest.mark.parametrize("n_splits", [0, 3])
    def test_a_class_absent(self, tmp_path: Path, class_weight: str, absent: tuple[str, ...], n_splits: int) -> None:
        """A class that a part, or both, lack has finite scores in every member, and low probabilities."""
        self._check(tmp_path, absent, 0, class_weight=class_weight, n_splits=n_splits, refit=bool(n_splits))

    @pytest.mark.slow
    @pytest.mark.parametrize("rows", [1, 2])
    def test_a_class_absent_from_a_fold(self, tmp_path: Path, rows: int) -> None:
        """A class with fewer rows than folds has finite scores in every member, and low probabilities."""
        for refit in (True, False):
            self._check(tmp_path / str(refit), ("train", "valid"), rows, n_splits=3, refit=refit)

    def _check(self, scratch: Path, absent: tuple[str, ...], rows: int, **top: Any) -> None:
        scratch.mkdir(exist_ok=True)
        parts = {name: prepared(300, 5).parts[name] for name in ("train", "valid")}
        for name in absent:
            left = rows if name == "train" else 0
            parts[name] = parts[name].take(np.flatnonzero((parts[name].y != 3) | ((parts[name].y == 3).cumsum() <= left)))
        made = trained(scratch / "a", train_plan("tabm", max_epochs=2, **ALL, **top), 5, **parts).classifier
        X = prepared(300, 5).parts["test"].X
        assert all(np.isfinite(member.scores(X)).all() for member in made.ensemble.members)
        y_prob = made.predict_proba(X)
        assert (len(X), 5) == y_prob.shape
        assert ((y_prob > 0) & (y_prob < 1)).all()
        assert absent != ("train", "valid") or y_prob[:, 3].mean() < 0.12

    def test_summary(self, tmp_path: Path) -> None:
        """The summary names the losses of the networks, and the share and number of models of each kind."""
        made = trained(tmp_path / "a", train_plan(n_splits=2, **ALL))
        first, second = str(made).splitlines()
        low, high = sorted(made.history.groupby("network")["valid_loss"].min())
        assert f"Trained 8 epochs; 2 networks with validation losses of {low:.4f} to {high:.4f}." == first
        kinds = [each["kind"] for each in made.classifier.facts["blend"]]
        parts = [f"{kind} {share(made, kind):.0%} ({len(of_kind(made, kind))})" for kind in kinds]
        assert f"Blended, by weight and number of models: {', '.join(parts)}." == second


FOLDS: dict[str, Any] = {"n_splits": 3, "max_epochs": 3, **ALL}


class TestFolds:
    def test_every_row_is_predicted(self, tmp_path: Path) -> None:
        """Every row of train and valid is predicted once, by members that did not see it."""
        done = prepared(300)
        held_out = trained(tmp_path / "a", train_plan(refit=True, **FOLDS)).held_out
        everyone = [*done.parts["train"].row, *done.parts["valid"].row]
        assert sorted(everyone) == sorted(held_out.part.row)
        assert (len(everyone), 2) == held_out.y_prob.shape
        assert (3, [0, 1, 2]) == (held_out.n_folds, sorted(set(held_out.fold.tolist())))
        assert held_out.log_loss == pytest.approx(loss(held_out.y_prob, held_out.part))

    def test_by_the_members_of_its_fold(self, tmp_path: Path) -> None:
        """The predictions of a fold are those of the blend of its own fits."""
        made = trained(tmp_path / "a", train_plan("tabm", **FOLDS))
        members, weights = made.classifier.ensemble.members, made.classifier.ensemble.weights
        assert 0 == len(members) % 3
        for i in range(3):
            rows = np.flatnonzero(made.held_out.fold == i)
            fold = Ensemble(members[i::3], tuple(3 * weight for weight in weights[i::3]))
            found = fold.predict_proba(made.held_out.part.take(rows).X)
            np.testing.assert_allclose(made.held_out.y_prob[rows], found, rtol=1e-12)

    def test_without_refit(self, tmp_path: Path) -> None:
        """Without `refit`, the fits of all folds are kept, with equal weights for the models of a member."""
        made = trained(tmp_path / "a", train_plan(n_networks=2, **FOLDS))
        weights = made.classifier.ensemble.weights
        assert 6 == len(of_kind(made, "network"))
        assert 1 == len(set(weights[:6]))
        assert {3} == {len(of_kind(made, kind)) for kind in ("forest", "linear") if of_kind(made, kind)}
        for start in range(6, len(weights), 3):
            assert 1 == len(set(weights[start : start + 3]))

    @pytest.mark.parametrize("n_splits", [0, 3])
    def test_refit(self, tmp_path: Path, n_splits: int) -> None:
        """With `refit`, the networks of all folds are kept with equal weights; all others are fitted on all rows instead."""
        done, plan = prepared(300), train_plan(n_networks=2, refit=True, **FOLDS | {"n_splits": n_splits})
        made = trained(tmp_path / "a", plan)
        networks = [weight for _, weight in of_kind(made, "network")]
        folds = max(1, n_splits)
        assert (2 * folds, 1) == (len(networks), len(set(networks)))
        pool = Part.together([done.parts["train"], done.parts["valid"]])
        ((forest, _),) = of_kind(made, "forest")
        assert isinstance(forest, Forest)
        expected = ForestLearner(plan, 2).refit(pool, [Fitted(())] * folds)
        np.testing.assert_array_equal(expected.scores(pool.X), forest.scores(pool.X))
        assert (softmax(forest.scores(pool.X)).argmax(1) == pool.y).all()  # it remembers every row
        trees = [member for member, _ in of_kind(made, "trees")]
        assert 1 <= len(trees) <= 2
        assert all(isinstance(each, Trees) for each in trees)
        assert [True] == [isinstance(each, Linear) for each, _ in of_kind(made, "linear")]

    def test_refit_changes_no_weights(self, tmp_path: Path) -> None:
        """Members are weighed before they are fitted again: predictions for rows held out and shares are the same."""
        one, two = (trained(tmp_path / str(refit), train_plan(refit=refit, **FOLDS)) for refit in (True, False))
        np.testing.assert_array_equal(one.held_out.y_prob, two.held_out.y_prob)
        for kind in KINDS:
            assert share(one, kind) == pytest.approx(share(two, kind), abs=1e-12)

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

    def test_without_folds_valid_is_predicted(self, tmp_path: Path) -> None:
        """Without folds, the rows held out are those of valid, as the classifier predicts them unless it is fitted again."""
        valid = prepared(300).parts["valid"]
        one, two = (trained(tmp_path / str(refit), train_plan(refit=refit, **ALL)) for refit in (False, True))
        for made in (one, two):
            assert valid.row.tolist() == made.held_out.part.row.tolist()
            assert (0, {0}) == (made.held_out.n_folds, set(made.held_out.fold.tolist()))
        np.testing.assert_allclose(one.classifier.predict_proba(valid.X), one.held_out.y_prob, rtol=1e-12)
        np.testing.assert_array_equal(one.held_out.y_prob, two.held_out.y_prob)
        assert loss(two.classifier.predict_proba(valid.X), valid) < 0.9 * two.held_out.log_loss  # valid rows are known now

    def test_fewer_folds(self, tmp_path: Path) -> None:
        """With `auto` and few distinct groups, there are fewer folds, or none."""
        done = prepared(300)
        plan = train_plan(max_epochs=1, **ALL).model_copy(update={"n_splits": 5, "fewer_splits": True})
        for groups, expected in ((3, 3), (1, 0)):
            parts = {
                name: replace(done.parts[name], unit=(done.parts[name].row % groups).astype(np.uint64))
                for name in ("train", "valid")
            }
            assert expected == trained(tmp_path / str(groups), plan, **parts).held_out.n_folds

    def test_killed_in_the_second_fold(self, tmp_path: Path) -> None:
        """Killed in the second fold, the run continues there and ends with the same bytes."""
        plan = train_plan(refit=True, **FOLDS)
        undisturbed = saved(trained(tmp_path / "a", plan), tmp_path / "one")
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, plan.seed + 1, 2)
            with pytest.raises(Killed):
                trained(tmp_path / "b", plan)
        with pytest.MonkeyPatch.context() as patch:
            kill_in_network(patch, plan.seed, 0)
            assert undisturbed == saved(trained(tmp_path / "b", plan), tmp_path / "two")

    def test_fit_folds(self, tmp_path: Path) -> None:
        """The fits on the folds alone, as `tune` uses them, have the same predictions, and call back after each epoch."""
        plan, called = train_plan(refit=True, **FOLDS), list[int]()
        (tmp_path / "b").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ForestLearner, "refit", die)
            found = fit_folds(inputs_of(prepared(300), plan, tmp_path / "b"), lambda epoch, _: called.append(epoch))
        made = trained(tmp_path / "a", plan)
        np.testing.assert_array_equal(made.held_out.y_prob, found.held_out.y_prob)
        pd.testing.assert_frame_equal(made.history, found.history, check_exact=True)
        assert [1, 2, 3] == called


@dataclass(frozen=True)
class Noise:
    """A member that knows nothing and is sure of it."""

    kind = "linear"

    def scores(self, X: np.ndarray) -> np.ndarray:
        return 100 * np.random.default_rng(0).normal(size=(len(X), 2))

    def save(self, stem: Path) -> None:
        raise AssertionError


class TestDropped:
    def test_a_useless_member(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A member without a share after the first fold costs no further fits."""
        folds: list[int] = []

        def useless(self: LinearLearner, train: Part, valid: Part, number: int) -> Fitted:
            folds.append(number)
            return Fitted((Noise(),))

        plain = trained(tmp_path / "a", train_plan(refit=True, **FOLDS | {"blend": ["trees", "forest"]}))
        monkeypatch.setattr(LinearLearner, "fit", useless)
        monkeypatch.setattr(LinearLearner, "refit", die)
        made = trained(tmp_path / "b", train_plan(refit=True, **FOLDS))
        assert [0] == folds
        assert {"network", "trees", "forest"} >= {each.kind for each in made.classifier.ensemble.members}
        np.testing.assert_allclose(plain.held_out.y_prob, made.held_out.y_prob, atol=0.02)

    @pytest.mark.parametrize("n_splits", [0, 3])
    def test_useless_networks(self, tmp_path: Path, n_splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Networks that are worse than equal probabilities are dropped; the history shows those that were trained."""
        with_logits(-30.0, monkeypatch)
        made = trained(tmp_path / "a", train_plan(refit=True, **FOLDS | {"n_splits": n_splits}))
        assert [] == made.classifier.networks == of_kind(made, "network")
        assert [1, 1, 1] == made.history["network"].tolist()
        test = prepared(300).parts["test"]
        assert loss(made.classifier.predict_proba(test.X), test) < 0.6
        replace(made.classifier, threshold=0.4).save(tmp_path / "saved")
        again = Classifier.load(tmp_path / "saved")
        np.testing.assert_array_equal(made.classifier.predict_proba(test.X), again.predict_proba(test.X))
        assert "network" not in str(made).splitlines()[-1]


class TestBlend:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_weights(self, tmp_path: Path, name: str, classes: int) -> None:
        """The weights are above 0; on the rows held out, the blend is no worse than with the weights of the prior."""
        made = trained(tmp_path / "a", train_plan(name, **ALL), classes)
        valid, ensemble = prepared(300, classes).parts["valid"], made.classifier.ensemble
        assert all(weight > 0 for weight in ensemble.weights)
        prior = tuple(prior_weights(len(ensemble.members)).tolist())
        found = loss(ensemble.predict_proba(valid.X), valid)
        assert found <= loss(replace(ensemble, weights=prior).predict_proba(valid.X), valid) + 1e-3
        assert found <= max(loss(Ensemble((each,), (1.0,)).predict_proba(valid.X), valid) for each in ensemble.members)

    def test_the_better_one_counts_more(self, tmp_path: Path) -> None:
        """A network that learned nothing gets a small share, and so do trees that learned nothing."""
        useless = {"learning_rate": 1e-9, "max_epochs": 1}
        to_trees = train_plan(blend=["trees"], trees={"n_models": 2, "n_estimators": 60}, **useless)
        useless_trees = {"n_models": 2, "n_estimators": 1, "learning_rate": 1e-9}
        to_network = train_plan(blend=["trees"], trees=useless_trees, max_epochs=30)
        one, two = (trained(tmp_path / name, plan) for name, plan in (("a", to_trees), ("b", to_network)))
        assert share(one, "network") < 0.5 < share(two, "network")

    def test_few_rows_decide_little(self, tmp_path: Path) -> None:
        """With a few valid rows, the weights stay near the prior."""
        valid = prepared(300).parts["valid"].take(np.arange(2))
        made = trained(tmp_path / "a", train_plan(**ALL), valid=valid)
        np.testing.assert_allclose(prior_weights(5), made.classifier.ensemble.weights, atol=0.15)

    def test_networks_alone(self, tmp_path: Path) -> None:
        """Networks that are blended with nothing have equal weights."""
        made = trained(tmp_path / "a", train_plan(n_networks=2))
        (one, weight), (two, same) = of_kind(made, "network")
        assert weight == same
        X = prepared(300).parts["test"].X
        expected = softmax(2 * weight * (one.scores(X) + two.scores(X)) / 2)
        np.testing.assert_allclose(expected, made.classifier.predict_proba(X), rtol=1e-12)
        assert [{"kind": "network", "models": 2, "share": 1.0}] == made.classifier.facts["blend"]

    @pytest.mark.parametrize("n_splits", [0, 3])
    def test_row_weights(self, tmp_path: Path, n_splits: int) -> None:
        """Rows held out count by their weight; the scale of the weights has no effect."""
        parts = {name: prepared(300).parts[name] for name in ("train", "valid")}
        plan = train_plan(max_epochs=2, n_splits=n_splits, **ALL)
        draw = {name: np.random.default_rng(0).exponential(size=len(part)) for name, part in parts.items()}
        found = []
        for i, change in enumerate((lambda x: x, lambda x: 1024 * x, np.ones_like)):
            weighted = {name: replace(part, weight=change(draw[name])) for name, part in parts.items()}
            found.append(trained(tmp_path / str(i), plan, **weighted).classifier.ensemble.weights)
        assert found[0] == pytest.approx(found[1], rel=1e-3)
        assert found[0] != pytest.approx(found[2], rel=1e-3)
        plain = trained(tmp_path / "plain", plan).classifier.ensemble.weights
        assert found[2] == pytest.approx(plain, rel=1e-3)

    @pytest.mark.parametrize("n_splits", [0, 3])
    def test_balanced(self, tmp_path: Path, n_splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """With balanced classes, members are weighed on balanced rows; otherwise those that ignore class weights would win."""
        parts: list[Part] = []

        def watched(scores: list[np.ndarray], part: Part, seed: int) -> list[float]:
            parts.append(part)
            return choose_weights(scores, part, seed)

        monkeypatch.setattr(room, "choose_weights", watched)
        frame = mixed_table(300, 10)
        done = prepare_frame(frame.assign(target=np.where(frame["target"] == "class 9", "rare", "frequent")))
        found = []
        for class_weight in ("none", "balanced"):
            plan = train_plan(max_epochs=8, n_splits=n_splits, class_weight=class_weight, **ALL)
            found.append(trained(tmp_path / class_weight, plan, done=done).held_out.y_prob[:, 1].mean())
        plain, balanced = parts[: len(parts) // 2], parts[len(parts) // 2 :]
        assert all(part.weight is None for part in plain)
        for part in balanced:
            np.testing.assert_allclose(compute_sample_weight("balanced", part.y), part.weight, rtol=1e-6)
        assert found[1] > 1.5 * found[0]


def with_logits(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply the logits of every trained network by a factor."""
    before = network_room.fit

    def fit(network: nn.Module, *rest: Any, **named: Any) -> pd.DataFrame:
        history = before(network, *rest, **named)
        with torch.no_grad():
            for weight in list(network.parameters())[-2:]:
                weight.mul_(factor)
        return history

    monkeypatch.setattr(network_room, "fit", fit)


class TestTemperature:
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_too_sure_and_not_sure_enough(
        self, tmp_path: Path, name: str, classes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An overconfident network gets a temperature above 1, an underconfident one a temperature below 1."""
        found = []
        for factor in (8.0, 0.2):
            with monkeypatch.context() as patch:
                with_logits(factor, patch)
                made = trained(tmp_path / str(factor), train_plan(name, max_epochs=12), classes)
                found.append(made.classifier.facts["temperature"])
        assert found[1] < 1 < found[0]

    @pytest.mark.parametrize("factor", [5.0, 1.0, 0.3])
    @pytest.mark.parametrize("blend", [[], ["trees", "linear"]], ids=str)
    def test_lowers_the_loss(self, tmp_path: Path, factor: float, blend: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """With enough valid rows, the loss is close to the minimum over all temperatures."""
        with_logits(factor, monkeypatch)
        valid = prepared(300).parts["valid"]
        valid = valid.take(np.tile(np.arange(len(valid)), 50))
        ensemble = trained(tmp_path / "a", train_plan(blend=blend, max_epochs=12), valid=valid).classifier.ensemble
        least = min(
            loss(replace(ensemble, weights=tuple(by * weight for weight in ensemble.weights)).predict_proba(valid.X), valid)
            for by in np.geomspace(0.2, 5, 60)
        )
        assert loss(ensemble.predict_proba(valid.X), valid) < least + 0.01
