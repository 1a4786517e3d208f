"""What may be registered: references, bundle files, estimators; and under which name."""

import shutil

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql import BundleError, RegistrationError, RegistryError
from foresql.registry import Registry


@pytest.fixture
def con(orders):
    with duckdb.connect() as connection:
        connection.register("t", orders)
        yield connection


def column(con, sql):
    return [value for (value,) in con.execute(sql).fetchall()]


@pytest.mark.parametrize("reference", ["amount:1", "amount"])
def test_a_reference(con, registry, estimators, orders, reference):
    registration = foresql.register(con, reference, registry=registry)
    assert registration.name == "predict_amount"
    assert registration.functions["version"] == "version_amount"
    assert column(con, "SELECT predict_amount(t) FROM t") == (
        estimators["amount"].predict(orders).tolist()
    )
    assert column(con, "SELECT version_amount()") == [1]


def test_an_alias_is_resolved_when_it_is_registered(con, registry, tmp_path):
    store = Registry.open(shutil.copytree(registry, tmp_path / "registry"))
    store.add_version("amount", store.load(store.resolve("large:1")))
    store.move_alias("amount", "live", 1, expected=None)
    foresql.register(con, "amount@live", name="predict", registry=store.path)
    store.move_alias("amount", "live", 2, expected=1)
    assert column(con, "SELECT predict_version()") == [1]
    foresql.register(con, "amount@live", name="predict", registry=str(store.path))
    assert column(con, "SELECT predict_version()") == [2]
    assert column(con, "SELECT typeof(predict(t)) FROM t LIMIT 1") == ["BOOLEAN"]


def test_the_environment_and_the_working_folder(con, registry, monkeypatch, tmp_path):
    monkeypatch.setenv("FORESQL_REGISTRY", str(registry))
    foresql.register(con, "amount:1")
    monkeypatch.delenv("FORESQL_REGISTRY")
    shutil.copytree(registry, tmp_path / "foresql_registry")
    monkeypatch.chdir(tmp_path)
    foresql.register(con, "large:1")


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_bundle_file(con, registry, tmp_path, kind):
    store = Registry.open(registry)
    version = store.resolve("large:1")
    path = tmp_path / "my-model.foresql"
    shutil.copy(registry / "bundles" / f"{version.digest}.foresql", path)
    registration = foresql.register(con, kind(path))
    assert registration.name == "predict_large"
    assert "version" not in registration.functions
    assert len(column(con, "SELECT predict_proba_large(t) FROM t")) == 400


def test_any_name_may_be_given(con, registry):
    registration = foresql.register(con, "large:1", name="risk", registry=registry)
    assert registration.functions == {
        "predict": "risk",
        "predict_proba": "risk_proba",
        "explain": "risk_explain",
        "version": "risk_version",
    }


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("none:1", RegistryError),
        ("amount:7", RegistryError),
        ("amount@live", RegistryError),
        ("a b", RegistryError),
        ("none.foresql", BundleError),
    ],
)
def test_what_cannot_be_found_replaces_nothing(con, registry, reference, kind):
    foresql.register(con, "amount:1", name="predict", registry=registry)
    with pytest.raises(kind):
        foresql.register(con, reference, name="predict", registry=registry)
    assert column(con, "SELECT predict_version()") == [1]


FRAMES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "batch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "numpy": lambda frame: frame.to_numpy(),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_of_every_kind(con, kind):
    frame = pd.DataFrame({"a": [1.0, 2, 3, 5], "b": [2.0, 1, 4, 0]})
    like = FRAMES[kind](frame)
    estimator = LinearRegression().fit(like, [1.0, 2, 3, 4])
    foresql.register(con, estimator, like=like)
    names = ("x0", "x1") if kind == "numpy" else ("a", "b")
    (expected,) = estimator.predict(FRAMES[kind](frame[:1]))
    fields = f"{{{names[0]}: 1, {names[1]}: 2}}"
    assert column(con, f"SELECT predict({fields})") == [pytest.approx(expected, rel=1e-14)]


def test_unused_columns_are_no_part_of_the_function(con):
    frame = pd.DataFrame({"a": [1.0, 2, 3, 5], "note": ["x", "y", "z", "w"]})
    estimator = LinearRegression().fit(frame[["a"]], [1.0, 2, 3, 4])
    foresql.register(con, estimator, like=frame)
    assert len(column(con, "SELECT predict(a := 1)")) == 1


def test_the_frame_is_asked_for(con):
    with pytest.raises(RegistrationError, match=r"LinearRegression\(…\)\) also needs like="):
        foresql.register(con, LinearRegression())
