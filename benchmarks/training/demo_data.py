"""Make the encoded parts and settings of the demo, as the stages generate and preprocess do.

Run by `.venv/bin/python demo_data.py TASK.npz`.
"""

import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML
from task import Task, save

from veritable.tables.encoding.parts import read_part
from veritable.tables.generate import make_table
from veritable.tables.params import DataParams, GenerateParams
from veritable.tables.prepare import prepare
from veritable.tables.reading.open import open_table
from veritable.tables.reading.source import Reading

ROOT = Path(__file__).resolve().parents[2]


def main(path: Path) -> None:
    knobs = YAML(typ="safe").load(ROOT / "params.yaml")
    parts = {}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        table = Path(folder) / "demo.csv"
        make_table(GenerateParams.parse("generate", knobs["generate"])).to_csv(table, index=False)
        params = DataParams.parse("data", knobs["data"] | {"path": str(table), "allow_outside": True})
        prepare(open_table(table, Reading.of(params)), params, Path(folder))
        for name in ("train", "valid", "test"):
            part = read_part(Path(folder) / name)
            parts[name] = part.X, part.y
    train = knobs["train"]
    settings = train["mlp"] | {"patience": None}  # all epochs are trained
    save(path, Task(parts, "mlp", settings, threads=1, seed=train["seed"], folder=path.parent))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
