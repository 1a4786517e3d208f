"""`foresql sql` and `score`."""

import duckdb
import pandas as pd
import pytest


@pytest.fixture
def database(shop):
    with duckdb.connect(shop / "shop.duckdb") as con:
        con.execute("CREATE TABLE t AS FROM 'train.parquet'")
    return shop / "shop.duckdb"


def test_sql_on_a_file(run, run_json):
    query = "SELECT predict_returns(f) AS late, version_returns() AS v FROM 'train.parquet' f"
    rows = run_json("sql", query)
    assert len(rows) == 300
    assert {row["v"] for row in rows} == {1}
    assert {row["late"] for row in rows} == {True, False}
    text = run("sql", query, "--rows", "4").stdout
    assert "late" in text
    assert "300 rows" in text
    other = run_json("sql", query.replace("predict_returns", "predict_returns_challenger"))
    assert [row["late"] for row in other] != [row["late"] for row in rows]


def test_sql_values_that_json_lacks(run_json):
    query = """
        SELECT 'nan'::DOUBLE AS a, -'inf'::DOUBLE AS b, 1.50::DECIMAL(4, 2) AS c,
        DATE '2020-01-01' AS d, TIMESTAMP '2020-01-01 01:02:03' AS e, [1, NULL] AS f,
        {'x': 'inf'::FLOAT} AS g, MAP {DATE '2020-01-01': 1} AS h, 'é' AS i, NULL AS j
    """
    (row,) = run_json("sql", query)
    missing = {"a": None, "b": None, "g": {"x": None}, "j": None}
    times = {"d": "2020-01-01", "e": "2020-01-01T01:02:03", "h": {"2020-01-01": 1}}
    assert row == {"c": "1.50", "f": [1, None], "i": "é"} | missing | times


def test_sql_columns_of_one_name(run_json):
    assert run_json("sql", "SELECT 1 AS x, 2 AS x, 3 AS x_1, 4 AS X") == [
        {"x": 1, "x_1": 2, "x_1_1": 3, "X": 4}
    ]


@pytest.mark.parametrize("query", ["", "/* nothing */", "SET threads = 1"])
def test_sql_without_rows(run, run_json, query):
    assert run_json("sql", query) == []
    assert run("sql", query).stderr == ""


def test_sql_runs_a_statement_once(run_json, database):
    insert = "INSERT INTO t SELECT * FROM t LIMIT 1"
    run_json("sql", insert, "--database", database, "--write")
    (row,) = run_json("sql", "SELECT count(*) AS n FROM t", "--database", database)
    assert row == {"n": 301}


def test_sql_is_read_only_unless_asked(run, run_json, database):
    before = database.read_bytes()
    count = "SELECT count(predict_returns(t)) AS n FROM t"
    assert run_json("sql", count, "--database", database) == [{"n": 300}]
    create = "CREATE TABLE s AS SELECT predict_returns(t) AS p FROM t"
    error = run_json("sql", create, "--database", database, code=1)["error"]
    assert "read-only" in error["message"]
    assert database.read_bytes() == before
    run("sql", create, "--database", database, "--write")
    assert run_json("sql", "SELECT count(p) AS n FROM s", "--database", database) == [{"n": 300}]


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("SELEKT 1", "RegistrationError", "cannot be parsed"),
        ("SELECT predict_retruns(1)", "RegistrationError", "gives predict_returns, "),
        ("SELECT interval_returns(1)", "RegistrationError", "intervals need calibration"),
        ("SELECT nonsense(1)", "CatalogException", "nonsense"),
        ("SELECT a FROM none", "CatalogException", "none"),
        ("SELECT error('[/x] boom')", "InvalidInputException", "[/x] boom"),
        ("SELECT predict_returns({total: 1})", "BinderException", "zip"),
        ("SELECT predict_returns('1', '2')", "BinderException", "column total must be a number"),
    ],
)
def test_sql_that_fails(run, run_json, query, kind, message):
    error = run_json("sql", query, code=1)["error"]
    assert error["kind"] == kind
    assert message in error["message"]
    result = run("sql", query, code=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"{kind}: ")
    assert message in result.stderr


def test_sql_on_databases_that_are_none(run_json, shop):
    (shop / "text.duckdb").write_text("no database" * 1000)
    for name, message in (("none.duckdb", "no database file"), ("text.duckdb", "cannot be opened")):
        error = run_json("sql", "SELECT 1", "--database", name, code=1)["error"]
        assert message in error["message"]


def test_score(run, run_json, shop):
    scored = run_json("score", "returns@champion", "train.parquet", "out.parquet")
    assert scored.pop("seconds") >= 0
    assert scored.pop("rows_per_second") > 0
    assert scored == {"rows": 300, "output": "out.parquet", "model": "returns", "version": 1}
    assert "probability" in pd.read_parquet(shop / "out.parquet").columns
    result = run("score", "returns:1", "train.csv", "out.csv")
    assert result.stdout.startswith("Scored 300 rows in ")
    assert result.stdout.endswith(" rows/s) into out.csv.\n")
    assert result.stderr == ""


def test_score_says_the_output_as_it_is(run, shop):
    (shop / "[").mkdir()
    for name in ("[red].csv", "[/x].csv"):
        assert f"into {name}.\n" in run("score", "returns:1", "train.parquet", name).stdout
        assert (shop / name).exists()


def test_score_overwrites_when_it_is_told(run, run_json):
    run("score", "returns:1", "train.parquet", "out.parquet")
    error = run_json("score", "returns:1", "train.parquet", "out.parquet", code=1)["error"]
    assert "--overwrite" in error["message"]
    run("score", "returns:2", "train.parquet", "out.parquet", "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("returns@nobody", "train.parquet", "out.parquet"), "RegistryError"),
        (("none.foresql", "train.parquet", "out.parquet"), "BundleError"),
        (("returns:1", "none.parquet", "out.parquet"), "ScoringError"),
        (("returns:1", "train.parquet", "out.txt"), "ScoringError"),
        (("returns:1", "train.parquet", "none/out.csv"), "ScoringError"),
        (("returns:1", "other.csv", "out.csv"), "SignatureError"),
    ],
)
def test_score_that_fails(run_json, shop, arguments, kind):
    (shop / "other.csv").write_text("a,b\n1,2\n")
    assert run_json("score", *arguments, code=1)["error"]["kind"] == kind


def test_compile_into_a_file(run, run_json, shop):
    compile_returns = ("compile", "returns@champion", "--to", "duckdb", "--from", "t", "-o")
    run(*compile_returns, "scored.sql")
    assert "FROM t" in (shop / "scored.sql").read_text("utf-8")
    error = run_json(*compile_returns, "none/scored.sql", code=1)["error"]
    assert "scored.sql cannot be written: No such file or directory" in error["message"]
