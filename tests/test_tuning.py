"""The search for better parameters: it starts with the current ones, ends no worse, and resumes with the same result."""

import csv
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.storages.journal import JournalFileBackend

from tests.rooms import numbers_part, prepared, section
from tests.test_fit import Killed
from tests.training import inputs_of, train_params, train_plan
from veritable.errors import UserError
from veritable.tables.encoding.parts import Part
from veritable.training import tuning as room
from veritable.training.boosting import BoostingLearner
from veritable.training.fit import Diverged, TrainingError
from veritable.training.module import ClassifierModule
from veritable.training.params import SEARCHABLE, Range, TuneParams
from veritable.training.plan import TrainPlan, TunePlan, plan_tuning
from veritable.training.train import HeldOut, train_classifier
from veritable.training.trials import Trial, Tuning
from veritable.training.tuning import tune_params

SPACE = {
    "mlp.learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    "mlp.hidden_layer_sizes": [[4], [8], [16, 8]],
    "mlp.dropout": {"low": 0.0, "high": 0.6, "log": False},
    "trees.num_leaves": {"low": 2, "high": 8, "log": False},
    "tabm.d_block": [8],
}
BASE = train_plan(blend=["trees"], refit=True)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Restore the number of threads, which `fit` sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tune_section(space: dict[str, Any] = SPACE, **changes: Any) -> TuneParams:
    return TuneParams.parse("tune", section("tune", **({"n_trials": 9, "space": space} | changes)))


def tuned(scratch: Path, base: TrainPlan = BASE, classes: int = 2, **changes: Any) -> Tuning:
    scratch.mkdir(exist_ok=True)
    return tune_params(tune_plan(base, **changes), inputs_of(prepared(300, classes), base, scratch))


def tune_plan(base: TrainPlan = BASE, **changes: Any) -> TunePlan:
    return plan_tuning(tune_section(**changes), train_params(), base, "table.csv")


