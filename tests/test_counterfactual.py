"""The nearest change turns the decision, with values of the background, and leaves fixed columns as they are."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from tests.explaining import explainable, of_table
from tests.rooms import mixed_table, prepare_frame, prepared
from tests.test_classifier import classifier
from veritable.errors import UserError
from veritable.explanation.counterfactual import ChangeSearch, Counterfactual, nearest_change
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Ensemble


def changed(one: Classifier, before: np.ndarray, found: Counterfactual) -> list[str]:
    """Return the names of the columns whose encoded values differ."""
    return [name for name, block in one.encoder.blocks.items() if (before[block] != found.x[block]).any()]


@pytest.mark.parametrize("classes", [2, 3])
def test_it_turns_the_decision(classes: int) -> None:
    """The changed row gets the stated other class; its changed columns are stated, and have values of a background row."""
    one = explainable(classes)
    assert one.background is not None
    X = prepared(300, classes).parts["test"].X[:30]
    search = ChangeSearch.fit(one)
    found = [search.nearest(x) for x in X]
    assert any(found)
    for x, each in zip(X, found, strict=True):
        if each is None:
            continue
        assert one.predict(x[None])[0] != each.decision == one.predict(each.x[None])[0]
        np.testing.assert_array_equal(one.predict_proba(each.x[None])[0], each.y_prob)
        assert changed(one, x, each) == list(each.columns)
        assert 1 <= len(each.columns) <= 3
        for name in each.columns:
            block = one.encoder.blocks[name]
            assert (one.background.X[:, block] == each.x[block]).all(axis=1).any()


def exhaustive(search: ChangeSearch, x: np.ndarray, size: int) -> float:
    """Return the smallest distance of any change of `size` columns that turns the decision; infinity if there is none."""
    best, decision = np.inf, int(search.classifier.predict(x[None])[0])
    values = {column: search.values.changes(x, column) for column in search.free}
    for columns in combinations(values, size):
        changes = list(product(*(values[column] for column in columns)))
        turned, _ = search._try(x, changes, decision)
        best = min([best, *(sum(each.distance for each in changes[i]) for i in np.flatnonzero(turned))])
    return best


def test_single_changes_are_the_nearest() -> None:
    """If a single column can turn the decision, the change is within 0.03 of the nearest that an exhaustive search finds."""
    one = explainable()
    search = ChangeSearch.fit(one)
    for x in prepared().parts["test"].X[:25]:
        found, expected = nearest_change(one, x), exhaustive(search, x, 1)
        assert (expected < np.inf) == (found is not None and len(found.columns) == 1)
        if found is not None and expected < np.inf:
            assert expected <= found.distance <= expected + 0.03


def test_two_columns() -> None:
    """If one column is not enough, two are tried; the change is as near as an exhaustive search finds, within 0.15."""
    one = explainable()
    search, tried = ChangeSearch.fit(one, ["age"]), 0
    for x in prepared().parts["test"].X:
        found = search.nearest(x)
        if found is not None and len(found.columns) == 2:
            tried += 1
            expected = exhaustive(search, x, 2)
            assert expected <= found.distance <= expected + 0.15
    assert tried > 0


def test_fixed_columns_stay() -> None:
    """A fixed column is not among the changed ones; if all are fixed, there is no change."""
    one, X = explainable(), prepared().parts["test"].X[:20]
    for x in X:
        found = nearest_change(one, x, ["score", "age"])
        assert found is None or not {"score", "age"} & set(changed(one, x, found))
        assert nearest_change(one, x, list(one.encoder.blocks)) is None


def test_a_decision_that_nothing_turns() -> None:
    """If no change turns the decision, there is none."""
    one = explainable()
    certain = replace(one, threshold=1.0, ensemble=Ensemble(one.ensemble.members, (0.0,) * len(one.ensemble.members)))
    assert nearest_change(certain, prepared().parts["test"].X[0]) is None


def test_neither_missing_nor_other() -> None:
    """A value is never changed to missing or to a level that the train part does not have, but from both."""
    frame = mixed_table(300)
    one = explainable()
    codes = {column.name: column.levels for column in one.encoder.columns}
    changed_to = []
    for x in prepared().parts["test"].X[:40]:
        found = nearest_change(one, x, ["score"])
        if found is not None:
            raw = one.encoder.decode(found.x[None]).iloc[0]
            changed_to += [raw[name] for name in found.columns if name in ("colour", "age")]
    assert None in codes["colour"]
    assert changed_to
    assert not [value for value in changed_to if value is None or value != value or value == "other"]
    assert frame["age"].isna().any()


def test_same_change_each_time() -> None:
    """The search is deterministic, and a row's change does not depend on other rows."""
    one, X = explainable(3), prepared(300, 3).parts["test"].X[:5]
    search = ChangeSearch.fit(one)
    for x in X:
        first, second = search.nearest(x), nearest_change(one, x)
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert first.x.tobytes() == second.x.tobytes()


def test_bounded_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of 60 columns takes at most 5,200 predictions, even if nothing turns the decision."""
    draw = np.random.default_rng(0)
    frame = mixed_table(200).assign(**{f"n{i}": draw.normal(size=200) for i in range(60)})
    one = replace(of_table(prepare_frame(frame)), threshold=0.999999)
    assert one.background is not None
    count, predict = [], Classifier.predict_proba
    monkeypatch.setattr(Classifier, "predict_proba", lambda self, X: (count.append(len(X)), predict(self, X))[1])
    nearest_change(one, one.background.X[0])
    assert 2_000 < sum(count) < 5_200


def test_unknown_fixed_column() -> None:
    """A misspelled fixed column is an error with the nearest name."""
    with pytest.raises(UserError, match=r"must be one that the classifier uses, but 'colur' is not\. Did you mean 'colour'\?"):
        ChangeSearch.fit(explainable(), ["colur"])
    with pytest.raises(UserError, match=r"but 'zzz' is not\. The columns are: age, colour, member, score\."):
        ChangeSearch.fit(explainable(), ["zzz"])


def test_no_background() -> None:
    """Without a background there are no values to change to, which is an error."""
    with pytest.raises(UserError, match="must have train rows with it to search for changes, but has none"):
        nearest_change(classifier(), np.zeros(5, np.float32))
