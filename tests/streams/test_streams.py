"""What a stream gives, when its offset moves, and what it refuses."""

import platform

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from foresql import streams
from foresql.errors import StreamError


def make(con, **options):
    return streams.create_stream(
        con, "changes", **{"on": "flight_features", "key": ["flight_id"]} | options
    )


def changes_of(con, name="changes"):
    """Give the changes as action, whether it is an update, and the row."""
    found = con.execute(
        'SELECT "METADATA$ACTION", "METADATA$ISUPDATE", * EXCLUDE ("METADATA$ACTION", '
        f'"METADATA$ISUPDATE", "METADATA$ROW_ID") FROM {name} ORDER BY 3, 1'
    )
    return found.fetchall()


def test_a_new_stream_has_nothing(con):
    make(con)
    assert changes_of(con) == []
    assert not streams.stream_has_data(con, "changes")


def test_inserts_updates_and_deletes_with_their_images(con):
    make(con)
    con.execute("UPDATE flight_features SET distance = 99 WHERE flight_id = 3")
    con.execute("DELETE FROM flight_features WHERE flight_id = 4")
    con.execute("INSERT INTO flight_features VALUES (77, 1.5, NULL)")
    assert changes_of(con) == [
        ("DELETE", True, 3, 5.25, "UA"),
        ("INSERT", True, 3, 99.0, "UA"),
        ("DELETE", False, 4, 7.0, "AA"),
        ("INSERT", False, 77, 1.5, None),
    ]
    assert streams.stream_has_data(con, "changes")
    shown = streams.show_stream(con, "CHANGES")
    assert shown["changes"] == {"inserted": 1, "updated": 1, "deleted": 1}
    assert (shown["mode"], shown["stale"], shown["key"]) == ("DEFAULT", False, ["flight_id"])


def test_changes_are_net(con):
    make(con)
    con.execute("INSERT INTO flight_features VALUES (77, 1.5, NULL)")
    con.execute("UPDATE flight_features SET distance = 2 WHERE flight_id = 77")
    con.execute("DELETE FROM flight_features WHERE flight_id = 3")
    con.execute("INSERT INTO flight_features VALUES (3, 5.25, 'UA')")
    con.execute("UPDATE flight_features SET distance = distance + 1 WHERE flight_id = 5")
    con.execute("UPDATE flight_features SET distance = distance - 1 WHERE flight_id = 5")
    assert changes_of(con) == [("INSERT", False, 77, 2.0, None)]


def test_the_row_id_stays_with_the_row(con):
    make(con)
    ids = []
    for distance in (1, 2):
        con.execute("UPDATE flight_features SET distance = ? WHERE flight_id = 3", [distance])
        with streams.consume(con, "changes") as changes:
            ids += con.execute(f'SELECT "METADATA$ROW_ID" FROM {changes.table}').fetchall()
    assert len(ids) == 4
    assert len(set(ids)) == 1


@pytest.mark.parametrize("collation", ["NOCASE", "NOACCENT", "NFC"])
def test_a_key_by_which_different_texts_are_equal_is_refused(collation):
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t (k VARCHAR COLLATE {collation}, plain VARCHAR)")
        with pytest.raises(StreamError, match="The key k has a collation"):
            streams.create_stream(con, "changes", on="t", key=["k"])
        streams.create_stream(con, "changes", on="t", key=["plain"])
        con.execute("CREATE VIEW v AS SELECT encode(k) AS k FROM t")
        streams.create_stream(con, "others", on="v", key=["k"])


