"""List the code that each stage runs, one small file per script in this folder, and the pipeline. Run by `dvc repro code`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.stage.code import list_code, pin_differences
from veritable.stage.pipeline import list_pipeline, list_variables


def code(stage: Stage) -> None:
    if "requirements.lock" in stage.inputs:
        for difference in pin_differences(stage.inputs["requirements.lock"].read_text()):
            print(f"note: {difference}")
    folder = stage.outputs["code"]
    folder.mkdir()
    source, scripts = stage.inputs["src"].resolve(), stage.inputs["stages"].resolve()
    text = stage.inputs["dvc.yaml"].read_text("utf-8")
    variables = list_variables(text)
    for script in sorted(scripts.glob("*.py")):
        (folder / f"{script.stem}.txt").write_text(list_code(script, source, variables.get(script.stem, ())))
    (folder / "pipeline.json").write_text(list_pipeline(text), "utf-8")
