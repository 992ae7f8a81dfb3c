"""Predict new rows batch by batch, with nothing but the folder of a classifier."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from veritable.errors import UserError
from veritable.files import whole
from veritable.models.classifier import Classifier
from veritable.progress import row_progress
from veritable.serving.rows import InputProblems, Rows, open_rows, plural, read_batches
from veritable.serving.writing import Writer, check_output


def predict(folder: Path, table: Path, output: Path, *, strict: bool = False) -> int:
    """Predict the rows of a table, write them to `output`, and return the exit code.

    Parameters
    ----------
    folder
        Folder of the classifier.
    table
        File with the new rows, in any format that the pipeline reads.
    output
        CSV or Parquet file to write. It appears whole or not at all.
    strict
        Whether any problem of the rows is an error.

    Raises
    ------
    UserError
        The classifier or the table does not exist, a required column is absent, or the rows have a problem and `strict` is set.
    """
    check_output(output, table, folder)
    classifier = Classifier.load(folder)
    source = open_rows(table, classifier.contract)
    problems = InputProblems.of(source.names, classifier)
    n_rows = 0
    with whole(output) as partial:
        with Writer(partial, output.suffix) as writer, row_progress() as bar:
            task = bar.add_task("predicting", total=None)
            for rows in read_batches(source, classifier):
                problems.count(rows.read.odd)
                writer.write(_predict_rows(rows, classifier))
                n_rows += len(rows)
                bar.advance(task, len(rows))
        found = problems.sentences()
        if strict and found:
            raise UserError(f"with --strict the rows must have no problem, but have: {'; '.join(found)}. Nothing was written.")
    print(f"Predicted {plural(n_rows, 'row')} into {output}: {'; '.join(found) or 'no problems found'}.")
    return 0


def _predict_rows(rows: Rows, classifier: Classifier) -> pa.Table:
    y_prob = classifier.predict_proba(rows.X)
    predicted = np.array(classifier.classes, dtype=object)[classifier.decide(y_prob)]
    columns = dict(rows.ids) | {"predicted": pa.array(predicted, pa.string())}
    columns |= {f"p {name}": pa.array(y_prob[:, code]) for code, name in enumerate(classifier.classes)}
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))
