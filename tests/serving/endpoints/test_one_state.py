"""What answers, what is said of it, and what is looked up for it are of one state."""

import time

import duckdb
import pytest

from foresql.online import Wanted, materialize, open_online
from foresql.registry import Registry
from foresql.serving import Endpoints
from foresql.serving.endpoints import shelf as shelves
from foresql.serving.endpoints.endpoint import ServedEndpoint
from foresql.serving.endpoints.query import Surroundings, compile_query
from foresql.serving.endpoints.report import check_endpoints
from foresql.serving.endpoints.sources import Folder

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
CALLED = 'predict_delay{}(distance := distance, "dep delay" := 1.0) AS late{}'
TOML = '[request]\ncolumns = { distance = "DOUBLE" }\n'
ROW = {"rows": [{"distance": 733.0}]}


@pytest.fixture
def serving(tmp_path):
    folder = tmp_path / "serving"
    folder.mkdir()
    (folder / "flight.sql").write_text(f"SELECT {CALLED.format('', '')} FROM trips")
    (folder / "flight.toml").write_text(TOML)
    return folder


def test_both_versions_of_a_model_are_said(registry, serving, start, publish_another):
    """By name the champion, by alias another one, as long as the query calls both."""
    publish_another(registry)
    both = f"{CALLED.format('', '')}, {CALLED.format('_challenger', '_then')}"
    (serving / "flight.sql").write_text(f"SELECT {both} FROM trips")
    (serving / "one.sql").write_text(f"SELECT {CALLED.format('_challenger', '')} FROM trips")
    (serving / "one.toml").write_text(TOML)
    client = start(registry, endpoints=Endpoints(serving))
    answered = client.post("/predict/flight", ROW).json()
    assert answered["models"] == {"delay": 1, "delay@challenger": 2}
    assert answered["answers"][0]["late"] != answered["answers"][0]["late_then"]
    assert client.get("/models/flight").json()["models"] == answered["models"]
    assert client.post("/predict/one", ROW).json()["models"] == {"delay": 2}
    sample = 'foresql_endpoint_model_version{endpoint="flight",model="delay@challenger"} 2.0'
    assert sample in client.get("/metrics").text
    Registry.open(registry).move_alias("delay", "challenger", 1, expected=2)
    client.service.endpoints.refresh()
    assert client.post("/predict/flight", ROW).json()["models"] == {
        "delay": 1,
        "delay@challenger": 1,
    }


def test_an_alias_that_moves_while_a_query_is_compiled_is_followed(
    registry, serving, start, publish_another, monkeypatch
):
    """What was compiled is of the version before: it is said so, and the next look follows."""
    client = start(registry, endpoints=Endpoints(serving))
    publish_another(registry)
    store = Registry.open(registry)

    def late(definition, around, *types):
        query = compile_query(definition, around, *types)
        store.move_alias("delay", "champion", 2, expected=1)
        return query

    monkeypatch.setattr(shelves, "compile_query", late)
    (serving / "flight.sql").write_text(f"SELECT {CALLED.format('', '')}  FROM trips")
    client.service.endpoints.refresh()
    before = client.post("/predict/flight", ROW).json()
    monkeypatch.undo()
    client.service.endpoints.refresh()
    after = client.post("/predict/flight", ROW).json()
    assert (before["models"], after["models"]) == ({"delay": 1}, {"delay": 2})
    assert before["answers"] != after["answers"]
    assert before["version"] != after["version"]


def test_an_alias_that_moves_while_a_compilation_fails_is_tried_at_once(
    registry, serving, start, publish_another, monkeypatch
):
    """The reason to leave an endpoint alone is what was tried, not what is there by now."""
    client = start(registry, endpoints=Endpoints(serving))
    publish_another(registry)
    store = Registry.open(registry)
    store.move_alias("delay", "champion", 2, expected=1)

    def failing(definition, around, *types):
        store.move_alias("delay", "champion", 1, expected=2)
        compile_query(definition, around, *types)
        message = "It fails."
        raise OSError(message)

    monkeypatch.setattr(shelves, "compile_query", failing)
    client.service.endpoints.refresh()
    assert "It fails." in client.service.endpoints.problems[0]
    monkeypatch.undo()
    client.service.endpoints.refresh()
    assert client.service.endpoints.problems == []
    answered = client.post("/predict/flight", ROW).json()
    assert answered["models"] == {"delay": 1}
    assert answered["version"] == client.get("/models/flight").json()["version"]


