"""The read-only copy: what is in it, what its macros answer, and how it takes its place."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from children import child

import foresql
from foresql.errors import PublishingError, RegistryError, UnsupportedModelError
from foresql.publishing import Request, duckdb_copy, publish_duckdb

FILES = ["one.duckdb", "registry", "serving.duckdb", "two.duckdb"]


def read(path, query):
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def publish(shop, database=None, to="serving.duckdb", **options):
    target = {
        name: options.pop(name) for name in ("storage_version", "overwrite") if name in options
    }
    request = Request(**{"registry": shop.registry} | options)
    return publish_duckdb(database or shop.one, to, request, **target)


def test_tables_views_and_comments_are_copied(shop):
    published = publish(shop)
    assert [(table.name, table.rows) for table in published.tables] == [
        ("delay_predictions", 300),
        ("flight_features", 300),
        ("marts.by_carrier", 3),
    ]
    described = (
        "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE table_name IN ('delay_predictions', 'flight_features', 'by_carrier') ORDER BY ALL"
    )
    assert read("serving.duckdb", described) == read(shop.one, described)
    assert read("serving.duckdb", "SELECT view_name FROM duckdb_views() WHERE NOT internal") == []
    for table in ("delay_predictions", "flight_features", "marts.by_carrier"):
        rows = f"SELECT md5(string_agg(t::VARCHAR, ';' ORDER BY t::VARCHAR)) FROM {table} AS t"
        assert read("serving.duckdb", rows) == read(shop.one, rows)
    comment = "SELECT comment FROM duckdb_tables() WHERE table_name = 'flight_features'"
    assert read("serving.duckdb", comment) == [("What is known; before departure",)]


def test_macros_need_no_python(shop):
    assert publish(shop).functions == {"predict_delay": "delay:1"}
    # Another process, without foresql.
    script = """
