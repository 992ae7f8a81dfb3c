"""Print results as Markdown: ranks, gaps to the best peer, and a section per table.

Run by `run.py`, or by `python leaderboard.py FOLDER` in the environment of the peers, FOLDER being the cache folder of run.py.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from intervals import Interval, of_means, over_rows, over_splits
from make import SHARE
from scipy.stats import rankdata
from specs import OFFICIAL, TABLES, parse_name

REFERENCE = "catboost"  # contestant whose CPU seconds the others are compared with
METRICS = {
    "log_loss": ("log loss", -1),
    "roc_auc": ("ROC AUC", 1),
    "accuracy": ("accuracy", 1),
}  # title, and 1 if higher is better, -1 if lower is
GAPS = ("roc_auc", "log_loss")
DIGITS = 5  # means that are equal after rounding share a rank
FIRST = (
    "ours",
    "mlp",
    "catboost",
    "lightgbm",
    "xgboost",
    "hgb",
    "logistic",
    "realmlp",
    "realmlp_ce",
    "tabm",
)  # then the others
Result = dict[str, Any]


class Board:
    """Finished results of some tables, by table, contestant and seed.

    Attributes
    ----------
    splits
        Seeds of each table for which any contestant has been run.
    """

    def __init__(self, results: Iterable[Result], tables: Sequence[str], contestants: Sequence[str]):
        self.tables = tables
        self.done: dict[str, dict[str, dict[int, Result]]] = {table: {name: {} for name in contestants} for table in tables}
        self.splits: dict[str, set[int]] = {table: set() for table in tables}
        for each in results:
            if each["table"] in self.done:
                self.splits[each["table"]].add(each["seed"])
                if "error" not in each:
                    self.done[each["table"]][each["contestant"]][each["seed"]] = each

    def is_complete(self, name: str, table: str) -> bool:
        """Return whether a contestant has finished all splits of a table."""
        return set(self.done[table][name]) == self.splits[table]

    def mean(self, name: str, table: str, key: str) -> float:
        """Return the mean over the splits of a table, rounded for a metric."""
        value = mean(self.done[table][name].values(), key)
        return round(value, DIGITS) if key in METRICS else value


class Gap(NamedTuple):
    """How far a contestant is behind the best peer on a table. Negative: ahead. The interval is None without predictions."""

    peer: str
    value: float
    interval: Interval | None


def load(folder: Path, splits: Sequence[str] | None, contestants: Sequence[str] | None) -> list[Result]:
    """Read the results of the given splits and contestants; None stands for all."""
    results = [json.loads(path.read_text()) for path in sorted((folder / "results").glob("*.json"))]
    return [
        each
        for each in results
        if (splits is None or f"{each['table']}-{each['seed']}" in splits)
        and (contestants is None or each["contestant"] in contestants)
    ]


def report(results: list[Result], folder: Path) -> None:
    """Print the report."""
    there = {each["contestant"] for each in results}
    contestants = [name for name in dict.fromkeys([*FIRST, *sorted(there)]) if name in there]
    if not contestants:
        print("There are no results.")
        return
    print_head(results)
    found = {each["table"] for each in results}
    tables = sorted(found, key=lambda name: (list(TABLES).index(parse_name(name)[0]), parse_name(name)[1] or 0))
    own = [name for name in contestants if any("state" in each for each in results if each["contestant"] == name)]
    complete = [name for name in tables if parse_name(name)[1] is None and name not in OFFICIAL]
    samples = [name for name in tables if parse_name(name)[1] is not None]
    for title, chosen in (("All tables", complete), ("Samples", samples)):
        if chosen:
            board = Board(results, chosen, contestants)
            print_ranks(board, contestants, title)
            for subject in own or contestants[:1]:
                peers = [name for name in contestants if name not in own and name != subject]
                print_gaps(board, subject, peers, folder, title)
    board = Board(results, tables, contestants)
    for table in tables:
        print_table(table, board, contestants, [each for each in results if each["table"] == table])


def print_head(results: list[Result]) -> None:
    """Print the date, the machine and the versions, and warn if runs are not comparable."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    threads = ", ".join(map(str, sorted({each["settings"]["threads"] for each in results})))
    print(f"{today}, threads: {threads}, of {os.cpu_count()} cores, Python {platform.python_version()}.")
    for whose, chosen in (("Veritable", True), ("Peers", False)):
        found = {f"{k} {v}" for each in results if ("state" in each) == chosen for k, v in each.get("versions", {}).items()}
        if found:
            print(f"{whose}: {', '.join(sorted(found))}.")
    states = defaultdict(Counter)
    for each in results:
        if "state" in each:
            states[each["contestant"]][each["state"]] += 1
    for name, counted in states.items():
        listed = ", ".join(f"{state} ({runs} runs)" for state, runs in counted.most_common())
        print(f"{name}: code and params {listed}.{' They differ between runs!' if len(counted) > 1 else ''}")
    if "," in threads:
        print("The number of threads differs between runs!")
    digests = defaultdict(set)
    for each in results:
        digests[each["table"], each["seed"]].add(each["settings"]["digest"])
    for (table, seed), found in digests.items():
        if len(found) > 1:
            print(f"The file of {table}, seed {seed}, differs between runs!")


