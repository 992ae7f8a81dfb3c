"""Prepare a table with Veritable, as the stage `preprocess` does. Run it with `python ours.py TABLE TARGET FOLDER`."""

import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

from veritable.tables.params import DataParams
from veritable.tables.prepare import prepare
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading

ROOT = Path(__file__).resolve().parents[2]


def main(path: Path, target: str, folder: Path) -> None:
    knobs = YAML(typ="safe").load(ROOT / "params.yaml")["data"]
    params = DataParams.parse("data", knobs | {"path": str(path), "target": target, "allow_outside": True})
    prepared = prepare(open_table(path, Reading.of(params)), params, folder)
    duplicates = sum(each.numbers["rows"] for each in prepared.findings if each.code == "duplicates")
    print(json.dumps({"rows": prepared.facts["rows"], "duplicates": duplicates, "findings": len(prepared.findings)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
