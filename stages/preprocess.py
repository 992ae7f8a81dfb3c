"""Split the table and encode it by what its train part is like. Run by `dvc repro preprocess`."""

from veritable.stage.contract import Stage, run

run(__name__)

from veritable.files import write_json
from veritable.tables.params import DataParams
from veritable.tables.parts import write_part
from veritable.tables.prepare import prepare
from veritable.tables.read import read_table


def preprocess(stage: Stage) -> None:
    params = DataParams.parse("data", stage.params["data"])
    prepared = prepare(read_table(stage.inputs["data.path"], params), params)
    folder = stage.outputs["prepared"]
    folder.mkdir()
    for name, part in prepared.parts.items():
        write_part(folder / name, part, prepared.encoder.names, shard_rows=params.shard_rows)
    write_json(folder / "encoder.json", prepared.encoder.to_json())
    write_json(folder / "table.json", prepared.facts)
    sizes = ", ".join(f"{name} {len(part.y):,}" for name, part in prepared.parts.items())
    print(f"Prepared {prepared.facts['rows']:,} rows and {len(prepared.encoder.columns):,} columns: {sizes}.")
