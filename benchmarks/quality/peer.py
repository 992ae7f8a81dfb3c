"""Run one peer on one table. Run by `python peer.py TABLE.csv FOLDER --peer peer_catboost:fit --seed 0 --threads 1`.

A peer is a function `fit(train, kinds, limits)` that returns `predict_proba(X)`. It gets all rows but the test part, and draws
a validation set from them itself if it needs one. The measured times include its encoding of the input, but not its imports.
"""

import argparse
import importlib
import logging
import warnings

from frames import together
from worker import add_arguments, job_of, recorded, work, write

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--peer", required=True, metavar="MODULE:FUNCTION")
    arguments = parser.parse_args()
    job = job_of(arguments)
    warnings.filterwarnings("ignore")  # of the libraries; the log is for errors
    logging.disable(logging.WARNING)
    with recorded(job):
        module, name = arguments.peer.split(":")
        fit = getattr(importlib.import_module(module), name)
        write(job, work(job, lambda parts, kinds, limits: fit(together(parts["train"], parts["valid"]), kinds, limits)))
