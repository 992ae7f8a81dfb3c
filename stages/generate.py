"""Make the built-in demo table. Run by `dvc repro generate`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.tables.generate import make_table
from veritable.tables.params import GenerateParams


def generate(stage: Stage) -> None:
    params = GenerateParams.parse("generate", stage.params["generate"])
    folder = stage.outputs["raw"]
    folder.mkdir()
    make_table(params).to_csv(folder / "demo.csv", index=False)
