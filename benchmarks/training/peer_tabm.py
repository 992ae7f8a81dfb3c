"""TabM as its authors train it, with the sizes of params.yaml.

The loop and its names are those of example.ipynb in https://github.com/yandex-research/tabm.
"""

import numpy as np
import rtdl_num_embeddings
import tabm
import torch
import torch._dynamo  # otherwise torch.optim imports it during the measured time
from task import Laps, Predict, Task
from torch import Tensor, nn


def make_model(X: Tensor, task: Task) -> tabm.TabM:
    settings = task.settings
    num_embeddings = rtdl_num_embeddings.PiecewiseLinearEmbeddings(
        rtdl_num_embeddings.compute_bins(X, n_bins=settings["n_bins"]),
        d_embedding=settings["d_embedding"],
        activation=False,
        version="B",
    )
    return tabm.TabM.make(
        n_num_features=X.shape[1],
        cat_cardinalities=[],
        d_out=task.n_classes,
        num_embeddings=num_embeddings,
        k=settings["k"],
        n_blocks=settings["n_blocks"],
        d_block=settings["d_block"],
        dropout=settings["dropout"],
    )


def fit(task: Task, laps: Laps) -> Predict:
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    (X, y), (X_valid, y_valid) = (tuple(map(torch.from_numpy, task.parts[name])) for name in ("train", "valid"))
    model, settings = make_model(X, task), task.settings
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"])

    def loss_fn(y_pred: Tensor, y_true: Tensor) -> Tensor:
        return nn.functional.cross_entropy(y_pred.flatten(0, 1), y_true.repeat_interleave(model.backbone.k))

    for _ in range(settings["max_epochs"]):
        laps.start()
        for batch_idx in torch.randperm(len(y)).split(settings["batch_size"]):
            model.train()
            optimizer.zero_grad()
            loss = loss_fn(model(X[batch_idx]), y[batch_idx])
            loss.backward()
            if settings["gradient_clip_val"] is not None:
                torch.nn.utils.clip_grad.clip_grad_norm_(model.parameters(), settings["gradient_clip_val"])
            optimizer.step()
        laps.stop()
        model.eval()
        with torch.inference_mode():
            loss_fn(model(X_valid), y_valid)

    def predict(X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(X)).softmax(-1).mean(1).argmax(1).numpy()

    return predict
