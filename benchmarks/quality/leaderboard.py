"""Print results as Markdown: a section per table, then the ranks over all tables. Run by `run.py --report`."""

import datetime
import json
import os
import platform
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from specs import OFFICIAL, TABLES

REFERENCE = "realmlp"  # contestant whose CPU seconds the others are compared with
METRICS = {
    "roc_auc": ("ROC AUC", 1),
    "log_loss": ("log loss", -1),
    "accuracy": ("accuracy", 1),
}  # title, and 1 if higher is better, -1 if lower is
DIGITS = 5  # means that are equal after rounding share a rank
Result = dict[str, Any]


def load(
    folder: Path, tables: Sequence[str] | None, seeds: Sequence[int] | None, contestants: Sequence[str] | None
) -> list[Result]:
    """Read the results of the given tables, seeds and contestants; None stands for all."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    wanted = {"table": tables, "seed": seeds, "contestant": contestants}
    return [each for each in results if all(chosen is None or each[key] in chosen for key, chosen in wanted.items())]


def report(results: list[Result], order: Sequence[str]) -> None:
    """Print the report."""
    there = {each["contestant"] for each in results}
    contestants = [name for name in dict.fromkeys([*order, *sorted(there)]) if name in there]
    if not contestants:
        print("There are no results.")
        return
    done: dict[str, dict[str, dict[int, Result]]] = defaultdict(lambda: defaultdict(dict))
    for each in results:
        if "error" not in each:
            done[each["table"]][each["contestant"]][each["seed"]] = each
    print_head(results)
    seeds = sorted({each["seed"] for each in results})
    for table in (name for name in TABLES if any(each["table"] == name for each in results)):
        print_table(table, done[table], contestants, [each for each in results if each["table"] == table], len(seeds))
    tried = {(each["table"], each["seed"]) for each in results if each["table"] not in OFFICIAL}
    print_ranks(done, contestants, len(tried))


def print_head(results: list[Result]) -> None:
    """Print the date, the machine and the versions, and warn if runs are not comparable."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    threads = ", ".join(map(str, sorted({each["settings"]["threads"] for each in results})))
    print(f"{today}, {threads} threads of {os.cpu_count()} cores, Python {platform.python_version()}.")
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


def print_table(
    table: str, done: dict[str, dict[int, Result]], contestants: Sequence[str], results: list[Result], seeds: int
) -> None:
    """Print the means of one table over the seeds that each contestant has finished, and the failed runs."""
    print(f"\n### {table}\n")
    titles = [*(title for title, _ in METRICS.values()), "fit CPU s", "fit wall s", "prepare CPU s", "predict rows/s", "seeds"]
    print(f"| contestant | {' | '.join(titles)} |\n| --- |{' ---: |' * len(titles)}")
    means = {name: {key: mean(done[name].values(), key) for key in METRICS} for name in contestants if done.get(name)}
    best = {key: max(round(sign * each[key], DIGITS) for each in means.values()) for key, (_, sign) in METRICS.items() if means}
    for name in contestants:
        if name not in means:
            print(f"| {name} |{' |' * (len(titles) - 1)} 0 of {seeds} |")
            continue
        mine = list(done[name].values())
        cells = []
        for key, (_, sign) in METRICS.items():
            text = f"{means[name][key]:.4f}"
            text = f"**{text}**" if round(sign * means[name][key], DIGITS) == best[key] else text
            cells.append(text + spread(mine, key))
        seconds = [mean(mine, f"{key}_seconds") for key in ("fit_cpu", "fit_wall", "prepare_cpu")]
        cells += [*(f"{each:,.2f}" for each in seconds), f"{mean(mine, 'predict_rows_a_second'):,.0f}"]
        print(f"| {name} | {' | '.join(cells)} | {len(mine)} of {seeds} |")
    failed = [each for each in results if "error" in each]
    if failed:
        print()
    for each in failed:
        print(f"- {each['contestant']}, seed {each['seed']}, failed: {each['error']}")


def print_ranks(done: dict[str, dict[str, dict[int, Result]]], contestants: Sequence[str], tried: int) -> None:
    """Print ranks, wins, gaps and costs over the tables and seeds that all contestants have finished."""
    common: dict[str, list[int]] = {}
    for table, whose in done.items():
        shared = set.intersection(*(set(whose.get(name, {})) for name in contestants))
        if shared and table not in OFFICIAL:
            common[table] = sorted(shared)
    pairs = sum(map(len, common.values()))
    print(
        f"\n### All tables\n\nAll of these contestants have finished {pairs} of {tried} pairs of table and seed, on "
        f"{len(common)} tables: {', '.join(name for name in TABLES if name in common) or 'none'}."
    )
    if not common:
        return
    means = {  # by table, metric and contestant; higher is better
        table: {
            key: {name: round(sign * mean((done[table][name][s] for s in seeds), key), DIGITS) for name in contestants}
            for key, (_, sign) in METRICS.items()
        }
        for table, seeds in common.items()
    }
    ranks = {key: {n: statistics.fmean(rank(each[key])[n] for each in means.values()) for n in contestants} for key in METRICS}
    wins = {
        key: {n: sum(each[key][n] == max(each[key].values()) for each in means.values()) for n in contestants}
        for key in METRICS
    }
    gaps = {n: max((max(m["roc_auc"].values()) - m["roc_auc"][n], table) for table, m in means.items()) for n in contestants}
    spent = {
        n: sum(done[table][n][s]["fit_cpu_seconds"] for table, seeds in common.items() for s in seeds) for n in contestants
    }
    titles = [title for title, _ in METRICS.values()]
    head = [*(f"mean rank, {each}" for each in titles), *(f"wins, {each}" for each in titles)]
    head += ["largest AUC gap to the best", "fit CPU s", f"/ {REFERENCE}'s"]
    print(f"\n| contestant | {' | '.join(head)} |\n| --- |{' ---: |' * len(head)}")
    for name in contestants:
        cells = [*(f"{ranks[key][name]:.2f}" for key in METRICS), *(str(wins[key][name]) for key in METRICS)]
        gap, table = gaps[name]
        cells += [f"{gap:.4f} ({table})" if gap else "0", f"{spent[name]:,.1f}"]
        cells.append(f"{spent[name] / spent[REFERENCE]:.2f}" if REFERENCE in spent else "")
        print(f"| {name} | {' | '.join(cells)} |")


def mean(results: Iterable[Result], key: str) -> float:
    return statistics.fmean(each["test"][key] if key in METRICS else each[key] for each in results)


def spread(results: Sequence[Result], key: str) -> str:
    """Return the standard deviation over seeds, as text."""
    return f" ± {statistics.stdev(each['test'][key] for each in results):.4f}" if len(results) > 1 else ""


def rank(scores: dict[str, float]) -> dict[str, float]:
    """Return ranks, 1 for the highest score. Equal scores share the mean of their ranks."""
    ordered = sorted(scores.values(), reverse=True)
    return {name: ordered.index(score) + (ordered.count(score) + 1) / 2 for name, score in scores.items()}
