"""The scoring query in Snowflake's SQL: what is carried over, and what is refused."""

import lightgbm
import pandas as pd
import pytest
import sqlglot

import foresql
from foresql.deploy.snowflake.calls import Models
from foresql.deploy.snowflake.scoring_query import read_query
from foresql.deploy.snowflake.settings import Settings
from foresql.errors import ForesqlError, UnsupportedModelError

FUNCTION = '"FORESQL"."MODELS"."PREDICT_DELAY_V1"'
ROW = 'CAST("F"."DISTANCE" AS FLOAT), "F"."Carrier Name"'


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "registry"
    rows = pd.DataFrame(
        {"distance": [float(i) for i in range(40)], "Carrier Name": pd.Categorical(["a", "b"] * 20)}
    )
    options = {"n_estimators": 1, "num_leaves": 2, "min_child_samples": 1, "verbose": -1}
    model = lightgbm.LGBMRegressor(**options).fit(rows, rows["distance"])
    foresql.publish("delay", model, like=rows, alias="champion", registry=path)
    return path


@pytest.fixture
def read(registry):
    def reading(text, *, pinned=(), fold_case=True):
        return read_query(text, Models(registry, pinned), Settings(), fold_case=fold_case)

    return reading


@pytest.mark.parametrize(
    "call",
    [
        "predict_delay(t)",
        "PREDICT_DELAY(T)",
        'predict_delay(distance, "Carrier Name")',
        'predict_delay("Carrier Name" := t."Carrier Name", distance := t.Distance)',
        'predict_delay(distance => t.distance, "carrier name" => "Carrier Name")',
    ],
)
def test_each_way_to_call_becomes_one(read, call):
    query = read(f"SELECT id, {call} AS p FROM flights t")
    assert query.outputs[1].sql == f"{FUNCTION}({ROW})"
    assert query.plain == {"ID": "ID"}
    assert set(query.reads) == {"ID", "DISTANCE", "Carrier Name"}
    assert query.table == ("FLIGHTS",)
    assert query.declared == {"DISTANCE": "FLOAT", "Carrier Name": "VARCHAR"}


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("x > 0.1 AND NOT y IS NULL", '"F"."X" > 0.1 AND NOT "F"."Y" IS NULL'),
        ("x IN (1, 2) OR y LIKE 'a%'", '"F"."X" IN (1, 2) OR "F"."Y" LIKE \'a%\''),
        ("f.y = 'it''s'", '"F"."Y" = \'it\\\'s\''),
        ("x / NULLIF(y, 0) < 1", 'CAST("F"."X" AS FLOAT) / CAST(NULLIF("F"."Y", 0) AS FLOAT) < 1'),
        ("t >= TIMESTAMP '2024-01-31 00:00:00'", "CAST('2024-01-31 00:00:00' AS TIMESTAMPNTZ)"),
        ("x IS DISTINCT FROM y", '"F"."X" IS DISTINCT FROM "F"."Y"'),
        ("x::DOUBLE * y * 2 > 0.5", 'CAST("F"."X" AS FLOAT) * "F"."Y" * 2 > 0.5'),
        ("x IS NOT TRUE", 'NOT CASE WHEN "F"."X" THEN TRUE ELSE FALSE END'),
        ("(y > 1) IS FALSE", 'CASE WHEN NOT (("F"."Y" > 1)) THEN TRUE ELSE FALSE END'),
        ("predict_delay(f) > 3", f"{FUNCTION}({ROW}) > 3"),
        ("CASE WHEN x > 1 THEN abs(y) ELSE floor(x) END > 2", 'ELSE FLOOR("F"."X") END > 2'),
    ],
)
def test_conditions_that_mean_the_same(read, condition, written):
    query = read(f"SELECT id, predict_delay(f) AS p FROM flights f WHERE {condition}")
    assert written in query.where
    sqlglot.parse_one(f"SELECT {query.where}", read="snowflake")


def test_a_column_has_one_type_for_all_models(read, registry):
    rows = pd.DataFrame({"distance": pd.Categorical(["a", "b"] * 20)})
    options = {"n_estimators": 1, "num_leaves": 2, "min_child_samples": 1, "verbose": -1}
    model = lightgbm.LGBMRegressor(**options).fit(rows, [float(i) for i in range(40)])
    foresql.publish("other", model, like=rows, registry=registry)
    calls = "predict_delay(f) AS p, predict_other(f) AS o"
    with pytest.raises(UnsupportedModelError) as found:
        read(f"SELECT id, {calls} FROM flights f", pinned=["other:1"])
    for part in ('"DISTANCE"', "delay:1 takes it as FLOAT", "other:1 as VARCHAR", "--view"):
        assert part in str(found.value)
    query = read("SELECT id, predict_other(f) AS o FROM f", pinned=["other:1"])
    assert query.declared == {"DISTANCE": "VARCHAR"}


