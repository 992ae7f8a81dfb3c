"""Fit networks and trees on the train part; blend, calibrate and choose the threshold on valid. Run by `dvc repro train`."""

from veritable.stage.contract import Stage, run

run(__name__)

from dataclasses import replace

import numpy as np
from pytorch_lightning import seed_everything

from veritable.evaluation.predictions import PartPredictions
from veritable.files import read_json
from veritable.metrics.params import ThresholdParams
from veritable.metrics.thresholds import choose_threshold, predict_labels
from veritable.models.classifier import Classifier
from veritable.params import MachineParams
from veritable.tables.encoding.encoder import Encoder
from veritable.tables.generate import DEMO
from veritable.tables.typing.contract import Contract
from veritable.training.params import FROM_NOTHING, TrainParams
from veritable.training.streaming import describe, open_parts
from veritable.training.train import train_classifier


def train(stage: Stage) -> None:
    contract = Contract.from_json(read_json(stage.inputs["contract.json"]))
    n_classes, demo = len(contract.classes), stage.params["data"]["path"] == DEMO
    params = TrainParams.parse("train", stage.params["train"]).resolve(demo=demo, n_classes=n_classes)
    metric = ThresholdParams.parse("threshold", stage.params["threshold"]).metric
    machine = MachineParams.parse("machine", stage.params["machine"])
    params.check_folds(stage.params["data"]["time"])
    encoder = Encoder.from_json(read_json(stage.inputs["encoder.json"]))
    init = stage.inputs["train.init"]
    earlier = Classifier.load(init) if params.init != FROM_NOTHING else None
    parts = open_parts(stage.inputs["train"], stage.inputs["valid"], params, n_classes)
    if streamed := describe(*parts, params, n_classes):
        print(streamed, flush=True)
    seed_everything(params.seed, verbose=False)
    trained = train_classifier(
        params, encoder, contract, *parts, scratch=stage.scratch, earlier=earlier, threads=machine.threads
    )
    classifier, judged, history = trained.classifier, trained.judged, trained.history
    if n_classes == 2:
        threshold = choose_threshold(judged.part.y, judged.y_prob[:, 1], metric, weight=judged.part.weight)
        classifier = replace(classifier, threshold=threshold)
    folder = stage.outputs["classifier"]
    classifier.save(folder)
    history.to_csv(folder / "history.csv", index=False)
    for i in range(params.n_splits):
        rows = np.flatnonzero(judged.fold == i)
        y_pred = predict_labels(judged.y_prob[rows], classifier.threshold)
        predictions = PartPredictions.from_part(judged.part.take(rows), y_pred, judged.y_prob[rows])
        predictions.write(folder / f"fold-{i + 1}.parquet", classifier.classes)
    if earlier is not None:
        print(f"Started from {params.init}: {len(trained.taken)} weights of the network were taken over.")
    best = history.loc[history["valid_loss"].idxmin()]
    print(f"Trained {len(history)} epochs; kept epoch {int(best['epoch'])}, validation loss {best['valid_loss']:.4f}.")
    if trees := classifier.members.trees:
        share = classifier.members.shares[0]
        print(f"Blended {share:.0%} network ({params.network}) with {1 - share:.0%} boosted trees ({len(trees.texts)} models).")
