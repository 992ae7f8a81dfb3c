"""State what code each stage runs: one small text per script in this folder. Run by `dvc repro code`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.stage.code import describe


def code(stage: Stage) -> None:
    folder = stage.outputs["code"]
    folder.mkdir()
    source, scripts = stage.inputs["src"].resolve(), stage.inputs["stages"].resolve()
    for script in sorted(scripts.glob("*.py")):
        (folder / f"{script.stem}.txt").write_text(describe(script, source))
