"""Real tables, each through the whole pipeline by a few lines of params and no code, and what is found of them."""

import json
import shutil

import pytest

from tests.conftest import HERE, Toy
from tests.pipeline import AFTER_GENERATE, call, change

SHARED = HERE.parent / "shared" / "datasets"
ADULT = (
    "[age, workclass, fnlwgt, education, education-num, marital-status, occupation, relationship, race, sex, capital-gain, "
    "capital-loss, hours-per-week, native-country, income]"
)
KDD = (
    "[duration, protocol_type, service, flag, src_bytes, dst_bytes, land, wrong_fragment, urgent, hot, num_failed_logins, "
    "logged_in, num_compromised, root_shell, su_attempted, num_root, num_file_creations, num_shells, num_access_files, "
    "num_outbound_cmds, is_host_login, is_guest_login, count, srv_count, serror_rate, srv_serror_rate, rerror_rate, "
    "srv_rerror_rate, same_srv_rate, diff_srv_rate, srv_diff_host_rate, dst_host_count, dst_host_srv_count, "
    "dst_host_same_srv_rate, dst_host_diff_srv_rate, dst_host_same_src_port_rate, dst_host_srv_diff_host_rate, "
    "dst_host_serror_rate, dst_host_srv_serror_rate, dst_host_rerror_rate, dst_host_srv_rerror_rate, label]"
)
# path, params, findings that must be among those found (code, column), least ROC AUC after two epochs and twenty rounds
TABLES = {
    "adult/adult.data": ({"columns": ADULT, "target": "income"}, [("sentinel", "capital-gain"), ("duplicates", None)], 0.88),
    "adult": (
        {"columns": ADULT, "target": "income", "test_file": "adult.test", "labels": "{'<=50K.': '<=50K', '>50K.': '>50K'}"},
        [("sentinel", "capital-gain")],
        0.88,
    ),
    "electricity/electricity.csv": ({"target": "class"}, [("time_order", "date")], 0.8),
    "german_credit/credit-g.csv": ({"target": "class", "positive": "bad"}, [("rare_categories", "purpose")], 0.6),
    "kddcup99_10pct/kddcup.data_10_percent.gz": (
        {"columns": KDD, "target": "label", "duplicates": "drop"},
        [("duplicates", None), ("constant", "num_outbound_cmds"), ("class_rare", None)],
        0.9,
    ),
    "letter/letter.csv": ({"target": "class"}, [("duplicates", None)], 0.9),
    "mammography/mammography.csv": ({"target": "class"}, [("imbalance", None), ("duplicates", None)], 0.8),
    "mushroom/mushroom.csv": ({"target": "class"}, [("constant", "veil-type"), ("gives_target_away", "odor")], 0.99),
    "nursery/nursery.csv": ({"target": "class"}, [("class_rare", None)], 0.95),
    "satimage/satimage.csv": ({"target": "class"}, [], 0.95),
    "spambase/spambase.csv": ({"target": "class"}, [("duplicates", None)], 0.9),
    "telco_churn/Telco-Customer-Churn.csv": (
        {"target": "Churn"},
        [("identifier", "customerID"), ("hidden_missing", "TotalCharges")],
        0.8,
    ),
    "titanic/titanic.csv": ({"target": "survived"}, [("free_text", "name"), ("many_categories", "ticket")], 0.7),
}
QUICK = {
    "train.network": "auto",
    "train.blend": "auto",
    "train.n_splits": "2",
    "train.forest.n_estimators": "20",
    "train.tabm.max_epochs": "2",
    "train.tabm.k": "2",
    "train.tabm.d_block": "64",
    "train.resnet.max_epochs": "2",
    "train.resnet.d_block": "64",
    "train.trees.n_models": "1",
    "train.trees.n_estimators": "20",
    "baselines.max_rows": "2000",
    "evaluate.n_resamples": "100",
    "explain.rows": "5",
    "train.background_rows": "200",
    "explain.error": "0.3",
}


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/datasets is absent")
@pytest.mark.parametrize("table", TABLES)
def test_a_real_table(demo: Toy, table: str) -> None:
    """It comes out where it should, with the findings that its README tells of, by at most six lines of params."""
    params, findings, least = TABLES[table]
    assert 6 >= len(params) + 1
    path = "data/" + (SHARED / table).name
    if (SHARED / table).is_dir():
        (demo.root / path).mkdir()
        for file in ("adult.data", "adult.test"):
            shutil.copyfile(SHARED / table / file, demo.root / path / file)
    else:
        shutil.copyfile(SHARED / table, demo.root / path)
    for key, value in QUICK.items():
        change(demo, key, value)
    for key, value in {"path": path, **params}.items():
        change(demo, f"data.{key}", value)
    call(demo, *AFTER_GENERATE)
    found = {(each["code"], each["column"]) for each in json.loads(demo.read("reports/findings.json"))["findings"]}
    assert set(findings) <= found
    assert json.loads(demo.read("reports/metrics.json"))["roc_auc"] > least
