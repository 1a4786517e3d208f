"""What is kept from one query to the next never outlives what it was made of."""

import duckdb
import pytest

import foresql
from foresql.scoring.rewriting import left, rewrite
from foresql.scoring.rewriting import rewrite as rewriting

QUERY = "SELECT sum(predict_reg(r)), count(*) FROM reused r WHERE k = 'LGA' AND i >= 4"
TABLE = """
    CREATE TABLE reused AS SELECT
    ['JFK', 'LGA', NULL][i % 3 + 1] AS k, i % 20 - 4 AS i, i % 3 = 0 AS b, i * 0.5::DOUBLE AS x
    FROM range(90) r(i)
"""
CHANGES = [
    "INSERT INTO reused VALUES ('LGA', 4711, true, NULL)",
    "UPDATE reused SET i = 90, x = -50 WHERE k = 'LGA' AND i = 5",
    "DELETE FROM reused WHERE i > 6",
    "ALTER TABLE reused ALTER i TYPE DOUBLE",
    "ALTER TABLE reused ADD COLUMN y INTEGER; ALTER TABLE reused ALTER k TYPE VARCHAR",
    "ALTER TABLE reused DROP b; ALTER TABLE reused ADD COLUMN b BOOLEAN DEFAULT true",
    "DROP TABLE reused; CREATE TABLE reused AS SELECT 'LGA' AS k, 7 AS i, 1.5 AS x, true AS b",
    "CREATE TEMP TABLE reused AS SELECT 'LGA' AS k, 9 AS i, NULL::DOUBLE AS x, false AS b",
    "ALTER TABLE reused RENAME TO gone; CREATE VIEW reused AS SELECT * FROM gone WHERE i < 9",
]
"""Each leaves a query with another answer, or with another plan."""


@pytest.fixture(params=["arrow", "native"])
def con(request, models):
    """Connect to a database of its own, for its tables do not stay as they are."""
    connection = foresql.connect() if request.param == "native" else duckdb.connect()
    estimator, like = models["predict_reg"]
    foresql.register(connection, estimator, name="predict_reg", like=like)
    connection.execute(TABLE)
    yield connection
    connection.close()


def same(connection, query, route):
    expected = repr(connection.execute(query).fetchall())
    with rewrite(query, connection, route=route) as made:
        assert repr(made.execute().fetchall()) == expected
        return made.explain.calls


@pytest.mark.parametrize("route", ["udf", "sql"])
def test_changes_are_seen(con, route):
    for number, change in enumerate(CHANGES):
        table = f"reused{number}"
        query, statement = (text.replace("reused", table) for text in (QUERY, change))
        con.execute(TABLE.replace("reused", table))
        same(con, query, route)
        if "VIEW" not in statement:
            con.execute(f"BEGIN; {statement}")
            same(con, query, route)
            con.execute("ROLLBACK")
            same(con, query, route)
        # A table that is temporary is this connection's own.
        (con if "TEMP" in statement else con.cursor()).execute(statement)
        same(con, query, route)
        same(con, query, route)


@pytest.mark.parametrize("route", ["udf", "sql"])
def test_another_database_of_the_name_is_seen(con, route):
    for row in ("7, 1.5, true", "NULL, 2.5, false", "9::DOUBLE, 0, true"):
        con.execute("ATTACH ':memory:' AS other")
        con.execute("CREATE TABLE other.reused (k VARCHAR, i DOUBLE, x DOUBLE, b BOOLEAN)")
        con.execute(f"INSERT INTO other.reused VALUES ('LGA', {row}), ('LGA', 8, 3, NULL)")
        same(con, QUERY.replace("reused", "other.reused"), route)
        con.execute("DETACH other")


@pytest.mark.parametrize("route", ["udf", "sql"])
def test_another_function_of_the_name_is_seen(con, models, route):
    [call] = same(con, QUERY, route)
    assert call.route == route
    assert same(con, QUERY, route)
    # The same model is called, by a function that changes what it says.
    con.execute("CREATE TEMP MACRO predict_reg(f) AS memory.main.predict_reg(f) * 60")
    assert not same(con, QUERY, route)
    con.execute("DROP MACRO temp.predict_reg")
    same(con, QUERY, route)
    estimator, like = models["predict_tree"]
    foresql.register(con, estimator, name="predict_reg", like=like)
    [call] = same(con, QUERY, route)
    assert call.columns_before == ("x", "i")


def test_functions_of_duckdb_that_are_hidden_are_seen(con):
    query = "SELECT sum(predict_reg(k, abs(x), i, b)) FROM reused WHERE k = 'LGA' AND i >= 4"
    for _ in range(2):
        same(con, query, "udf")
    con.cursor().execute("CREATE MACRO abs(v) AS error('it is computed')")
    with pytest.raises(Exception, match="it is computed"):
        con.execute(query).fetchall()
    with (
        rewrite(query, con, route="udf") as made,
        pytest.raises(Exception, match="it is computed"),
    ):
        made.execute().fetchall()


def test_a_query_with_parameters_is_refused_whatever_was_asked_before(con):
    query = "SELECT count(predict_reg(r)) FROM reused r WHERE i >= {}"
    for each in (3, 4):
        same(con, query.format(each), "auto")
    with pytest.raises(duckdb.Error, match="Values were not provided"):
        rewrite(query.format("?"), con)


def test_what_is_like_a_query_that_was_left_is_left_at_once(con, models, monkeypatch):
    query = "SELECT count(predict_reg(r)) FROM reused r WHERE k = '{}' AND i >= {}"
    [call] = same(con, query.format("LGA", 3), "auto")
    assert call.route == "unchanged"
    parsed = []
    parse = rewriting.__globals__["parse"]
    monkeypatch.setitem(
        rewriting.__globals__, "parse", lambda *given: parsed.append(given) or parse(*given)
    )
    for each in range(left._TIMES):
        [call] = same(con, query.format("it''s", each + 0.5), "auto")
        assert "of a query like this one" in call.reason
    assert not parsed
    # Tables grow: it is looked at again.
    [call] = same(con, query.format("JFK", 8), "auto")
    assert "of a query like this one" not in call.reason
    assert parsed
    # A column in quotes is no literal, and another function is another query.
    same(con, query.replace("k =", '"k" =').format("JFK", 8), "auto")
    assert len(parsed) == 2
    estimator, like = models["predict_tree"]
    foresql.register(con, estimator, name="predict_reg", like=like)
    same(con, query.format("JFK", 8), "auto")
    assert len(parsed) == 3


def test_what_it_lacks_a_query_says_at_the_latest_when_it_runs(con):
    query = "SELECT count(predict_reg(r)) FROM reused r WHERE i >= {}"
    same(con, query.format(3), "auto")
    con.execute("DROP TABLE reused")
    with rewrite(query.format(4), con) as made, pytest.raises(Exception, match="reused"):
        made.execute()
