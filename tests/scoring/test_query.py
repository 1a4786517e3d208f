"""Queries with the registry's models in them: which function is which model, and what is opened."""

import subprocess
import sys

import duckdb
import pytest
from children import child

import foresql
from foresql import RegistrationError, Registry
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle
from foresql.registry import ANY
from foresql.scoring.query import callable_models, open_database


def adding(number):
    """A model that adds a number: its answer says which model it is."""
    import numpy as np

    step = s.Arithmetic(("x",), ("y",), s.Operator.ADD, np.array([float(number)]))
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    return Bundle(Model(signature, (step,), Outputs(("y",), margins=("y",))))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models `a` with aliases, `b` with versions alone, and one that is called like `a`'s alias."""
    store = Registry.open(tmp_path_factory.mktemp("models"), create=True)
    for number in (10, 20, 30):
        store.add_version("a", adding(number))
    for alias, version in (("champion", 2), ("challenger", 3), ("old", 1)):
        store.move_alias("a", alias, version, expected=ANY)
    for number in (100, 200):
        store.add_version("b", adding(number))
    store.add_version("a_old", adding(7))
    return store.path


@pytest.fixture
def run(models):
    """Run a query in memory, or in a given connection, and give its rows."""

    def start(query, con=None):
        if con is not None:
            return foresql.run_query(con, query, registry=models).fetchall()
        with duckdb.connect() as fresh:
            relation = foresql.run_query(fresh, query, registry=models)
            return None if relation is None else relation.fetchall()

    return start


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(path) as con:
        con.execute(
            "CREATE TABLE t AS SELECT 1.0 AS x; CREATE SCHEMA s; CREATE TABLE s.t AS FROM t"
        )
    return path


def test_a_view_of_a_file_calls_a_model(run, database, models):
    with duckdb.connect(database) as con:
        for reference in ("a@champion", "b:2"):
            foresql.register(con, reference, registry=models)
        con.execute("CREATE VIEW scored AS SELECT x, predict_a(t) AS y FROM t")
        con.execute('CREATE VIEW "over it" AS SELECT y + 0 AS y FROM scored')
        con.execute("CREATE MACRO twice(x) AS 2 * predict_b(x), (x, y) AS x + y")
        for name in ("a", "b"):
            foresql.unregister(con, f"predict_{name}")
    with open_database(database) as con:
        assert run('SELECT y FROM "over it"', con) == [(21,)]
    with open_database(database) as con:
        assert run("FROM scored", con) == [(1, 21)]
        assert run("SELECT twice(x) FROM t", con) == [(402,)]
        con.execute("CREATE TEMP VIEW mine AS SELECT predict_a(x) FROM t")
        assert run("FROM mine", con) == [(21,)]


def test_names_of_functions(models):
    assert callable_models(models) == {
        "predict_a": ["a@champion"],
        "predict_a_challenger": ["a@challenger"],
        "predict_a_old": ["a@old", "a_old:1"],
        "predict_b": ["b:2"],
    }


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("predict_a(1)", 21),
        ("predict_a({x: 1})", 21),
        ("predict_a_challenger(1)", 31),
        ("predict_b(1)", 201),
        ("version_a()", 2),
        ("version_a_challenger()", 3),
        ("version_b()", 2),
        ("PREDICT_A(x := 1)", 21),
        ('"predict_a"(1)', 21),
        ("temp.predict_a(1)", 21),
        ("predict_a(1) + predict_b(1)", 222),
        ("list_transform([1], lambda r: predict_a(r))[1]", 21),
    ],
)
def test_which_function_is_which_model(run, call, answer):
    assert run(f"SELECT {call}") == [(answer,)]


STATEMENTS = {
    "from first": "FROM (VALUES (1)) t(x) SELECT predict_a(t)",
    "cte": "WITH s AS (SELECT predict_a(1) AS p) FROM s",
    "several": "SELECT 1; SELECT predict_a(1)",
    "transaction": "BEGIN; CREATE TABLE c AS SELECT predict_a(1) AS p; COMMIT; FROM c",
    "pivot": "PIVOT (SELECT 'k' AS k, predict_a(1) AS p) ON k USING sum(p)",
    "dynamic": "FROM query('SELECT predict_a(1)')",
    "prepared": "PREPARE q AS SELECT predict_a($1); EXECUTE q(1)",
    "macro": "CREATE MACRO m(v) AS predict_a(v); SELECT m(1)",
    "comment": "SELECT predict_a(1) -- predict_a_old(1",
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statements_that_call(run, statement):
    assert run(STATEMENTS[statement]) == [(21,)]


def test_statements_that_only_mention(run, tmp_path):
    path = tmp_path / "out.csv"
    assert run(f"COPY (SELECT predict_a(1) AS p) TO '{path}'") == [(1,)]
    assert path.read_text() == "p\n21.0\n"
    assert "predict_a" in run("EXPLAIN SELECT predict_a(x) FROM (VALUES (1)) t(x)")[0][1]
    assert run("DESCRIBE SELECT predict_a(1)")[0][1] == "DOUBLE"


def test_only_what_is_named_is_registered(run):
    with duckdb.connect() as con:
        run("SELECT predict_a(1)", con)
        rows = con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'macro' "
            "AND database_name = 'temp' AND NOT contains(function_name, ' ') ORDER BY ALL"
        ).fetchall()
    assert rows == [("predict_a",), ("version_a",)]


def test_a_moved_alias_is_followed_by_the_next_query(tmp_path):
    store = Registry.open(tmp_path, create=True)
    for number in (10, 20):
        store.add_version("m", adding(number))
    query = "SELECT predict_m(0), version_m()"
    with duckdb.connect() as con:
        for alias_at, expected in ((None, (20, 2)), (1, (10, 1)), (2, (20, 2))):
            if alias_at:
                store.move_alias("m", "champion", alias_at, expected=ANY)
            found = foresql.run_query(con, query, registry=tmp_path).fetchall()
            assert found == [expected]


