"""What the rewriter does to a query, what it leaves, and that statistics cannot grow stale."""

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest

import foresql
from foresql import RegistrationError
from foresql.scoring.rewriting import costs, pruned, rewrite

TABLES = """
    CREATE OR REPLACE TABLE w (k VARCHAR PRIMARY KEY, x DOUBLE);
    INSERT INTO w VALUES ('JFK', 1.5), ('LGA', NULL);
    CREATE OR REPLACE TABLE f (
        id INTEGER, k VARCHAR NOT NULL REFERENCES w (k), i INTEGER, b BOOLEAN
    );
    INSERT INTO f SELECT i, ['JFK', 'LGA'][i % 2 + 1], i % 20, i % 3 = 0 FROM range(60) r(i);
    CREATE OR REPLACE TABLE t AS SELECT f.*, i * 0.5::DOUBLE AS x FROM f;
"""


@pytest.fixture
def con(connected):
    connection = connected["arrow"]
    connection.execute("DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS w")
    connection.execute(TABLES)
    yield connection
    # Others' tables are named so too, and `w` cannot go while `f` refers to it.
    connection.execute("DROP TABLE f; DROP TABLE t; DROP TABLE w")


def same(connection, query, **options):
    """Run a query with and without the rewriter, and give what that did."""
    expected = repr(connection.execute(query).fetchall())
    with rewrite(query, connection, **options) as made:
        assert repr(made.execute().fetchall()) == expected
        return made.explain


def test_a_predicate_prunes_and_drops_columns(con):
    query = "SELECT sum(predict_reg(t)) FROM t WHERE k = 'LGA' AND i >= 10 AND NOT b"
    [call] = same(con, query, route="udf", statistics=False).calls
    assert call.nodes_after < call.nodes_before
    assert not {"k", "b"} & set(call.columns_after)
    assert set(call.predicates) == {"k = 'LGA'", "i >= 10", "NOT b"}


@pytest.mark.parametrize("route", ["udf", "sql"])
def test_statistics_prune_and_are_refused_once_they_are_stale(con, route):
    con.execute("CREATE TABLE part AS SELECT * FROM t WHERE i < 4 AND k = 'JFK'")
    query = "SELECT sum(predict_reg(p)) AS s FROM part p"
    with rewrite(query, con, route=route) as made:
        assert made.explain.calls[0].route == route
        assert made.explain.calls[0].statistics
        assert made.execute().fetchall() == con.execute(query).fetchall()
        con.execute("INSERT INTO part SELECT * FROM t WHERE i = 15")
        with pytest.raises(duckdb.Error, match="has changed since this query was rewritten"):
            made.execute().fetchall()
    con.execute("DROP TABLE part")


def test_a_join_that_only_dropped_columns_need_is_removed(con, frame):
    like = frame[["x", "i"]].fillna(0)
    # x matters where i is negative, and nowhere else.
    target = (like["i"] < 0) * (1000 + 10 * (like["x"] > 0)) + 50 * (like["i"] > 16)
    tree = lightgbm.LGBMRegressor(n_estimators=1, num_leaves=4, verbose=-1, n_jobs=1)
    tree.fit(like, target)
    foresql.register(con, tree, name="predict_y", like=like)
    features = "SELECT f.*, w.x FROM f {} JOIN w ON f.k = w.k"
    query = "SELECT id, predict_y(j) AS p FROM ({}) j WHERE i > 14 ORDER BY ALL"
    for kind in ("LEFT", "INNER"):
        left = features.format(kind)
        explained = same(con, query.format(left), route="udf", statistics=False)
        assert explained.joins_removed == (f"{kind} JOIN w ON f.k = w.k",), explained
    con.execute("CREATE TABLE g AS FROM f; DROP TABLE f; CREATE TABLE f AS FROM g; DROP TABLE g")
    con.execute("CREATE TABLE v AS FROM w; DROP TABLE w; CREATE TABLE w AS FROM v; DROP TABLE v")
    explained = same(con, query.format(features.format("LEFT")), route="udf", statistics=False)
    assert not explained.joins_removed
    assert "no PRIMARY KEY or UNIQUE constraint" in explained.joins_kept[0]


def test_a_filter_on_the_score_asks_the_first_trees():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(2000, 3)), columns=["a", "b", "c"])
    target = np.exp(frame["a"] + 0.1 * frame["b"])
    options = {"n_estimators": 40, "num_leaves": 15, "n_jobs": 1, "verbose": -1}
    model = lightgbm.LGBMRegressor(**options).fit(frame, target)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS FROM frame")
        foresql.register(connection, model, name="predict_it", like=frame)
        for condition in ("predict_it(t) > 6", "5.5 <= predict_it(t)", "predict_it(t) < 0.1"):
            query = f"SELECT a, predict_it(t) AS p FROM t WHERE {condition} ORDER BY ALL"
            calls = same(connection, query, route="udf").calls
            assert any(call.early_exit for call in calls), condition


