"""What is materialised, what is refused, and what stays."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from children import child

import foresql
from foresql.errors import FeatureError, MissingEntityError
from foresql.online import (
    Wanted,
    complete_rows,
    find_view,
    folder_target,
    materialize,
    open_online,
)
from foresql.online.folder_target import FolderTarget


@pytest.fixture
def carriers(shop):
    shop.run("CREATE SCHEMA marts")
    shop.run(
        "CREATE TABLE marts.carriers AS SELECT * FROM (VALUES ('AA', 1.5, 10), ('UA', NULL, 20)) "
        "v(carrier, delay, flights)"
    )
    shop.run("CREATE VIEW Carrier_Stats AS FROM marts.carriers")
    return shop


AA = ("AA", Decimal("1.5"), 10)
UA = ("UA", None, 20)


def test_a_view_of_the_warehouse(carriers):
    before = datetime.now(UTC)
    manifest = carriers.materialize("CARRIER_stats", "Carrier")
    assert (manifest.rows, manifest.view.name) == (2, "carrier_stats")
    assert manifest.source == {"database": "warehouse.duckdb", "relation": "carrier_stats"}
    with carriers.open() as store:
        online = find_view(store, "Carrier_Stats")
        assert online.view.keys == ("carrier",)
        assert dict(online.view.columns) == {
            "carrier": "VARCHAR",
            "delay": "DECIMAL(2,1)",
            "flights": "INTEGER",
        }
        assert before <= online.view.as_of <= datetime.now(UTC)
        assert online.get([("UA",), ("ZZ",), ("AA",), ("UA",)]) == [UA, None, AA, UA]
        assert online.get([]) == []
        [status] = store.status()
        assert (status.view, status.rows, status.as_of) == ("carrier_stats", 2, online.view.as_of)
        assert online.is_local != carriers.into.startswith("redis://")


def test_a_table_of_a_schema_by_another_name(carriers):
    carriers.materialize("stats", "carrier", relation="marts.carriers")
    carriers.materialize("marts.carriers", "carrier")
    with carriers.open() as store:
        assert sorted(store.views) == ["marts.carriers", "stats"]
        assert store.views["stats"].get([("AA",)]) == store.views["marts.carriers"].get([("AA",)])


def test_a_file_of_another_format(shop, tmp_path):
    duckdb.sql("SELECT 1 AS id, 'x' AS name").write_parquet(str(tmp_path / "x.parquet"))
    wanted = Wanted(name="x", keys=("id",), query=f"SELECT * FROM '{tmp_path}/x.parquet';")
    [done] = materialize([wanted], shop.into)
    assert done.problem is None
    with shop.open() as store:
        assert store.views["x"].get([(1,)]) == [(1, "x")]


REFUSED = [
    ("SELECT i % 5 AS id, i FROM range(7) t(i)", "id", "more than one row for id = 0"),
    ("SELECT 'a' AS a, 1 AS b FROM range(2)", "a,b", "more than one row for a = 'a', b = 1"),
    ("SELECT nullif(i, 3) AS id, i AS x FROM range(9) t(i)", "id", "id = None, x = 3"),
    ("SELECT 1 AS id, NULL::VARCHAR AS b", "id,b", "whose key b is NULL: id = 1, b = None"),
    ("SELECT 1 AS id WHERE false", "id", "has no rows, so its snapshot stays as it is"),
    ("SELECT 1 AS id", "carrier", "its columns are id"),
    ("SELECT 1 AS id", "id,ID", "name each key column once"),
    ('SELECT 1 AS id, 2 AS x, 3 AS "X"', "id", "two columns of one name"),
    ("SELECT 1 AS id; SELECT 2 AS id", "id", "is not one query"),
    ("DROP TABLE marts.carriers", "id", "is not one query"),
    ("CREATE TABLE evil AS SELECT 1 AS id", "id", "is not one query"),
    ("SELECT 1 AS id) AS t; DROP TABLE marts.carriers; --", "id", "cannot be read"),
    ("", "id", "is not one query"),
    ("SELECT FROM", "id", "Parser Error"),
    ("SELECT id FROM nowhere", "id", "Table with name nowhere does not exist"),
    ("SELECT error('oh')::INTEGER AS id FROM range(1)", "id", "oh"),
    ("SELECT predict_nothing(1) AS id", "id", "There is no function predict_nothing"),
    ("SELECT 'a' COLLATE NOCASE AS id", "id", "'id' of The query of stats has a collation"),
    ("SELECT 1 AS id, 'é' COLLATE NOACCENT AS x", "id", "COLLATE C"),
]


@pytest.mark.parametrize(("query", "key", "message"), REFUSED)
def test_what_is_refused_leaves_the_old_snapshot(folder_shop, query, key, message):
    before = folder_shop.materialize("stats", "id", query="SELECT 7 AS id")
    assert message in folder_shop.refused("stats", key, query=query)
    with folder_shop.open() as store:
        assert store.views["stats"].manifest == before
        assert store.problems == {}


def test_what_redis_refuses_leaves_the_old_snapshot(redis_shop):
    before = redis_shop.materialize("stats", "id", query="SELECT 7 AS id")
    query = "SELECT CASE WHEN i = 39999 THEN 39998 ELSE i END AS id FROM range(40000) t(i)"
    assert "more than one row for id = 39998" in redis_shop.refused("stats", "id", query=query)
    with redis_shop.open() as store:
        assert store.views["stats"].manifest == before
        assert store._client.keys(f"{store._address.prefix}:stats:*") == [before.place.encode()]


def test_a_snapshot_may_be_empty_where_that_is_meant(shop):
    assert (
        shop.materialize("v", "id", query="SELECT 1 AS id WHERE false", allow_empty=True).rows == 0
    )
    with shop.open() as store:
        assert store.views["v"].get([(1,), (None,)]) == [None, None]
        assert store.problems == {}


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "a/b", "a..b", "x" * 181, "1a", "a.b.c.d", "é"]
)
def test_names_that_cannot_be(name):
    with pytest.raises(FeatureError, match="--name my_view"):
        Wanted(name=name, keys=("id",))


def test_a_view_with_a_relation_has_no_query():
    with pytest.raises(FeatureError, match="leave one out"):
        Wanted(name="v", keys=("id",), relation="t", query="SELECT 1")
    with pytest.raises(FeatureError, match="--key COLUMN"):
        Wanted(name="v", keys=())


def test_the_others_are_replaced_where_one_cannot_be(folder_shop):
    views = [
        Wanted(name=name, keys=("id",), query=f"SELECT {value} AS id")
        for name, value in (("a", "1"), ("b", "error('no')"), ("c", "3"))
    ]
    done = materialize(views, folder_shop.into)
    assert [each.problem is None for each in done] == [True, False, True]
    with folder_shop.open() as store:
        assert list(store.views) == ["a", "c"]


def test_a_query_calls_models(folder_shop, tmp_path):
    """A feature may be another model's output."""
    import lightgbm
    import pandas as pd

    frame = pd.DataFrame({"x": [float(i) for i in range(100)]})
    model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(frame, frame["x"] ** 2)
    registry = str(tmp_path / "registry")
    options = {"like": frame, "registry": registry, "alias": "champion", "probe_rows": 50}
    foresql.publish("square", model, **options)
    folder_shop.materialize(
        "squares",
        "id",
        query="SELECT x::INTEGER AS id, predict_square(f) AS y FROM (SELECT range::DOUBLE AS x "
        "FROM range(100)) f",
        registry=registry,
    )
    with folder_shop.open() as store:
        found = store.views["squares"].get([(i,) for i in range(100)])
    assert [y for _, y in found] == list(model.predict(frame))


