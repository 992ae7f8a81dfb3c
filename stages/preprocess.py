"""Read, check, split and encode the table; the encoder is fitted on the train part. Run by `dvc repro preprocess`."""

from veritable.stage.contract import Stage, run

run(__name__)

from pathlib import Path

from veritable.files import write_json
from veritable.params import MachineParams
from veritable.tables.checking.findings import format_findings, refuse_errors
from veritable.tables.params import DataParams
from veritable.tables.prepare import prepare
from veritable.tables.reading.open import open_tables


def preprocess(stage: Stage) -> None:
    params = DataParams.parse("data", stage.params["data"])
    machine = MachineParams.parse("machine", stage.params["machine"])
    source, test_source = open_tables(stage.inputs["data.path"], params, machine, top=Path.cwd())
    folder = stage.outputs["prepared"]
    folder.mkdir()
    prepared = prepare(source, params, folder, test_source=test_source)
    write_json(folder / "contract.json", prepared.contract.to_json())
    write_json(folder / "encoder.json", prepared.encoder.to_json())
    write_json(folder / "table.json", prepared.facts | {"width": len(prepared.encoder.names)})
    for name, parts in {
        "profile": ("train", "valid"),
        "test_profile": ("test",),
    }.items():  # train does not depend on the latter
        write_json(folder / f"{name}.json", prepared.profile.only(*parts).to_json())
    write_json(stage.outputs["findings.json"], {"findings": [each.to_json() for each in prepared.findings]})
    print(format_findings(prepared.findings))
    sizes = ", ".join(f"{name} {rows:,}" for name, rows in prepared.facts["parts"].items())
    print(f"Prepared {prepared.facts['rows']:,} rows, {len(prepared.encoder.columns):,} columns used: {sizes}.")
    if params.strict:
        refuse_errors(prepared.findings)