def print_ranks(board: Board, contestants: Sequence[str], title: str) -> None:
    """Print the mean ranks and the costs of the contestants that have finished all splits of all tables."""
    ranked = [name for name in contestants if all(board.is_complete(name, table) for table in board.tables)]
    total = sum(map(len, board.splits.values()))
    print(f"\n### {title}: ranks\n\n{len(board.tables)} tables, {total} splits: {', '.join(split_counts(board))}.")
    for name in contestants:
        if name not in ranked:
            print(f"Not ranked: {name} has finished {sum(len(each[name]) for each in board.done.values())} of {total} splits.")
    if len(ranked) < 2:
        return
    groups = [parse_name(table)[0] for table in board.tables]
    columns: list[list[str]] = []
    for key, (_, sign) in METRICS.items():
        scores = np.array([[-sign * board.mean(name, table, key) for name in ranked] for table in board.tables])
        ranks = rankdata(scores, axis=1)
        columns.append([with_interval(*each, 2) for each in zip(ranks.mean(axis=0), of_means(ranks, groups), strict=True)])
    seconds = {name: sum(board.mean(name, table, "fit_cpu_seconds") for table in board.tables) for name in ranked}
    columns.append([f"{seconds[name]:,.1f}" for name in ranked])
    if REFERENCE in ranked:
        columns.append([f"{seconds[name] / seconds[REFERENCE]:.2f}" for name in ranked])
    head = [f"mean rank of {len(ranked)}, {each}" for each, _ in METRICS.values()]
    head += ["fit, total CPU s", f"/ {REFERENCE}'s"][: len(columns) - len(head)]
    print(f"\n| contestant | {' | '.join(head)} |\n| --- |{' ---: |' * len(head)}")
    for name, *cells in zip(ranked, *columns, strict=True):
        print(f"| {name} | {' | '.join(cells)} |")


def split_counts(board: Board) -> Iterator[str]:
    for table in board.tables:
        yield f"{table} ({len(board.splits[table])})"


def print_gaps(board: Board, subject: str, peers: Sequence[str], folder: Path, title: str) -> None:
    """Print how far a contestant is behind the best peer of each table, and on the mean of the tables."""
    rows: dict[str, dict[str, Gap]] = {}
    for table in board.tables:
        able = [name for name in peers if board.is_complete(name, table)]
        if able and board.is_complete(subject, table):
            rows[table] = gaps(board, table, subject, able, folder)
    if not rows:
        return
    head = [f"{part}, {METRICS[key][0]}" for key in GAPS for part in ("best peer", "gap")]
    print(f"\n### {title}: how far {subject} is behind the best peer of each table (negative: ahead)\n")
    print(f"| table | splits | {' | '.join(head)} |\n| --- | ---: |{' --- | ---: |' * len(GAPS)}")
    for table, mine in rows.items():
        cells = [cell for key in GAPS for cell in (mine[key].peer, with_interval(mine[key].value, mine[key].interval, 4))]
        print(f"| {table} | {len(board.splits[table])} | {' | '.join(cells)} |")
    values = np.array([[mine[key].value for key in GAPS] for mine in rows.values()])
    means = of_means(values, [parse_name(table)[0] for table in rows])
    cells = [cell for each in zip(values.mean(axis=0), means, strict=True) for cell in ("", with_interval(*each, 4))]
    print(f"| mean of {len(rows)} | | {' | '.join(cells)} |")


