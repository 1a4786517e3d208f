"""The dbt-duckdb plugin, without dbt around it."""

import shutil

import duckdb
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql import RegistrationError
from foresql.registry import Registry

Plugin = pytest.importorskip("foresql.udfs.dbt").Plugin


@pytest.fixture(scope="module")
def registry(line, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    options = {"registry": folder, "alias": "champion", "probe_rows": 50}
    foresql.publish("line", line.estimator, like=line.frame, **options)
    return folder


def plugin(registry, models) -> Plugin:
    made = Plugin.__new__(Plugin)
    made.initialize({"registry": str(registry), "models": models})
    return made


def test_registers_each_model_under_its_name(registry, con):
    models = {"predict_line": "line@champion", "predict": "line:1"}
    plugin(registry, models).configure_connection(con)
    rows = con.execute("SELECT predict_line(3), predict(3), version_line()").fetchall()
    assert rows == [(pytest.approx(7), pytest.approx(7), 1)]


@pytest.mark.parametrize("reference", ["other@champion", "line@challenger", "line:7", "a b"])
def test_a_model_that_is_not_there_says_so_when_it_is_called(registry, con, reference):
    plugin(registry, {"predict_line": reference}).configure_connection(con)
    with pytest.raises(
        duckdb.InvalidInputException, match=r"no alias|no model|no version|needs a letter"
    ):
        con.execute("SELECT predict_line({x: 3})").fetchall()


def test_a_registry_that_is_not_there_stops_only_the_call(tmp_path, con):
    plugin(tmp_path / "none", {"predict_line": "line@champion"}).configure_connection(con)
    with pytest.raises(duckdb.InvalidInputException, match="none"):
        con.execute("SELECT predict_line({x: 3})").fetchall()


def test_a_second_run_on_the_same_file_takes_the_new_champion(registry, line, fit, tmp_path):
    folder, path = shutil.copytree(registry, tmp_path / "registry"), tmp_path / "data.duckdb"
    models = {"predict_line": "line@champion"}
    with duckdb.connect(path) as con:
        plugin(folder, models).configure_connection(con)
    other = fit(LinearRegression(), line.frame, -line.frame["x"])
    options = {"registry": folder, "alias": "champion", "probe_rows": 50}
    foresql.publish("line", other.estimator, like=other.frame, **options)
    with duckdb.connect(path) as con:
        plugin(folder, models).configure_connection(con)
        rows = con.execute("SELECT predict_line(3), version_line()").fetchall()
    assert rows == [(pytest.approx(-3), 2)]


@pytest.mark.parametrize(
    "config", [{}, {"registry": "r"}, {"models": {"p": "m"}}, {"registry": "r", "models": ["m"]}]
)
def test_a_configuration_that_lacks_something_is_refused(config):
    with pytest.raises(RegistrationError, match=r"needs config: .registry"):
        Plugin.__new__(Plugin).initialize(config)


def test_the_catalogue_is_there_for_every_cursor_and_follows_the_registry(registry, tmp_path, con):
    folder = shutil.copytree(registry, tmp_path / "registry")
    plugin(folder, {"predict_line": "line@champion"}).configure_connection(con)
    asked = "SELECT unnest(foresql_catalogue('').models, max_depth := 2)"
    columns = "SELECT unnest(foresql_catalogue('').model_columns, max_depth := 2)"
    with con.cursor() as cursor:
        found = cursor.sql(f"SELECT reference, aliases, problem FROM ({asked})").fetchall()
        assert found == [("line:1", "champion", None)]
        names = cursor.sql(f"SELECT column_name, role FROM ({columns})").fetchall()
        assert names == [("x", "input"), ("predict", "output")]
        Registry.open(folder).move_alias("line", "blue", 1, expected=None)
        found = cursor.sql(f"SELECT aliases FROM ({asked})").fetchall()
        assert found == [("blue, champion",)]


def test_a_registry_that_is_not_there_offers_no_catalogue(tmp_path, con):
    plugin(tmp_path / "none", {}).configure_connection(con)
    assert con.execute("SELECT foresql_catalogue('') IS NULL").fetchall() == [(True,)]


def test_golden_rows_lie_between_their_ends(registry, con):
    plugin(registry, {"predict_line": "line@champion"}).configure_connection(con)
    rows = con.sql("""
        SELECT predict_line(g.features) BETWEEN g.low[1] AND g.high[1], count(*)
        FROM (SELECT unnest(foresql_golden_line('')) AS g) GROUP BY ALL
    """).fetchall()
    golden = Registry.open(registry).load(Registry.open(registry).version("line", 1)).card["golden"]
    assert rows == [(True, len(golden["rows"]))]
