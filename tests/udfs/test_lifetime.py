"""How long functions live: cursors, threads, files, processes, and what is printed at the end."""

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pytest

import foresql
from foresql.kernels import Scorer
from foresql.udfs.duckdb import callables, register_scorer

CALL = "SELECT predict(3)"


@pytest.fixture
def answer():
    """Call `predict(3)`, which is 7."""
    return lambda connection: connection.execute(CALL).fetchall() == [(pytest.approx(7),)]


def test_cursors_see_the_functions(con, line, answer):
    with con.cursor() as cursor:
        registration = register_scorer(con, line.scorer, "predict")
        assert answer(cursor)
        assert answer(con.cursor())
        registration.unregister()
        with pytest.raises(duckdb.CatalogException):
            cursor.execute(CALL)


def test_a_cursor_may_register_and_unregister(con, line, answer):
    with con.cursor() as cursor:
        register_scorer(cursor, line.scorer, "predict")
        assert answer(con)
        register_scorer(con, line.scorer, "predict")
        assert answer(cursor)
        foresql.unregister(cursor, "predict")
        with pytest.raises(duckdb.CatalogException):
            con.execute(CALL)


def test_functions_outlive_the_cursor_that_made_them(con, line, answer):
    """DuckDB frees a Python function with its connection, and would crash in the next call."""
    cursor = con.cursor()
    register_scorer(cursor, line.scorer, "predict")
    cursor.close()
    del cursor
    gc.collect()
    assert answer(con)


def test_functions_outlive_the_connection_that_made_them(line, answer):
    con = duckdb.connect()
    cursor = con.cursor()
    register_scorer(con, line.scorer, "predict")
    del con
    gc.collect()
    assert answer(cursor)
    cursor.close()


def test_a_model_that_was_let_go_says_so(con, line, monkeypatch):
    monkeypatch.setattr(callables, "_KEPT", 0)
    cursor = con.cursor()
    register_scorer(cursor, line.scorer, "predict")
    cursor.close()
    del cursor
    gc.collect()
    register_scorer(con, line.scorer, "predict_other")
    with pytest.raises(duckdb.InvalidInputException, match="Register it again"):
        con.execute(CALL).fetchall()


def test_models_of_closed_connections_are_freed(line, monkeypatch):
    monkeypatch.setattr(callables, "_KEPT", 2)

    class Counted(Scorer):
        """Can be referred to weakly."""

    scorers = []
    for _ in range(9):
        scorer = Counted(line.scorer.model)
        scorers.append(weakref.ref(scorer))
        with duckdb.connect() as con:
            register_scorer(con, scorer, "predict")
        del scorer, con
    gc.collect()
    # The last ones are kept for queries that may still run with them.
    assert sum(each() is not None for each in scorers) <= 3


def test_replaced_models_are_freed(con, line, monkeypatch):
    monkeypatch.setattr(callables, "_KEPT", 2)

    class Counted(Scorer):
        """Can be referred to weakly."""

    scorers = []
    for _ in range(9):
        scorer = Counted(line.scorer.model)
        scorers.append(weakref.ref(scorer))
        register_scorer(con, scorer, "predict")
        del scorer
    gc.collect()
    assert sum(each() is not None for each in scorers) <= 3


def test_replacing_while_a_query_runs(con, regressor):
    """DuckDB frees a function that is replaced, though a query runs with it."""
    con.register("frame", regressor.frame)
    con.execute("CREATE TABLE big AS SELECT frame.* FROM frame, range(200)")
    register_scorer(con, regressor.scorer, "predict")
    total = regressor.predictions.sum() * 200
    started, sums = threading.Event(), []

    def run():
        with con.cursor() as cursor:
            started.set()
            sums.extend(cursor.execute("SELECT sum(predict(big)) FROM big").fetchall())

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    replaced = 0
    with con.cursor() as cursor:
        while thread.is_alive() and replaced < 6:
            register_scorer(cursor, regressor.scorer, "predict")
            replaced += 1
        thread.join()
    assert replaced
    assert sums == [(pytest.approx(total, rel=1e-9),)]


def test_threads_query_at_once(add, regressor, con):
    add(regressor)

    def query(_):
        with con.cursor() as cursor:
            return [row[0] for row in cursor.execute("SELECT predict(t) FROM t").fetchall()]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(query, range(24)):
            assert np.array_equal(found, regressor.predictions)


