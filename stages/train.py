"""Fit networks and trees on the train part; blend, calibrate and choose the threshold on valid. Run by `dvc repro train`."""

from veritable.stage.contract import Stage, run

run(__name__)

from dataclasses import replace

from pytorch_lightning import seed_everything

from veritable.evaluation.params import ThresholdParams
from veritable.evaluation.thresholds import choose_threshold
from veritable.files import read_json
from veritable.tables.contract import Contract
from veritable.tables.encoder import Encoder
from veritable.tables.generate import DEMO
from veritable.training.params import TrainParams
from veritable.training.streaming import describe, in_memory, open_parts
from veritable.training.train import train_classifier


def train(stage: Stage) -> None:
    params = TrainParams.parse("train", stage.params["train"]).resolve(demo=stage.params["data"]["path"] == DEMO)
    metric = ThresholdParams.parse("threshold", stage.params["threshold"]).maximise
    encoder = Encoder.from_json(read_json(stage.inputs["encoder.json"]))
    contract = Contract.from_json(read_json(stage.inputs["contract.json"]))
    n_classes = len(contract.classes)
    parts = open_parts(stage.inputs["train"], stage.inputs["valid"], params, n_classes)
    if streamed := describe(*parts, params, n_classes):
        print(streamed, flush=True)
    seed_everything(params.seed, verbose=False)
    classifier, history = train_classifier(params, encoder, contract, *parts, scratch=stage.scratch)
    if n_classes == 2:
        valid = in_memory(parts[1], params, n_classes)
        scores = classifier.predict_encoded(valid.X)[:, 1]
        classifier = replace(classifier, threshold=choose_threshold(valid.y, scores, metric, weight=valid.weight))
    classifier.save(stage.outputs["classifier"])
    history.to_csv(stage.outputs["classifier"] / "history.csv", index=False)
    best = history.loc[history["valid_loss"].idxmin()]
    print(f"Trained {len(history)} epochs; kept epoch {int(best['epoch'])}, validation loss {best['valid_loss']:.4f}.")
    if trees := classifier.members.trees:
        share = classifier.members.share
        print(f"Blended {share:.0%} network ({params.network}) with {1 - share:.0%} boosted trees ({len(trees.texts)} models).")
