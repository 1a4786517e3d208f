"""The forms of a call: by row, by name, by position."""

import duckdb
import numpy as np
import pytest

ROW = "{distance: 1.5, seats: 2, rain: true, carrier: 'AA'}"
FORMS = {
    "alias": "SELECT predict(f) FROM t AS f",
    "table": "SELECT predict(t) FROM t",
    "quoted alias": 'SELECT predict("select ""x") FROM t AS "select ""x"',
    "other case": "SELECT PREDICT(F) FROM T AS f",
    "qualified": "SELECT main.predict(t) FROM t",
    "subquery": "SELECT predict(s) FROM (FROM t) AS s",
    "cte": "WITH s AS (FROM t) SELECT predict(s) FROM s",
    "materialized cte": "WITH s AS MATERIALIZED (FROM t) SELECT predict(s) FROM s",
    "view": "SELECT predict(v) FROM v",
    "struct literal": "SELECT predict({distance: distance, seats: seats, rain: rain, "
    "carrier: carrier}) FROM t",
    "struct column": "SELECT predict(r) FROM (SELECT t AS r FROM t)",
    "struct_pack": "SELECT predict(struct_pack(distance, seats, rain, carrier)) FROM t",
    "other order": "SELECT predict(s) FROM (SELECT carrier, rain, seats, distance FROM t) AS s",
    "fields in other case": "SELECT predict({DISTANCE: distance, Seats: seats, rAIN: rain, "
    "carrier: carrier}) FROM t",
    "columns in other case": "SELECT predict(s) FROM (SELECT distance AS DISTANCE, seats AS Seats, "
    "rain, carrier FROM t) AS s",
    "more fields": "SELECT predict(s) FROM (SELECT 'x' AS note, *, [1] AS list FROM t) AS s",
    "position": "SELECT predict(distance, seats, rain, carrier) FROM t",
    "position of expressions": "SELECT predict(distance + 0, (seats), NOT NOT rain, carrier || '') "
    "FROM t",
    "name": "SELECT predict(carrier := carrier, rain := rain, seats := seats, "
    "distance := distance) FROM t",
    "name with an arrow": "SELECT predict(rain => rain, carrier => carrier, distance => distance, "
    "seats => seats) FROM t",
    "name in other case": "SELECT predict(CARRIER := carrier, rain := rain, SEATS := seats, "
    "distance := distance) FROM t",
    "position, then name": "SELECT predict(distance, seats, carrier := carrier, rain := rain) "
    "FROM t",
    "from first": "FROM t SELECT predict(t)",
    "lambda": "SELECT list_transform([t], lambda r: predict(r))[1] FROM t",
    "scalar subquery": "SELECT (SELECT predict(t)) FROM t",
    "join": "SELECT predict(t) FROM t JOIN (SELECT 1 AS one) USING (one) "
    "WHERE false UNION ALL SELECT predict(t) FROM t",
}


@pytest.fixture
def table(add, regressor, con):
    add(regressor)
    con.execute("CREATE VIEW v AS SELECT *, 1 AS one FROM t; ALTER TABLE t ADD COLUMN one INTEGER")
    return regressor


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_librarys_answers(table, column, form):
    assert np.array_equal(column(FORMS[form]), table.predictions)


@pytest.mark.usefixtures("table")
def test_a_row_can_be_a_parameter(con):
    row = {"distance": 1.5, "seats": 2, "rain": True, "carrier": "AA"}
    expected = con.execute(f"SELECT predict({ROW})").fetchall()
    assert con.execute("SELECT predict(?)", [row]).fetchall() == expected
    assert con.execute("SELECT predict(?, ?, ?, ?)", list(row.values())).fetchall() == expected
    con.execute("PREPARE q AS SELECT predict($1, $2, $3, $4)")
    assert con.execute("EXECUTE q(1.5, 2, true, 'AA')").fetchall() == expected


@pytest.mark.usefixtures("table")
def test_writing_statements_may_call(con):
    total = con.execute("SELECT sum(predict(t)) FROM t").fetchall()
    con.execute("CREATE TABLE scored AS SELECT predict(t) AS p FROM t")
    con.execute("INSERT INTO scored SELECT predict(t) FROM t")
    con.execute("UPDATE scored SET p = 0 WHERE p > 0")
    con.execute("DELETE FROM t WHERE predict(t) > 100")
    con.execute(
        "CREATE TABLE computed (distance DOUBLE, seats BIGINT, rain BOOLEAN, "
        "carrier VARCHAR, p AS (predict(distance, seats, rain, carrier)))"
    )
    con.execute("INSERT INTO computed SELECT distance, seats, rain, carrier FROM t")
    assert con.execute("SELECT sum(p) FROM computed").fetchall() == total


