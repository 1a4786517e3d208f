"""Registering, replacing and dropping a model's functions; what is refused, and what it says."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql import RegistrationError
from foresql.udfs.duckdb import register_absent, register_scorer


@pytest.fixture
def left(con):
    """List the functions that are not DuckDB's own."""

    def run(connection=con):
        rows = connection.execute(
            "SELECT DISTINCT database_name || '.' || function_name FROM duckdb_functions() "
            "WHERE NOT internal OR function_name LIKE '%predict%' ORDER BY ALL"
        ).fetchall()
        return [name for (name,) in rows]

    return run


def test_registering_twice_replaces(add, line, fit, column):
    other = fit(LinearRegression(), line.frame, line.frame["x"] * -1)
    first = add(line)
    second = add(other)
    assert np.allclose(column("SELECT predict(t) FROM t"), other.predictions)
    assert (first.rows_scored, second.rows_scored) == (0, len(line.frame))


def test_unregistering_drops_everything(add, multiclass, con, left):
    before = left()
    registration = add(multiclass, version=2)
    assert len(left()) > len(before)
    registration.unregister()
    assert left() == before
    with pytest.raises(duckdb.CatalogException, match="predict does not exist"):
        con.execute("SELECT predict(t) FROM t")


def test_unregistering_by_name_and_of_what_is_not_there(add, line, con):
    add(line, "predict_x")
    foresql.unregister(con, "PREDICT_X")
    with pytest.raises(RegistrationError, match="No model is registered as 'predict_x'"):
        foresql.unregister(con, "predict_x")


def test_a_smaller_model_leaves_nothing_of_a_larger_one(add, multiclass, line, con, left):
    add(multiclass, version=7)
    registration = add(line)
    assert set(registration.functions) == {"predict", "explain"}
    assert not [name for name in left() if "proba" in name or "version" in name]
    assert not [name for name in left() if "column distance" in name]
    for call in ("predict_proba(t)", "predict_version()", "predict({distance: 1})"):
        with pytest.raises(duckdb.Error):
            con.execute(f"SELECT {call} FROM t")
    registration.unregister()
    assert left() == []


def test_names_are_one_whatever_their_case(add, multiclass, line, column, left):
    add(multiclass, "Predict", version=1)
    registration = add(line, "predict")
    assert np.allclose(column("SELECT PREDICT(t) FROM t"), line.predictions)
    assert not [name for name in left() if "ersion" in name or "istance" in name]
    registration.unregister()
    assert left() == []


def test_several_models_live_side_by_side(add, line, binary, column, left):
    add(line)
    dropped = add(binary, "predict_a")
    add(binary, "score")
    dropped.unregister()
    assert column("SELECT score(t) FROM t") == binary.predictions.tolist()
    assert column("SELECT predict(3)") == pytest.approx([7])
    assert not [name for name in left() if "predict_a" in name]


@pytest.mark.parametrize("name", ["", "1st", "a b", "é", 'x"', "a.b", "a-b", "x" * 64, "predict;"])
def test_names_that_are_no_identifiers_are_refused(add, line, name, left):
    with pytest.raises(RegistrationError, match="cannot name a function"):
        add(line, name)
    assert left() == []


@pytest.mark.parametrize("name", ["select", "Coalesce", "values", "interval", "date", "map", "row"])
def test_words_of_sql_are_refused(add, line, name):
    with pytest.raises(RegistrationError, match=r"word of SQL's own.*name="):
        add(line, name)


@pytest.mark.parametrize("name", ["sum", "ABS", "read_csv", "if", "first", "struct_pack"])
def test_duckdbs_own_functions_are_refused(add, line, name, column):
    with pytest.raises(RegistrationError, match=r"is a function already.*name="):
        add(line, name)
    assert column("SELECT sum(abs(x)) FROM (VALUES (-1), (2)) AS v(x)") == [3]


@pytest.fixture(
    params=[
        "CREATE MACRO {}(x) AS 42",
        "CREATE TEMP MACRO {}(x) AS 42",
        "CREATE MACRO {}(x) AS TABLE SELECT 42",
        "CREATE MACRO {}(a, b) AS a + b, (a) AS 42",
    ]
)
def users_macro(request, con):
    """Make a macro of this name; gives a call of it, which gives 42."""

    def make(function):
        con.execute(request.param.format(function))
        return f"FROM {function}(1)" if "TABLE" in request.param else f"SELECT {function}(1)"

    return make


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize("function", ["predict", "Predict_Explain", "predict_version"])
def test_a_macro_of_the_users_is_refused_and_untouched(line, con, users_macro, function, temporary):
    call = users_macro(function)
    with pytest.raises(RegistrationError, match=f"(?i)'{function}' is a function already"):
        register_scorer(con, line.scorer, "predict", version=1, temporary=temporary)
    assert con.execute(call).fetchall() == [(42,)]
    with pytest.raises(RegistrationError, match="No model"):
        foresql.unregister(con, "predict")
    assert con.execute(call).fetchall() == [(42,)]