def test_equal_calls_as_sql_are_one_column(con):
    query = "SELECT *, predict_reg(t) FROM t WHERE predict_reg(t) > 3 ORDER BY predict_reg(t), id"
    with rewrite(query, con, route="sql", statistics=False) as made:
        assert '"foresql score 0"' in made.sql
        assert '"foresql score 1"' not in made.sql
        assert made.relation.fetchall() == con.sql(query).fetchall()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT explain_reg(t) FROM t", "explain needs the whole model"),
        ("SELECT list_transform([k], lambda v: predict_reg(v, 1, 2, true)) FROM t", "in a lambda"),
        ("SELECT predict_reg(t) FROM t AS t(a, b, c, d, e)", None),
        ("SELECT predict_tree(t) FROM t", "nothing is known"),
    ],
)
def test_what_is_not_certain_stays(con, query, reason):
    if reason is None:
        with pytest.raises(duckdb.BinderException):
            rewrite(query, con)
        return
    with rewrite(query, con, route="udf", statistics=False) as made:
        assert made.sql == query
        assert reason in made.explain.calls[0].reason


def test_a_small_query_stays_and_other_statements_run(con):
    query = "SELECT predict_reg(t) FROM t WHERE i = 3"
    with rewrite(query, con) as made:
        assert made.sql == query
        assert "too few" in made.explain.calls[0].reason
    with rewrite("CREATE OR REPLACE TABLE made AS SELECT 1 AS x", con) as made:
        assert made.explain.note
        made.execute()
    assert con.execute("FROM made").fetchall() == [(1,)]


def test_errors_are_the_query_s_own(con, tmp_path):
    with pytest.raises(RegistrationError, match="There is no function predict_other"):
        rewrite("SELECT predict_other(t) FROM t", con, registry=tmp_path / "none")
    with pytest.raises(duckdb.BinderException, match="column i must be a number"):
        rewrite("SELECT predict_reg(k, 1, 'far', b) FROM t", con)
    with pytest.raises(RegistrationError, match="cannot be parsed"):
        rewrite("SELECT FROM WHERE", con)
    with pytest.raises(RegistrationError, match="none of auto, sql, udf"):
        rewrite("SELECT 1", con, route="magic")
    made = rewrite("SELECT predict_reg(t) FROM t WHERE k = 'LGA'", con, route="udf")
    made.close()
    with pytest.raises(duckdb.Error, match="rewrite the query again"):
        con.execute(made.sql)


def test_a_query_that_is_asked_again_prunes_nothing_again(con, monkeypatch):
    query = "SELECT sum(predict_reg(t)) FROM t WHERE k = 'LGA' AND i >= 11 AND NOT b"
    expected = con.execute(query).fetchall()
    with rewrite(query, con, route="udf", statistics=False) as first:
        assert first.execute().fetchall() == expected

    def fails(*_):
        raise AssertionError

    monkeypatch.setattr(pruned, "prune", fails)
    monkeypatch.setattr(pruned, "build_program", fails)
    with rewrite(query, con, route="udf", statistics=False) as again:
        assert again.explain.calls[0].nodes_after == first.explain.calls[0].nodes_after
        assert again.execute().fetchall() == expected


def test_a_function_of_another_model_is_seen(con, models):
    query = "SELECT sum(predict_now(t)) FROM t WHERE k = 'LGA' AND i >= 10"
    regressor, like = models["predict_reg"]
    foresql.register(con, regressor, name="predict_now", like=like)
    same(con, query, route="udf")
    foresql.register(con, regressor, name="predict_then", like=like)
    con.execute("CREATE OR REPLACE MACRO predict_now(f) AS predict_then(f) + 1")
    [call] = same(con, query, route="udf").calls or [None]
    assert call is None
    classifier, like = models["predict_big"]
    con.execute("DROP MACRO predict_now")
    foresql.register(con, classifier, name="predict_now", like=like)
    same(con, query, route="udf")


def test_most_queries_are_left_without_counting_or_pruning(con, monkeypatch):
    def fails(*_):
        raise AssertionError

    monkeypatch.setattr(pruned, "prune", fails)
    monkeypatch.setattr(costs.Rows, "of", fails)
    with rewrite("SELECT predict_reg(t) FROM t WHERE i = 3 AND k = 'LGA'", con) as made:
        assert "too few" in made.explain.calls[0].reason


def test_large_tables_are_estimated_by_a_sample(con):
    con.execute("CREATE TABLE many AS SELECT t.* FROM t, range(5000)")
    # Not a sum, which DuckDB's threads add in any order.
    query = "SELECT max(predict_reg(m)) FROM many m WHERE {}"
    [call] = same(con, query.format("i = 3 AND k = 'LGA'"), route="auto").calls
    assert call.route == "unchanged"
    con.execute("DROP TABLE many")
