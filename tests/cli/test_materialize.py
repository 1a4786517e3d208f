"""`foresql materialize` and `foresql online`: what they take, print and refuse."""

import json

import duckdb
import pytest
from redis_server import redis_server

MAKE = """
CREATE TABLE carrier_stats AS
SELECT * FROM (VALUES ('AA', 12.5, 100, DATE '2013-01-02'), ('UA', 'nan'::DOUBLE, 50, NULL))
v(carrier, mean_delay, flights, since)
"""
ONE = ("materialize", "carrier_stats", "--key", "carrier", "--database", "shop.duckdb")
INTO = ("--into", "online")


@pytest.fixture
def warehouse(shop):
    with duckdb.connect(shop / "shop.duckdb") as connection:
        connection.execute(MAKE)
    return shop


@pytest.mark.usefixtures("warehouse")
def test_what_is_printed(run):
    printed = run(*ONE, *INTO)
    assert "carrier_stats │ 2 " in printed.stdout
    assert printed.stderr == ""
    shown = run("online", "show", "online").stdout
    for text in ("carrier_stats", "2", " s ", "carrier", "error"):
        assert text in shown
    assert (
        "│ since      │ 2013-01-02 │"
        in run("online", "get", "online", "carrier_stats", "AA").stdout
    )
    assert "│ since      │ NULL" in run("online", "get", "online", "Carrier_Stats", "UA").stdout


@pytest.mark.usefixtures("warehouse")
def test_json(run_json):
    done = run_json(*ONE, *INTO, "--default", "flights=0", "--default", "mean_delay=-0.5")
    assert done["into"] == "online"
    [view] = done["views"]
    assert (view["view"], view["rows"], view["keys"]) == ("carrier_stats", 2, ["carrier"])
    assert view["columns"] == {
        "carrier": "VARCHAR",
        "mean_delay": "DOUBLE",
        "flights": "INTEGER",
        "since": "DATE",
    }
    shown = run_json("online", "show", "online")
    assert shown["problems"] == {}
    assert shown["views"][0]["as_of"] == view["as_of"]
    assert shown["views"][0]["age_seconds"] >= 0
    found = run_json("online", "get", "online", "carrier_stats", "ZZ")
    assert found["as_of"] == view["as_of"]
    assert found["row"] == {"carrier": "ZZ", "mean_delay": -0.5, "flights": 0, "since": None}


@pytest.mark.usefixtures("warehouse")
def test_missing(run, run_json):
    run(*ONE, *INTO)
    error = run_json("online", "get", "online", "carrier_stats", "ZZ", code=1)["error"]
    assert error["kind"] == "MissingEntityError"
    assert "view carrier_stats has no row for carrier = 'ZZ'" in error["message"]
    run(*ONE, *INTO, "--missing", "null")
    row = run_json("online", "get", "online", "carrier_stats", "ZZ")["row"]
    assert set(row.values()) == {None}


TOML = """
database = "shop.duckdb"
into = "features"

[views.carrier_stats]
key = "carrier"
missing = { flights = 0, since = 2000-01-01 }

[views.pairs]
query = "SELECT 1 AS a, DATE '2020-01-01' AS b, 2.5 AS x"
key = ["a", "b"]
missing = "null"
"""


def test_a_file_of_views(run, run_json, warehouse):
    (warehouse / "features.toml").write_text(TOML)
    done = run_json("materialize", "features.toml")
    assert [view["view"] for view in done["views"]] == ["carrier_stats", "pairs"]
    assert done["into"] == "features"
    row = run_json("online", "get", "features", "pairs", "1", "2020-01-01")["row"]
    assert row == {"a": 1, "b": "2020-01-01", "x": "2.5"}
    row = run_json("online", "get", "features", "carrier_stats", "ZZ")["row"]
    assert row == {"carrier": "ZZ", "mean_delay": None, "flights": 0, "since": "2000-01-01"}
    assert "no value of that" in run("online", "get", "features", "pairs", "x", "y", code=1).stderr
    assert "give a value for each" in run("online", "get", "features", "pairs", "1", code=1).stderr


