"""Measure the loss of a network trained with differential privacy. Run by `python benchmarks/privacy/run.py --datasets FOLDER`.

Each table is split as the pipeline does, and the same perceptron is trained without privacy and for several epsilons. The log
loss and the ROC AUC are those of the test part, at the temperature that valid chooses.
"""

import argparse
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from sklearn.metrics import log_loss, roc_auc_score

from veritable.tables.encoding.parts import Part, read_part
from veritable.tables.params import DataParams
from veritable.tables.prepare import Prepared, prepare
from veritable.tables.reading.open import open_tables
from veritable.training.inputs import TrainingInputs
from veritable.training.params import TrainParams
from veritable.training.plan import TableFacts, plan_training
from veritable.training.train import train_classifier

ROOT = Path(__file__).resolve().parents[2]
ADULT = [
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex",
    "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
]  # fmt: skip
TABLES: dict[str, dict[str, Any]] = {
    "telco_churn/Telco-Customer-Churn.csv": {"target": "Churn", "drop": ["customerID"]},
    "adult/adult.data": {"target": "income", "columns": ADULT},
}
EPSILONS = (None, 8.0, 3.0, 1.0, 0.3)
RECIPE = {"batch_size": 512, "max_epochs": 20, "learning_rate": 0.005, "dropout": 0.0}


def measure(parts: dict[str, Part], done: Prepared, section: dict[str, Any], scratch: Path) -> str:
    """Train one network, and describe it on the test part."""
    facts = TableFacts.from_json(done.contract.to_json(), done.facts | {"width": len(done.encoder.names)})
    plan = plan_training(TrainParams.parse("train", section), facts, has_init=False)
    inputs = TrainingInputs(plan, done.encoder, done.contract, parts["train"], parts["valid"], scratch, threads=1)
    started = time.process_time()
    one = train_classifier(inputs).classifier
    seconds = time.process_time() - started
    y, y_prob = parts["test"].y, one.predict_proba(parts["test"].X)
    spent = "none" if one.privacy is None else f"{one.privacy['epsilon']:.2f} (noise {one.privacy['noise_multiplier']:.2f})"
    auc = roc_auc_score(y, y_prob[:, 1])
    return f"epsilon {spent}: log loss {log_loss(y, y_prob):.4f}, ROC AUC {auc:.4f}, {seconds:.0f} CPU s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=Path, required=True)
    parser.add_argument("--networks", nargs="*", default=["mlp"])
    given = parser.parse_args()
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for name, changes in TABLES.items():
        data = DataParams.parse("data", params["data"] | changes | {"path": name})
        with tempfile.TemporaryDirectory() as place:
            source, _ = open_tables(given.datasets / name, data, top=given.datasets)
            done = prepare(source, data, Path(place))
            parts = {part: read_part(Path(place) / part) for part in ("train", "valid", "test")}
            for network, epsilon in product(given.networks, EPSILONS):
                privacy = epsilon and {"epsilon": epsilon, "delta": 1e-5, "max_grad_norm": 1.0}
                section = params["train"] | {"network": network, "blend": [], "n_splits": 0, "background_rows": 0}
                section |= {"privacy": privacy, network: params["train"][network] | RECIPE}
                scratch = Path(place) / f"{network}-{epsilon}"
                scratch.mkdir()
                print(f"{name}, {len(parts['train']):,} rows, {network},", measure(parts, done, section, scratch), flush=True)


if __name__ == "__main__":
    main()
