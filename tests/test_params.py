"""Params: values in params.yaml are used as they are, or rejected in one sentence with the key, the rule and the value."""

import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.rooms import ROOT, section
from veritable.cli.sections import SECTIONS, check_params
from veritable.cli.yaml_file import read_yaml
from veritable.errors import UserError
from veritable.metrics.params import DecisionParams
from veritable.params import ParamsError, Section
from veritable.training.params import TrainParams


def paths(model: type[Section], above: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the path of each param and of each nested section."""
    found: list[tuple[str, ...]] = []
    for key, field in model.model_fields.items():
        inner = field.annotation
        found.append((*above, key))
        if isinstance(inner, type) and issubclass(inner, Section):
            found += paths(inner, (*above, key))
    return found


PATHS = [path for name, model in SECTIONS.items() for path in paths(model, (name,))]

WRONG = [
    ("train.mlp.patience", 2.5, "a valid integer or null"),
    ("train.mlp.patience", 0, "greater than or equal to 1 or null"),
    ("train.mlp.patience", False, "a valid integer or null"),
    ("train.mlp.hidden_layer_sizes", 64, "a valid list"),
    ("train.mlp.hidden_layer_sizes", None, "a valid list"),
    ("train.mlp.hidden_layer_sizes", "64, 64", "a valid list"),
    ("train.mlp.hidden_layer_sizes", [8] * 33, "a list of at most 32 items"),
    ("train.mlp.hidden_layer_sizes.1", [64, 0], "greater than or equal to 1"),
    ("train.mlp.hidden_layer_sizes.0", [6.5], "a valid integer"),
    ("train.mlp.activation", "rleu", "'relu', 'gelu', 'silu' or 'tanh'"),
    ("train.mlp.activation", None, "'relu', 'gelu', 'silu' or 'tanh'"),
    ("train.mlp.dropout", 1.0, "less than 1"),
    ("train.mlp.dropout", -0.1, "greater than or equal to 0"),
    ("train.mlp.dropout", "0.1", "a valid number"),
    ("train.mlp.learning_rate", 0, "greater than 0"),
    ("train.mlp.learning_rate", "1e-3", "a valid number"),
    ("train.mlp.learning_rate", float("inf"), "a finite number"),
    ("train.mlp.l1", float("nan"), "a finite number"),
    ("train.mlp.weight_decay", -1, "greater than or equal to 0"),
    ("train.mlp.weight_decay", False, "a valid number"),
    ("train.class_weight", True, "'none' or 'balanced'"),
    ("train.class_weight", None, "'none' or 'balanced'"),
    ("train.mlp.batch_size", 32.5, "a valid integer"),
    ("train.mlp.batch_size", "32", "a valid integer"),
    ("train.mlp.max_epochs", True, "a valid integer"),
    ("train.mlp.max_epochs", 0, "greater than or equal to 1"),
    ("train.accelerator", "cuda", "'auto', 'cpu' or 'gpu'"),
    ("train.precision", 32, "'32-true', 'bf16-mixed' or '64-true'"),
    ("train.network", "transformer", "'auto', 'mlp', 'resnet' or 'tabm'"),
    ("train.network", None, "'auto', 'mlp', 'resnet' or 'tabm'"),
    ("train.n_networks", 0, "greater than or equal to 1"),
    ("train.n_networks", "auto", "a valid integer"),
    ("train.refit", "yes", "a valid boolean"),
    ("train.refit", None, "a valid boolean"),
    ("train.blend", "trees", "'auto' or a valid list"),
    ("train.blend", None, "'auto' or a valid list"),
    ("train.blend.1", ["trees", "network"], "'trees', 'forest' or 'linear'"),
    ("train.n_splits", 1, "'auto' or 0 or greater than or equal to 2"),
    ("train.n_splits", "many", "'auto' or 0 or a valid integer"),
    ("train.n_splits", None, "'auto' or 0 or a valid integer"),
    ("train.forest.n_estimators", 0, "greater than or equal to 1"),
    ("train.forest.min_samples_leaf", 0.5, "a valid integer"),
    ("machine.threads", 0, "greater than or equal to 1 or null"),
    ("machine.threads", "all", "a valid integer or null"),
    ("train.mlp.lr_schedule", "linear", "'constant' or 'cosine'"),
    ("train.mlp.lr_schedule", None, "'constant' or 'cosine'"),
    ("train.resnet.n_blocks", 0, "greater than or equal to 1"),
    ("train.resnet.gradient_clip_val", 0.0, "greater than 0 or null"),
    ("train.resnet.d_block", None, "a valid integer"),
    ("train.tabm.k", 0, "greater than or equal to 1"),
    ("train.tabm.n_bins", 1, "greater than or equal to 2"),
    ("train.tabm.n_bins", 10**6, "less than or equal to 4096"),
    ("train.tabm.d_embedding", 1.5, "a valid integer"),
    ("train.tabm.gradient_clip_val", "1", "a valid number or null"),
    ("train.tabm.d_block", 10**9, "less than or equal to 65536"),
    ("train.trees.n_models", "many", "'auto' or a valid integer"),
    ("train.trees.n_models", None, "'auto' or a valid integer"),
    ("train.trees.n_models", 0, "'auto' or greater than or equal to 1"),
    ("train.trees.bagging_fraction", 0.0, "greater than 0"),
    ("train.trees.feature_fraction", 1.01, "less than or equal to 1"),
    ("train.trees.num_leaves", 1, "greater than or equal to 2"),
    ("train.trees.min_data_in_leaf", 0, "greater than or equal to 1"),
    ("train.trees.lambda_l2", -0.1, "greater than or equal to 0"),
    ("train.trees.early_stopping_rounds", None, "a valid integer"),
    ("train.trees.learning_rate", 0, "greater than 0"),
    ("train.seed", -1, "greater than or equal to 0"),
    ("train.seed", 2**32, "less than 4294967296"),
    ("generate.n_samples", 9, "greater than or equal to 10"),
    ("generate.n_features", 0, "greater than or equal to 1"),
    ("generate.n_samples", 10**30, "less than or equal to 100000000"),
    ("generate.n_features", 10**9, "less than or equal to 100000"),
    ("generate.n_classes", 1001, "less than or equal to 1000"),
    ("data.seed", 10**30, "less than 4294967296"),
    ("machine.max_rows", -1, "greater than or equal to 1"),
    ("machine.max_rows", 1e30, "a valid integer"),
    ("data.valid", float("inf"), "a finite number"),
    ("data.types", ["x"], "a valid dictionary"),
    ("data.types.x", {"x": 3}, "a valid string"),
    ("data.missing_codes.x", {"x": -9}, "a valid list"),
    ("data.allow_outside", "yes", "a valid boolean"),
    ("data.delimiter", ";;", "a text of length at most 1 or null"),
    ("generate.n_redundant", None, "a valid integer"),
    ("data.path", "", "a non-empty text"),
    ("data.path", None, "a valid string"),
    ("data.columns", "a", "a valid list or null"),
    ("data.columns", [], "a non-empty list or null"),
    ("data.columns.1", ["a", 1], "a valid string"),
    ("data.missing", "?", "a valid list"),
    ("data.missing.0", [0], "a valid string"),
    ("data.target", 3, "a valid string"),
    ("data.positive", ["yes"], "a valid boolean or a valid integer or a valid number or a valid string"),
    ("data.drop", None, "a valid list"),
    ("data.max_categories", 0, "greater than or equal to 1"),
    ("data.valid", 0, "greater than 0"),
    ("data.test", 1.2, "less than 1"),
    ("data.shard_rows", 0, "greater than or equal to 1"),
    ("tune.n_trials", -1, "greater than or equal to 0"),
    ("tune.n_trials", None, "a valid integer"),
    ("tune.pruning", 1, "a valid boolean"),
    ("tune.seed", 2**32, "less than 4294967296"),
    ("tune.space", ["tabm.dropout"], "a valid dictionary"),
    ("tune.space", None, "a valid dictionary"),
    ("baselines.seed", "42", "a valid integer"),
    ("decision.metric", "f2", "'f1', 'balanced_accuracy', 'accuracy' or 'mcc' or null"),
    ("evaluate.n_resamples", 99, "greater than or equal to 100"),
    ("evaluate.confidence_level", 95, "less than 1"),
    ("explain.rows", 0, "greater than or equal to 1"),
    ("train.background_rows", 1.5, "a valid integer"),
    ("train.background_rows", -1, "greater than or equal to 0"),
    ("explain.output", "odds", "'log_odds' or 'probability'"),
    ("explain.error", 0, "greater than 0"),
    ("explain.groups", ["age"], "a valid dictionary"),
]


def preview(value: Any) -> str:
    """Return a value as the message shows it: only the first six items of a list."""
    return f"{str(value[:6])[:-1]}, ...]" if isinstance(value, list) and len(value) > 6 else repr(value)


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a section of the template with another value at a path."""
    return _put(section(path[0]), path[1:], value)


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = path
    return values | {first: _put(values[first], tuple(rest), value) if rest else value}


def at(path: tuple[str, ...]) -> Any:
    """Return the value at a path in the template."""
    values: Any = section(path[0])
    for key in path[1:]:
        values = values[key]
    return values


def refusal(name: str, values: Any) -> str:
    """Return the error message for an invalid section."""
    with pytest.raises(ParamsError) as caught:
        SECTIONS[name].parse(name, values)
    return str(caught.value)


def test_template_parses() -> None:
    """The template's params.yaml has exactly the known sections and keys, and every section parses."""
    assert set(SECTIONS) == set(YAML(typ="safe").load((ROOT / "params.yaml").read_text()))
    for name, model in SECTIONS.items():
        assert set(section(name)) == set(model.model_fields)
        assert section(name) == model.parse(name, section(name)).model_dump()


@pytest.mark.parametrize(("key", "value", "rule"), WRONG, ids=[f"{key}={value!r}"[:60] for key, value, _ in WRONG])
def test_wrong_value(key: str, value: Any, rule: str) -> None:
    """A value of the wrong type or range is rejected with its key, the rule and the value."""
    path = tuple(key.split("."))
    param = max((known for known in PATHS if path[: len(known)] == known), key=len)
    inner = value
    for index in path[len(param) :]:
        inner = inner[int(index) if index.isdigit() else index]
    assert f"'{key}' in params.yaml must be {rule}, but is {preview(inner)}." == refusal(param[0], changed(param, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.mlp.patience", None), ("train.mlp.gradient_clip_val", None), ("train.resnet.patience", 1),
        ("train.tabm.gradient_clip_val", 0.5),
        ("machine.threads", None), ("machine.threads", 4), ("train.trees.n_models", "auto"), ("train.trees.n_models", 1),
        ("train.trees.n_models", 12), ("train.mlp.hidden_layer_sizes", []), ("train.network", "resnet"),
        ("train.trees.bagging_fraction", 1), ("train.blend", "auto"), ("train.blend", []), ("train.blend", ["linear", "trees"]),
        ("train.n_splits", "auto"), ("train.n_splits", 0), ("train.n_splits", 2),
    ],
)  # fmt: skip
def test_valid_value(key: str, value: Any) -> None:
    """Null, texts and the limits of a range are used as they are where they are allowed."""
    name, *path = key.split(".")
    found: Any = SECTIONS[name].parse(name, changed((name, *path), value))
    for each in path:
        found = getattr(found, each)
    assert value == found


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_missing_key(path: tuple[str, ...]) -> None:
    """A section without one of its keys is rejected with the key, because there are no hidden defaults."""
    left = {key: value for key, value in at(path[:-1]).items() if key != path[-1]}
    values = changed(path[:-1], left) if len(path) > 2 else left
    assert refusal(path[0], values).startswith(f"params.yaml lacks the key '{'.'.join(path)}'.")


@given(path=st.sampled_from([path for path in PATHS if len(path[-1]) > 3]), data=st.data())
def test_typo(path: tuple[str, ...], data: st.DataObject) -> None:
    """A misspelled key is rejected with the most similar known key, whether that key is missing or not."""
    *above, key = path
    place, around = tuple(above), at(tuple(above))
    where = data.draw(st.integers(0, len(key) - 1))
    typo = data.draw(
        st.sampled_from([key[:where] + key[where + 1 :], key[:where] + key[where] + key[where:], key.upper()[:1] + key[1:]])
    )
    assume(typo not in around)
    assume([key] == difflib.get_close_matches(typo, list(around), n=1))  # "pat" is similar to part and to path
    renamed = {typo if each == key else each: value for each, value in around.items()}
    for values in (renamed, around | {typo: 1}):
        whole = changed(place, values) if len(place) > 1 else values
        expected = f"params.yaml has no key '{'.'.join(place)}.{typo}'. Did you mean '{'.'.join(path)}'?"
        assert expected == refusal(path[0], whole)


@pytest.mark.parametrize("inner", ["mlp", "resnet", "tabm", "trees", "forest"])
def test_unknown_nested_key(inner: str) -> None:
    """An unknown key in a nested section is rejected with the known keys of that section."""
    known = ", ".join(SECTIONS["train"].parse("train", section("train")).model_dump()[inner])
    expected = f"params.yaml has no key 'train.{inner}.zzz'. The keys are: {known}."
    assert expected == refusal("train", changed(("train", inner), at(("train", inner)) | {"zzz": 1}))


@pytest.mark.parametrize("value", [None, 5, [], "mlp", {}], ids=str)
def test_invalid_nested_section(value: Any) -> None:
    """A nested section that is empty or not a mapping is rejected with its name, not with the name of a Python class."""
    message = refusal("train", section("train", mlp=value))
    assert message.startswith(("params.yaml lacks the key 'train.mlp.", "'train.mlp' in params.yaml must be "))
    assert "MLPParams" not in message


def test_unknown_key() -> None:
    """An unknown key that is similar to no known key is rejected with all known keys."""
    assert "params.yaml has no key 'explain.zzz'. The keys are: rows, output, error, fixed, groups, seed." == refusal(
        "explain", section("explain", zzz=1)
    )


@pytest.mark.parametrize("values", [None, [], "text", 3, {}])
def test_invalid_section(values: Any) -> None:
    """A section that is empty or not a mapping is rejected with its first missing key."""
    assert refusal("explain", values).startswith("params.yaml lacks the key 'explain.rows'.")


def test_numeric_key() -> None:
    """A key that YAML reads as a number is an unknown key."""
    assert refusal("train", section("train") | {64: 1}).startswith("params.yaml has no key 'train.64'.")
    within = section("train", mlp=at(("train", "mlp")) | {64: 1})
    assert refusal("train", within).startswith("params.yaml has no key 'train.mlp.64'.")


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "generate",
            {"n_informative": 9, "n_redundant": 3},
            ("generate.n_informative", "generate.n_features", "9 + 3 against 10"),
        ),
        ("generate", {"n_classes": 3}, ("generate.n_classes", "generate.n_informative", "6 against 4")),
        ("data", {"valid": 0.5, "test": 0.5}, ("data.valid", "data.test", "0.5 + 0.5")),
        ("data", {"target": "y", "drop": ["id", "y"]}, ("data.drop", "target", "'y'")),
    ],
)
def test_contradicting_params(name: str, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    """Params that contradict each other are rejected in one sentence with their keys and values."""
    message = refusal(name, section(name, **changes))
    assert message.startswith("In params.yaml, ")
    assert message.endswith(".")
    assert 1 == message.count("must") == message.count(", but ")
    assert [] == [word for word in words if word not in message]


@given(
    path=st.sampled_from(PATHS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)
def test_any_value(path: tuple[str, ...], value: Any) -> None:
    """Any value is used as it is, or rejected with its key."""
    try:
        parsed = SECTIONS[path[0]].parse(path[0], changed(path, value))
    except UserError as error:
        assert ".".join(path) in str(error)
        assert "\n" not in str(error)
    else:
        found = parsed.model_dump()
        for key in path[1:]:
            found = found[key]
        assert value == found


def test_frozen() -> None:
    """Parsed params cannot be changed."""
    parsed = TrainParams.parse("train", section("train"))
    with pytest.raises(Exception, match="frozen"):
        parsed.seed = 3
    with pytest.raises(Exception, match="frozen"):
        parsed.mlp.max_epochs = 3


def test_long_value() -> None:
    """Only the beginning of a long or deep value is shown, on one line."""
    for value in ("x" * 10**6, list(range(10**5)), [[[[["x"] * 9] * 9] * 9] * 9] * 9, {"a\nb" * 1000: 1}):
        message = refusal("train", section("train", network=value))
        assert len(message) < 1000
        assert message.isprintable()
    assert refusal("train", section("train") | {"a\nb": 1}).startswith(r"params.yaml has no key 'train.a\nb'.")


def read(tmp_path: Path, content: str | bytes) -> Any:
    """Return what `read_yaml` reads from a file with this content."""
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1e-3\nb: no\nc: 0o10\nd: 1_000\n", {"a": 0.001, "b": "no", "c": 8, "d": 1000}),
        ("a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}\n", {"a": {"k": 1}, "b": {"k": 1}, "c": {"k": 1, "l": 2}}),
        ("a: 1e400\n", {"a": float("inf")}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("", {}),
        ("# nothing\n", {}),
    ],
)
def test_yaml(tmp_path: Path, content: str, expected: Any) -> None:
    """Files are read as YAML 1.2: 1e-3 is a number and no is a text; aliases and a byte order mark are allowed."""
    assert expected == read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 'line 3 is not: found duplicate key "a"'),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1 is not: could not determine a constructor for the tag"),
        ("a: 1\nb: !secret x\n", "line 2 is not: could not determine a constructor for the tag"),
        ("a: [1\nb: 2\n", "line 2 is not: expected"),
        ("a:\n\t- 1\n", "line 2 is not: found character"),
        ("a: *b\n", "line 1 is not: found undefined alias"),
        ("a: 1\n---\nb: 1\n", "line 2 is not: expected a single document in the stream but found another document"),
        ("a: 2020-13-45\n", "but is not: month must be in 1..12"),
        ("a: \x07\n", "but is not: unacceptable character"),
        ("a: " + "[" * 2000 + "]" * 2000 + "\n", "but is nested too deeply"),
        (b"a: \xff\n", "but is not in UTF-8: byte 4 is ff"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_yaml(tmp_path: Path, content: str | bytes, words: str) -> None:
    """Invalid YAML, a duplicate key and a tag are rejected in one sentence with the line number."""
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert "params.yaml must be valid YAML, but " in message
    assert words in message
    assert message.isprintable()
    assert message.endswith(". Correct it, or restore it with git.")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda params, pipeline: ([], pipeline), "params.yaml must hold sections"),
        (lambda params, pipeline: (params, []), "dvc.yaml must hold stages"),
        (lambda params, pipeline: (params, {"stages": {"x": 1}}), "dvc.yaml must hold stages"),
        (lambda params, pipeline: (params | {"dta": {}}, pipeline), "params.yaml has no section 'dta'. Did you mean 'data'?"),
        (lambda params, pipeline: (params | {1: {}}, pipeline), "params.yaml has no section '1'."),
        (lambda params, pipeline: ({k: v for k, v in params.items() if k != "data"}, pipeline), "lacks the key 'data.path'"),
        (lambda params, pipeline: (params | {"data": None}, pipeline), "lacks the key 'data.path'"),
        (
            lambda params, pipeline: (params | {"data": section("data", path="data/none.csv")}, pipeline),
            "must be a table, but 'data/none.csv' does not exist. Correct the path.",
        ),
        (
            lambda params, pipeline: (params | {"data": section("data", path="x" * 300)}, pipeline),
            "must be a table, but 'xxx",
        ),
        (
            lambda params, pipeline: (params | {"data": section("data", path="../../etc/passwd")}, pipeline),
            "must be inside the repository",
        ),
        (
            lambda params, pipeline: (params | {"data": section("data", path="/etc/passwd")}, pipeline),
            "must be inside the repository",
        ),
        (lambda params, pipeline: (params | {"data": section("data", path="a\0b")}, pipeline), "'a\\x00b'"),
    ],
)
def test_check_params(monkeypatch: pytest.MonkeyPatch, change: Any, words: str) -> None:
    """A missing or unknown section, a missing table and one outside the repository are rejected in one sentence."""
    monkeypatch.chdir(ROOT)
    params, pipeline = (read_yaml(ROOT / name) for name in ("params.yaml", "dvc.yaml"))
    check_params(params, pipeline)
    with pytest.raises(UserError) as caught:
        check_params(*change(params, pipeline))
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_key_with_the_name_of_a_type() -> None:
    """An unknown key with the name of a type, as pydantic names a branch of a union, is rejected like any other."""
    expected = "params.yaml has no key 'train.int'. Did you mean 'train.init'?"
    assert expected == refusal("train", section("train") | {"int": 1})


def test_an_integer_that_python_cannot_write() -> None:
    """An integer of 5,000 digits, as YAML reads a long hexadecimal number, is refused in one sentence."""
    with pytest.raises(ParamsError, match=r"'decision.metric' in params.yaml must be .*, but is an integer of more than"):
        DecisionParams.parse("decision", {"metric": 16**5000})
