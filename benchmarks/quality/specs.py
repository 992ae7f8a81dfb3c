"""The tables of the benchmark: their files below `shared/datasets`, their targets, columns and rows to drop, and their splits.

Targets and dropped columns follow the README of each dataset. The module needs no library, so that run.py needs none.

A sample has the name TABLE@ROWS: ROWS rows of the table for fitting, and others for the evaluation.
"""

from dataclasses import dataclass

ADULT = (
    "age workclass fnlwgt education education-num marital-status occupation relationship race sex capital-gain capital-loss "
    "hours-per-week native-country income"
)
KDD = (
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins logged_in "
    "num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files num_outbound_cmds "
    "is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate same_srv_rate "
    "diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate dst_host_diff_srv_rate "
    "dst_host_same_src_port_rate dst_host_srv_diff_host_rate dst_host_serror_rate dst_host_srv_serror_rate "
    "dst_host_rerror_rate dst_host_srv_rerror_rate label"
)


@dataclass(frozen=True)
class Spec:
    """One table.

    Attributes
    ----------
    files
        Paths of the files, which are concatenated.
    rows
        Number of rows of all files, to detect another version.
    columns
        Column names, if the files have no header line.
    drop
        Columns to drop: identifiers and free text.
    official
        Whether the last file is the test part for every seed.
    max_rows
        Number of rows to draw after duplicate rows are dropped, the same for every seed; None: keep all rows.
    min_class_rows
        Minimum number of rows of a class; rows of smaller classes are dropped.
    """

    files: tuple[str, ...]
    rows: int
    target: str = "class"
    columns: str | None = None
    drop: tuple[str, ...] = ()
    official: bool = False
    max_rows: int | None = None
    min_class_rows: int = 0

    @property
    def size(self) -> int:
        """Number of rows, before the rows of small classes are dropped."""
        return self.rows if self.max_rows is None else min(self.rows, self.max_rows)


_ADULT_FILES = ("adult/adult.data", "adult/adult.test")
TABLES = {
    "titanic": Spec(("titanic/titanic.csv",), 891, "survived", drop=("name", "ticket", "cabin")),
    "german_credit": Spec(("german_credit/credit-g.csv",), 1_000),
    "spambase": Spec(("spambase/spambase.csv",), 4_601),
    "satimage": Spec(("satimage/satimage.csv",), 6_430),
    "telco_churn": Spec(("telco_churn/Telco-Customer-Churn.csv",), 7_043, "Churn", drop=("customerID",)),
    "mushroom": Spec(("mushroom/mushroom.csv",), 8_124),
    "mammography": Spec(("mammography/mammography.csv",), 11_183),
    "nursery": Spec(("nursery/nursery.csv",), 12_960),
    "letter": Spec(("letter/letter.csv",), 20_000),
    "kddcup99_10pct": Spec(
        ("kddcup99_10pct/kddcup.data_10_percent.gz",), 494_021, "label", KDD, max_rows=20_000, min_class_rows=10
    ),
    "electricity": Spec(("electricity/electricity.csv",), 45_312),
    "adult": Spec(_ADULT_FILES, 48_842, "income", ADULT),
    "adult_official": Spec(_ADULT_FILES, 48_842, "income", ADULT, official=True),
}
OFFICIAL = [
    name for name, spec in TABLES.items() if spec.official
]  # only if named, and without ranks, because they repeat Adult
SAMPLED_ROWS = 3_000  # samples are drawn from tables of this size and more
MIN_TEST_ROWS, MAX_TEST_ROWS = 1_000, 10_000  # number of test rows of a sample


def parse_name(name: str) -> tuple[str, int | None]:
    """Split the name of a table or sample into the table and the number of rows to fit on; None: all but the test part."""
    table, _, rows = name.partition("@")
    return table, int(rows) if rows else None


def samples(tables: list[str], rows: int) -> list[str]:
    """Return the names of the samples of some tables. A table that is too small for `rows` has none."""
    large = [name for name in tables if TABLES[name].size >= max(SAMPLED_ROWS, rows + MIN_TEST_ROWS)]
    return [f"{name}@{rows}" for name in large if name not in OFFICIAL]


def default_splits(name: str) -> int:
    """Return the number of splits of a table or sample. Small test parts need many."""
    table, rows = parse_name(name)
    if table in OFFICIAL:
        return 1
    if rows is not None:
        return 3 if rows < 10_000 else 1
    size = TABLES[table].size
    return 10 if size < 3_000 else 3 if size < 10_000 else 1
