"""The catalogue as tables: what each version's row says, and what becomes of damaged ones."""

import json
from datetime import UTC

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import foresql
from foresql.ir.bundle_head import read_head
from foresql.registry import ANY, Registry, catalogue_tables
from foresql.registry.catalogue_columns import COLUMNS


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Two versions of a classifier, the first champion, and a regression with intervals."""
    folder = tmp_path_factory.mktemp("registry")
    frame = pd.DataFrame({"age": [20.0, np.nan, 35.5, 60.0] * 5, "visits": [0, 2, 4, 9] * 5})
    filled = frame.fillna(30.0)
    labels = np.array(["no", "no", "yes", "yes"] * 5)
    options = {"registry": folder, "probe_rows": 50, "like": filled}
    classifier = LogisticRegression().fit(filled, labels)
    metrics = {"auc": 0.75}
    text = {"description": "Who buys"}
    foresql.publish("bought", classifier, alias="champion", metrics=metrics, **text, **options)
    again = LogisticRegression(C=2).fit(filled, labels)
    foresql.publish("bought", again, alias="challenger", **options)
    line = LinearRegression().fit(filled, filled["age"])
    calibration = (filled, filled["age"] + 1)
    foresql.publish("Spend", line, calibration=calibration, **options)
    return folder


def rows(folder, table="models") -> list[dict]:
    return catalogue_tables(Registry.open(folder))[table].to_pylist()


def test_a_version_says_what_it_is_when_and_from_which_data(published):
    store = Registry.open(published)
    version = store.version("bought", 1)
    card = store.load(version).card
    (row,) = [row for row in rows(published) if row["reference"] == "bought:1"]
    created = version.created_at.astimezone(UTC).replace(tzinfo=None)
    expected = {
        "model_name": "bought",
        "model_version": 1,
        "aliases": "champion",
        "sha256": version.digest,
        "created_at": created,
        "description": "Who buys",
        "library": "scikit-learn",
        "library_version": card["versions"]["scikit-learn"],
        "estimator": "sklearn.linear_model._logistic.LogisticRegression",
        "task": "classification",
        "classes": '["no", "yes"]',
        "input_columns": 2,
        "certified_by": "library",
        "certified_rows": card["certificate"]["rows"],
        "largest_difference": card["certificate"]["largest_difference"],
        "metrics": json.dumps({"auc": 0.75}),
        "training_rows": 20,
        "training_sha256": card["training"]["sha256"],
        "kept_whole": False,
        "problem": None,
    }
    assert row | expected == row
    assert row["trained_on"] == f"20 rows, sha256 {card['training']['sha256'][:12]}"
    assert "sql" in row["certified_routes"].lower()


def test_versions_are_sorted_and_each_has_its_aliases(published):
    found = [(row["reference"], row["aliases"], row["task"]) for row in rows(published)]
    assert found == [
        ("bought:1", "champion", "classification"),
        ("bought:2", "challenger", "classification"),
        ("Spend:1", "", "regression"),
    ]


def test_columns_of_a_version_are_its_inputs_and_what_it_answers(published):
    found = [row for row in rows(published, "model_columns") if row["model_name"] == "bought"]
    first = [row for row in found if row["model_version"] == 1]
    names = ("position", "column_name", "role", "type", "training_min", "training_max")
    assert [tuple(row[name] for name in names) for row in first] == [
        (1, "age", "input", "double", "20.0", "60.0"),
        (2, "visits", "input", "bigint", "0", "9"),
        (3, "predict", "output", "varchar", None, None),
        (4, "predict_proba", "output", "double", None, None),
    ]
    assert first[3]["description"] == "the probability of yes"
    assert first[0]["training_missing"] == 0


def test_intervals_are_listed_where_the_version_has_them(published):
    listed = [
        row["column_name"]
        for row in rows(published, "model_columns")
        if row["model_name"] == "Spend" and row["role"] == "output"
    ]
    assert listed == ["predict", "interval"]


def test_tables_have_the_columns_that_are_documented(published):
    tables = catalogue_tables(Registry.open(published))
    listed = {name: tuple(column for column, _, _ in COLUMNS[name]) for name in COLUMNS}
    assert {name: tuple(table.column_names) for name, table in tables.items()} == listed


def test_a_registry_without_models_gives_empty_tables(registry):
    assert [table.num_rows for table in catalogue_tables(registry).values()] == [0, 0]


def test_a_bundle_without_a_card_is_listed(delay):
    (row, *_) = catalogue_tables(delay)["models"].to_pylist()
    assert (row["reference"], row["aliases"], row["problem"]) == ("delay:1", "champion", None)
    assert (row["library"], row["certified_rows"], row["trained_on"]) == (None, None, None)


def edit(path, change) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content.__delitem__(slice(-5, None)), "truncated"),
        (lambda content: content.__delitem__(slice(60, None)), "truncated"),
        (lambda content: content.extend(b"more"), "truncated"),
        (lambda content: content.__setitem__(80, content[80] ^ 1), "manifest was edited"),
        (lambda content: content.clear(), "does not begin"),
    ],
)
def test_a_damaged_bundle_says_so_and_hides_no_other(delay, change, problem):
    edit(delay.bundle_path(delay.version("delay", 2)), change)
    tables = catalogue_tables(delay)
    found = {row["model_version"]: row["problem"] for row in tables["models"].to_pylist()}
    assert problem in found.pop(2)
    assert found == {1: None, 3: None, 4: None}
    assert set(tables["model_columns"]["model_version"].to_pylist()) == {1, 3, 4}


def test_a_missing_bundle_and_a_damaged_record_say_so(delay):
    delay.bundle_path(delay.version("delay", 4)).unlink()
    (delay.path / "models/delay/versions/000003.json").write_text("{")
    found = {row["model_version"]: row for row in catalogue_tables(delay)["models"].to_pylist()}
    assert "There is no bundle at" in found[4]["problem"]
    assert "is damaged" in found[3]["problem"]
    assert (found[3]["sha256"], found[4]["problem"] is None, found[1]["problem"]) == (
        *(None, False),
        None,
    )


def test_a_damaged_alias_says_so_in_every_row_of_its_model(delay):
    delay.move_alias("delay", "stable", 2, expected=ANY)
    (delay.path / "models/delay/aliases/champion/000001.json").write_text("{")
    found = catalogue_tables(delay)["models"].to_pylist()
    assert all("champion" in row["problem"] for row in found)
    assert [row["aliases"] for row in found] == ["", "stable", "", ""]


def test_the_head_is_what_the_whole_bundle_says(published):
    store = Registry.open(published)
    for name in ("bought", "Spend"):
        version = store.version(name, 1)
        head, whole = read_head(store.bundle_path(version), version.digest), store.load(version)
        assert (head.card, head.signature) == (whole.card, whole.model.signature)
        assert head.outputs == whole.model.outputs
        assert head.has_intervals == bool(whole.model.residuals)
