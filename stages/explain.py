"""Compute Shapley values of test rows, one per raw column. Run by `dvc repro explain`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.explanation.explain import explain_rows
from veritable.explanation.params import ExplainParams
from veritable.files import write_json
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import read_part


def explain(stage: Stage) -> None:
    params = ExplainParams.parse("explain", stage.params["explain"])
    classifier = Classifier.load(stage.inputs["classifier"])
    explained = explain_rows(classifier, read_part(stage.inputs["train"]), read_part(stage.inputs["test"]), params)
    folder = stage.outputs["explanation"]
    folder.mkdir()
    explained.attributions.to_parquet(folder / "attributions.parquet", index=False)
    explained.importance.to_csv(folder / "importance.csv", index=False)
    write_json(folder / "explanation.json", explained.facts)
    explained.draw(folder)
    facts = explained.facts
    print(f"Explained {facts['rows']:,} rows; the values sum to the predictions within {facts['additivity_error']:.1e}.")
