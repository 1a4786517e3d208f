"""Names of relations and columns mean what DuckDB means by them: schemas, catalogs, letters."""

import json

import duckdb
import pytest

from foresql.errors import EndpointError, UnsupportedModelError
from foresql.online import Wanted, materialize, open_online
from foresql.serving.endpoints.dbt import DbtModels
from foresql.serving.endpoints.definition import read_definition
from foresql.serving.endpoints.query import Surroundings, compile_query

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
VIEWS = (
    Wanted(name="weather", keys=("origin",), missing="null"),
    Wanted(name="far.weather", keys=("origin",), missing="null"),
)


@pytest.fixture(scope="module")
def town(tmp_path_factory, published):
    """A warehouse in which each name is there in two schemas, with other types."""
    folder = tmp_path_factory.mktemp("town")
    database = folder / "town.duckdb"
    with duckdb.connect(database) as connection:
        connection.execute("CREATE SCHEMA far")
        for schema, type_ in (("main", "INTEGER"), ("far", "DOUBLE")):
            connection.execute(f"CREATE TABLE {schema}.trips (origin VARCHAR, distance {type_})")
            connection.execute(f"CREATE TABLE {schema}.weather (origin VARCHAR, wind {type_})")
            connection.execute(f"INSERT INTO {schema}.weather VALUES ('JFK', 1)")
        connection.execute('CREATE TABLE "far.trips" (origin VARCHAR, distance BIGINT)')
        connection.execute('CREATE TABLE twice (origin VARCHAR, "É" DOUBLE, "é" INTEGER)')
        connection.execute('CREATE TABLE "Größe" (origin VARCHAR, "weiß" TINYINT)')
    done = materialize(VIEWS, str(folder / "online"), database=database)
    assert [each.problem for each in done] == [None, None]

    def compiled(sql, toml="", database=database):
        (folder / "asked.sql").write_text(sql)
        (folder / "asked.toml").write_text(toml)
        with open_online(str(folder / "online")) as store:
            around = Surroundings(published, store, database)
            return compile_query(read_definition(folder / "asked.sql"), around)

    return compiled


def joining(request, view):
    return f"SELECT t.distance, w.wind FROM {request} t LEFT JOIN {view} w ON w.origin = t.origin"


@pytest.mark.parametrize(
    ("request_", "view", "types", "toml"),
    [
        ("trips", "weather", ("INTEGER", "INTEGER"), ""),
        ("Trips", "MAIN.Weather", ("INTEGER", "INTEGER"), ""),
        ("far.trips", "far.weather", ("DOUBLE", "DOUBLE"), ""),
        ("FAR.trips", "town.FAR.weather", ("DOUBLE", "DOUBLE"), ""),
        ("town.main.trips", "town.main.weather", ("INTEGER", "INTEGER"), ""),
        ("town.trips", "town.weather", ("INTEGER", "INTEGER"), ""),
        ("far.trips", "weather", ("DOUBLE", "INTEGER"), "[request]\ntable = 'trips'"),
        ("other.far.trips", "weather", ("DOUBLE", "INTEGER"), "[request]\ntable = 'trips'"),
        ('"far.trips"', "far.weather", ("BIGINT", "DOUBLE"), ""),
    ],
)
def test_a_name_means_one_table(town, request_, view, types, toml):
    found = town(joining(request_, view), toml)
    assert tuple(output.type for output in found.outputs) == types
    assert [looked.view.columns["wind"] for looked in found.joined] == [types[1]]


@pytest.mark.parametrize(
    ("request_", "view"),
    [
        ("trips", "near.weather"),
        ("trips", "town.near.weather"),
        ("trips", "near.main_weather"),
        ("trips", '"far.weather"'),
    ],
)
def test_a_table_of_another_schema_is_no_view(town, request_, view):
    with pytest.raises(UnsupportedModelError, match="FROM"):
        town(joining(request_, view), "[request]\ntable = 'trips'")


def test_two_names_of_one_view_may_be_two_tables(town):
    sql = joining("trips", "town.main.weather")
    sql += " LEFT JOIN copy.main.weather AS c ON c.origin = t.origin"
    with pytest.raises(UnsupportedModelError, match="both may be the feature view weather"):
        town(sql, "[request]\ntable = 'trips'")


def test_two_tables_of_one_name_are_both_read(town):
    sql = joining("far.trips", "far.weather").replace("w.wind", "w.wind, m.wind AS other")
    found = town(sql + " LEFT JOIN weather AS m ON m.origin = t.origin")
    assert [output.type for output in found.outputs] == ["DOUBLE", "DOUBLE", "INTEGER"]


def test_columns_that_differ_by_letters_that_duckdb_does_not_fold(town):
    with pytest.raises(UnsupportedModelError, match="differ by the case of letters alone"):
        town('SELECT "É" FROM twice')
    found = town('SELECT "weiß" + 1 AS more FROM "Größe"')
    assert [column.type for column in found.request] == ["TINYINT"]


def test_a_request_that_is_not_in_the_warehouse_by_that_name(town):
    with pytest.raises(EndpointError, match=r"which columns near.trips has"):
        town("SELECT distance FROM near.trips", "[request]\ntable = 'trips'")


def test_parents_of_a_dbt_model_are_told_apart_by_their_schemas(tmp_path, published):
    project = tmp_path / "shop"
    (project / "target").mkdir(parents=True)

    def parent(schema, type_):
        columns = {"distance": {"data_type": type_}}
        return {"resource_type": "model", "name": "trips", "schema": schema, "columns": columns}

    parents = {"near": parent("Near", "integer"), "far": parent("far", "double")}
    node = {
        "resource_type": "model",
        "name": "asked",
        "compiled_code": 'SELECT distance / 2 AS half FROM "shop"."near"."trips"',
        "depends_on": {"nodes": list(parents)},
    }
    manifest = {"nodes": {"asked": node}, "sources": parents}
    (project / "target" / "manifest.json").write_text(json.dumps(manifest))
    definition = DbtModels(project, ["asked"]).read("asked")
    found = compile_query(definition, Surroundings(published))
    assert [column.type for column in found.request] == ["INTEGER"]
