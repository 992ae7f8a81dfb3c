"""Shapley values of a classifier's predictions, one per column of the table, with their standard errors.

The scores of the classifier are a weighted sum over its members, so their Shapley values are that of the members'. Boosted
trees and linear models are explained exactly (`leaves.py`, `Linear.parts`). For the other members, trees imitate their sum
(`proxy.py`) and are explained exactly too; walks estimate the values of what is left (`walks.py`).
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
import pandas as pd

from veritable.errors import UserError
from veritable.explanation.leaves import MAX_DEPTH, Tree, read_trees, tree_values
from veritable.explanation.library import shap
from veritable.explanation.network_walks import NetworkTerm, contrast
from veritable.explanation.proxy import fit_proxy, mix
from veritable.explanation.tree_walks import TreesTerm
from veritable.explanation.walks import Game, RowTerm, Term, walk_values
from veritable.models.classifier import Classifier
from veritable.models.ensemble import Member
from veritable.models.linear import Linear
from veritable.models.network import Network
from veritable.models.trees import Trees
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.encoding.gate import Gate
from veritable.tables.encoding.show import decode_rounded, format_value

Output = Literal["log_odds", "probability"]
MAX_CLASSES = 10  # with more classes, only the predicted class of each row is explained
_MAX_LEAVES = 300_000  # boosted trees with more, or with deeper ones, are imitated as the other members are
_BATCH_VALUES = 2**22
MAX_GAP = 1e-5  # between an output and its base value plus values, relative to outputs above 1


@dataclass(frozen=True)
class Estimate:
    """Shapley values and what is known about their errors.

    Attributes
    ----------
    classes
        Code of the class that each output is of. Shape: (n, outputs)
    values, errors
        Values, and their standard errors as estimates of those against all background rows; 0 where a value is exact.
        Shape: (n, players, outputs)
    background_errors
        Half the difference between the values against either half of the background, corrected for the share of the train part
        that the background is: an estimate, with one degree of freedom, of the standard error that comes from the choice of the
        background rows. Shape: (n, players, outputs)
    base
        Mean output of the background. Shape: (n, outputs)
    outputs
        Outputs of the rows, which the values and the base value sum to. Shape: (n, outputs)
    """

    classes: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    background_errors: np.ndarray
    base: np.ndarray
    outputs: np.ndarray

    @property
    def gap(self) -> float:
        """Largest difference between an output and the sum of base value and values, relative to outputs above 1."""
        gaps = np.abs(self.base + self.values.sum(axis=1) - self.outputs) / np.maximum(np.abs(self.outputs), 1)
        return float(gaps.max(initial=0.0))


@dataclass(frozen=True)
class Explainer:
    """Explains encoded rows of a classifier, compared with the train rows that it was saved with.

    Attributes
    ----------
    X
        Background rows, in random order. Shape: (m, width) float32
    n_train
        Number of train rows that they are a sample of.
    output
        "log_odds": the log-odds of the positive class; with more than two classes, the score of a class minus the mean
        score of all classes, where a score is a log-probability up to a constant. "probability": the probability of a class.
    players
        Names of what gets a value: columns of the table, or groups of columns.
    owner
        Player that each encoded column belongs to. Shape: (width,)
    trees
        Trees that are explained exactly.
    linear, sampled
        Linear models, and the other members, with their weights.
    """

    classifier: Classifier
    X: np.ndarray
    n_train: int
    output: Output
    seed: int
    players: tuple[str, ...]
    owner: np.ndarray
    trees: tuple[Tree, ...] = ()
    linear: tuple[tuple[Linear, float], ...] = ()
    sampled: tuple[tuple[Member, float], ...] = ()
    _residuals: dict[tuple[int, ...], tuple[Game, list[Tree]]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        classifier: Classifier,
        *,
        output: Output = "log_odds",
        groups: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
    ) -> Self:
        """Prepare the explanation of a classifier.

        Parameters
        ----------
        groups
            Columns that get one value together, by the name of the group.

        Raises
        ------
        UserError
            The classifier was saved without train rows, or a group has a column that the classifier does not use or another
            group has.
        """
        background = classifier.background
        if background is None or len(background.X) < 2:
            raise UserError(
                "a classifier must have at least 2 train rows with it to be explained, but has fewer. "
                "Set train.background_rows in params.yaml to 2 or more, and train it again."
            )
        players, owner = _assign_players(classifier.encoder, groups or {})
        members = list(zip(classifier.ensemble.members, classifier.ensemble.weights, strict=True))
        if output == "probability":  # not a sum over members
            return cls(classifier, background.X, background.n_train, output, seed, players, owner, sampled=tuple(members))
        linear = [(each, weight) for each, weight in members if isinstance(each, Linear)]
        boosted = [
            (each, weight) for each, weight in members if isinstance(each, Trees) and each.nodes.depth.max() <= MAX_DEPTH
        ]
        trees = [tree for each, weight in boosted for tree in read_trees(each, weight)]
        if sum(len(tree.value) for tree in trees) > _MAX_LEAVES:
            boosted, trees = [], []
        exact = [id(each) for each, _ in (*boosted, *linear)]
        sampled = [(each, weight) for each, weight in members if id(each) not in exact]
        return cls(
            classifier,
            background.X,
            background.n_train,
            output,
            seed,
            players,
            owner,
            tuple(trees),
            tuple(linear),
            tuple(sampled),
        )

    def classes(self, X: np.ndarray) -> np.ndarray:
        """Return the codes of the classes that are explained: the positive one of two, all up to 10, else the
        predicted one.

        Shape: (n, width) -> (n, outputs)
        """
        n_classes = len(self.classifier.classes)
        if n_classes > MAX_CLASSES:
            return self.classifier.predict(X)[:, None]
        explained = [1] if n_classes == 2 else range(n_classes)
        return np.tile(np.array(explained, dtype=np.int64), (len(X), 1))

    def columns_of(self, name: str) -> list[str]:
        """Return the columns of a player."""
        player, blocks = self.players.index(name), self.classifier.encoder.blocks
        return [column for column, block in blocks.items() if self.owner[block.start] == player]

    def show(self, X: np.ndarray, gate: Gate | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the raw values of encoded rows by player: as texts, and as numbers (NaN where a player is not one number).

        They are as exact as the gate allows.

        Shape: (n, width) -> (n, players) each
        """
        texts, numbers = {}, {}
        rounded = decode_rounded(self.classifier.encoder, X)
        kinds = {column.name: column.kind for column in self.classifier.encoder.columns}
        for name in self.players:
            own = self.columns_of(name)
            shown = [gate.show_column(each, rounded[each]) if gate else rounded[each] for each in own]
            texts[name] = [", ".join(map(format_value, values)) for values in zip(*shown, strict=True)]
            is_number = len(own) == 1 and kinds[own[0]] == "number"
            numbers[name] = pd.to_numeric(shown[0], errors="coerce").to_numpy(float) if is_number else np.full(len(X), np.nan)
        return pd.DataFrame(texts, index=rounded.index), pd.DataFrame(numbers, index=rounded.index)

    def explain(self, X: np.ndarray, numbers: np.ndarray, *, error: float = 0.05) -> shap.Explanation:
        """Explain rows: see `estimate`. Returns values and error_std (n, players, outputs), and base_values (n, outputs)."""
        found = self.estimate(X, numbers, error=error)
        return shap.Explanation(found.values, found.base, error_std=found.errors, feature_names=list(self.players))

    def estimate(
        self, X: np.ndarray, numbers: np.ndarray, *, error: float = 0.05, classes: np.ndarray | None = None
    ) -> Estimate:
        """Explain rows. The values of a row have the same bits whatever the other rows.

        Parameters
        ----------
        X
            Encoded rows. Shape: (n, width) float32
        numbers
            Number of each row; seeds its walks. Shape: (n,), 0 or more
        error
            Mean standard error of the values of a row to reach, relative to their mean absolute value. Walks are added until it
            is reached, within limits: see `walk_values`.
        classes
            Codes of the classes to explain; None: those of `classes`. With more than two classes, one per row, or all.
            Shape: (n, outputs)
        """
        classes = self.classes(X) if classes is None else classes
        shape = len(X), len(self.players), classes.shape[1]
        values, errors, background_errors = np.zeros((3, *shape))
        base, outputs = np.zeros((2, *classes.shape))
        step = max(1, _BATCH_VALUES // (shape[1] * max(shape[2], self._n_scores)))
        for start in range(0, len(X), step):
            batch = np.arange(start, min(start + step, len(X)))
            scores = tree_values(self.trees, X[batch], self._halves, self.owner, self._n_scores)
            for explained in np.unique(classes[batch], axis=0):
                own = np.flatnonzero((classes[batch] == explained).all(axis=1))
                rows = batch[own]
                found = self._estimate(X[rows], numbers[rows], scores[:, own], tuple(explained.tolist()), error)
                values[rows], errors[rows], background_errors[rows], base[rows], outputs[rows] = found
        estimate = Estimate(classes, values, errors, background_errors, base, outputs)
        assert estimate.gap < MAX_GAP, f"values must sum to the outputs within {MAX_GAP}, but the gap is {estimate.gap}"
        return estimate

    @property
    def _n_scores(self) -> int:
        """Number of scores that boosted trees have: 1 for two classes."""
        n_classes = len(self.classifier.classes)
        return 1 if n_classes == 2 else n_classes

    def _estimate(
        self, X: np.ndarray, numbers: np.ndarray, scores: np.ndarray, classes: tuple[int, ...], error: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return values, errors, background errors, base and outputs of rows for which the same classes are explained.

        `scores` are the values of the trees for all classes against either half of the background.
        """
        halves = self._exact(X, scores, classes)
        errors = np.zeros(halves.shape[1:])
        share = len(self._halves[0]) / len(self.X)
        walked: np.ndarray | float = 0.0
        if self.sampled:
            game, proxy = self._residual(classes)
            halves = halves + tree_values(proxy, X, self._halves, self.owner, len(classes))
            exact = share * halves[0] + (1 - share) * halves[1]

            def enough(rows: np.ndarray, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
                reached: np.ndarray = errors.mean(axis=(1, 2)) <= error * np.abs(exact[rows] + values).mean(axis=(1, 2))
                return reached

            walked, errors = walk_values(game, X, numbers.tolist(), seed=self.seed, enough=enough)
        values = share * halves[0] + (1 - share) * halves[1] + walked
        if len(classes) > 1:  # what one class gains, the others lose
            values = values - values.mean(axis=2, keepdims=True)
        unseen = np.sqrt(max(0.0, 1 - len(self.X) / self.n_train))
        base = np.repeat(self._select(self._background_sums, classes).mean(axis=0)[None], len(X), axis=0)
        return values, errors, unseen * np.abs(halves[0] - halves[1]) / 2, base, self.outputs(X, classes)

    @cached_property
    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        half = len(self.X) // 2
        return self.X[:half], self.X[half:]

    def _exact(self, X: np.ndarray, scores: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
        """Return the values of trees and linear models against either half. Shape: (2, n, columns, outputs)"""
        total = scores if self._n_scores == 1 else contrast(scores, classes)
        for model, weight in self.linear:
            rows, *halves = (self._linear_parts(model, weight, each, classes) for each in (X, *self._halves))
            total = total + np.stack([rows - half.mean(axis=0) for half in halves])
        return np.asarray(total)

    def _linear_parts(self, model: Linear, weight: float, X: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
        """Return what each column adds to the outputs of a linear model. Shape: (n, width) -> (n, players, outputs)"""
        found = np.zeros((len(X), len(self.players), len(classes)))
        for player, part in zip(self.owner, model.parts(X), strict=True):
            found[:, player] += contrast(weight * part, classes)
        return found

    def outputs(self, X: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
        """Return what is explained. Shape: (n, width) -> (n, outputs)"""
        ensemble = self.classifier.ensemble
        return self._select(self._sum(X, list(zip(ensemble.members, ensemble.weights, strict=True))), classes)

    def _sum(self, X: np.ndarray, members: Sequence[tuple[Member, float]]) -> np.ndarray:
        """Return the weighted sum of scores, or the probabilities, for all classes. Shape: (n, width) -> (n, n_classes)"""
        if self.output == "probability":
            return self.classifier.predict_proba(X)
        total = np.zeros((len(X), len(self.classifier.classes)))
        for member, weight in members:
            total += weight * member.scores(X)
        return total

    def _select(self, sums: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
        """Return the outputs of some classes. Shape: (n, n_classes) -> (n, outputs)"""
        return np.asarray(sums[:, classes]) if self.output == "probability" else contrast(sums, classes)

    @cached_property
    def _background_sums(self) -> np.ndarray:
        ensemble = self.classifier.ensemble
        return self._sum(self.X, list(zip(ensemble.members, ensemble.weights, strict=True)))

    @cached_property
    def mixtures(self) -> np.ndarray:
        """Mixtures of background rows, which proxies are fitted on. Shape: (mixtures, width)"""
        return mix(self.X, self.owner, self.seed)

    @cached_property
    def _mixture_sums(self) -> np.ndarray:
        return self._sum(self.mixtures, self.sampled)

    def _residual(self, classes: tuple[int, ...]) -> tuple[Game, list[Tree]]:
        """Return the game of what the proxies leave of the sampled members, and the trees of the proxies."""
        if classes not in self._residuals:
            cardinalities = self.classifier.encoder.cardinalities
            outputs = self._select(self._mixture_sums, classes).T
            proxies = [fit_proxy(self.mixtures, each, cardinalities) for each in outputs]
            whole: list[tuple[Member, float]] = []
            terms: list[Term] = []
            for member, weight in self.sampled:
                if isinstance(member, Network) and self.output == "log_odds":
                    terms.append(NetworkTerm(member, weight, classes, self.owner))
                else:
                    whole.append((member, weight))

            if whole:
                terms.append(RowTerm(lambda X: self._select(self._sum(X, whole), classes), self.owner))
            trees = [replace(tree, output=i) for i, proxy in enumerate(proxies) for tree in read_trees(proxy, 1.0)]
            terms.append(TreesTerm([replace(tree, value=-tree.value) for tree in trees], cardinalities, self.owner))
            self._residuals[classes] = Game.of(terms, self.X, self.owner), trees
        return self._residuals[classes]


def _assign_players(encoder: Encoder, groups: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the players, and the player of each encoded column. A group stands where its first column stands."""
    group_of: dict[str, str] = {}
    for group, columns in groups.items():
        for column in columns:
            if column not in encoder.blocks:
                nearest = difflib.get_close_matches(column, encoder.blocks, 1, 0)[0]
                raise UserError(
                    f"a column of the group '{group}' must be one that the classifier uses, but is '{column}'. "
                    f"The nearest is '{nearest}'."
                )
            if group in encoder.blocks and group not in columns:
                raise UserError(f"a group must not be named as a column outside it, but '{group}' is. Rename the group.")
            if column in group_of:
                raise UserError(
                    f"a column must be in one group, but '{column}' is in '{group_of[column]}' and in '{group}'. "
                    "Remove it from one."
                )
            group_of[column] = group
    players = tuple(dict.fromkeys(group_of.get(name, name) for name in encoder.blocks))
    owner = [players.index(group_of.get(c.name, c.name)) for c in encoder.columns for _ in c.names]
    return players, np.array(owner)
