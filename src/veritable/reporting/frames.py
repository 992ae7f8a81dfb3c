"""Read the CSV files that the stages write."""

import io

import pandas as pd

_TEXTS = ("actual", "class", "column", "model")  # columns with names, of which one may be "007" or "NA"


def read_frame(content: bytes) -> pd.DataFrame:
    """Read a table whose numbers may be missing and whose names are texts, whatever they look like.

    >>> frame = read_frame(b"class,f1\\nNA,0.5\\n007,\\n")
    >>> frame["class"].tolist(), frame["f1"].isna().tolist()
    (['NA', '007'], [False, True])
    """
    header = pd.read_csv(io.BytesIO(content), nrows=0).columns
    texts = [name for name in header if name in _TEXTS or (name == "predicted" and "actual" in header)]
    missing = {name: [""] for name in header if name not in texts}
    return pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=missing)