MISSING_QUERY = (
    "SELECT 1 AS id, 'a' AS name, 1.5::DOUBLE AS x, 2.25::DECIMAL(5,2) AS y, DATE '2020-01-01' AS d"
)


def test_missing_is_an_error_that_names_view_and_key(shop):
    shop.materialize("v", "id,name", query=MISSING_QUERY)
    with shop.open() as store:
        online = store.views["v"]
        with pytest.raises(MissingEntityError, match=r"view v has no row for id = 2, name = 'b'"):
            complete_rows(online, [(1, "a"), (2, "b")])


def test_missing_is_null_as_of_a_left_join(shop):
    shop.materialize("v", "id", query=MISSING_QUERY, missing="null")
    joined = f"""
        SELECT v.* FROM (VALUES (2), (1), (NULL)) k(id) LEFT JOIN ({MISSING_QUERY}) v USING (id)
        ORDER BY k.id
    """
    with shop.open() as store:
        rows = complete_rows(store.views["v"], [(1,), (2,), (None,)])
    assert rows == shop.run(joined)


def test_missing_is_a_row_of_defaults(shop):
    defaults = {"NAME": "none", "y": "1.5", "d": "1999-12-31"}
    shop.materialize("v", "id", query=MISSING_QUERY, missing="defaults", defaults=defaults)
    with shop.open() as store:
        rows = complete_rows(store.views["v"], [(9,), (1,)])
    assert rows[0] == (9, "none", None, Decimal("1.50"), date(1999, 12, 31))
    assert str(rows[0][3]) == "1.50"
    assert rows[1][:2] == (1, "a")


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1, 2**200])
@pytest.mark.parametrize("missing", ["error", "null", "defaults"])
def test_a_key_that_no_entity_can_have(folder_shop, key, missing):
    query = "SELECT 1::BIGINT AS id, 2 AS x"
    folder_shop.materialize("v", "id", query=query, missing=missing)
    with folder_shop.open() as store:
        online = store.views["v"]
        if missing == "null":
            assert complete_rows(online, [(key,)]) == [(None, None)]
            return
        with pytest.raises(MissingEntityError, match=f"row for id = {key}"):
            complete_rows(online, [(key,)])


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("id", "1"),
        ("nothing", "1"),
        ("y", "1.001"),
        ("y", "1000"),
        ("y", "1e2"),
        ("y", "nan"),
        ("y", "1e999999999"),
        ("x", "a"),
        ("d", "31.12.1999"),
        ("d", "infinity"),
    ],
)
def test_defaults_that_are_none(folder_shop, column, text):
    problem = folder_shop.refused(
        "v", "id", query=MISSING_QUERY, missing="defaults", defaults={column: text}
    )
    assert column in problem


