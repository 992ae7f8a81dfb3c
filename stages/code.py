"""State what code each stage runs: one small text per script in this folder. Run by `dvc repro code`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.stage.code import describe, differences_from


def code(stage: Stage) -> None:
    if "requirements.lock" in stage.inputs:
        for difference in differences_from(stage.inputs["requirements.lock"].read_text()):
            print(f"note: {difference}")
    folder = stage.outputs["code"]
    folder.mkdir()
    source, scripts = stage.inputs["src"].resolve(), stage.inputs["stages"].resolve()
    for script in sorted(scripts.glob("*.py")):
        (folder / f"{script.stem}.txt").write_text(describe(script, source))