def test_models_in_a_chain(read):
    query = read(
        'SELECT id, predict_delay(predict_delay(f) + 1, "Carrier Name") AS p FROM flights f'
    )
    assert query.outputs[1].sql == (
        f'{FUNCTION}(CAST({FUNCTION}({ROW}) + 1 AS FLOAT), "F"."Carrier Name")'
    )


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT id, predict_delay(f) AS p FROM a f JOIN b USING (id)", "JOIN.*--view"),
        ("SELECT id, predict_delay(f) AS p FROM a f, b", "JOIN.*--view"),
        ("SELECT id, predict_delay(f) AS p FROM (SELECT * FROM a) f", "not one table"),
        ("WITH f AS (SELECT 1) SELECT id, predict_delay(f) AS p FROM f", "WITH.*more than one"),
        ("SELECT id, predict_delay(f) AS p FROM a f LIMIT 3", "LIMIT.*depends on all"),
        ("SELECT id, predict_delay(f) AS p FROM a f ORDER BY id", "ORDER BY.*no order"),
        ("SELECT DISTINCT id, predict_delay(f) AS p FROM a f", "DISTINCT.*compares rows"),
        ("SELECT max(id) AS id, predict_delay(f) AS p FROM a f", "reads many rows"),
        ("SELECT id, predict_delay(f) AS p FROM a f GROUP BY ALL", "GROUP BY.*many rows"),
        ("SELECT id, lag(x) OVER () AS l, predict_delay(f) AS p FROM a f", "other rows"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x IN (SELECT 1)", "would not rescore"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE random() > 0.5", "same twice"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE t < now()", "same twice"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE upper(x) = 'A'", "not certain"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE greatest(x, y) > 1", "not certain"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x / y > 1", "NULLIF"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x * y > 1", "cast one factor to DOUBLE"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x * 0.1 > 1", "12 digits"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x::INTEGER = 1", "own ways"),
        ("SELECT id, predict_delay(f) AS p FROM a f WHERE x > 0.1234567890123456", "digits"),
        ("SELECT id, predict_delay(f) AS p FROM a f TABLESAMPLE 3 ROWS", "SAMPLE|not one table"),
        ("SELECT *, predict_delay(f) AS p FROM a f", "name the columns"),
        ("SELECT id, predict_delay(f) FROM a f", "no name"),
        ("SELECT id, predict_delay(f) AS p, p + 1 AS q FROM a f", "write f.p"),
        ("SELECT id, predict_delay(f) AS id FROM a f", "gives them twice"),
        ("SELECT id, predict_delay(f).x AS p FROM a f", "not certain"),
        ("SELECT id, f.s.t AS p, predict_delay(f) AS q FROM a f", "not a column"),
        ("SELECT id, predict_delay(distance) AS p FROM a f", "not the model's 2 columns"),
        ("SELECT id, predict_delay(distance := 1, x := 2) AS p FROM a f", "not the model's"),
        ("SELECT id, predict_lateness(f) AS p FROM a f", "no model with this function"),
        ("SELECT id FROM a f", "calls no model.*predict_delay"),
        ("SELECT id, predict_delay(f) AS p FROM a f; SELECT 1", "not one SELECT"),
        ("DELETE FROM a", "not one SELECT"),
        ("SELECT FROM WHERE", "cannot be parsed|not one|calls no"),
        ("SELECT id, predict_proba_delay(f) AS p FROM a f", "no class probabilities"),
    ],
)
def test_what_is_refused(read, query, reason):
    with pytest.raises(UnsupportedModelError, match=f"(?s){reason}") as error:
        read(query)
    assert error.value.way_out


def test_names_that_differ_by_case_are_one_in_duckdb(read):
    with pytest.raises(UnsupportedModelError, match="for one, and Snowflake for two"):
        read("SELECT Distance, predict_delay(f) AS p FROM a f", fold_case=False)


def test_a_version_may_be_pinned(read):
    query = read("SELECT id, predict_delay(f) AS p FROM a f", pinned=["delay:1"])
    assert query.models[0].version == 1
    with pytest.raises(ForesqlError, match="does not say a version"):
        read("SELECT id, predict_delay(f) AS p FROM a f", pinned=["delay"])


def test_comments_and_quotes_of_the_query_end_nothing(read):
    query = read('SELECT id, /* */ predict_delay(f) AS "p""; DROP" FROM a f -- $$')
    assert query.outputs[1].name == 'p"; DROP'
    assert "/*" not in query.outputs[1].sql