def test_every_default_survives(folder_shop):
    """Also what JSON has not: it is written as text and read back by its type."""
    query = (
        "SELECT 1 AS id, true AS b, 1.0::DOUBLE AS x, 1.0::FLOAT AS f, 1::HUGEINT AS h, '' AS s, "
        "TIMESTAMP '2020-01-01' AS t, 1::DECIMAL(18,8) AS y, 0::DECIMAL(38,38) AS z"
    )
    defaults = {"b": "false", "x": "-0.0", "f": "nan", "h": str(-(2**127)), "s": "☃\0", "t": None}
    defaults |= {"y": "0", "z": f"-0.{'0' * 37}1"}
    folder_shop.materialize("v", "id", query=query, missing="defaults", defaults=defaults)
    with folder_shop.open() as store:
        [row] = complete_rows(store.views["v"], [(5,)])
    decimals = Decimal("0E-8"), Decimal("-1E-38")
    assert repr(row) == repr((5, False, -0.0, float("nan"), -(2**127), "☃\0", None, *decimals))


def test_what_nobody_could_read_is_not_put_in_place(shop):
    before = shop.materialize("v", "id", query="SELECT 1 AS id")
    long = f"SELECT 2 AS id /* {'x' * 2**20} */"
    assert "it is longer than" in shop.refused("v", "id", query=long)
    with shop.open() as store:
        assert store.problems == {}
        assert store.views["v"].manifest == before


def test_a_database_that_is_written_is_waited_for_or_named(folder_shop):
    hold = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, folder_shop.database]
    with child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FeatureError, match=rf"process {holder.pid} (.*\n)+.*--wait 600"):
            folder_shop.try_materialize("v", "id", query="SELECT 1 AS id")
        holder.stdin.close()
        assert folder_shop.materialize("v", "id", query="SELECT 1 AS id", wait=120).rows == 1


