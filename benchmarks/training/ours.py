"""Veritable: `veritable.training.fit.fit` as the stage train calls it, its Trainer, callbacks and checkpoint included."""

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_laps import LapsCallback
from rtdl_num_embeddings import compute_bins
from ruamel.yaml import YAML
from task import Laps, Predict, Rows, Task

import veritable.training.fit
from veritable.models.ensemble import log_probabilities
from veritable.models.mlp import MLP
from veritable.models.tabm import TabM
from veritable.tables.encoding.parts import Part
from veritable.training.module import ClassifierModule
from veritable.training.params import TrainParams

ROOT = Path(__file__).resolve().parents[2]
KNOBS = YAML(typ="safe").load(ROOT / "params.yaml")["train"]  # read once: it is no part of a fit
NETWORKS = {"mlp": MLP, "tabm": TabM}  # classifier.py's would import the boosted trees too


def fit(task: Task, laps: Laps) -> Predict:
    params, width = params_of(task), task.parts["train"][0].shape[1]
    spec = dict(params.recipe.spec)
    if task.network == "tabm":  # the bins of the peer, so that both networks have the same size
        spec["bins"] = [
            edges.tolist() for edges in compute_bins(torch.from_numpy(task.parts["train"][0]), params.recipe.n_bins)
        ]
    torch.manual_seed(task.seed)
    network = NETWORKS[spec.pop("name")]([0] * width, task.n_classes, **spec)

    class Timed(ClassifierModule):
        """The module, which brings one more callback to its trainer."""

        def configure_callbacks(self) -> list[pl.Callback]:
            return [LapsCallback(laps)]

    train, valid = (part_of(task.parts[name]) for name in ("train", "valid"))
    with (
        tempfile.TemporaryDirectory(dir=task.folder) as scratch,
        mock.patch.object(veritable.training.fit, "ClassifierModule", Timed),
    ):
        veritable.training.fit.fit(
            network, params, train, valid, n_classes=task.n_classes, scratch=Path(scratch), threads=task.threads
        )
    network.eval()

    def predict(X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return log_probabilities(network(torch.from_numpy(X))).argmax(1).numpy()

    return predict


def params_of(task: Task) -> TrainParams:
    """params.yaml's, with the task's settings."""
    own = {
        "network": task.network,
        task.network: task.settings,
        "seed": task.seed,
        "accelerator": "cpu",
    }
    return TrainParams.parse("train", KNOBS | own)


def part_of(rows: Rows) -> Part:
    X, y = rows
    return Part(np.arange(len(y)), y, X)