@pytest.mark.parametrize(
    ("type_", "old", "new"),
    [
        ("DOUBLE", "0.0", "-(0.0::DOUBLE)"),
        ("FLOAT", "0.0", "-(0.0::FLOAT)"),
        ("DOUBLE", "'nan'", "NULL"),
        ("DOUBLE[]", "[0.0]", "[-(0.0::DOUBLE)]"),
        ("STRUCT(a VARCHAR)", "{'a': NULL}", "{'a': 'NULL'}"),
        ("VARCHAR", "''", "NULL"),
        ("VARCHAR", "'a'", "'A'"),
        ("VARCHAR COLLATE NOCASE", "'a'", "'A'"),
        ("VARCHAR[]", "['a, b']", "['a', 'b']"),
        ("INTERVAL", "INTERVAL 1 MONTH", "INTERVAL 30 DAY"),
        ("HUGEINT", "1", "170141183460469231731687303715884105727"),
        ("DECIMAL(38, 2)", "1.00", "1.01"),
        ("BLOB", "''", "'\\x00'"),
        ("TIMESTAMPTZ", "'2024-01-01 00:00:00+00'", "'2024-01-01 00:00:00+01'"),
        ("BOOLEAN", "FALSE", "NULL"),
        ("BIGINT", "NULL", "-2930909409056394622"),  # both have one hash in DuckDB 2.0
        ("MAP(VARCHAR, INTEGER)", "MAP {'a': 1}", "MAP {'a': 2}"),
        ("ENUM('x', 'y')", "'x'", "'y'"),
    ],
)
def test_every_change_of_a_value_is_seen(type_, old, new):
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE t (id INTEGER, v {type_}, w DOUBLE)")
        con.execute(f"INSERT INTO t VALUES (1, {old}, 1), (2, {new}, 1), (3, {old}, 1)")
        streams.create_stream(con, "changes", on="t", key=["id"])
        con.execute(f"UPDATE t SET v = {old} WHERE id <> 2")
        assert not streams.stream_has_data(con, "changes")
        # DuckDB leaves a value that an UPDATE sets to an equal one, such as 0.0 to -0.0.
        con.execute("DELETE FROM t WHERE id = 1")
        con.execute(f"INSERT INTO t VALUES (1, {new}, 1)")
        assert streams.stream_has_data(con, "changes")
        assert [row[:3] for row in changes_of(con)] == [("DELETE", True, 1), ("INSERT", True, 1)]
        with streams.consume(con, "changes") as changes:
            assert (changes.inserted, changes.updated, changes.deleted) == (0, 1, 0)
        assert not streams.stream_has_data(con, "changes")


def spoil(con, stream, engine):
    """Let the fingerprints that are kept be wrong ones, of another DuckDB."""
    copy = f"foresql.stream_rows_{stream.stream_id}"
    con.execute(f'UPDATE {copy} SET "METADATA$HASH_1" = 0')
    con.execute('UPDATE foresql.streams SET "offset" = ?', [engine])


@pytest.mark.parametrize("bits", [0xFFF8000000000000, 0x7FF0000000000001])
@pytest.mark.parametrize("others", ["'nan'", "1.5", "NULL"])
def test_nan_is_one_value_whatever_its_bits(con, bits, others):
    """Beside others, since DuckDB 2.0 takes a column of NaN for a constant."""
    nan = np.array([bits], dtype=np.uint64).view(np.float64)
    con.register("nans", pa.table({"id": [1], "v": nan}))
    con.execute(
        f"CREATE TABLE t AS SELECT * FROM (VALUES (1, 'nan'::DOUBLE), (2, {others})) t(id, v)"
    )
    streams.create_stream(con, "nan_changes", on="t", key=["id"])
    con.execute("DELETE FROM t WHERE id = 1")
    con.execute("INSERT INTO t FROM nans")
    query = "SELECT to_hex(v::BIT::UBIGINT) FROM t WHERE id = 1"
    assert con.execute(query).fetchall() == [(f"{bits:X}",)]
    assert changes_of(con, "nan_changes") == []
    assert not streams.stream_has_data(con, "nan_changes")


THIS = f"DuckDB {duckdb.__version__} {platform.machine()}"


