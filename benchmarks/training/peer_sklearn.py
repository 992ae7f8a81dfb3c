"""scikit-learn's MLPClassifier: the same layers with one logistic output for two classes. It does not support dropout."""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from task import Laps, Predict, Task


def fit(task: Task, laps: Laps) -> Predict:
    settings = task.settings
    network = MLPClassifier(
        settings["hidden_layer_sizes"],
        alpha=settings["weight_decay"],
        batch_size=settings["batch_size"],
        learning_rate_init=settings["learning_rate"],
        max_iter=settings["max_epochs"],
        n_iter_no_change=settings["max_epochs"],  # train all epochs
        random_state=task.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are intended
        network.fit(*task.parts["train"])
    return network.predict
