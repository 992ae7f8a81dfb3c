"""Check whether new rows are like those that a classifier was trained on, with nothing but its folder."""

from pathlib import Path

import pandas as pd

from veritable.files import whole, write_json
from veritable.models.classifier import Classifier
from veritable.progress import row_progress
from veritable.serving.checking.collect import Collector, Roles
from veritable.serving.checking.page import render_check
from veritable.serving.checking.training import Training
from veritable.serving.checking.verdict import Check
from veritable.serving.rows import InputProblems, encode_rows, open_rows, plural, read_batches
from veritable.serving.writing import check_output
from veritable.tables.reading.source import quoted

RETRAIN = 2  # exit code


def check_frame(classifier: Classifier, folder: Path, frame: pd.DataFrame, truth: str | None = None) -> Check:
    """Check the rows of a frame. Raises what `check` raises.

    Parameters
    ----------
    folder
        Folder of the classifier.
    truth
        Column of the frame with the classes; None if they are not known.
    """
    names = [str(name) for name in frame.columns]
    roles = Roles.find(names, classifier, truth)
    collector = Collector(classifier, Training.load(folder, classifier), roles, InputProblems.of(names, classifier))
    wanted = [column.name for column in classifier.encoder.columns]
    rows = encode_rows(classifier.contract.columns_of(frame, wanted), classifier, len(frame))
    collector.add(rows, classifier.contract.columns_of(frame, roles.names))
    return collector.finish()


def check(folder: Path, table: Path, *, truth: str | None = None, output: Path | None = None, page: Path | None = None) -> int:
    """Check the rows of a table, print what was found, and return the exit code: 2 if the classifier should be trained again.

    Parameters
    ----------
    folder
        Folder of the classifier.
    table
        File with the new rows, in any format that the pipeline reads.
    truth
        Column with the classes of the new rows; None if they are not known.
    output, page
        JSON and HTML files to write.

    Raises
    ------
    UserError
        The classifier or the table does not exist, a required column is absent, or the classes cannot be read.
    """
    for path, suffix, option in ((output, ".json", "-o"), (page, ".html", "--html")):
        if path is not None:
            check_output(path, table, folder, (suffix,), option)
    classifier = Classifier.load(folder)
    training = Training.load(folder, classifier)
    source = open_rows(table, classifier.contract)
    roles = Roles.find(source.names, classifier, truth)
    collector = Collector(classifier, training, roles, InputProblems.of(source.names, classifier))
    with row_progress() as bar:
        task = bar.add_task("checking", total=None)
        for rows in read_batches(source, classifier, others=roles.names):
            collector.add(rows, rows.others)
            bar.advance(task, len(rows))
        bar.update(task, description="comparing")
        found = collector.finish()
    if output is not None:
        with whole(output) as partial:
            write_json(partial, found.to_json())
    if page is not None:
        with whole(page) as partial:
            partial.write_text(render_check(found), "utf-8")
    print(f"Checked {plural(found.n_rows, 'row')} of {quoted(table.name)}.\n{found}")
    if truth is None and classifier.contract.target in source.names:
        print(f"  Note: with --truth {quoted(classifier.contract.target)}, the predictions are compared with this column.")
    return RETRAIN if found.retrain else 0