@pytest.mark.parametrize(
    "engine", ["DuckDB 1.4.0 x86_64", THIS, f"{THIS} of another formula", None]
)
def test_fingerprints_of_another_duckdb_or_formula_are_not_believed(con, engine):
    stream = make(con)
    spoil(con, stream, engine)
    assert not streams.stream_has_data(con, "changes")
    con.execute("UPDATE flight_features SET distance = 99 WHERE flight_id = 3")
    with streams.consume(con, "changes") as changes:
        assert changes.rows == 1
    assert not streams.stream_has_data(con, "changes")
    hashes = (
        f'SELECT count(*) FROM foresql.stream_rows_{stream.stream_id} WHERE "METADATA$HASH_1"=0'
    )
    assert con.execute(hashes).fetchall() == [(0,)]


def test_times_that_the_sessions_zone_writes_are_compared_in_one_session(tmp_path):
    """The text of such a list is another one in each zone, so no fingerprint of it can be kept."""
    path = tmp_path / "zones.duckdb"
    with duckdb.connect(path) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            "CREATE TABLE t AS SELECT 1 AS id, ['2024-01-01 00:00:00+00'::TIMESTAMPTZ] AS v"
        )
        streams.create_stream(con, "changes", on="t", key=["id"])
    with duckdb.connect(path) as con:
        con.execute("SET TimeZone = 'America/New_York'")
        assert not streams.stream_has_data(con, "changes")
        con.execute("UPDATE t SET v = ['2024-01-01 05:00+00'::TIMESTAMPTZ]")
        assert streams.stream_has_data(con, "changes")


def test_swapped_values_are_changes():
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT i AS id, 'a' AS a, 'b' AS b, 1 AS c, 2 AS d "
            "FROM range(9) t(i)"
        )
        streams.create_stream(con, "changes", on="t", key=["id"])
        con.execute("UPDATE t SET a = b, b = a, c = d, d = c WHERE id = 4")
        assert len(changes_of(con)) == 2


def test_streams_are_independent(con):
    make(con)
    streams.create_stream(con, "others", on="flight_features", key=["flight_id"])
    con.execute("DELETE FROM flight_features WHERE flight_id < 2")
    with streams.consume(con, "changes") as changes:
        assert changes.deleted == changes.rows == 2
    assert changes_of(con) == []
    assert len(changes_of(con, "others")) == 2


def test_the_offset_moves_with_the_transaction(con):
    make(con)
    con.execute("CREATE TABLE audit (flight_id BIGINT, action VARCHAR)")
    con.execute("DELETE FROM flight_features WHERE flight_id < 2")
    insert = 'INSERT INTO audit SELECT flight_id, "METADATA$ACTION" FROM {}'
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117, PT012 - it comes after a statement
        with streams.consume(con, "changes") as changes:
            con.execute(insert.format(changes.table))
            raise ZeroDivisionError
    assert con.execute("FROM audit").fetchall() == []
    assert len(changes_of(con)) == 2
    with streams.consume(con, "changes") as changes:
        con.execute(insert.format(changes.table))
    assert sorted(con.execute("FROM audit").fetchall()) == [(0, "DELETE"), (1, "DELETE")]
    assert changes_of(con) == []


def test_what_the_consumer_itself_changes_stays_for_later(con):
    make(con)
    make_append = {"on": "flight_features", "key": ["flight_id"], "append_only": True}
    streams.create_stream(con, "added", **make_append)
    for name in ("changes", "added"):
        con.execute(
            "INSERT INTO flight_features SELECT max(flight_id) + 1, 1, '' FROM flight_features"
        )
        with streams.consume(con, name) as changes:
            assert changes.inserted == 1
            con.execute(
                "INSERT INTO flight_features SELECT max(flight_id) + 1, 2, '' FROM flight_features"
            )
        assert [row[3] for row in changes_of(con, name)] == [2.0]
        with streams.consume(con, "added"):
            pass


def test_of_two_consumers_at_once_one_is_refused(con):
    make(con)
    con.execute("DELETE FROM flight_features WHERE flight_id < 2")
    other = con.cursor()
    with (
        streams.consume(con, "changes"),
        pytest.raises(StreamError, match="Somebody else consumed changes"),
        streams.consume(other, "changes"),
    ):
        pass
    assert changes_of(con) == []