def test_a_python_function_of_the_users_is_refused_and_untouched(add, line, con, column):
    con.create_function("predict", lambda x: x + 1, ["BIGINT"], "BIGINT")
    with pytest.raises(RegistrationError, match="'predict' is a function already"):
        add(line)
    assert column("SELECT predict(1)") == [2]
    con.remove_function("predict")


def test_a_users_macro_that_only_looks_like_ours_stays(add, line, con, column):
    con.execute("CREATE MACRO predict_proba(x) AS 1")
    con.execute("CREATE MACRO predict_mean(x) AS predict_proba(x) + 1")
    add(line).unregister()
    assert column("SELECT predict_mean(1)") == [2]


def test_a_macro_of_the_users_around_ours_survives_replacing(add, line, con, column):
    add(line)
    con.execute("CREATE MACRO twice(r) AS 2 * predict(r)")
    add(line)
    assert column("SELECT twice({x: 3})") == pytest.approx([14])


@pytest.mark.parametrize(
    ("first", "second"),
    [("predict", "predict_proba"), ("predict", "predict_explain"), ("score", "score_proba")],
)
def test_a_name_that_another_models_function_has_is_refused(add, binary, line, first, second):
    add(binary, first)
    with pytest.raises(RegistrationError, match=f"'{second}' is a function already"):
        add(line, second)


def test_a_model_whose_further_functions_are_taken_is_refused(add, binary, line, column):
    add(line, "predict_proba_x")
    with pytest.raises(RegistrationError, match="'predict_proba_x' is a function already"):
        add(binary, "predict_x")
    assert column("SELECT predict_proba_x(3)") == pytest.approx([7])


def test_a_failing_registration_leaves_the_old_one(add, line, regressor, column, monkeypatch):
    add(line)

    def broken(*_):
        yield "CREATE SCHEMA IF NOT EXISTS foresql_checks"
        yield "SELECT broken"

    with monkeypatch.context() as patch:
        patch.setattr("foresql.udfs.duckdb.registration.check_macros", broken)
        with pytest.raises(RegistrationError, match="broken"):
            add(regressor)
    assert column("SELECT predict(3)") == pytest.approx([7])
    add(regressor)
    assert np.array_equal(column("SELECT predict(t) FROM t"), regressor.predictions)


def test_inside_the_callers_transaction(add, line, regressor, con, column):
    add(line)
    con.begin()
    add(regressor, version=2)
    assert np.array_equal(column("SELECT predict(t) FROM t"), regressor.predictions)
    con.rollback()
    assert column("SELECT predict(3)") == pytest.approx([7])
    con.begin()
    add(regressor)
    con.commit()
    assert np.array_equal(column("SELECT predict(t) FROM t"), regressor.predictions)


def test_unregistering_inside_the_callers_transaction(add, line, con, column):
    registration = add(line)
    con.begin()
    registration.unregister()
    with pytest.raises(duckdb.CatalogException):
        con.execute("SELECT predict(3)")
    con.rollback()
    assert column("SELECT predict(3)") == pytest.approx([7])
    registration.unregister()


def test_an_aborted_transaction_says_so(line, con):
    con.begin()
    with pytest.raises(duckdb.Error):
        con.execute("SELECT error('x')").fetchall()
    with pytest.raises(RegistrationError, match="ROLLBACK"):
        register_scorer(con, line.scorer, "predict")
    con.rollback()


def test_a_closed_connection_says_so(line):
    con = duckdb.connect()
    con.close()
    with pytest.raises(RegistrationError, match="closed"):
        register_scorer(con, line.scorer, "predict")


def test_a_result_that_another_cursor_reads_is_no_obstacle(add, line, con, column):
    con.execute("CREATE TABLE big AS FROM range(300_000)")
    with con.cursor() as cursor:
        cursor.execute("FROM big")
        cursor.fetchone()
        add(line)
        assert column("SELECT predict(3)") == pytest.approx([7])
        assert len(cursor.fetchall()) == 299_999


def test_an_estimator_needs_its_training_frame(con, line):
    with pytest.raises(RegistrationError, match=r"LinearRegression\(…\)\) also needs like="):
        foresql.register(con, line.estimator)


def test_an_estimator_is_called_predict(con, line, column):
    registration = foresql.register(con, line.estimator, like=line.frame)
    assert registration.name == "predict"
    assert column("SELECT predict(3)") == pytest.approx([7])