def test_the_version_is_of_all_that_answers_rest_on(registry, tmp_path):
    """Text, definition, types, and the views' columns; not other files, comments or rows."""
    folder, online, database = tmp_path / "some", str(tmp_path / "online"), tmp_path / "w.duckdb"
    folder.mkdir()
    weather = Wanted(name="weather", keys=("origin",), missing="null")
    said = '[request]\ntable = "trips"\n'

    def write(sql, toml=said):
        (folder / "flight.sql").write_text(sql)
        (folder / "flight.toml").write_text(toml)

    def run(sql, *views):
        with duckdb.connect(database) as connection:
            connection.execute(sql)
        done = materialize(views, online, database=database)
        assert not [each.problem for each in done if each.problem]

    def version():
        with open_online(online) as store:
            [found] = check_endpoints(Folder(folder), Surroundings(registry, store, database))
        assert found["problem"] is None
        return found["version"]

    query = "SELECT t.distance, w.wind FROM trips t LEFT JOIN weather w USING (origin)"
    run("CREATE TABLE trips (origin VARCHAR, distance DOUBLE)")
    run("CREATE TABLE weather AS SELECT 'JFK' AS origin, 1.5::DOUBLE AS wind", weather)
    write(query)
    first = version()
    (folder / "notes.txt").write_text("Nothing.")
    write(query, said + "# nothing\n")
    run("UPDATE weather SET wind = 2", weather)
    assert version() == first
    seen = [first]
    write(query + " ")
    seen.append(version())
    write(query, said + 'key = "origin"\n')
    seen.append(version())
    write(query, said + "[answer]\ncolumns = ['wind']\n")
    seen.append(version())
    write(query)
    run("ALTER TABLE trips ALTER distance TYPE FLOAT")
    seen.append(version())
    run("ALTER TABLE weather ADD COLUMN rain DOUBLE", weather)
    seen.append(version())
    assert len(set(seen)) == len(seen)


TWICE = """
SELECT t.origin, a.wind AS there, b.wind AS here, a.wind - b.wind AS differ
FROM trips t LEFT JOIN weather a ON a.origin = t.origin LEFT JOIN weather b ON b.origin = {key}
"""


@pytest.mark.parametrize("key", ["t.origin", "a.origin"])
@pytest.mark.parametrize("route", ["row by row", "DuckDB"])
def test_one_request_sees_one_snapshot(published, tmp_path, start, route, key, monkeypatch):  # noqa: PLR0913, PLR0917 - fixtures
    """A snapshot that is swapped in between two joins of a view is seen by both, or by none."""
    folder, online, database = tmp_path / "some", str(tmp_path / "online"), tmp_path / "w.duckdb"
    folder.mkdir()
    (folder / "flight.sql").write_text(TWICE.format(key=key))
    weather = Wanted(name="weather", keys=("origin",), missing="null")
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE trips (origin VARCHAR)")
        connection.execute("CREATE TABLE weather AS SELECT 'JFK' AS origin, 0::DOUBLE AS wind")
    assert materialize([weather], online, database=database)[0].problem is None
    client = start(published, endpoints=Endpoints(folder, online=online, database=database))
    served, store = client.service.endpoints.find("flight"), client.service.endpoints.store
    assert served.route == "row by row", served.why_duckdb
    monkeypatch.setattr(served, "in_place_rows", 9 if route == "row by row" else 0)
    monkeypatch.setattr(served, "few_rows", 9 if route == "row by row" else 0)
    view = type(store.views["weather"])
    plain, swaps = view.look_up, [1]

    def look_up(online_view, keys):
        found = plain(online_view, keys)
        if swaps:
            with duckdb.connect(database) as connection:
                connection.execute("UPDATE weather SET wind = wind + ?", [swaps.pop()])
            assert materialize([weather], online, database=database)[0].problem is None
            store.refresh()
        return found

    monkeypatch.setattr(view, "look_up", look_up)
    found = client.post("/predict/flight", {"rows": [{"origin": "JFK"}, {"origin": "X"}]}).json()
    assert found["answers"][0] == {"origin": "JFK", "there": 1.0, "here": 1.0, "differ": 0.0}
    assert found["as_of"]["weather"] == store.views["weather"].view.as_of.isoformat().replace(
        "+00:00", "Z"
    )
    swaps += [1] * 9
    refused = client.post("/predict/flight", {"rows": [{"origin": "JFK"}]})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "weather go as they come" in refused.json()["error"]


def test_a_slow_row_is_not_answered_in_place(published, serving, start, monkeypatch):
    """It would hold up all other requests."""
    plain = ServedEndpoint._by_rows

    def slow(self, features):
        time.sleep(0.002)
        return plain(self, features)

    monkeypatch.setattr(ServedEndpoint, "_by_rows", slow)
    client = start(published, endpoints=Endpoints(serving))
    assert client.service.endpoints.find("flight").in_place_rows == 0
    assert client.post("/predict/flight", ROW).status_code == 200


def test_a_row_of_nulls_that_is_refused_measures_nothing(published, serving, start):
    query = "SELECT CAST(coalesce(distance, 1e300) AS INTEGER) AS whole FROM trips"
    (serving / "flight.sql").write_text(query)
    client = start(published, endpoints=Endpoints(serving))
    served = client.service.endpoints.find("flight")
    assert (served.route, served.in_place_rows) == ("row by row", 0), served.why_duckdb
    assert client.post("/predict/flight", ROW).status_code == 200