import duckdb
con = duckdb.connect("serving.duckdb", read_only=True)
print(con.sql('''
    SELECT count(*), count(*) FILTER (predict_delay(f) IS DISTINCT FROM late),
        max(abs(predict_proba_delay(f) - probability)), any_value(version_delay())
    FROM flight_features AS f JOIN delay_predictions USING (flight_id)
''').fetchall())
print(con.sql('''
    SELECT predict_delay(f) = predict_delay(distance, hour, carrier),
        predict_delay(f) = predict_delay(carrier := carrier, hour := hour, distance := distance)
    FROM flight_features AS f
''').distinct().fetchall())
"""
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    count, differing, largest, version = eval(printed[0])[0]  # noqa: S307 - our own script
    assert (count, differing, version) == (300, 0, 1)
    assert largest < 1e-15
    assert printed[1] == "[(True, True)]"


def test_classes_are_a_struct_of_probabilities(shop):
    publish(shop, models=["predict_when=kind@champion", "delay:1"])
    with foresql.connect(registry=shop.registry) as connection:
        foresql.register(connection, "kind@champion")
        expected = connection.sql(
            "SELECT predict_kind(n), predict_proba_kind(n) FROM (SELECT 5 AS hour) AS n"
        ).fetchall()
    query = "SELECT predict_when(n), predict_proba_when(n) FROM (SELECT 5 AS hour) AS n"
    found = read("serving.duckdb", query)
    assert read("serving.duckdb", "SELECT predict_when(5), predict_proba_when(5)") == found
    assert found[0][0] == expected[0][0] == "early"
    assert found[0][1] == pytest.approx(expected[0][1], rel=1e-15)


def test_the_catalogue_says_what_is_published(shop):
    published = publish(shop)
    assert published.run_id == "run-1"
    publications = read(
        "serving.duckdb",
        "SELECT schema_name, table_name, row_count, model_versions, run_id, source "
        "FROM foresql.publications ORDER BY ALL",
    )
    assert publications == [
        ("main", "delay_predictions", 300, "delay:1", "run-1", "one.duckdb"),
        ("main", "flight_features", 300, None, "run-1", "one.duckdb"),
        ("marts", "by_carrier", 3, None, "run-1", "one.duckdb"),
    ]
    functions = "SELECT function_name, model_name, model_version FROM foresql.functions"
    assert read("serving.duckdb", functions) == [("predict_delay", "delay", 1)]
    models = "SELECT reference, aliases FROM foresql.models ORDER BY reference"
    assert read("serving.duckdb", models) == [
        ("delay:1", "champion"),
        ("delay:2", ""),
        ("kind:1", "champion"),
    ]
    assert read("serving.duckdb", "SELECT run_id FROM foresql.runs") == [("run-1",)]
    assert read("serving.duckdb", "SELECT count(*) > 5 FROM foresql.model_columns") == [(True,)]


def test_a_reader_keeps_its_snapshot(shop):
    publish(shop)
    with duckdb.connect("serving.duckdb", read_only=True) as old:
        publish(shop, shop.two)
        versions = "SELECT DISTINCT model_version, version_delay() FROM delay_predictions"
        assert old.execute(versions).fetchall() == [(1, 1)]
    assert read("serving.duckdb", versions) == [(2, 2)]


def test_versions_that_differ_are_refused(shop, write):
    with pytest.raises(
        PublishingError, match=r"delay_predictions holds delay:1; published is dela"
    ):
        publish(shop, models=["delay:2"])
    assert not Path("serving.duckdb").exists()
    assert publish(shop, models=["delay:2"], mixed_versions=True).warnings
    write(shop.one, "UPDATE delay_predictions SET model_version = 9 WHERE flight_id = 1")
    with pytest.raises(RegistryError, match="no version 9"):
        publish(shop)
    with pytest.raises(PublishingError, match="holds delay:9, which the registry has not"):
        publish(shop, models=None)


def test_rows_of_several_models_and_of_none(shop, write):
    write(
        shop.one,
        "CREATE TABLE scored AS SELECT 1 AS id, 'delay,kind' AS model_name, '1,1' AS model_version",
        "CREATE TABLE cars AS SELECT 'Golf' AS model_name, 'GTI' AS model_version",
    )
    request = Request(registry=shop.registry, tables=["scored", "cars"])
    done = publish_duckdb(shop.one, "serving.duckdb", request)
    assert {table.name: table.versions for table in done.tables} == {
        "cars": None,
        "scored": "delay:1, kind:1",
    }
    assert set(done.functions) == {"predict_delay", "predict_kind"}


def test_two_versions_have_two_functions(shop, write):
    write(
        shop.one,
        "CREATE TABLE challenger AS SELECT * REPLACE (2 AS model_version) FROM delay_predictions",
    )
    assert publish(shop).functions == {"predict_delay": "delay:1", "predict_delay_v2": "delay:2"}
    named = publish(shop, models=["delay@champion", "predict_new=delay:2"])
    assert named.functions == {"predict_delay": "delay:1", "predict_new": "delay:2"}
    with pytest.raises(PublishingError, match="would both be predict_delay"):
        publish(shop, models=["delay:1", "delay:2"])


def test_what_is_no_macro_is_left_out_or_refused(shop, monkeypatch):
    def refuse(served):
        raise UnsupportedModelError(served.title, "it is too wide.", "leave it out.")

    monkeypatch.setattr(duckdb_copy, "duckdb_functions", refuse)
    published = publish(shop)
    assert published.functions == {}
    assert "it is too wide" in published.omitted["predict_delay"]
    assert read("serving.duckdb", "SELECT count(*) FROM foresql.functions") == [(0,)]
    with pytest.raises(UnsupportedModelError, match="too wide"):
        publish(shop, models=["delay:1"])


def test_a_long_macro_is_published_on_demand(shop, monkeypatch):
    monkeypatch.setattr(duckdb_copy, "LONGEST_UNASKED", 100)
    assert "To have it all the same: --models delay:1" in publish(shop).omitted["predict_delay"]
    assert publish(shop, models=["delay:1"]).functions == {"predict_delay": "delay:1"}


def test_a_wrong_macro_is_not_published(shop, monkeypatch):
    publish(shop, shop.two)
    wrong = duckdb_copy.duckdb_functions
    monkeypatch.setattr(
        duckdb_copy,
        "duckdb_functions",
        lambda served: [
            text.replace("700", "1")
            if "the model" not in text
            else text.replace("WHEN", "WHEN NOT", 1)
            for text in wrong(served)
        ],
    )
    with pytest.raises(PublishingError, match="predict_delay answers"):
        publish(shop)
    assert read("serving.duckdb", "SELECT version_delay()") == [(2,)]
    assert sorted(path.name for path in Path().iterdir()) == [
        "one.duckdb",
        "registry",
        "serving.duckdb",
        "two.duckdb",
    ]


def test_tables_are_chosen_by_patterns(shop):
    def names(**options):
        return [table.name for table in publish(shop, models=None, **options).tables]

    assert names(tables=["marts.*", "DELAY_predictions"]) == [
        "delay_predictions",
        "marts.by_carrier",
    ]
    assert names(tables=["raw.*", "stg_*"]) == ["stg_flights", "raw.flights"]
    assert names(exclude=["marts.*", "*features"]) == ["delay_predictions"]
    with pytest.raises(PublishingError, match=r"no table 'nope'. It has: .*raw.flights"):
        names(tables=["nope"])
    with pytest.raises(PublishingError, match="no table to publish"):
        names(exclude=["*"])


def test_a_view_on_a_function_of_dbts_process_is_refused(shop):
    with foresql.connect(shop.one, registry=shop.registry) as connection:
        foresql.register(connection, "kind:1")
        connection.execute("CREATE VIEW live AS SELECT predict_kind(f) AS k FROM flight_features f")
    with pytest.raises(PublishingError, match=r"(?s)view live cannot be read: .*--exclude live"):
        publish(shop)
    publish(shop, exclude=["live"])


def test_a_view_whose_rows_cannot_be_read_is_named(shop, write):
    write(shop.one, "CREATE VIEW broken AS SELECT CAST(carrier AS INTEGER) FROM flight_features")
    with pytest.raises(PublishingError, match="rows of broken cannot be read: Conversion Error"):
        publish_duckdb(shop.one, "serving.duckdb", Request(registry=shop.registry))
    assert not Path("serving.duckdb").exists()


def test_only_our_own_file_is_replaced(shop):
    with duckdb.connect("other.duckdb") as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1")
    for target, problem in (
        ("other.duckdb", "no copy that foresql published"),
        (shop.one, "the warehouse itself"),
        (".", "no file"),
        ("missing/serving.duckdb", "no file"),
    ):
        with pytest.raises(PublishingError, match=problem):
            publish(shop, to=target)
    publish(shop, to="other.duckdb", overwrite=True)
    with pytest.raises(duckdb.CatalogException):
        read("other.duckdb", "FROM mine")


def test_changes_that_a_writer_left_stop_it(shop):
    publish(shop)
    Path("serving.duckdb.wal").write_text("somebody wrote")
    with pytest.raises(PublishingError, match=r"opened serving\.duckdb for writing"):
        publish(shop, overwrite=True)


HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_a_warehouse_that_is_written(shop):
    with child([sys.executable, "-c", HOLDER, shop.one, "1.5"], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(
            PublishingError, match=rf"(?s)process {holder.pid} \(python.*--wait 600"
        ):
            publish(shop)
        assert publish(shop, wait=60).tables


def test_a_file_and_a_schema_of_one_name(shop, write):
    """DuckDB names a database after its file."""
    shop.one.rename("marts.duckdb")
    write(Path("marts.duckdb"), "DROP VIEW marts.marts.by_carrier")
    write(Path("marts.duckdb"), "CREATE TABLE marts.marts.sums AS SELECT 7 AS n")
    published = publish(shop, Path("marts.duckdb"))
    assert [table.name for table in published.tables][-1] == "marts.sums"
    for name in ("marts.duckdb", "Foresql.duckdb", "main.db"):
        Path("serving").mkdir(exist_ok=True)
        with pytest.raises(PublishingError, match="could not tell them apart"):
            publish(shop, Path("marts.duckdb"), to=Path("serving") / name)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_copy_has_no_rights_that_the_umask_withholds(shop):
    before = os.umask(0o027)
    try:
        publish_duckdb(shop.one, "[serving].duckdb", Request(registry=shop.registry))
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("[serving].duckdb").stat().st_mode) == 0o440


def test_leftovers_of_a_killed_publishing_go(shop):
    left = [".serving.duckdb.publishing-abc", ".serving.duckdb.publishing-abc.wal"]
    for name in left:
        Path(name).write_text("half")
    publish(shop)
    assert sorted(path.name for path in Path().iterdir()) == [
        "one.duckdb",
        "registry",
        "serving.duckdb",
        "two.duckdb",
    ]


def test_two_publishers_take_turns(shop):
    script = (
        "import fcntl, os, time; folder = os.open('.', os.O_RDONLY); "
        "fcntl.flock(folder, fcntl.LOCK_EX); print('held', flush=True); time.sleep(1)"
    )
    with child([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(PublishingError, match="Another process publishes"):
            publish(shop)
        assert publish(shop, wait=60).tables


def test_storage_for_earlier_readers(shop):
    publish(shop, storage_version="v1.5.0")
    tags = read("serving.duckdb", "SELECT tags FROM duckdb_databases() WHERE NOT internal")
    assert "v1.5.0" in str(tags)
    with pytest.raises(PublishingError, match=r"'v0\.1' is no storage version"):
        publish(shop, storage_version="v0.1")


def test_without_a_registry(shop, monkeypatch, write):
    monkeypatch.setenv("FORESQL_REGISTRY", str(shop.registry / "nowhere"))
    published = publish(shop, registry=None)
    assert published.functions == {}
    assert len(published.tables) == 3
    with pytest.raises(RegistryError):
        publish(shop, registry=None, models=["delay:1"])
    with pytest.raises(duckdb.CatalogException):
        read("serving.duckdb", "FROM foresql.models")
    # What dbt wrote down of the registry is there then.
    write(shop.one, "CREATE TABLE foresql.models AS SELECT 'delay' AS model_name")
    publish(shop, registry=None)
    assert read("serving.duckdb", "FROM foresql.models") == [("delay",)]


def test_the_copy_is_written_for_reading(shop):
    publish(shop)
    assert Path("serving.duckdb").stat().st_mode & 0o777 == 0o444