@pytest.mark.parametrize("query", ["SELECT 'open", "SELEKT 1", "SELECT FROM WHERE", "SELECT (1"])
def test_a_query_that_does_not_parse(run, query):
    with pytest.raises(RegistrationError, match="cannot be parsed"):
        run(query)


@pytest.mark.parametrize("query", ["", "   ", "-- nothing", ";"])
def test_a_query_of_nothing(run, query):
    assert run(query) is None


def test_a_model_that_is_not_there_lists_those_that_are(run):
    with pytest.raises(RegistrationError, match=r"predict_c\..*predict_a, predict_a_challenger"):
        run("SELECT predict_c(1)")
    with pytest.raises(RegistrationError, match=r"explain_c\."):
        run("SELECT explain_c(1)")


def test_a_function_that_a_model_lacks_says_why(run):
    for call, reason in (
        ("predict_proba_a(1)", "predict_proba_a. Of a@champion, the model gives no class"),
        ("interval_b(1, 0.9)", "interval_b. Of b:2, intervals need calibration"),
    ):
        with pytest.raises(RegistrationError, match=reason):
            run(f"SELECT {call}")


def test_a_name_of_two_meanings_is_not_guessed(run):
    with pytest.raises(RegistrationError, match=r"predict_a_old\. It may mean a@old or a_old:1"):
        run("SELECT predict_a_old(1)")
    assert run("SELECT predict_a(1)") == [(21,)]


def test_other_unknown_functions_are_duckdbs_business(run):
    with pytest.raises(duckdb.CatalogException, match="nonsense"):
        run("SELECT nonsense(1)")


def test_without_a_registry_plain_sql_works(tmp_path):
    with duckdb.connect() as con:
        relation = foresql.run_query(con, "SELECT 1", registry=tmp_path / "none")
        assert relation.fetchall() == [(1,)]
        with pytest.raises(RegistrationError, match="gives none"):
            foresql.run_query(con, "SELECT predict_a(1)", registry=tmp_path / "none")


def test_a_folder_that_is_no_registry_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with duckdb.connect() as con, pytest.raises(foresql.RegistryError):
        foresql.run_query(con, "SELECT 1", registry=tmp_path)


def test_the_environment_names_the_registry(models, monkeypatch):
    monkeypatch.setenv("FORESQL_REGISTRY", str(models))
    with duckdb.connect() as con:
        assert foresql.run_query(con, "SELECT predict_a(1)").fetchall() == [(21,)]


def test_a_read_only_file_stays_as_it_is(run, database):
    before = database.read_bytes()
    with open_database(database) as con:
        assert run("SELECT predict_a(t), predict_a(u) FROM t, s.t AS u", con) == [(21, 21)]
        assert run("SELECT predict_a(t) FROM s.t", con) == [(21,)]
        assert run("SELECT predict_a(t) FROM data.s.t", con) == [(21,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            run("CREATE TABLE u AS SELECT predict_a(t) AS p FROM t", con)
    assert database.read_bytes() == before


def test_other_readers_may_have_the_file_open(run, database):
    code = (
        "import sys, duckdb; con = duckdb.connect(sys.argv[1], read_only=True); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with child(
        [sys.executable, "-c", code, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with open_database(database) as con:
            assert run("SELECT predict_a(t) FROM t", con) == [(21,)]
        with pytest.raises(RegistrationError, match=r"data\.duckdb cannot be opened"):
            open_database(database, write=True)
        other.communicate()


def test_writing_when_it_is_asked_for(run, database):
    with open_database(database, write=True) as con:
        run("CREATE TABLE scored AS SELECT predict_a(t) AS p FROM t", con)
    with duckdb.connect(database) as con:
        assert con.execute("FROM scored").fetchall() == [(21,)]
        left = con.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal")
        assert left.fetchall() == []


def test_functions_that_were_registered_in_the_file_are_hidden(run, models, database):
    with duckdb.connect(database) as con:
        foresql.register(con, "a:1", name="predict_a", registry=models)
        con.execute("CREATE VIEW scored AS SELECT predict_a(t) AS p FROM t")
    with open_database(database) as con:
        assert run("SELECT predict_a(t) FROM t", con) == [(21,)]


def test_a_function_of_the_users_with_that_name_is_not_replaced(run, database):
    with duckdb.connect(database) as con:
        con.execute("CREATE MACRO predict_a(x) AS 42")
    with open_database(database) as con:
        with pytest.raises(RegistrationError, match="'predict_a' is a function already"):
            run("SELECT predict_a(1)", con)
        assert con.execute("SELECT predict_a(1)").fetchall() == [(42,)]


def test_databases_that_cannot_be_opened(tmp_path):
    with pytest.raises(RegistrationError, match=r"no database file .*none\.duckdb"):
        open_database(tmp_path / "none.duckdb")
    (tmp_path / "text.duckdb").write_text("this is no database" * 1000)
    with pytest.raises(RegistrationError, match=r"text\.duckdb cannot be opened"):
        open_database(tmp_path / "text.duckdb")
    with pytest.raises(RegistrationError, match="cannot be opened"):
        open_database(tmp_path / "none" / "x.duckdb", write=True)


def test_memory_and_new_files(run, tmp_path):
    with open_database(None) as con:
        assert run("SELECT predict_a(1)", con) == [(21,)]
    with open_database(tmp_path / "new.duckdb", write=True) as con:
        run("CREATE TABLE t AS SELECT predict_a(1) AS p", con)
    assert (tmp_path / "new.duckdb").exists()
