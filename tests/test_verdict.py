"""The verdict compares the classifier with the best baseline."""

import numpy as np
import pytest

from veritable.evaluation.verdict import Candidate, compare_losses, describe_opacity
from veritable.metrics.losses import log_losses
from veritable.metrics.metrics import compute_metrics


def drawn(n=2000, *, seed=0):
    """Return class codes and the true probability of class 1 of each row."""
    generator = np.random.default_rng(seed)
    share = generator.beta(1, 1, size=n)
    return (generator.random(n) < share).astype(int), share


def two(share):
    return np.stack([1 - share, share], axis=1)


def blurred(share, by):
    """Move probabilities towards one half: a higher log loss, but the same ranking."""
    return two(share * (1 - by) + by / 2)


def judged(y_true, y_prob):
    roc_auc = compute_metrics(y_true, y_prob, y_prob.argmax(axis=1), n_resamples=1, seed=0)["roc_auc"].value
    return Candidate(log_losses(y_true, y_prob), roc_auc)


def judge(y_true, network_prob, baselines, **rest):
    return compare_losses(judged(y_true, network_prob), {name: judged(y_true, p) for name, p in baselines.items()}, **rest)


def test_a_better_classifier():
    """A classifier with a clearly lower log loss than the best baseline is better, and the sentence gives every number."""
    y_true, share = drawn()
    baselines = {"majority": two(np.full(2000, 0.5)), "logistic_regression": blurred(share, 0.3)}
    verdict = judge(y_true, two(share), baselines, seed=0)
    assert ("better", "logistic_regression", 2000) == (verdict.outcome, verdict.best_baseline, verdict.difference.n)
    losses = {name: log_losses(y_true, y_prob).mean() for name, y_prob in baselines.items()}
    network = log_losses(y_true, two(share)).mean()
    gain = verdict.difference
    assert losses["logistic_regression"] - network == pytest.approx(gain.value)
    assert (
        f"The classifier is better than the best baseline: its log loss of {network:.3f} is {gain.value:.3f} "
        f"[{gain.low:.3f}, {gain.high:.3f}] lower than that of logistic regression, on 2,000 test rows; its ROC AUC is "
    ) == verdict.sentence.split("0.8")[0]


def test_a_worse_classifier():
    """A classifier with a clearly higher log loss is worse, and the sentence says by how much, in positive numbers."""
    y_true, share = drawn()
    verdict = judge(y_true, blurred(share, 0.5), {"gradient_boosting": two(share)}, seed=0)
    gap = verdict.difference
    assert verdict.outcome == "worse"
    assert gap.low < gap.value < gap.high < 0
    assert verdict.sentence.startswith("The classifier is worse than the best baseline")
    assert f"is {-gap.value:.3f} [{-gap.high:.3f}, {-gap.low:.3f}] higher than that of gradient boosting" in verdict.sentence


def test_an_unclear_difference_is_tied():
    """Two models whose difference may be due to chance are tied, and the sentence says so."""
    y_true, share = drawn(100)
    noise = np.random.default_rng(1).normal(0, 0.02, size=100)
    verdict = judge(y_true, two((share + noise).clip(0.01, 0.99)), {"gradient_boosting": two(share.clip(0.01, 0.99))}, seed=0)
    assert verdict.outcome == "tied"
    assert verdict.difference.low <= 0 <= verdict.difference.high
    assert "do not differ clearly on 100 test rows" in verdict.sentence
    assert "-0.000" not in verdict.sentence


def test_the_same_predictions_are_tied():
    """A classifier with the predictions of a baseline is tied, with a difference of exactly 0."""
    y_true, share = drawn(50)
    verdict = judge(y_true, two(share), {"majority": two(share)}, seed=0)
    assert ("tied", 0, 0, 0) == (verdict.outcome, verdict.difference.value, verdict.difference.low, verdict.difference.high)
    assert "(difference 0.000" in verdict.sentence


def test_a_small_but_certain_gain_is_not_shown_as_zero():
    """If the gain is certain but small, more decimals are shown."""
    y_true, share = drawn(20_000)
    verdict = judge(y_true, two(share), {"logistic_regression": blurred(share, 0.03)}, seed=0)
    assert verdict.outcome == "better"
    assert 0 < verdict.difference.low < 0.0005
    assert "[0.000," not in verdict.sentence


def test_more_than_two_classes():
    """Three classes are compared by the same log loss; the ROC AUC is the mean over one class against the rest."""
    generator = np.random.default_rng(0)
    y_prob = generator.dirichlet(np.ones(3), size=1000)
    y_true = (generator.random((1000, 1)) > y_prob.cumsum(axis=1)).sum(axis=1).clip(max=2)
    verdict = judge(y_true, y_prob, {"majority": np.full((1000, 3), 1 / 3)}, seed=0)
    assert verdict.outcome == "better"
    assert verdict.sentence.endswith("against 0.500.")


def test_a_single_class_has_no_roc_auc():
    """With test rows of one class, the sentence does not mention the ROC AUC."""
    verdict = judge(np.zeros(5, int), two(np.full(5, 0.1)), {"majority": two(np.full(5, 0.3))}, seed=0)
    assert verdict.sentence.endswith("on 5 test rows.")


def test_the_same_seed_gives_the_same_verdict():
    """The same rows and seed give the same verdict."""
    y_true, share = drawn(200)
    arguments = (y_true, two(share), {"majority": blurred(share, 0.2)})
    assert judge(*arguments, n_resamples=100, seed=3) == judge(*arguments, n_resamples=100, seed=3)


def test_no_baseline():
    """Without a baseline there is nothing to compare with."""
    with pytest.raises(ValueError, match="baselines must hold at least one model"):
        judge(np.array([0]), two(np.array([0.5])), {}, seed=0)


def test_weights_can_turn_the_verdict():
    """A classifier that is better only on the rows with high weights is better by the weighted log loss."""
    y_true, share = drawn()
    counts = np.arange(2000) % 4 == 0
    network = np.where(counts, share, 0.5)
    baselines = {"majority": two(np.where(counts, 0.5, share))}
    assert "worse" == judge(y_true, two(network), baselines, seed=0).outcome
    verdict = judge(y_true, two(network), baselines, weight=np.where(counts, 10.0, 0.1), seed=0)
    assert ("better", 2000) == (verdict.outcome, verdict.difference.n)
    weighted = np.average(log_losses(y_true, two(network)), weights=np.where(counts, 10.0, 0.1))
    assert f"its log loss of {weighted:.3f} is" in verdict.sentence


@pytest.mark.parametrize(
    ("gain", "start", "end"),
    [(0.1, "The classifier is better than explainable boosting, a model that", "lower log loss)."),
     (0.0, "The classifier is not shown to be better than explainable boosting, a model", "consider that model instead."),
     (-0.1, "The classifier is worse than explainable boosting, a model that", "higher log loss): use that model instead.")],
)  # fmt: skip
def test_price_of_opacity(gain: float, start: str, end: str) -> None:
    """The gain over a readable model, or the loss, is a claim only if its interval does not hold 0."""
    losses = np.random.default_rng(0).exponential(size=500)
    noise = np.random.default_rng(1).normal(scale=0.2, size=500)
    sentence = describe_opacity(Candidate(losses, 0.9), Candidate(losses + noise - noise.mean() + gain, 0.9), seed=0)
    assert sentence.startswith(start)
    assert sentence.endswith(end)
    assert f"({abs(gain):.3f} [" in sentence.replace("-0.000", "0.000")