def written(found: Tuning, folder: Path) -> dict[str, bytes]:
    found.write(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return tuned(tmp_path_factory.mktemp("undisturbed"))


class TestTrials:
    def test_as_many_as_asked_for(self, undisturbed: Tuning) -> None:
        """There are n_trials trials, numbered from 1, each with a value of the space for every searched parameter."""
        assert list(range(1, 10)) == [each.number for each in undisturbed.trials]
        for each in undisturbed.trials[1:]:
            assert set(undisturbed.searched) == set(each.params)
            assert 0.0001 <= each.params["mlp.learning_rate"] <= 0.1
            assert each.params["mlp.hidden_layer_sizes"] in SPACE["mlp.hidden_layer_sizes"]
            assert 0 <= each.params["mlp.dropout"] <= 0.6
            assert each.params["trees.num_leaves"] in range(2, 9)
        assert len({json.dumps(each.params) for each in undisturbed.trials}) > 7

    def test_the_first_is_what_one_has(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """The first trial has the current parameters, and the loss of the classifier that they train."""
        first = undisturbed.trials[0]
        assert {
            "mlp.learning_rate": 0.01,
            "mlp.hidden_layer_sizes": [8],
            "mlp.dropout": 0.2,
            "trees.num_leaves": 4,
        } == first.params
        assert _loss(BASE, tmp_path) == first.loss

    def test_the_best_is_had_again(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """Training with the best parameters as written gives the best loss, which is no worse than the first."""
        best = undisturbed.best
        assert best is not None
        assert best.loss == min(each.loss for each in undisturbed.trials if each.loss is not None)
        assert _loss(room._updated(BASE, undisturbed.better), tmp_path) == best.loss < (undisturbed.trials[0].loss or 0)

    @pytest.mark.parametrize(
        "space",
        [
            {"mlp.learning_rate": {"low": 1e-9, "high": 1e-8, "log": True}},
            {"mlp.learning_rate": [1e-9], "mlp.activation": ["tanh"]},
            {"mlp.gradient_clip_val": {"low": 1e-9, "high": 1e-8, "log": False}, "mlp.learning_rate": [1e-8, 1e-9]},
        ],
        ids=["a range", "choices", "null"],
    )
    def test_what_one_has_may_lie_outside(self, tmp_path: Path, space: dict[str, Any]) -> None:
        """Current parameters outside the space are tried too, and here they stay the best."""
        found = tuned(tmp_path / "a", n_trials=4, space=space, base=train_plan(max_epochs=8))
        assert found.best is found.trials[0]
        assert {} == found.better
        assert "none was better than the current one" in str(found)

    def test_few_digits(self, undisturbed: Tuning) -> None:
        """Sampled numbers have three significant digits."""
        for each in undisturbed.trials[1:]:
            for key in ("mlp.learning_rate", "mlp.dropout"):
                assert float(f"{each.params[key]:.3g}") == each.params[key]

    def test_multiples(self, tmp_path: Path) -> None:
        """A range of multiples of 8 yields multiples of 8."""
        base = train_plan("tabm", max_epochs=1)
        found = tuned(tmp_path / "a", base, n_trials=6, space={"tabm.d_block": {"low": 8, "high": 32, "log": False}})
        widths = {each.params["tabm.d_block"] for each in found.trials}
        assert widths <= {8, 16, 24, 32}
        assert len(widths) > 1

    def test_it_learns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the loss depends on one number, the search finds its minimum."""

        def fitted(inputs: Any, callback: Any) -> Any:
            loss = abs(np.log10(inputs.plan.mlp.learning_rate) + 3) + 0.1
            return SimpleNamespace(held_out=SimpleNamespace(log_loss=loss))

        monkeypatch.setattr(room, "fit_folds", fitted)
        found = tuned(tmp_path / "a", n_trials=40, space={"mlp.learning_rate": {"low": 1e-6, "high": 1.0, "log": True}})
        later = [each.loss for each in found.trials[20:] if each.loss is not None]
        assert found.best is not None
        assert found.best.loss is not None
        assert found.best.loss < 0.2
        assert np.median(later) < 0.8

    def test_weights_of_valid(self) -> None:
        """The loss is the weighted mean over the rows."""
        y_prob = np.array([[0.8, 0.2], [0.4, 0.6], [0.0, 1.0]])
        part = numbers_part(3, 0)
        part = Part(part.row, np.array([0, 1, 0]), part.X, weight=np.array([1.0, 3.0, 0.0], dtype=np.float32))

        assert -(np.log(0.8) + 3 * np.log(0.6)) / 4 == pytest.approx(HeldOut(part, y_prob, np.zeros(3), 0).log_loss)


def _loss(plan: TrainPlan, folder: Path) -> float:
    return train_classifier(inputs_of(prepared(300), plan, folder)).held_out.log_loss


class TestSame:
    def test_same_twice(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """The same parameters and parts give the same bytes, whatever the global random state; another seed gives others."""
        np.random.rand(3)  # noqa: NPY002
        torch.rand(7)
        expected = written(undisturbed, tmp_path / "one")
        assert expected == written(tuned(tmp_path / "a"), tmp_path / "two")
        assert expected != written(tuned(tmp_path / "b", seed=1), tmp_path / "three")

    def test_fewer_trials_are_the_first_of_more(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """More trials do not change the first ones."""
        assert undisturbed.trials[:4] == tuned(tmp_path / "a", n_trials=4).trials

    @pytest.mark.parametrize("steps", [1, 5, 11, 23, 40, 57])
    def test_killed(self, undisturbed: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        """Killed repeatedly after a number of chunks, the search ends with the same trials."""
        before, counted = ClassifierModule.training_step, count(1)

        def dying(self: ClassifierModule, block: Any, batch_idx: int) -> None:
            if next(counted) % (steps + 1) == 0:
                raise Killed
            before(self, block, batch_idx)

        monkeypatch.setattr(ClassifierModule, "training_step", dying)
        assert undisturbed.trials == self._until_done(tmp_path / "a").trials

    @pytest.mark.parametrize("torn", [0, 1, 30])
    def test_killed_while_it_writes(
        self, undisturbed: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: int
    ) -> None:
        """Killed before, between or within lines of the journal, the search ends with the same trials."""
        before, counted = JournalFileBackend.append_logs, count(1)

        def dying(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
            if next(counted) % 25 == 0:
                Path(f"{self._file_path}.lock").touch()
                with Path(self._file_path).open("ab") as file:
                    file.write(("\n".join(map(json.dumps, logs)) + "\n").encode()[:torn])
                raise Killed
            before(self, logs)

        monkeypatch.setattr(JournalFileBackend, "append_logs", dying)
        assert undisturbed.trials == self._until_done(tmp_path / "a").trials

    def test_killed_in_the_trees(self, undisturbed: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed between the network and the trees of a trial, the search still sees the losses of its epochs."""
        before, counted = BoostingLearner.fit, count(1)

        def dying(*given: Any, **named: Any) -> Any:
            if next(counted) % 2:
                raise Killed
            return before(*given, **named)

        monkeypatch.setattr(BoostingLearner, "fit", dying)
        assert undisturbed.trials == self._until_done(tmp_path / "a").trials

    def test_nothing_is_fitted_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A trial costs no fit on all rows, because it is judged on rows held out."""

        def refused(*_: Any) -> None:
            raise AssertionError

        monkeypatch.setattr(BoostingLearner, "refit", refused)
        assert 1 == len(tuned(tmp_path / "a", n_trials=1).trials)

    def test_journal_of_garbage(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """A journal without a complete line is started anew."""
        (tmp_path / "a").mkdir()
        (tmp_path / "a/journal.jsonl").write_bytes(b"\0\0\0\n{")
        assert undisturbed.trials[:2] == tuned(tmp_path / "a", n_trials=2).trials

    def _until_done(self, scratch: Path) -> Tuning:
        for _ in range(200):
            try:
                return tuned(scratch)
            except Killed:
                continue
        raise AssertionError("it never came to its end")


RATES = {"mlp.learning_rate": {"low": 1e-7, "high": 0.05, "log": True}}


class TestPruning:
    def test_bad_ones_are_stopped(self, tmp_path: Path) -> None:
        """A network whose loss is above the median is stopped before its last epoch, and is never the best."""
        base = train_plan(max_epochs=8)
        on, off = (tuned(tmp_path / str(pruning), base, n_trials=16, pruning=pruning, space=RATES) for pruning in (True, False))
        pruned = [each for each in on.trials if each.state == "pruned"]
        assert [] == [each for each in off.trials if each.state != "complete"]
        assert len(pruned) > 1
        assert {8} == {each.epochs for each in on.trials if each.state == "complete"}
        assert all(each.loss is None and 2 <= each.epochs < 8 for each in pruned)
        assert {"complete"} == {each.state for each in on.trials[:5]}
        assert on.trials[:5] == off.trials[:5]
        assert f"({len(pruned)} pruned)" in str(on)

    def test_one_that_diverges(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A trial whose loss is no longer finite is reported and skipped."""
        base = train_plan(max_epochs=3, dropout=0.0)
        found = tuned(tmp_path / "a", base, n_trials=4, space={"mlp.learning_rate": [1e30]})
        assert ["complete", "diverged", "diverged", "diverged"] == [each.state for each in found.trials]
        assert "(3 diverged)" in str(found)
        assert found.best is found.trials[0]

    def test_one_that_does_not_fit(self, tmp_path: Path) -> None:
        """With an earlier classifier, a trial whose weights do not fit is skipped."""
        done, scratch = prepared(300), tmp_path / "earlier"
        scratch.mkdir()
        first = train_plan(hidden_layer_sizes=[8], max_epochs=1)
        earlier = train_classifier(inputs_of(done, first, scratch)).classifier
        frozen = next(name for name, _ in earlier.networks[0].named_parameters())
        base = train_plan(hidden_layer_sizes=[8], max_epochs=1, freeze=[frozen])
        plan = tune_plan(base, space={"mlp.hidden_layer_sizes": [[]]}, n_trials=3)
        (tmp_path / "a").mkdir()
        found = tune_params(plan, inputs_of(done, base, tmp_path / "a", earlier=earlier))
        assert ["complete", "unfit", "unfit"] == [each.state for each in found.trials]
        assert "(2 unfit)" in str(found)
        with pytest.raises(TrainingError):
            tune_params(plan, inputs_of(done, train_plan(freeze=["none"]), scratch, earlier=earlier))

    def test_folds(self, tmp_path: Path) -> None:
        """With folds, trials are judged on all rows, each predicted by models that have not seen it."""
        base = train_plan(n_splits=3, max_epochs=2)
        found = tuned(tmp_path / "a", base, n_trials=2, space={"mlp.dropout": [0.5]})
        assert _loss(base, tmp_path) == found.trials[0].loss
        assert "log loss over the folds" in str(found)

    def test_what_one_has_diverges(self, tmp_path: Path) -> None:
        """If the current parameters cannot be trained with, the error is that of the stage `train`."""
        with pytest.raises(Diverged, match=r"Decrease train\.mlp\.learning_rate"):
            tuned(tmp_path / "a", train_plan(learning_rate=1e30), n_trials=4)


class TestUnsearched:
    @pytest.mark.parametrize(
        ("base", "searched", "said"),
        [
            (
                train_plan("mlp"),
                ["mlp.dropout"],
                "Parameters not searched: those of resnet and tabm, because the network is mlp, and those of trees and forest, "
                "because train.blend lacks them.",
            ),
            (
                train_plan("mlp", blend=["trees"]),
                ["mlp.dropout", "trees.lambda_l2"],
                "Parameters not searched: those of resnet and tabm, because the network is mlp, and those of forest, because "
                "train.blend lacks them.",
            ),
            (
                train_plan("tabm", blend=["trees", "forest"]),
                ["tabm.dropout", "trees.lambda_l2", "forest.n_estimators"],
                "Parameters not searched: those of mlp and resnet, because the network is tabm.",
            ),
        ],
    )
    def test_told(self, tmp_path: Path, base: TrainPlan, searched: list[str], said: str) -> None:
        """Parameters without an effect are not searched, and the message says so."""
        space = {f"{each}.dropout": [0.1] for each in ("mlp", "resnet", "tabm")}
        space |= {"trees.lambda_l2": [1.0], "forest.n_estimators": [7]}
        found = tuned(tmp_path / "a", base, n_trials=1, space=space)
        assert searched == list(found.searched)
        assert sorted(space) == sorted((*found.searched, *found.unsearched))
        assert said in str(found).splitlines()

    def test_all_searched(self, tmp_path: Path) -> None:
        """If all parameters are searched, no message mentions others."""
        assert "not searched" not in str(tuned(tmp_path / "a", n_trials=1, space={"mlp.dropout": [0.1]}))

    def test_nothing_to_search(self, tmp_path: Path) -> None:
        """A space without a parameter that has an effect is refused."""
        with pytest.raises(UserError, match=r"'tune.space' must have a parameter of mlp, but has none"):
            tuned(tmp_path / "a", train_plan(), space={"tabm.dropout": [0.1], "trees.lambda_l2": [1.0]})


WRONG: list[tuple[str, Any, str]] = [
    ("tabm.dropuot", [0.1], "'tune.space.tabm.dropuot' in params.yaml must name a parameter of train, but there is no "
     "'train.tabm.dropuot'. Did you mean 'tabm.dropout'?"),
    ("network", ["tabm"], "'tune.space.network' in params.yaml must name a parameter of train, but there is no "
     "'train.network'."),
    ("seed", [1], "Known are parameters of mlp, resnet, tabm, trees, forest, as tabm.dropout."),
    ("tabm", [1], "must name a parameter of train"),
    ("tabm.", [1], "must name a parameter of train"),
    ("tabm.d_block.x", [1], "must name a parameter of train"),
    ("", [1], "must name a parameter of train"),
    ("tabm.dropout", [0.1, 1.5], "'tune.space.tabm.dropout.1' in params.yaml must be less than 1, but is 1.5."),
    ("tabm.dropout", [], "'tune.space.tabm.dropout' in params.yaml must be a non-empty list, but is []."),
    ("tabm.dropout", 0.3, "must be a range {low, high, log} or a list of choices, but is 0.3."),
    ("tabm.dropout", None, "must be a range {low, high, log} or a list of choices, but is None."),
    ("tabm.dropout", {"low": 0.1, "high": 1.5, "log": False}, "'tune.space.tabm.dropout.high' in params.yaml must be less"),
    ("tabm.dropout", {"low": 0.1, "hgih": 0.5, "log": False}, "no key 'tune.space.tabm.dropout.hgih'. Did you mean "
     "'tune.space.tabm.dropout.high'?"),
    ("tabm.dropout", {"low": 0.1, "high": 0.5}, "params.yaml lacks the key 'tune.space.tabm.dropout.log'."),
    ("tabm.dropout", {"low": 0.5, "high": 0.1, "log": False}, "must have a low below its high, but they are 0.5 and 0.1."),
    ("tabm.dropout", {"low": 0, "high": 0.1, "log": True}, "must have a low above 0 if log is true, but it is 0."),
    ("tabm.dropout", {"low": "a", "high": 0.1, "log": True}, "'tune.space.tabm.dropout.low' in params.yaml must be a valid"),
    ("tabm.d_block", {"low": 8, "high": 20, "log": True},
     "'tune.space.tabm.d_block.high' in params.yaml must be a multiple of 8"),
    ("tabm.d_block", [12], "'tune.space.tabm.d_block.0' in params.yaml must be a multiple of 8, but is 12."),
    ("tabm.max_epochs", {"low": 1.5, "high": 20, "log": True}, "'tune.space.tabm.max_epochs.low' in params.yaml must be a "),
    ("tabm.lr_schedule", {"low": 0, "high": 1, "log": False}, "'tune.space.tabm.lr_schedule.low' in params.yaml must be "),
    ("tabm.lr_schedule", ["cosin"],
     "'tune.space.tabm.lr_schedule.0' in params.yaml must be 'constant' or 'cosine', but is 'cosin'."),
    ("mlp.hidden_layer_sizes", [64, 64],
     "'tune.space.mlp.hidden_layer_sizes.0' in params.yaml must be a valid list, but is 64."),
    ("mlp.hidden_layer_sizes", [[64, 0]],
     "'tune.space.mlp.hidden_layer_sizes.0.1' in params.yaml must be greater than or equal to 1,"),
    ("trees.num_leaves", [1],
     "'tune.space.trees.num_leaves.0' in params.yaml must be greater than or equal to 2, but is 1."),
]  # fmt: skip


class TestSpace:
    @pytest.mark.parametrize(("key", "given", "words"), WRONG, ids=[f"{key}={given}"[:50] for key, given, _ in WRONG])
    def test_wrong(self, key: str, given: Any, words: str) -> None:
        """An unknown key, an invalid value and an invalid range are refused with a message that names them."""
        with pytest.raises(UserError) as caught:
            tune_section({key: given})
        assert words in str(caught.value)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        "key", [f"{section}.{knob}" for section, model in SEARCHABLE.items() for knob in model.model_fields]
    )
    def test_any_knob(self, key: str) -> None:
        """Every parameter of a network or of the trees can be searched."""
        name, knob = key.split(".")
        value = section("train")[name][knob]
        assert {key: [value]} == tune_section({key: [value]}).domains

    def test_domains(self) -> None:
        """Choices stay lists, ranges are ranges."""
        found = tune_section().domains
        assert Range(low=2, high=8, log=False) == found["trees.num_leaves"]
        assert [[4], [8], [16, 8]] == found["mlp.hidden_layer_sizes"]

    def test_template(self) -> None:
        """The template's own search is off; its space has knobs of every network and of the trees, and holds what one has
        wherever the best of it may lie on either side."""
        params = TuneParams.parse("tune", section("tune"))
        assert 0 == params.n_trials
        assert set(SEARCHABLE) - {"forest"} == {key.split(".")[0] for key in params.domains}

        def value_of(key: str) -> Any:
            name, param = key.split(".")
            return section("train")[name][param]

        outside = [
            key
            for key, each in params.domains.items()
            if room._Variable.from_domain(key, each).to_optuna(value_of(key)) is None
        ]
        assert [] == outside


class TestWritten:
    def test_trials(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """trials.csv has a row per trial with its state, loss, epochs and parameters."""
        undisturbed.write(tmp_path / "out")
        with (tmp_path / "out/trials.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert ["number", "state", "loss", "epochs", *undisturbed.searched] == list(rows[0])
        for row, each in zip(rows, undisturbed.trials, strict=True):
            assert (str(each.number), each.state) == (row["number"], row["state"])
            assert ("" if each.loss is None else each.loss) == (row["loss"] and float(row["loss"]))
            assert each.params == {key: json.loads(row[key]) for key in each.params}

    def test_best(self, undisturbed: Tuning, tmp_path: Path) -> None:
        """best.json holds the best trial and the parameters in which it differs from the first."""
        undisturbed.write(tmp_path / "out")
        found = json.loads((tmp_path / "out/best.json").read_text())
        assert undisturbed.best is not None
        assert {"trial": undisturbed.best.number, "loss": undisturbed.best.loss, "params": undisturbed.better} == found["best"]
        assert undisturbed.trials[0].loss == found["base_loss"]
        assert "table.csv" == found["base"]["data.path"]
        assert 0.01 == found["base"]["train.mlp.learning_rate"]
        assert 9 == found["trials"] == sum(found["states"].values())

    def test_nothing(self, tmp_path: Path) -> None:
        """Without a search, both files exist and are empty."""
        files = written(Tuning(), tmp_path / "out")
        assert b"number,state,loss,epochs\n" == files["trials.csv"]
        assert None is json.loads(files["best.json"])["best"]
        assert "Searched nothing: tune.n_trials is 0." == str(Tuning())

    def test_sentence(self) -> None:
        """The last line states the number of trials and the best parameters."""
        trials = (
            Trial(1, "complete", 0.4012, 10, {"mlp.dropout": 0.1, "mlp.lr_schedule": "cosine"}),
            Trial(2, "pruned", None, 3, {"mlp.dropout": 0.5, "mlp.lr_schedule": "cosine"}),
            Trial(3, "complete", 0.3921, 10, {"mlp.dropout": 0.23, "mlp.lr_schedule": "cosine"}),
            Trial(4, "complete", 0.3921, 10, {"mlp.dropout": 0.24, "mlp.lr_schedule": "constant"}),
        )
        assert ("Tried 4 parameter sets (1 pruned): valid log loss 0.4012 -> 0.3921. Best: mlp.dropout 0.23.") == str(
            Tuning(trials, searched=("mlp.dropout", "mlp.lr_schedule"))
        )

    def test_silent(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a terminal, neither the search nor Optuna prints anything."""
        tuned(tmp_path / "a", n_trials=3)
        assert ("", "") == capfd.readouterr()
        assert optuna.logging.get_verbosity() >= optuna.logging.ERROR
