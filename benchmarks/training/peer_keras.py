"""Keras on TensorFlow as in its guide: Sequential, compile, fit. Runs in the environment of the peers."""

import keras
import numpy as np
import tensorflow as tf
from task import Laps, Predict, Task


def fit(task: Task, laps: Laps) -> Predict:
    tf.config.threading.set_intra_op_parallelism_threads(task.threads)
    tf.config.threading.set_inter_op_parallelism_threads(task.threads)
    keras.utils.set_random_seed(task.seed)
    settings = task.settings
    layers = [keras.Input((task.parts["train"][0].shape[1],))]
    for hidden in settings["hidden_layer_sizes"]:
        layers += [keras.layers.Dense(hidden, "relu"), keras.layers.Dropout(settings["dropout"])]
    network = keras.Sequential([*layers, keras.layers.Dense(task.n_classes)])
    network.compile(
        keras.optimizers.AdamW(settings["learning_rate"], weight_decay=settings["weight_decay"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.fit(
        *task.parts["train"],
        batch_size=settings["batch_size"],
        epochs=settings["max_epochs"],
        validation_data=task.parts["valid"],
        verbose=0,
    )

    def predict(X: np.ndarray) -> np.ndarray:
        return np.asarray(network(X)).argmax(1)

    return predict
