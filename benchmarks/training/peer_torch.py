"""Plain torch, the reference of the benchmark: a fast and simple loop.

Batches are slices of a shuffled tensor, AdamW is fused, losses are summed on the device and read once per epoch.
"""

import numpy as np
import torch
import torch._dynamo  # otherwise torch.optim imports it during the measured time
from task import Laps, Predict, Task
from torch import nn


def make_network(width: int, n_classes: int, task: Task) -> nn.Sequential:
    """Make the network of the demo from modules of torch."""
    layers: list[nn.Module] = []
    for hidden in task.settings["hidden_layer_sizes"]:
        layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(task.settings["dropout"])]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, n_classes))


def fit(task: Task, laps: Laps) -> Predict:
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    (X, y), (X_valid, y_valid) = (tuple(map(torch.from_numpy, task.parts[name])) for name in ("train", "valid"))
    network, batch_size = make_network(X.shape[1], task.n_classes, task), task.settings["batch_size"]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=task.settings["learning_rate"], weight_decay=task.settings["weight_decay"], fused=True
    )
    losses = []
    for _ in range(task.settings["max_epochs"]):
        laps.start()
        order, total = torch.randperm(len(y)), torch.zeros(())
        for own_X, own_y in zip(X[order].split(batch_size), y[order].split(batch_size), strict=True):
            loss = nn.functional.cross_entropy(network(own_X), own_y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach()
        losses.append({"train": total.item() / -(-len(y) // batch_size)})
        laps.stop()
        network.eval()
        with torch.inference_mode():
            losses[-1]["valid"] = nn.functional.cross_entropy(network(X_valid), y_valid).item()
        network.train()
    network.eval()

    def predict(X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(X)).argmax(1).numpy()

    return predict
