"""Classifiers with a background, for the tests of explanations of new rows."""

from dataclasses import replace
from functools import cache

from tests.rooms import InMemory, prepared
from tests.test_classifier import classifier
from tests.training import MLP_SPEC, untrained
from veritable.models.background import Background
from veritable.models.classifier import Classifier


@cache
def explainable(classes: int = 2, kind: str = "blend") -> Classifier:
    """Return a classifier of `mixed_table` that carries its train rows."""
    return with_background(classifier(classes, kind=kind), prepared(300, classes))


def with_background(one: Classifier, done: InMemory) -> Classifier:
    """Return a classifier with all train rows of a table as its background."""
    return replace(one, background=Background.draw(done.parts["train"], 2_000, 0))


def of_table(done: InMemory) -> Classifier:
    """Return an untrained network for any table, with its background."""
    return with_background(untrained(done, MLP_SPEC), done)