def test_a_view_that_cannot_be_read_does_not_stop_the_others(run, run_json, warehouse):
    (warehouse / "features.toml").write_text(TOML + '\n[views.none]\nkey = "id"\n')
    views = run_json("materialize", "features.toml", code=1)["views"]
    assert [view.get("rows") for view in views] == [2, 1, None]
    assert "Table with name none does not exist" in views[2]["problem"]
    printed = run("materialize", "features.toml", code=1)
    assert "carrier_stats" in printed.stdout
    assert "none stays as it was: none cannot be read from shop.duckdb" in printed.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no view"),
        ("[views]", "names no view"),
        ("[views", "cannot be read"),
        ("[views.v]", "[views.v]: v has no key"),
        ("[views.v]\nkey = 1", "key must be a column"),
        ("[views.v]\nkeys = 'a'", "keys is unknown; known are relation, query, key, missing"),
        ("[views.v]\nkey = 'a'\nmissing = 'guess'", 'missing must be "error", "null"'),
        ("[views.v]\nkey = 'a'\nmissing = {a = [1]}", "a default is a text, number"),
        ("[views.v]\nkey = 'a'\nquery = 1", "query must be text"),
        ("[views.v]\nkey = 'a'\nquery = 'x'\nrelation = 'y'", "leave one out"),
        ("[views.'a b']\nkey = 'a'", "cannot be the name of a feature view"),
        ("evil = 1\n[views.v]\nkey = 'a'", "evil is unknown"),
        ("views = 1", "names no view"),
        ("views = {v = 1}", "must be a table"),
    ],
)
def test_files_that_are_none(run, warehouse, text, message):
    (warehouse / "features.toml").write_text(text)
    assert message in run("materialize", "features.toml", *INTO, code=1).stderr
    assert not (warehouse / "online").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("materialize", "v", "--into", "online"), "--key COLUMN"),
        (("materialize", "v", "--key", "id"), "--into online/"),
        (("materialize", "features.toml", "--key", "id"), "--key goes with one view"),
        (("materialize", "features.toml", "--default", "a=1"), "--default goes with one view"),
        ((*ONE, *INTO, "--missing", "null", "--default", "a=1"), "leave one out"),
        ((*ONE, *INTO, "--missing", "guess"), "'guess' is not one of"),
        (("online", "get", "online", "v"), "Missing argument"),
    ],
)
def test_wrong_usage(run, warehouse, arguments, message):
    (warehouse / "features.toml").write_text(TOML)
    assert message in run(*arguments, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*ONE[:-1], "none.duckdb", *INTO), "There is no database file none.duckdb"),
        ((*ONE[:-1], "train.py", *INTO), "train.py"),
        ((*ONE, *INTO, "--default", "flights"), "is not COLUMN=VALUE"),
        ((*ONE, *INTO, "--key", "flights,none"), "name each key column once"),
        ((*ONE, "--into", "train.py"), "cannot be written"),
        (("online", "show", "none"), "There is no folder of snapshots none"),
        (("online", "get", "none", "v", "1"), "There is no folder of snapshots none"),
        (("materialize", "none.toml", *INTO), "none.toml cannot be read"),
        ((*ONE, "--into", "redis://:s3cr3t@host"), "set FORESQL_REDIS_USER and"),
        ((*ONE, "--into", "redis://127.0.0.1:1"), "Connecting to redis://127.0.0.1:1/0"),
    ],
)
def test_failures(run, run_json, warehouse, arguments, message):
    assert warehouse.is_dir()
    problem = run(*arguments, code=1)
    assert message in problem.stderr
    assert "s3cr3t" not in problem.output
    found = run_json(*arguments, code=1)
    assert message in (found.get("error") or found["views"][0] | {"message": ""})["message"] + str(
        found.get("views", "")
    )


def test_a_snapshot_that_is_damaged(run, run_json, warehouse):
    run(*ONE, *INTO)
    path = warehouse / "online/carrier_stats.json"
    path.chmod(0o644)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bytes": 1}))
    assert "it is not whole" in run("online", "show", "online", code=1).stderr
    assert (
        "it is not whole"
        in run_json("online", "show", "online", code=1)["problems"]["carrier_stats"]
    )
    message = run("online", "get", "online", "carrier_stats", "AA", code=1).stderr
    assert "it is not whole" in message


def test_an_empty_folder(run, shop):
    (shop / "nothing").mkdir()
    assert run("online", "show", "nothing").stdout == "There is no snapshot in nothing.\n"


@pytest.mark.usefixtures("warehouse")
def test_redis(run, run_json):
    with redis_server() as server:
        run(*ONE, "--into", server.url("shop"))
        assert run_json("online", "show", server.url("shop"))["views"][0]["rows"] == 2
        assert run_json("online", "show", server.url("other"))["views"] == []
        row = run_json("online", "get", server.url("shop"), "carrier_stats", "AA")["row"]
    assert row == {"carrier": "AA", "mean_delay": 12.5, "flights": 100, "since": "2013-01-02"}