def test_a_transaction_of_the_user_is_left_alone(con):
    make(con)
    con.begin()
    con.execute("DELETE FROM flight_features WHERE flight_id < 2")
    with (
        pytest.raises(StreamError, match="in a transaction already"),
        streams.consume(con, "changes"),
    ):
        pass
    con.commit()
    assert len(changes_of(con)) == 2


def test_a_replaced_table_is_compared_by_key(con):
    make(con)
    con.execute(
        "CREATE OR REPLACE TABLE flight_features AS SELECT * REPLACE (if(flight_id = 7, 0, "
        "distance) AS distance) FROM flight_features WHERE flight_id > 0 ORDER BY hash(flight_id)"
    )
    assert [row[:3] for row in changes_of(con)] == [
        ("DELETE", False, 0),
        ("DELETE", True, 7),
        ("INSERT", True, 7),
    ]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE flight_features", "flight_features is gone"),
        ("ALTER TABLE flight_features ADD COLUMN wind DOUBLE", "column wind is new"),
        ("ALTER TABLE flight_features DROP COLUMN carrier", "column carrier is gone"),
        (
            "ALTER TABLE flight_features ALTER distance TYPE FLOAT",
            "distance was DOUBLE and is FLOAT",
        ),
    ],
)
def test_a_stale_stream_says_why_and_what_to_do(con, statement, reason):
    make(con)
    con.execute(statement)
    for use in (streams.stream_has_data, lambda c, name: streams.consume(c, name).__enter__()):
        with pytest.raises(StreamError, match=f"(?s){reason}.*foresql stream create changes"):
            use(con, "changes")
    [listed] = streams.list_streams(con)
    assert listed["stale"]
    assert reason in listed["invalid_reason"]
    assert streams.show_stream(con, "changes")["changes"] is None


def test_a_stale_stream_is_made_again(con):
    make(con)
    con.execute("ALTER TABLE flight_features ADD COLUMN wind DOUBLE")
    with pytest.raises(StreamError, match=r"stream changes already.*--replace"):
        make(con)
    make(con, replace=True)
    con.execute("UPDATE flight_features SET wind = 1 WHERE flight_id = 1")
    assert len(changes_of(con)) == 2


INSERTED_TWICE = "INSERT INTO flight_features SELECT * FROM flight_features WHERE flight_id = 3"
NEW_KEY_TWICE = "INSERT INTO flight_features VALUES (99, 1, ''), (99, 2, '')"
NO_KEY = "INSERT INTO flight_features VALUES (NULL, 1, '')"


@pytest.mark.parametrize("mode", [{}, {"append_only": True}])
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (INSERTED_TWICE, "Several rows of flight_features have one key"),
        (NEW_KEY_TWICE, "GROUP BY ALL HAVING count"),
        (NO_KEY, "has no key: NULL in flight_id"),
    ],
)
def test_keys_tell_rows_apart(con, mode, statement, reason):
    make(con, **mode)
    con.execute(statement)
    with pytest.raises(StreamError, match=reason):
        streams.stream_has_data(con, "changes")
    with pytest.raises(duckdb.InvalidInputException, match=reason):
        changes_of(con)
    with pytest.raises(StreamError, match=reason), streams.consume(con, "changes"):
        pass
    with pytest.raises(StreamError, match=reason):
        make(con, replace=True, **mode)
    con.execute("DELETE FROM flight_features WHERE flight_id IS NULL OR flight_id IN (3, 99)")
    if not mode:
        assert [row[2] for row in changes_of(con)] == ([3])


@pytest.mark.parametrize("watermark", [None, "flight_id"])
def test_append_only_gives_new_rows(con, watermark):
    make(con, append_only=True, watermark=watermark)
    assert changes_of(con) == []
    for key in (100, 101):
        con.execute(f"INSERT INTO flight_features VALUES ({key}, 1, 'AA')")
        assert changes_of(con) == [("INSERT", False, key, 1.0, "AA")]
        with streams.consume(con, "changes") as changes:
            assert (changes.inserted, changes.rows) == (1, 1)
    with streams.consume(con, "changes") as changes:
        assert changes.rows == 0
    assert changes_of(con) == []