def test_a_view_keeps_the_call(table, con, column):
    con.execute("CREATE VIEW scored AS SELECT *, predict(t) AS p FROM t")
    assert np.array_equal(column("SELECT p FROM scored"), table.predictions)


@pytest.mark.usefixtures("table")
def test_an_empty_table_has_no_answers(con, column):
    assert column("SELECT predict(t) FROM t WHERE false") == []
    con.execute("DELETE FROM t")
    assert column("SELECT predict(t) FROM t") == []
    assert column("SELECT predict(distance, seats, rain, carrier) FROM t") == []
    assert column("SELECT sum(predict(t)) FROM t") == [None]


def test_one_row(table, column):
    assert column("SELECT predict(t) FROM t LIMIT 1") == [table.predictions[0]]


def test_null_is_missing_whole_rows_too(table, con, column):
    nothing = table.frame[:1].astype({"seats": float, "rain": float})
    nothing.loc[:, ["distance", "seats", "rain"]] = np.nan
    nothing.loc[:, "carrier"] = None
    (expected,) = table.estimator.predict(nothing)
    con.execute("DELETE FROM t")
    con.execute("INSERT INTO t (one) SELECT NULL FROM range(3000)")
    assert column("SELECT predict(t) FROM t") == [expected] * 3000
    assert column("SELECT predict(NULL)") == [expected]
    assert column("SELECT predict(NULL, NULL, NULL, NULL)") == [expected]
    assert column("SELECT predict(t) FROM range(1) LEFT JOIN t ON false") == [expected]


@pytest.mark.usefixtures("table")
def test_missing_fields_are_named(con):
    for query in (
        "SELECT predict({distance: 1, seats: 2, carrier: 'AA'})",
        "SELECT predict(s) FROM (SELECT distance, seats, carrier FROM t) AS s",
    ):
        with pytest.raises(duckdb.BinderException, match="rain"):
            con.execute(query)


@pytest.mark.parametrize(
    "arguments",
    ["1, 2, true", "1, 2, true, 'AA', 5", "distance := 1, seats := 2, rain := true", ""],
)
@pytest.mark.usefixtures("table")
def test_a_wrong_number_of_arguments_lists_the_columns(con, arguments):
    with pytest.raises(duckdb.BinderException, match="distance, seats, rain, carrier"):
        con.execute(f"SELECT predict({arguments})")


@pytest.mark.usefixtures("table")
def test_an_unknown_name_lists_the_columns(con):
    with pytest.raises(duckdb.BinderException, match="distance, seats, rain, carrier"):
        con.execute("SELECT predict(distance := 1, seats := 2, rain := true, carier := 'AA')")


@pytest.mark.parametrize("argument", ["5", "'AA'", "[1, 2]", "row(1, 2, true, 'AA')"])
@pytest.mark.usefixtures("table")
def test_what_is_no_row_is_refused(con, argument):
    with pytest.raises(duckdb.BinderException, match="distance"):
        con.execute(f"SELECT predict({argument})")


@pytest.mark.parametrize(
    ("column", "value", "noun"),
    [
        ("distance", "'1.5'", "a number"),
        ("distance", "true", "a number"),
        ("distance", "DATE '2020-01-01'", "a number"),
        ("seats", "'2'", "a number"),
        ("rain", "1", "a boolean"),
        ("rain", "'true'", "a boolean"),
        ("carrier", "1", "text"),
        ("carrier", "{a: 1}", "text"),
        ("carrier", "['AA']", "text"),
    ],
)
@pytest.mark.usefixtures("table")
def test_a_wrong_type_is_named_with_its_column(con, column, value, noun):
    values = {"distance": "1.5", "seats": "2", "rain": "true", "carrier": "'AA'", column: value}
    named = ", ".join(f"{name} := {text}" for name, text in values.items())
    fields = ", ".join(f"{name}: {text}" for name, text in values.items())
    for arguments in (named, f"{{{fields}}}", ", ".join(values.values())):
        message = f"predict: column {column} must be {noun}"
        with pytest.raises(duckdb.BinderException, match=message):
            con.execute(f"SELECT predict({arguments})")


def test_a_column_that_is_named_as_the_alias_hides_the_row(table, con, column):
    with pytest.raises(duckdb.BinderException, match="Cannot extract field"):
        con.execute("SELECT predict(seats) FROM t AS seats")
    assert np.array_equal(
        column("SELECT predict(distance, seats, rain, carrier) FROM t AS seats"), table.predictions
    )


@pytest.mark.xfail(
    raises=duckdb.Error,
    reason="DuckDB 2.0.0 loses a correlated argument of a macro whose parameter has a type",
)
def test_a_lateral_join_may_call(table, column):
    found = column("SELECT p FROM t, LATERAL (SELECT predict(t) AS p)")
    assert np.array_equal(sorted(found), sorted(table.predictions))
