"""Explain new rows batch by batch, with nothing but the folder of a classifier."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veritable.errors import UserError
from veritable.explanation.counterfactual import ChangeSearch
from veritable.explanation.explainer import MAX_CLASSES
from veritable.files import whole
from veritable.models.classifier import Classifier
from veritable.progress import row_progress
from veritable.serving.attribution import Attributions, Method, Quality, prepare_method, to_long_table
from veritable.serving.page import render_page
from veritable.serving.pieces import Pieces, hash_inputs
from veritable.serving.row_report import RowReport, report_rows
from veritable.serving.rows import InputProblems, Rows, open_rows, plural, read_batches
from veritable.serving.writing import Writer, check_output
from veritable.tables.reading.source import quoted

PRINTED_ROWS, PAGE_ROWS = 20, 200
_BATCH_ROWS, _BATCH_VALUES = 500, 2**21
_REPORTED_ROWS = 50  # rows of a batch if all are reported, which takes longer
DEFAULT_ERROR = 0.05


@dataclass(frozen=True)
class Request:
    """What is to be explained, and how.

    Attributes
    ----------
    folder, table
        Folder of the classifier, and file with the rows.
    output
        CSV or Parquet file for the values of all rows.
    page
        HTML file for the first rows.
    error
        Relative standard error of a row's Shapley values to reach; None for the default.
    fixed
        Columns that the nearest change must not change.
    seed
        Seed of what is sampled.
    """

    folder: Path
    table: Path
    output: Path | None = None
    page: Path | None = None
    method: Method = "shap"
    error: float | None = None
    fixed: Sequence[str] = ()
    seed: int = 0

    def check(self) -> None:
        """Check what can be checked before the classifier is loaded.

        Raises
        ------
        UserError
            An option is invalid.
        """
        if self.output is not None:
            check_output(self.output, self.table, self.folder)
        if self.page is not None:
            check_output(self.page, self.table, self.folder, (".html",), "--html")
        if self.error is not None and self.method == "lime":
            raise UserError(
                "--error must not be given with --method lime, but is. LIME has a fidelity instead; remove --error."
            )
        if self.error is not None and not 0 < self.error <= 1:
            raise UserError(f"--error must be above 0 and at most 1, but is {self.error}. Choose, for example, 0.05.")
        if self.seed < 0:
            raise UserError(f"--seed must be 0 or more, but is {self.seed}. Choose, for example, 0.")

    @property
    def max_reports(self) -> int:
        """Number of rows that are described one by one."""
        if self.page is not None:
            return PAGE_ROWS
        return PRINTED_ROWS if self.output is None else 0


@dataclass
class _Run:
    """A run: the parts that it needs, and what it has found so far.

    Attributes
    ----------
    continued
        Number of rows that an earlier run had explained.
    has_more
        Whether the table has more rows than were read.
    """

    request: Request
    classifier: Classifier
    problems: InputProblems
    pieces: Pieces | None
    quality: Quality
    search: ChangeSearch
    reports: list[RowReport] = field(default_factory=list)
    n_rows: int = 0
    continued: int = 0
    has_more: bool = False


def explain(request: Request) -> int:
    """Explain the rows of a table, write or print the values, and return the exit code.

    Raises
    ------
    UserError
        An option is invalid, the classifier or the table does not exist, the classifier was saved without train rows, or a
        required column is absent.
    """
    request.check()
    classifier = Classifier.load(request.folder)
    search = ChangeSearch.fit(classifier, request.fixed)
    source = open_rows(request.table, classifier.contract)
    problems = InputProblems.of(source.names, classifier)
    pieces = _open_pieces(request)
    run = _Run(request, classifier, problems, pieces, Quality(request.method == "lime"), search)
    _explain_batches(run, read_batches(source, classifier, _batch_rows(run)))
    if request.output is not None:
        _join(run, request.output)
    if request.page is not None:
        _write_page(run, request.page)
    if request.output is None and request.page is None:
        print(
            "".join(f"{each.name}: {each.decision()}\n{each.reasons()}\n{each.alternative()}\n\n" for each in run.reports),
            end="",
        )
    print(_closing(run))
    return 0


def _open_pieces(request: Request) -> Pieces | None:
    if request.output is None:
        return None
    options = {"method": request.method, "error": request.error, "seed": request.seed}
    return Pieces(request.output, hash_inputs(request.folder, request.table, options))


def _batch_rows(run: _Run) -> int:
    """Return how many rows are explained at once, so that their values fit in memory."""
    n_outputs = len(run.classifier.classes) if len(run.classifier.classes) <= MAX_CLASSES else 1
    rows = max(1, min(_BATCH_ROWS, _BATCH_VALUES // (n_outputs * len(run.classifier.encoder.columns))))
    return rows if run.pieces is not None else min(rows, run.request.max_reports, _REPORTED_ROWS)


def _explain_batches(run: _Run, batches: Iterator[Rows]) -> None:
    attribute = prepare_method(run.classifier, run.request.method, run.request.error or DEFAULT_ERROR, run.request.seed)
    with row_progress() as bar:
        task = bar.add_task("explaining", total=None)
        for rows in batches:
            if run.pieces is None and run.n_rows >= run.request.max_reports:
                run.has_more = True
                break
            run.problems.count(rows.read.odd)
            run.n_rows += len(rows)
            found: Attributions | None = None
            if run.pieces is None or not run.pieces.has(rows.first, len(rows)):
                found = attribute(rows)
                table = to_long_table(rows, found, run.classifier)
                if run.pieces is None:
                    run.quality.add(table)
                else:
                    run.pieces.write(rows.first, len(rows), table)
            else:
                run.continued += len(rows)
            if head := rows.head(run.request.max_reports - len(run.reports)):
                run.reports += report_rows(head, attribute(head) if found is None else found, run.classifier, run.search)
            bar.advance(task, len(rows))


def _join(run: _Run, output: Path) -> None:
    """Write all batches into the output."""
    assert run.pieces is not None
    with whole(output) as partial, Writer(partial, output.suffix) as writer:
        for table in run.pieces.read():
            run.quality.add(table)
            writer.write(table)
    run.pieces.remove()


def _write_page(run: _Run, page: Path) -> None:
    has_more = run.has_more or run.n_rows > len(run.reports)
    values = describe_values(run.classifier, run.request.method)
    n_rows = None if run.pieces is None else run.n_rows
    html = render_page(run.reports, target=run.classifier.contract.target, values=values, n_rows=n_rows, has_more=has_more)
    with whole(page) as partial:
        partial.write_text(html, "utf-8")


def _closing(run: _Run) -> str:
    """Return the last line: what was made, where, and how good it is."""
    request, n = run.request, len(run.reports)
    facts = f"{run.quality.sentence()}; {'; '.join(run.problems.sentences()) or 'no problems found'}"
    if request.output is not None:
        page = f" and the first {n:,} of them into {request.page}" if request.page else ""
        continued = f", of which an earlier run had explained {run.continued:,}" if run.continued else ""
        return f"Explained {plural(run.n_rows, 'row')} into {request.output}{page}{continued}: {facts}."
    first = "the first " if run.has_more else ""
    place = f" into {request.page}" if request.page else ""
    more = " The table has more rows; -o FILE writes the values of all of them." if run.has_more else ""
    values = describe_values(run.classifier, request.method)
    return f"Explained {first}{plural(n, 'row')}{place}: {facts}.{more} Values are {values}."


def describe_values(classifier: Classifier, method: Method) -> str:
    """Say what the values are, as a part of a sentence."""
    n = 0 if classifier.background is None else len(classifier.background.X)
    what = (
        "log-odds of " + quoted(classifier.classes[1])
        if len(classifier.classes) == 2
        else "log-probability, relative to the mean of all classes"
    )
    if method == "lime":
        return f"LIME's coefficients in {what}, from comparisons with {n:,} train rows"
    return f"Shapley values in {what}, compared with {n:,} train rows; ± is a standard error"
