"""`foresql.models` in queries of our own, with and without what dbt wrote."""

import duckdb
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql.registry import Registry
from foresql.scoring import run_query
from foresql.scoring.query import open_database


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue") / "registry"
    frame = pd.DataFrame({"x": [1.0, 2.0, 4.0]})
    model = LinearRegression().fit(frame, [3.0, 5.0, 9.0])
    foresql.publish("line", model, like=frame, alias="champion", registry=folder, probe_rows=50)
    return folder


def test_the_tables_are_the_registry_now(registry):
    asked = 'SELECT reference, aliases FROM "foresql".models'
    with duckdb.connect() as con:
        assert run_query(con, asked, registry=registry).fetchall() == [("line:1", "champion")]
        Registry.open(registry).move_alias("line", "blue", 1, expected=None)
        assert run_query(con, asked, registry=registry).fetchall() == [("line:1", "blue, champion")]
        columns = "SELECT column_name FROM foresql.model_columns ORDER BY position"
        found = run_query(con, columns, registry=registry).fetchall()
        assert found == [("x",), ("predict",)]


def test_a_file_that_is_only_read_has_them_too(registry, tmp_path):
    path = tmp_path / "data.duckdb"
    duckdb.connect(path).close()
    before = path.read_bytes()
    with open_database(path) as con:
        asked = "SELECT count(*) FROM foresql.models JOIN foresql.model_columns USING (reference)"
        assert run_query(con, asked, registry=registry).fetchall() == [(2,)]
    assert path.read_bytes() == before


def test_what_dbt_wrote_is_asked_where_it_is_there(registry, tmp_path):
    with duckdb.connect(tmp_path / "data.duckdb") as con:
        con.execute("CREATE SCHEMA foresql; CREATE TABLE foresql.models AS SELECT 'dbt' AS by")
        rows = run_query(con, "FROM foresql.models", registry=registry).fetchall()
        assert rows == [("dbt",)]


def test_a_file_called_foresql_keeps_its_own_tables(registry, tmp_path):
    with duckdb.connect(tmp_path / "foresql.duckdb") as con:
        con.execute("CREATE TABLE models AS SELECT 'mine' AS whose")
        rows = run_query(con, "FROM foresql.models", registry=registry).fetchall()
        assert rows == [("mine",)]


def test_without_a_registry_duckdb_says_what_is_missing(tmp_path):
    with duckdb.connect() as con, pytest.raises(duckdb.CatalogException, match="models"):
        run_query(con, "FROM foresql.models", registry=tmp_path / "none")