def test_one_process_at_a_time_writes_a_folder(folder_shop):
    target = FolderTarget(folder_shop.into)
    with pytest.raises(FeatureError, match="Another process materializes into"):
        folder_shop.try_materialize("v", "id", query="SELECT 1 AS id")
    target.close()
    folder_shop.materialize("v", "id", query="SELECT 1 AS id")


def test_who_waits_for_a_folder_reads_the_warehouse_after_it(folder_shop, tmp_path, monkeypatch):
    """What others put there meanwhile is not replaced by an older state, with a later time."""
    folder_shop.run("CREATE TABLE v AS SELECT 1 AS id, 'old' AS state")
    newer = tmp_path / "newer.duckdb"
    with duckdb.connect(newer) as connection:
        connection.execute("CREATE TABLE v AS SELECT 1 AS id, 'new' AS state")
    target = FolderTarget(folder_shop.into)
    moments = []

    def meanwhile(_):
        newer.replace(folder_shop.database)
        moments.append(datetime.now(UTC))
        target.close()

    monkeypatch.setattr(folder_target.time, "sleep", meanwhile)
    manifest = folder_shop.materialize("v", "id", wait=600)
    assert manifest.view.as_of > moments[0]
    with folder_shop.open() as store:
        assert store.views["v"].get([(1,)]) == [(1, "new")]


def test_as_of_is_when_the_warehouse_was_opened(folder_shop, database):
    """A view that is read late is of the state that the first one had."""
    wanted = [Wanted(name=name, keys=("id",), query="SELECT 1 AS id") for name in "ab"]
    done = materialize(wanted, folder_shop.into, database=database)
    assert len({each.manifest.view.as_of for each in done}) == 1


@pytest.mark.parametrize("database", ["none.duckdb", "text.duckdb"])
def test_databases_that_are_none(folder_shop, tmp_path, database):
    (tmp_path / "text.duckdb").write_text("no database" * 1000)
    wanted = Wanted(name="v", keys=("id",))
    with pytest.raises(FeatureError, match=database):
        materialize([wanted], folder_shop.into, database=tmp_path / database)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FeatureError, match="cannot be written"):
        materialize(
            [Wanted(name="v", keys=("id",), query="SELECT 1 AS id")], str(tmp_path / "file")
        )
    with pytest.raises(FeatureError, match="There is no folder of snapshots"):
        open_online(str(tmp_path / "nothing"))


def test_a_view_that_is_not_there_is_named(folder_shop):
    folder_shop.materialize("v", "id", query="SELECT 1 AS id")
    with (
        folder_shop.open() as store,
        pytest.raises(FeatureError, match=r"no feature view 'w'. It has v"),
    ):
        find_view(store, "w")


def test_old_files_go_and_those_of_other_views_stay(folder_shop, tmp_path):
    for query in ("SELECT 1 AS id", "SELECT 2 AS id", "SELECT 3 AS id"):
        for name in ("a", "a.b", "a_b"):
            folder_shop.materialize(name, "id", query=query)
    kept = sorted(path.name.split(".")[0:-2] for path in (tmp_path / "online").glob("*.sqlite"))
    assert kept == [["a"], ["a", "b"], ["a_b"]]
    with folder_shop.open() as store:
        assert [view.get([(3,)]) for view in store.views.values()] == [[(3,)]] * 3


def test_as_of_moves_though_nothing_else_does(shop):
    first = shop.materialize("v", "id", query="SELECT 1 AS id")
    with shop.open() as store:
        online = store.views["v"]
        second = shop.materialize("v", "id", query="SELECT 1 AS id")
        store.refresh()
        assert online.view.as_of == second.view.as_of > first.view.as_of
        assert online.view.as_of - first.view.as_of < timedelta(days=1)
        assert online.get([(1,)]) == [(1,)]


def test_a_warehouse_that_is_not_there_leaves_no_folder(tmp_path):
    wanted, into = Wanted(name="v", keys=("id",)), tmp_path / "online"
    with pytest.raises(FeatureError, match=r"nothing\.duckdb"):
        materialize([wanted], str(into), database=tmp_path / "nothing.duckdb")
    assert not into.exists()
