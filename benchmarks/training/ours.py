"""Veritable: `veritable.training.fit.fit` as in the stage train, with its Trainer, callbacks and checkpoint."""

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
from veritable.training.plan import TableFacts, TrainPlan, plan_training

ROOT = Path(__file__).resolve().parents[2]
KNOBS = YAML(typ="safe").load(ROOT / "params.yaml")["train"]  # read once, because reading is not part of a fit
NETWORKS = {"mlp": MLP, "tabm": TabM}  # those of classifier.py would import LightGBM


def fit(task: Task, laps: Laps) -> Predict:
    plan, width = plan_of(task), task.parts["train"][0].shape[1]
    spec = dict(plan.recipe.spec)
    if task.network == "tabm":  # the bins of the peer, so that both networks have the same size
        spec["bins"] = [edges.tolist() for edges in compute_bins(torch.from_numpy(task.parts["train"][0]), plan.recipe.n_bins)]
    torch.manual_seed(task.seed)
    network = NETWORKS[spec.pop("name")]([0] * width, task.n_classes, **spec)

    class Timed(ClassifierModule):
        """The module with one more callback."""

        def configure_callbacks(self) -> list[pl.Callback]:
            return [LapsCallback(laps)]

    train, valid = (part_of(task.parts[name]) for name in ("train", "valid"))
    with (
        tempfile.TemporaryDirectory(dir=task.folder) as scratch,
        mock.patch.object(veritable.training.fit, "ClassifierModule", Timed),
    ):
        veritable.training.fit.fit(
            network, plan, train, valid, n_classes=task.n_classes, scratch=Path(scratch), threads=task.threads
        )
    network.eval()

    def predict(X: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return log_probabilities(network(torch.from_numpy(X))).argmax(1).numpy()

    return predict


def plan_of(task: Task) -> TrainPlan:
    """Return the plan of params.yaml with the settings of the task, without trees."""
    changes = {"network": task.network, task.network: task.settings, "seed": task.seed, "accelerator": "cpu"}
    params = TrainParams.parse("train", KNOBS | changes | {"blend": [], "n_splits": 0})
    return plan_training(params, facts_of(task.parts, task.n_classes), has_init=False)


def facts_of(parts: dict[str, Rows], n_classes: int) -> TableFacts:
    """Return the facts of parts in memory."""
    sizes = {name: len(y) for name, (_, y) in parts.items()}
    return TableFacts(n_classes, sizes, parts["train"][0].shape[1], weighted=False)


def part_of(rows: Rows) -> Part:
    X, y = rows
    return Part(np.arange(len(y)), y, X)
