"""`python -m veritable`: what the Makefile calls."""

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
    parsed, rest = parser.parse_known_args(arguments)
    try:
        if parsed.command == "repro":
            from veritable.repro import repro

            return repro(rest)
        from veritable.stage.lint import findings

        found = findings(Path.cwd())
        print("\n".join(found) or "The pipeline is in order: dvc.yaml, dvc.lock, code/ and params.yaml agree.")
        return int(bool(found))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
