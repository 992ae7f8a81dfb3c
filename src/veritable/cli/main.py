"""The command line, `python -m veritable`."""

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from veritable.cli.stopping import StoppedError, on_stop, raise_stopped
from veritable.errors import UserError, explain_shortage


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Return the exit code."""
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest and parsed.command != "repro":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with on_stop(raise_stopped):
            return _run(parsed, rest)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        name = str(error) if isinstance(error, StoppedError) else "SIGINT"
        print(f"`{parsed.command}` was stopped by {name}. No file is incomplete; run it again.", file=sys.stderr)
        return 128 + signal.Signals[name]
    except Exception as error:
        if (shortage := explain_shortage(error)) is None:
            raise
        print(f"`{parsed.command}` {shortage}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Parser that exits with code 1 after a mistake, because 2 is the answer of `check` that says to retrain."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m veritable",
        description="Train, judge and explain classifiers on tables.",
        epilog="`python -m veritable COMMAND --help` describes a command. If a command fails, it prints what to do and exits "
        "with code 1; if a signal stops it, with 128 and the number of the signal.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "repro",
        help="run the pipeline and print the headline metrics",
        description="Check params.yaml, run `dvc repro`, and print which stages ran, the headline metrics and the path of the "
        "report. Run it in the top folder of the repository.",
        usage="%(prog)s [-h] [ARGUMENT ...]",
        epilog="Every ARGUMENT is passed on to `dvc repro`: names of stages, or options such as --force. "
        "`dvc repro --help` lists them.",
    )
    commands.add_parser(
        "lint",
        help="check that dvc.yaml, dvc.lock, code/ and params.yaml agree",
        description="Check that every stage is sealed and depends on its code, that dvc.yaml, dvc.lock, code/ and params.yaml "
        "agree, and that each dependency is made by a stage, in git or in DVC. Print each fault with the line to change.",
    )
    applying = commands.add_parser(
        "apply",
        help="write the best params that the stage tune has found into params.yaml",
        description="Write the best params that the stage tune has found into params.yaml, and set tune.n_trials to 0, because "
        "the search is finished. Nothing else in the file changes.",
    )
    applying.add_argument(
        "tuning",
        type=Path,
        nargs="?",
        default=Path("models/tuning"),
        metavar="TUNING",
        help="folder with the result of the search (default: %(default)s)",
    )
    sharing = commands.add_parser(
        "share",
        help="push everything that a colleague needs to a DVC remote",
        description="Push the outputs of all commits and of the workspace, and the run records with the objects that they "
        "name. Objects are verified before they are pushed. After an interruption, the same command continues.",
    )
    fetching = commands.add_parser(
        "fetch",
        help="pull from a DVC remote, verify every object, and check out the outputs",
        description="Download into DVC's cache what is missing, verify every object, and only then check out the outputs of "
        "the workspace. Run records are used only from the remotes that share.trusted in params.yaml lists.",
    )
    sharing.add_argument(
        "--sign",
        metavar="KEY",
        help="SSH key to sign a manifest with: the SHA-256 of all outputs, dvc.lock, params.yaml and code/",
    )
    fetching.add_argument(
        "--verify", action="store_true", help="require a manifest that is signed by somebody whom .dvc/allowed_signers lists"
    )
    checking_cache = commands.add_parser(
        "fsck",
        help="compare every object of DVC's cache with its name, and repair it",
        description="Read every object of DVC's cache and compare it with its name, which is its MD5. The exit code is 0 if "
        "all are intact.",
    )
    checking_cache.add_argument(
        "--repair",
        action="store_true",
        help="set damaged objects aside, and replace them from the workspace or the default remote; otherwise say which stage "
        "makes them again",
    )
    for each in (sharing, fetching):
        each.add_argument("remote", nargs="?", metavar="REMOTE", help="name of a DVC remote (default: the default remote)")
    comparing = commands.add_parser(
        "compare",
        help="compare two versions: commits, branches, tags, experiments or the workspace",
        description="Compare two versions from what git and DVC hold of them: metrics with intervals of the differences, "
        "the rows that changed class, curves, groups, importance, params, table and code. Nothing is checked out and no "
        "stage runs; outputs that are not in DVC's cache are fetched from the remote.",
        epilog="Intervals are paired if both versions were tested on the same rows with the same actual classes. If not, the "
        "page says why. More than two revisions are runs of two versions with different seeds: they are compared pair by pair, "
        "and the result is printed.",
    )
    comparing.add_argument("old", metavar="OLD", help="commit, branch, tag or experiment to compare with, e.g. main or HEAD~1")
    comparing.add_argument(
        "new",
        metavar="NEW",
        nargs="*",
        help="the other version (default: the last run in the workspace), or further runs of both versions",
    )
    comparing.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PAGE",
        default=Path("reports/compare.html"),
        help="page to write about two revisions (default: %(default)s)",
    )
    comparing.add_argument(
        "--markdown", action="store_true", help="print a text for a pull request instead of writing the page"
    )
    promoting = commands.add_parser(
        "promote",
        help="make a committed classifier the reference that the report compares with",
        description="Copy the results of a committed classifier into the folder report.reference, add the folder to DVC, and "
        "set the parameter if it names no folder yet. From then on the report compares every version with it.",
    )
    promoting.add_argument(
        "revision",
        nargs="?",
        default="HEAD",
        metavar="REVISION",
        help="commit, branch, tag or experiment (default: HEAD, if it has the classifier of the workspace)",
    )
    proving = commands.add_parser(
        "prove",
        help="run a committed version again from nothing, and compare its outputs with dvc.lock",
        description="Clone a revision into an empty folder, make a new environment there, run every stage without the outputs "
        "and the cache of earlier runs, and compare the hash of each output with dvc.lock. Print that all are identical, or "
        "the first difference with its stage; the exit code is then 1.",
    )
    proving.add_argument(
        "revision",
        nargs="?",
        default="HEAD",
        metavar="REVISION",
        help="commit, branch, tag or experiment (default: %(default)s)",
    )
    proving.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="new folder for the clone, which stays there (default: a temporary folder, which stays only after a difference)",
    )
    annexing = commands.add_parser(
        "annex",
        help="write technical documentation after Annex IV of the EU AI Act",
        description="Write technical documentation after Annex IV of the EU AI Act, Regulation (EU) 2024/1689, from the "
        "outputs of the pipeline and the model card. Each measured sentence names the file that it comes from and its SHA-256; "
        "each statement that a person owes and the model card lacks is marked MISSING.",
    )
    annexing.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("annex.md"),
        metavar="FILE",
        help="Markdown file to write (default: %(default)s)",
    )
    predicting = commands.add_parser(
        "predict",
        help="predict the classes of new rows with a trained classifier",
        description="Write the predicted class and the probability of each class for each row, in the order of the rows. A "
        "missing required column is an error. Unreadable values count as missing, and new categories as 'other'; values "
        "outside the range of the training table are used as they are; unknown columns are ignored. The last line counts all "
        "of them.",
    )
    _add_rows(predicting)
    predicting.add_argument("-o", "--output", type=Path, required=True, help="file for the predictions: .csv or .parquet")
    predicting.add_argument(
        "--strict", action="store_true", help="fail and write nothing if any value or column is not as in the training table"
    )
    explaining = commands.add_parser(
        "explain",
        help="explain the predictions for new rows with a trained classifier",
        description="Say how much each column raises or lowers the score of a class for each row, compared with train rows "
        "that the classifier was saved with, and how exact these values are. Without -o and --html, the first 20 rows are "
        "described in words. Rows are read as `predict` reads them; the last line counts their problems.",
    )
    _add_rows(explaining)
    explaining.add_argument(
        "-o",
        "--output",
        type=Path,
        help="file for the values of all rows, one line per row, column and class: .csv or .parquet. A run that was killed "
        "continues where it stopped if it is started again with the same inputs",
    )
    explaining.add_argument(
        "--html",
        type=Path,
        metavar="PAGE",
        help="page about the first 200 rows: decision, values, the nearest change that would turn the decision, and similar "
        "train rows",
    )
    explaining.add_argument(
        "--method",
        choices=("shap", "lime"),
        default="shap",
        help="Shapley values with their standard errors, or LIME with its fidelity (default: %(default)s)",
    )
    explaining.add_argument(
        "--error",
        type=float,
        metavar="E",
        help="standard error of the Shapley values of a row to reach, relative to their mean absolute value; a smaller one "
        "takes longer (default: 0.05)",
    )
    explaining.add_argument(
        "--fixed",
        nargs="+",
        default=[],
        action="extend",
        metavar="COLUMN",
        help="columns that cannot change, such as the age: the nearest change leaves them as they are",
    )
    explaining.add_argument("--seed", type=int, default=0, metavar="N", help="seed of what is sampled (default: %(default)s)")
    checking = commands.add_parser(
        "check",
        help="check whether new rows are like those that a classifier was trained on",
        description="Compare new rows with the train rows, column by column and together, and what is predicted for them with "
        "the predictions for rows held out in training. Say whether to retrain. Rows are read as `predict` reads them.",
        epilog="The exit code is 2 if the answer is to retrain, 0 if not, and 1 after an error. docs/monitoring.md describes "
        "what is compared, and which limits hold.",
    )
    _add_rows(checking)
    checking.add_argument(
        "--truth", metavar="COLUMN", help="column with the classes of the new rows: also compare the metrics, and the threshold"
    )
    checking.add_argument("-o", "--output", type=Path, help="file for everything that was found: .json")
    checking.add_argument("--html", type=Path, metavar="PAGE", help="page with the histograms of all columns")
    return parser


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "classifier", type=Path, metavar="CLASSIFIER", help="folder of a trained classifier, e.g. models/classifier"
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="file with the new rows, in any format of data.path")


def _run(parsed: argparse.Namespace, rest: list[str]) -> int:
    """Run the parsed command. Each command imports only what it needs."""
    if parsed.command == "predict":
        from veritable.serving.predict import predict

        return predict(parsed.classifier, parsed.table, parsed.output, strict=parsed.strict)
    if parsed.command == "explain":
        from veritable.serving.explain import Request, explain

        given = {name: getattr(parsed, name) for name in ("output", "method", "error", "fixed", "seed")}
        return explain(Request(parsed.classifier, parsed.table, page=parsed.html, **given))
    if parsed.command == "check":
        from veritable.serving.check import check

        return check(parsed.classifier, parsed.table, truth=parsed.truth, output=parsed.output, page=parsed.html)
    from veritable.stage.site_cache import use_private_site_cache

    use_private_site_cache(Path.cwd())  # the commands below use DVC
    if parsed.command == "repro":
        from veritable.cli.repro import repro

        return repro(rest)
    if parsed.command == "annex":
        from veritable.cli.annex import annex

        return annex(parsed.output)
    if parsed.command == "apply":
        from veritable.cli.apply import apply

        return apply(parsed.tuning, Path("params.yaml"))
    if parsed.command == "promote":
        from veritable.cli.promote import promote

        return promote(parsed.revision)
    if parsed.command == "prove":
        from veritable.cli.prove import prove

        return prove(parsed.revision, parsed.keep)
    if parsed.command == "compare":
        if len(parsed.new) > 1:
            from veritable.cli.repeats import compare_runs

            return compare_runs([parsed.old, *parsed.new])
        from veritable.cli.compare import compare

        return compare(parsed.old, *(parsed.new or ["workspace"]), output=parsed.output, markdown=parsed.markdown)
    if parsed.command == "share":
        from veritable.cli.share import share

        return share(parsed.remote, sign=parsed.sign)
    if parsed.command == "fetch":
        from veritable.cli.share import fetch

        return fetch(parsed.remote, verify=parsed.verify)
    if parsed.command == "fsck":
        from veritable.cli.share import fsck

        return fsck(repair=parsed.repair)
    from veritable.stage.lint import find_faults

    faults = find_faults(Path.cwd())
    print("\n".join(faults) or "The pipeline is in order: dvc.yaml, dvc.lock, code/ and params.yaml agree.")
    return int(bool(faults))