def test_threads_register_at_once(con, line, binary):
    """Some register the same name, some their own, all of them call what they registered."""

    def work(number):
        with con.cursor() as cursor:
            for _ in range(3):
                register_scorer(cursor, line.scorer, "predict")
                register_scorer(cursor, binary.scorer, f"predict_{number}")
                cursor.execute(CALL).fetchall()
                cursor.execute(f"SELECT predict_{number}(1, 2, true, 'AA')").fetchall()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_a_table_that_is_made_in_another_thread_while_rows_are_read(add, regressor, con):
    """Results stream: batches are scored while earlier ones are fetched."""
    add(regressor)
    con.execute("CREATE TABLE big AS SELECT t.* FROM t, range(100)")
    cursor = con.cursor()
    cursor.execute("SELECT predict(big) FROM big")
    first = cursor.fetchmany(10)
    with con.cursor() as other:
        other.execute("SELECT predict(t) FROM t").fetchall()
    rest = cursor.fetchall()
    assert len(first) + len(rest) == 100 * len(regressor.frame)
    cursor.close()


def test_the_default_connection(line, answer):
    register_scorer(duckdb.default_connection(), line.scorer, "predict")
    gc.collect()
    assert answer(duckdb)
    foresql.unregister(duckdb.default_connection(), "predict")


PRELUDE = """
import threading
import duckdb, foresql
kept = []
def register(connection, **options):
    return foresql.register(connection, {bundle!r}, **({{"name": "predict"}} | options))
def call(connection):
    ((answer,),) = connection.execute("SELECT predict(3)").fetchall()
    assert round(answer, 9) == 7
def connect(database={database!r}):
    kept.append(duckdb.connect(database))
    return kept[-1]
"""
# All of them end one process, so that it need not be started so often.
ENDINGS = """
con = connect(); register(con); call(con); con.close()
con = connect(); register(con); call(con)
con = connect(); kept.append(register(con))
con = connect(); register(con).unregister()
con = connect(); register(con, temporary=True); call(con)
con = connect(); register(con); register(con); call(con)
con = connect(); register(con)
try: register(con, name="sum")
except foresql.RegistrationError: pass
con = connect(); cursor = con.cursor(); register(cursor); call(cursor); call(con)
con = connect(); cursor = con.cursor(); register(cursor); cursor.close(); call(con)
con = duckdb.connect(); register(con); call(con)
con = connect(); register(con)
con.execute("SELECT predict(x) FROM range(9999) AS t(x)"); con.fetchone()
con = connect(); register(con); relation = con.sql("SELECT predict(3)"); relation.fetchall()
con = connect(); con.begin(); register(con); call(con)
con = connect(); register(con)
thread = threading.Thread(target=lambda: call(con.cursor())); thread.start(); thread.join()
register(duckdb.default_connection()); call(duckdb)
raise SystemExit(5)
"""


@pytest.fixture(scope="module")
def run(line, tmp_path_factory):
    """Run Python in another process, with `connect`, `register` and `call`."""
    from foresql.ir.bundle import Bundle, encode_bundle

    bundle = tmp_path_factory.mktemp("bundle") / "line.foresql"
    bundle.write_bytes(encode_bundle(Bundle(line.scorer.model))[0])

    def start(code, database=":memory:"):
        script = PRELUDE.format(database=str(database), bundle=str(bundle)) + code
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )

    return start


def test_nothing_is_printed_at_the_end(run):
    finished = run(ENDINGS)
    assert (finished.stdout, finished.stderr, finished.returncode) == ("", "", 5)


def test_a_file_in_another_process(run, line, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT 3 AS x")
        register_scorer(con, line.scorer, "predict", version=4)
        con.execute("CREATE VIEW scored AS SELECT predict(t) AS p FROM t")
    finished = run(
        """
con = connect()
assert con.execute("SELECT predict_version()").fetchall() == [(4,)]
for query in ("SELECT predict(3)", "FROM scored", "SELECT predict_explain(3)"):
    try: con.execute(query)
    except duckdb.CatalogException as error: print(str(error).split(" (")[0])
register(con)
call(con)
assert round(con.execute("SELECT p FROM scored").fetchall()[0][0], 9) == 7
foresql.unregister(con, "predict")
""",
        path,
    )
    missing = "Catalog Error: Scalar Function with name predict: register the model in this process"
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == [f"{missing} first"] * 3
    with duckdb.connect(path) as con:
        left = con.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal")
        assert left.fetchall() == []


def test_a_file_that_was_renamed_and_reopened(line, answer, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT 3 AS x")
        register_scorer(con, line.scorer, "predict")
        con.execute("CREATE VIEW scored AS SELECT predict(t) AS p FROM t")
    path = path.rename(tmp_path / "other.duckdb")
    with duckdb.connect(path) as con:
        with pytest.raises(duckdb.CatalogException, match="register the model in this process"):
            con.execute("FROM scored")
        register_scorer(con, line.scorer, "predict")
        assert con.execute("FROM scored").fetchall() == [(pytest.approx(7),)]
        assert answer(con)


def test_a_second_connection_to_the_same_file(line, answer, tmp_path):
    with duckdb.connect(tmp_path / "data.duckdb") as con:
        register_scorer(con, line.scorer, "predict")
        with duckdb.connect(tmp_path / "data.duckdb") as second:
            assert answer(second)