def test_an_estimator_that_does_not_do_what_its_class_does_is_refused(con, line):
    class Rounded(LinearRegression):
        def predict(self, frame):
            return super().predict(frame).round(2) + 0.001

    Rounded.__module__ = "sklearn.linear_model._base"
    estimator = Rounded().fit(line.frame, line.frame["x"] / 7)
    with pytest.raises(foresql.ForesqlError):
        foresql.register(con, estimator, like=line.frame)
    with pytest.raises(duckdb.CatalogException):
        con.execute("SELECT predict(1)")


def test_an_unknown_object_is_refused_by_name(con, line):
    with pytest.raises(foresql.UnsupportedModelError, match="dict"):
        foresql.register(con, {"not": "a model"}, like=line.frame)


def test_a_frame_without_the_columns_is_refused(con, line):
    with pytest.raises(foresql.SignatureError, match="x"):
        foresql.register(con, line.estimator, like=pd.DataFrame({"y": [1.0]}))


def test_a_read_only_database_takes_temporary_functions(line, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT 3 AS x")
    before = path.read_bytes()
    with duckdb.connect(path, read_only=True) as con:
        with pytest.raises(RegistrationError, match=r"read-only.*temporary=True"):
            register_scorer(con, line.scorer, "predict")
        register_scorer(con, line.scorer, "predict", temporary=True)
        assert con.execute("SELECT predict(t) FROM t").fetchall() == [(pytest.approx(7),)]
        foresql.unregister(con, "predict", temporary=True)
        with pytest.raises(duckdb.CatalogException):
            con.execute("SELECT predict(t) FROM t")
    assert path.read_bytes() == before


def test_temporary_functions_are_this_connections_alone(add, line, con, column, left):
    registration = add(line, temporary=True)
    assert column("SELECT predict(t) FROM t")[3] == pytest.approx(7)
    with con.cursor() as cursor, pytest.raises(duckdb.CatalogException):
        cursor.execute("SELECT predict(t) FROM t")
    assert not [name for name in left() if name.startswith("memory.")]
    registration.unregister()
    assert left() == []


def test_temporary_functions_hide_those_of_the_database(add, line, fit, column):
    other = fit(LinearRegression(), line.frame, line.frame["x"] * -1)
    add(line)
    hidden = add(other, temporary=True)
    assert column("SELECT predict(3)") == pytest.approx([-3])
    hidden.unregister()
    assert column("SELECT predict(3)") == pytest.approx([7])
    add(other, temporary=True)
    add(line)
    assert column("SELECT predict(3)") == pytest.approx([7])


def test_temporary_functions_follow_to_another_database(add, line, con, column):
    add(line, temporary=True)
    con.execute("ATTACH ':memory:' AS other; USE other")
    assert column("SELECT predict(3)") == pytest.approx([7])


def test_another_schema_and_search_path(add, line, con, column):
    con.execute("CREATE SCHEMA s; USE s")
    add(line)
    assert column("SELECT predict(3)") == pytest.approx([7])
    assert column("SELECT main.predict(3)") == pytest.approx([7])
    con.execute("USE main")
    assert column("SELECT predict(3)") == pytest.approx([7])


@pytest.mark.parametrize("name", ["foresql", "main", "memory", "temp", 'odd "name', "predict"])
def test_a_database_of_any_name(line, tmp_path, name):
    with duckdb.connect(tmp_path / f"{name}.duckdb") as con:
        for _ in range(2):
            registration = register_scorer(con, line.scorer, "predict", version=1)
        assert con.execute("SELECT predict(3), predict_version()").fetchall() == [
            (pytest.approx(7), 1)
        ]
        registration.unregister()


def test_a_database_called_as_we_are_may_be_attached(add, line, con, column):
    add(line)
    con.execute("ATTACH ':memory:' AS foresql")
    assert column("SELECT predict(3)") == pytest.approx([7])


def test_absent_models_say_why_when_they_are_called(con, line, add, column):
    register_absent(con, "predict_x", 'no model "x" yet; it\'s not trained')
    for call in ("predict_x({x: 1})", "predict_proba_x({x: 1})", "version_x()"):
        with pytest.raises(duckdb.InvalidInputException, match="it's not trained"):
            con.execute(f"SELECT {call}").fetchall()
    con.execute("SELECT 1").fetchall()
    add(line, "predict_x")
    assert column("SELECT predict_x(3)") == pytest.approx([7])
    register_absent(con, "predict_x", "gone")
    with pytest.raises(duckdb.InvalidInputException, match="gone"):
        con.execute("SELECT predict_x({x: 1})").fetchall()
    foresql.unregister(con, "predict_x")


def test_absent_models_do_not_take_a_users_macro(con, column):
    con.execute("CREATE MACRO predict_x(x) AS 42")
    with pytest.raises(RegistrationError, match="'predict_x' is a function already"):
        register_absent(con, "predict_x", "gone")
    assert column("SELECT predict_x(1)") == [42]