def gaps(board: Board, table: str, subject: str, peers: Sequence[str], folder: Path) -> dict[str, Gap]:
    """Compute the paired gaps of one table, with intervals over its splits, or over the test rows of its only split."""
    found = {}
    seeds = sorted(board.splits[table])
    for key in GAPS:
        sign = METRICS[key][1]
        best = max(peers, key=lambda name: sign * board.mean(name, table, key))
        theirs, mine = board.done[table][best], board.done[table][subject]
        each = np.array([sign * (theirs[seed]["test"][key] - mine[seed]["test"][key]) for seed in seeds])
        if len(seeds) > 1:
            overlap = SHARE / (1 - SHARE) if parse_name(table)[1] is None else 0.0
            interval = over_splits(each, overlap)
        else:
            interval = row_interval(folder, f"{table}-{seeds[0]}", (best, subject) if sign > 0 else (subject, best), key)
        found[key] = Gap(best, float(each.mean()), interval)
    return found


def row_interval(folder: Path, split: str, names: tuple[str, str], key: str) -> Interval | None:
    """Compute the interval of the first contestant's metric minus that of the second over the test rows."""
    paths = [folder / "predictions" / f"{split}-{name}.npz" for name in names]
    if not all(path.is_file() for path in paths):
        return None
    first, second = (np.load(path) for path in paths)
    return over_rows(first["y_true"], first["y_prob"].astype(np.float64), second["y_prob"].astype(np.float64))[key]


def print_table(table: str, board: Board, contestants: Sequence[str], results: list[Result]) -> None:
    """Print the means of one table over the splits that each contestant has finished, and the failed runs."""
    print(f"\n### {table}\n")
    titles = [*(title for title, _ in METRICS.values()), "fit CPU s", "fit wall s", "prepare CPU s", "predict rows/s", "splits"]
    print(f"| contestant | {' | '.join(titles)} |\n| --- |{' ---: |' * len(titles)}")
    done, splits = board.done[table], len(board.splits[table])
    finished = [name for name in contestants if done[name]]
    best = {
        key: max((sign * board.mean(name, table, key) for name in finished), default=0.0) for key, (_, sign) in METRICS.items()
    }
    for name in contestants:
        if name not in finished:
            print(f"| {name} |{' |' * (len(titles) - 1)} 0 of {splits} |")
            continue
        mine = list(done[name].values())
        cells = []
        for key, (_, sign) in METRICS.items():
            value = board.mean(name, table, key)
            text = f"**{value:.4f}**" if sign * value == best[key] else f"{value:.4f}"
            cells.append(text + spread(mine, key))
        seconds = [mean(mine, f"{key}_seconds") for key in ("fit_cpu", "fit_wall", "prepare_cpu")]
        cells += [*(f"{each:,.2f}" for each in seconds), f"{mean(mine, 'predict_rows_a_second'):,.0f}"]
        print(f"| {name} | {' | '.join(cells)} | {len(mine)} of {splits} |")
    failed = [each for each in results if "error" in each]
    if failed:
        print()
    for each in failed:
        print(f"- {each['contestant']}, seed {each['seed']}, failed: {each['error']}")


def mean(results: Iterable[Result], key: str) -> float:
    return statistics.fmean(each["test"][key] if key in METRICS else each[key] for each in results)


def spread(results: Sequence[Result], key: str) -> str:
    """Return the standard deviation over splits, as text."""
    return f" ± {statistics.stdev(each['test'][key] for each in results):.4f}" if len(results) > 1 else ""


def with_interval(value: float, interval: Interval | None, digits: int) -> str:
    """Format a value and its interval."""
    low, high = interval or (None, None)
    ends = "" if interval is None else f" ({low:.{digits}f}, {high:.{digits}f})"
    return f"{value:.{digits}f}{ends}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="cache folder of run.py")
    parser.add_argument("--splits", nargs="+", metavar="TABLE-SEED", help="default: all that have results")
    parser.add_argument("--contestants", nargs="+", metavar="NAME", help="default: all that have results")
    arguments = parser.parse_args()
    report(load(arguments.folder, arguments.splits, arguments.contestants), arguments.folder)
