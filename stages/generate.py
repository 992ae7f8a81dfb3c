"""Make the built-in demo table. Run by `dvc repro generate`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.tables.generate import make_table
from veritable.tables.params import GenerateParams


def generate(stage: Stage) -> None:
    params = GenerateParams.parse("generate", stage.params["generate"])
    make_table(params).to_csv(stage.outputs["demo.csv"], index=False)
