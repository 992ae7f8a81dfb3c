"""`python -m veritable`: run the pipeline, take over what was tuned, score new rows, check that the pipeline's files agree."""

import argparse
import sys
from pathlib import Path

from veritable.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m veritable", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("repro", help="dvc repro, then the headline; further arguments go to dvc repro", add_help=False)
    commands.add_parser("lint", help="check that dvc.yaml, dvc.lock, code/ and params.yaml agree")
    applying = commands.add_parser(
        "apply",
        help="write the best params that the stage tune has found into params.yaml",
        description="Write the best params that the stage tune has found into params.yaml, where nothing else changes, and set "
        "tune.n_trials to 0: the search is over.",
    )
    applying.add_argument("tuning", type=Path, nargs="?", default=Path("models/tuning"), help="folder of the tuning's result")
    scoring = commands.add_parser(
        "predict",
        help="score new rows with a trained classifier",
        description="Score new rows, in order: the predicted class and a probability for each class. A required column that is "
        "absent is an error; unreadable values count as missing, unseen categories as other, values outside the range of "
        "the table stay as they are, unknown columns are ignored: all are counted in the closing line.",
    )
    scoring.add_argument("classifier", type=Path, help="folder of a trained classifier, e.g. models/classifier")
    scoring.add_argument("table", type=Path, help="the new rows: a file of any format that data.path takes")
    scoring.add_argument("-o", "--output", type=Path, required=True, help="where the scores go: .csv or .parquet")
    scoring.add_argument("--strict", action="store_true", help="fail, and write nothing, if anything about the rows is odd")
    parsed, rest = parser.parse_known_args(arguments)
    if rest and parsed.command != "repro":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if parsed.command == "predict":
            from veritable.serving.predict import predict

            return predict(parsed.classifier, parsed.table, parsed.output, strict=parsed.strict)
        if parsed.command == "repro":
            from veritable.cli.repro import repro

            return repro(rest)
        if parsed.command == "apply":
            from veritable.cli.apply import apply

            return apply(parsed.tuning, Path("params.yaml"))
        from veritable.stage.lint import findings

        found = findings(Path.cwd())
        print("\n".join(found) or "The pipeline is in order: dvc.yaml, dvc.lock, code/ and params.yaml agree.")
        return int(bool(found))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