@pytest.mark.parametrize("watermark", [None, "flight_id"])
@pytest.mark.parametrize(
    ("statement", "is_late"),
    [
        ("DELETE FROM flight_features WHERE flight_id = 3", False),
        ("UPDATE flight_features SET flight_id = -3 WHERE flight_id = 3", False),
        ("CREATE OR REPLACE TABLE flight_features AS FROM flight_features LIMIT 9", False),
        ("INSERT INTO flight_features VALUES (-7, 1, '')", True),
    ],
)
def test_append_only_refuses_what_is_no_append(con, watermark, statement, is_late):
    make(con, append_only=True, watermark=watermark)
    con.execute(statement)
    if is_late and watermark is None:
        assert [row[2] for row in changes_of(con)] == [-7]
        return
    with pytest.raises(StreamError, match=r"does not only grow.*without --append-only"):
        streams.stream_has_data(con, "changes")


def test_a_row_without_its_watermark_is_refused(con):
    con.execute("ALTER TABLE flight_features ADD COLUMN loaded_at TIMESTAMP DEFAULT '2024-01-01'")
    make(con, append_only=True, watermark="loaded_at")
    con.execute("INSERT INTO flight_features VALUES (99, 1, '', '2024-01-02')")
    assert len(changes_of(con)) == 1
    con.execute("INSERT INTO flight_features VALUES (100, 1, '', NULL)")
    with pytest.raises(StreamError, match="NULL in loaded_at"):
        streams.stream_has_data(con, "changes")


@pytest.mark.parametrize("mode", [{}, {"append_only": True}])
def test_initial_rows(con, mode):
    make(con, show_initial_rows=True, **mode)
    with streams.consume(con, "changes") as changes:
        assert changes.inserted == changes.rows == 40
    assert changes_of(con) == []


def test_an_empty_table_is_streamed(con):
    con.execute("DELETE FROM flight_features")
    make(con, append_only=True, watermark="flight_id")
    con.execute("INSERT INTO flight_features VALUES (-5, 1, 'AA')")
    assert len(changes_of(con)) == 1


def test_a_view_is_streamed_with_all_that_it_reads(con):
    con.execute("CREATE TABLE carriers AS SELECT 'AA' AS carrier, 'American' AS name")
    con.execute(
        "CREATE VIEW named AS SELECT flight_id, name, count(*) OVER (PARTITION BY carrier) AS "
        "fleet FROM flight_features LEFT JOIN carriers USING (carrier)"
    )
    streams.create_stream(con, "changes", on="named", key=["flight_id"])
    con.execute("UPDATE carriers SET name = 'AMERICAN'")
    assert len(changes_of(con)) == 20
    with streams.consume(con, "changes"):
        pass
    con.execute("DELETE FROM flight_features WHERE flight_id = 1")
    assert len(changes_of(con)) == 1 + 2 * 9
    with pytest.raises(StreamError, match="is a view, whose rows have no stored order"):
        streams.create_stream(con, "x", on="named", key=["flight_id"], append_only=True)


def test_names_that_need_quotes():
    with duckdb.connect() as con:
        con.execute('CREATE SCHEMA "a b"')
        con.execute('CREATE TABLE "a b"."t\'"" x" ("the ""key" INTEGER, "select" INTEGER)')
        made = streams.create_stream(con, '"a b"."it\'s"', on='"a b"."t\'"" x"', key=['the "key'])
        con.execute('INSERT INTO "a b"."t\'"" x" VALUES (1, 2)')
        assert changes_of(con, made.name.sql) == [("INSERT", False, 1, 2)]
        with streams.consume(con, '"a b"."IT\'S"') as changes:
            assert changes.inserted == 1


