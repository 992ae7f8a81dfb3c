"""Fit the network on the train part, keep its best epoch, choose its threshold on valid. Run by `dvc repro train`."""

from veritable.stage.contract import Stage, run

run(__name__)

from dataclasses import replace

from pytorch_lightning import seed_everything

from veritable.evaluation.params import ThresholdParams
from veritable.evaluation.thresholds import choose_threshold
from veritable.files import read_json
from veritable.networks.classifier import Classifier, build_network
from veritable.tables.contract import Contract
from veritable.tables.encoder import Encoder
from veritable.tables.parts import read_part
from veritable.training.fit import fit
from veritable.training.params import TrainParams


def train(stage: Stage) -> None:
    params = TrainParams.parse("train", stage.params["train"])
    metric = ThresholdParams.parse("threshold", stage.params["threshold"]).maximise
    encoder = Encoder.from_json(read_json(stage.inputs["encoder.json"]))
    contract = Contract.from_json(read_json(stage.inputs["contract.json"]))
    n_classes = len(contract.classes)
    valid = read_part(stage.inputs["valid"])
    seed_everything(params.seed, verbose=False)
    network = build_network(encoder, n_classes, params.network)
    history = fit(network, params, read_part(stage.inputs["train"]), valid, n_classes=n_classes, scratch=stage.scratch)
    classifier = Classifier(network, params.network, encoder, contract, None)
    if n_classes == 2:
        scores = classifier.predict_encoded(valid.X)[:, 1]
        classifier = replace(classifier, threshold=choose_threshold(valid.y, scores, metric, weight=valid.weight))
    classifier.save(stage.outputs["classifier"])
    history.to_csv(stage.outputs["classifier"] / "history.csv", index=False)
    best = history.loc[history["valid_loss"].idxmin()]
    print(f"Trained {len(history)} epochs; kept epoch {int(best['epoch'])}, validation loss {best['valid_loss']:.4f}.")
