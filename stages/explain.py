"""Compute Shapley values of test rows, one per raw column, and check them. Run by `dvc repro explain`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.explanation.explain import explain_test
from veritable.explanation.params import ExplainParams
from veritable.files import read_json, write_json
from veritable.models.background import Background
from veritable.models.classifier import Classifier
from veritable.tables.encoding.parts import read_part

BACKGROUND_ROWS = 2000  # if they are withheld from the classifier's folder


def explain(stage: Stage) -> None:
    params = ExplainParams.parse("explain", stage.params["explain"])
    classifier, train = Classifier.load(stage.inputs["classifier"]), stage.inputs["train"]
    background = classifier.background or Background.draw(read_part(train), BACKGROUND_ROWS, params.seed)
    assert background is not None
    min_count = read_json(stage.inputs["classifier"] / "profile.json")["min_count"]
    explained = explain_test(classifier, background, read_part(stage.inputs["test"]), params, min_count)
    folder = stage.outputs["explanation"]
    folder.mkdir()
    explained.values.to_parquet(folder / "values.parquet", index=False)
    explained.importance.to_csv(folder / "importance.csv", index=False)
    for name, frame in explained.frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    write_json(folder / "explanation.json", explained.facts)
    facts = explained.facts
    errors = facts["errors"]
    print(
        f"Explained {facts['rows']:,} rows. The mean standard error of a row's values is at most {errors['worst_row']:.1%} of "
        f"their mean absolute value; the values sum to the outputs within {facts['gap']:.0e}."
    )