def test_a_table_of_its_key_alone():
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT range AS id FROM range(3)")
        streams.create_stream(con, "changes", on="t", key=["id"])
        con.execute("UPDATE t SET id = 9 WHERE id = 1")
        assert changes_of(con) == [("DELETE", False, 1), ("INSERT", False, 9)]


def test_a_key_of_several_columns():
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t AS SELECT * FROM (VALUES ('a', 'bc', 1), ('ab', 'c', 2)) t(k, l, v)"
        )
        streams.create_stream(con, "changes", on="t", key=["k", "l"])
        con.execute("UPDATE t SET v = 3")
        ids = con.execute('SELECT DISTINCT "METADATA$ROW_ID" FROM changes').fetchall()
        assert len(ids) == 2


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"on": "nothing"}, "no table or view nothing"),
        ({"on": "other.main.t"}, "not in the database memory"),
        ({"on": "a.b.c.d"}, "no name of a table"),
        ({"on": "t; DROP TABLE t"}, "no name of a table"),
        ({"key": ["nothing"]}, "no column nothing. It has: flight_id, distance, carrier"),
        ({"key": []}, "needs the key"),
        ({"key": ["distance"]}, "key distance is DOUBLE"),
        ({"key": ["carrier"]}, "Several rows"),
        ({"watermark": "flight_id"}, "for --append-only streams"),
        ({"watermark": "carrier", "append_only": True}, "watermark carrier is VARCHAR"),
    ],
)
def test_what_no_stream_is_made_of(con, asked, reason):
    with pytest.raises(StreamError, match=reason):
        make(con, **asked)
    assert streams.list_streams(con) == []


def test_no_name_is_taken_from_others(con):
    with pytest.raises(StreamError, match="a table or view flight_features already"):
        streams.create_stream(con, "flight_features", on="flight_features", key=["flight_id"])
    con.execute('CREATE TABLE odd AS SELECT 1 AS id, 2 AS "METADATA$ACTION"')
    with pytest.raises(StreamError, match=r"column METADATA\$ACTION"):
        streams.create_stream(con, "s", on="odd", key=["id"])


def test_a_dropped_stream_leaves_nothing(con):
    make(con)
    streams.drop_stream(con, "changes")
    assert con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'stream_rows%'"
    ).fetchall() == [(0,)]
    with pytest.raises(StreamError, match=r"no stream changes. The database has: none"):
        streams.drop_stream(con, "changes")
    make(con)


def test_any_client_reads_the_changes_after_a_restart(tmp_path):
    path = tmp_path / "w.duckdb"
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT i AS id, i AS v FROM range(5) t(i)")
        streams.create_stream(con, "changes", on="t", key=["id"])
        streams.create_stream(con, "added", on="t", key=["id"], append_only=True)
        con.execute("INSERT INTO t VALUES (9, 9)")
    with duckdb.connect(path, read_only=True) as con:
        assert changes_of(con) == changes_of(con, "added") == [("INSERT", False, 9, 9)]


def test_names_are_the_same_where_duckdb_takes_them_for_one(con):
    make(con)
    with pytest.raises(StreamError, match="There is a stream CHANGES already"):
        streams.create_stream(con, "CHANGES", on="flight_features", key=["flight_id"])
    streams.create_stream(con, "CHANGES", on="FLIGHT_features", key=["FLIGHT_ID"], replace=True)
    assert [row["name"] for row in streams.list_streams(con)] == ["CHANGES"]
    assert not streams.stream_has_data(con, "changes")


def test_names_differ_by_the_case_of_other_letters(con):
    for name in ("ä", "Ä"):
        con.execute(f'CREATE TABLE "t{name}" AS FROM flight_features')
        streams.create_stream(con, name, on=f"t{name}", key=["flight_id"])
    assert sorted(row["table_name"] for row in streams.list_streams(con)) == ["tÄ", "tä"]
    assert streams.show_stream(con, "Ä")["table_name"] == "tÄ"
