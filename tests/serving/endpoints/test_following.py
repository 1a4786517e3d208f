"""Endpoints follow their files, their models' aliases and their views, and no request fails."""

import json
import shutil
import threading
from datetime import datetime
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest
import tritonclient.grpc as triton
from click.testing import CliRunner
from redis_server import redis_server

import foresql
from foresql.cli import main
from foresql.online import Wanted, materialize
from foresql.serving import Endpoints
from foresql.serving.settings import LogSettings

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
QUERY = (
    'SELECT distance, predict_delay(distance := distance, "dep delay" := 1.0) AS late FROM trips'
)
TOML = '[request]\ncolumns = { distance = "DOUBLE" }\n'
ROW = {"rows": [{"distance": 733.0}]}


@pytest.fixture
def serving(tmp_path):
    folder = tmp_path / "serving"
    folder.mkdir()
    (folder / "late_flight.sql").write_text(QUERY)
    (folder / "late_flight.toml").write_text(TOML)
    return folder


def publish_another(registry: Path, name: str, columns: tuple[str, ...]) -> None:
    """A further version, which is the champion then."""
    frame = pd.DataFrame({column: np.arange(300.0) for column in columns})
    options = {"n_estimators": 2, "num_leaves": 3, "n_jobs": 1, "verbose": -1}
    model = lightgbm.LGBMRegressor(**options).fit(frame, frame["distance"])
    foresql.publish(name, model, like=frame, registry=registry, probe_rows=100, alias="champion")


def test_a_moved_alias_is_followed_without_a_failed_request(registry, serving, start):
    client = start(registry, endpoints=Endpoints(serving))
    before = client.post("/predict/late_flight", ROW).json()
    publish_another(registry, "delay", ("distance", "dep delay"))
    looking = threading.Thread(target=client.service.endpoints.refresh)
    looking.start()
    versions = set()
    while looking.is_alive():
        response = client.post("/predict/late_flight", ROW)
        assert response.status_code == 200
        versions.add((response.json()["models"]["delay"], str(response.json()["answers"])))
    looking.join()
    after = client.post("/predict/late_flight", ROW).json()
    assert (before["models"], after["models"]) == ({"delay": 1}, {"delay": 2})
    assert before["version"] != after["version"]
    assert versions <= {(1, str(before["answers"])), (2, str(after["answers"]))}
    assert before["answers"] != after["answers"]


def test_a_broken_file_leaves_the_old_one_answering(registry, serving, start, caplog):
    client = start(registry, endpoints=Endpoints(serving))
    before = client.post("/predict/late_flight", ROW).json()
    for broken in ("SELECT sum(distance) AS s FROM trips", "SELECT", "SELECT nothing FROM trips"):
        (serving / "late_flight.sql").write_text(broken)
        client.service.endpoints.refresh()
        assert client.post("/predict/late_flight", ROW).json() == before
        assert client.get("/v2/health/ready").json()["degraded"] is True
        [listed] = [m for m in client.get("/models").json()["models"] if m["name"] == "late_flight"]
        assert "the one before answers" in listed["problems"][0]
        metrics = client.get("/metrics").text
        assert 'foresql_endpoint_is_current{endpoint="late_flight"} 0.0' in metrics
    assert "The endpoint late_flight" in caplog.text
    (serving / "late_flight.sql").write_text(QUERY.replace("1.0", "2.0"))
    client.service.endpoints.refresh()
    assert client.get("/v2/health/ready").json()["degraded"] is False
    assert client.post("/predict/late_flight", ROW).json()["version"] != before["version"]
    (serving / "more.sql").write_text(QUERY)
    (serving / "more.toml").write_text(TOML)
    client.service.endpoints.refresh()
    assert client.post("/predict/more", ROW).status_code == 200
    (serving / "more.sql").unlink()
    (serving / "more.toml").unlink()
    client.service.endpoints.refresh()
    assert client.post("/predict/more", ROW).status_code == 404


def test_a_model_that_would_change_the_columns_is_not_followed(registry, serving, start):
    """Clients rely on what an endpoint takes and gives: only its file changes that."""
    (serving / "late_flight.sql").write_text("SELECT predict_pair(distance) AS pair FROM trips")
    client = start(registry, endpoints=Endpoints(serving))
    before = client.post("/predict/late_flight", ROW).json()
    publish_another(registry, "pair", ("distance",))
    client.service.endpoints.refresh()
    assert client.post("/predict/late_flight", ROW).json() == before
    assert "its columns would be" in client.service.endpoints.problems[0]


def materialized(into: str, query: str) -> None:
    [done] = materialize([Wanted(name="planes", keys=("tailnum",), query=query)], into)
    assert done.problem is None


PLANES = "SELECT 'N1' AS tailnum, {} AS seats"
JOINED = "SELECT t.tailnum, p.seats FROM trips t JOIN planes p USING (tailnum)"
TAIL = {"rows": [{"tailnum": "N1"}]}


@pytest.fixture(params=["folder", "redis"])
def place(request, tmp_path):
    if request.param == "folder":
        yield str(tmp_path / "online")
        return
    with redis_server() as server:
        yield server.url()


def test_a_view_whose_columns_change_is_followed(registry, serving, start, place):
    """The endpoint is compiled anew for them, and until then the old one answers."""
    (serving / "late_flight.sql").write_text(JOINED)
    (serving / "late_flight.toml").write_text('[request]\ncolumns = { tailnum = "VARCHAR" }\n')
    materialized(place, PLANES.format("1"))
    client = start(registry, endpoints=Endpoints(serving, online=place))
    endpoints = client.service.endpoints

    def answered() -> object:
        response = client.post("/predict/late_flight", TAIL)
        assert response.status_code == 200, response.text
        return response.json()["answers"][0]["seats"]

    assert answered() == 1
    materialized(place, f"SELECT 7 AS wings, * FROM ({PLANES.format('2')})")
    endpoints.store.refresh()
    assert answered() == 1, "rows of other columns are not read as if they were the old ones"
    endpoints.refresh()
    assert answered() == 2
    # There and back between two looks: the columns are the same, and the snapshot is not.
    for query in (PLANES.format("3"), f"SELECT 7 AS wings, * FROM ({PLANES.format('4')})"):
        materialized(place, query)
        endpoints.store.refresh()
    endpoints.refresh()
    assert answered() == 4
    assert endpoints.problems == []
    materialized(place, PLANES.format("'many'"))
    endpoints.refresh()
    assert answered() == 4
    assert "with the feature view planes of now its columns would be" in endpoints.problems[0]
    (serving / "late_flight.sql").write_text(JOINED + " WHERE true")
    endpoints.refresh()
    assert answered() == "many"


TWICE = """SELECT t.one, t.other, a.seats AS first, b.seats AS second
    FROM trips t JOIN planes a ON a.tailnum = t.one JOIN planes b ON b.tailnum = t.other"""
GENERATION = "SELECT 'N' || i AS tailnum, {} AS seats FROM range(9) r(i)"


@pytest.mark.parametrize("rows", [1, 3_000])
def test_a_request_reads_one_snapshot_and_says_which(registry, serving, start, place, rows):
    """Whenever a newer one is swapped in: `as_of` is of that which gave the rows."""
    (serving / "late_flight.sql").write_text(TWICE)
    columns = '{ one = "VARCHAR", other = "VARCHAR" }'
    (serving / "late_flight.toml").write_text(f"[request]\ncolumns = {columns}\n")
    materialized(place, GENERATION.format(0))
    client = start(registry, endpoints=Endpoints(serving, online=place))
    store = client.service.endpoints.store
    view = store.views["planes"]
    as_of = {0: view.view.as_of}
    served = client.service.endpoints.find("late_flight")
    assert (rows > served.few_rows) == (rows > 1), "both ways are asked"

    class Swapping:
        """The view, of which a newer snapshot is swapped in before or behind a lookup."""

        left = 0

        @property
        def is_local(self):
            return view.is_local

        @property
        def view(self):
            self._step()
            return view.view

        def look_up(self, keys):
            self._step()
            found = view.look_up(keys)
            self._step()
            return found

        def _step(self):
            self.left -= 1
            if self.left == 0:
                generation = len(as_of)
                materialized(place, GENERATION.format(generation))
                store.refresh()
                as_of[generation] = view.view.as_of

    swapping = Swapping()
    served._views["planes"] = swapping
    asked = {"rows": [{"one": f"N{i % 9}", "other": f"N{i % 7}"} for i in range(rows)]}
    for steps in (1, 2, 3, 4):
        swapping.left = steps
        found = client.post("/predict/late_flight", asked).json()
        seen = {answer[name] for answer in found["answers"] for name in ("first", "second")}
        assert len(found["answers"]) == rows
        said = datetime.fromisoformat(found["as_of"]["planes"])
        assert [as_of[each] for each in seen] == [said]
    assert len(as_of) == 5


def test_files_are_followed_while_the_views_are_out_of_reach(registry, serving, start, tmp_path):
    into = tmp_path / "online"
    materialized(str(into), PLANES.format("1"))
    client = start(registry, endpoints=Endpoints(serving, online=str(into)))
    away = into.rename(tmp_path / "away")
    before = client.post("/predict/late_flight", ROW).json()["version"]
    (serving / "late_flight.sql").write_text(QUERY.replace("1.0", "2.0"))
    client.service.endpoints.refresh()
    assert client.post("/predict/late_flight", ROW).json()["version"] != before
    assert not client.service.endpoints.is_current
    assert "feature views: " in client.service.endpoints.problems[0]
    away.rename(into)
    client.service.endpoints.refresh()
    assert client.service.endpoints.is_current
    assert client.service.endpoints.problems == []


def test_a_file_that_is_no_endpoint_makes_no_other_unready(registry, serving, start):
    with redis_server() as server:
        materialized(server.url(), PLANES.format("1"))
        (serving / "late_flight.sql").write_text(JOINED)
        (serving / "late_flight.toml").write_text('[request]\ncolumns = { tailnum = "VARCHAR" }\n')
        client = start(registry, endpoints=Endpoints(serving, online=server.url()))
        (serving / "stray.toml").write_text("")
        client.service.endpoints.refresh()
        assert client.get("/v2/models/late_flight/ready").status_code == 200
        assert "files and aliases of endpoints: " in client.service.endpoints.problems[0]


def test_that_rules_and_log_are_not_for_endpoints_is_said(
    registry, serving, start, tmp_path, caplog
):
    endpoints = Endpoints(serving)
    start(registry, endpoints=endpoints)
    assert "Answers of endpoints" not in caplog.text
    log = LogSettings(tmp_path / "log")
    client = start(registry, endpoints=endpoints, prediction_log=log)
    assert "Answers of endpoints are not logged by --prediction-log: late_flight." in caplog.text
    assert client.post("/predict/late_flight", ROW).status_code == 200
    assert client.post("/predict/delay", {"rows": [{"distance": 1, "dep delay": 2}]}).is_success
    client.service.stop()
    assert [path.name for path in log.folder.iterdir()] == ["delay"]


def test_check_says_what_each_endpoint_is(registry, serving, tmp_path):
    (serving / "refused.sql").write_text("SELECT count(*) AS n FROM trips")
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE trips (distance INTEGER, further HUGEINT)")
    arguments = ["endpoint", "check", str(serving), "--registry", str(registry)]
    arguments += ["--database", str(database)]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 1
    good, refused = json.loads(done.output)
    assert good["columns"] == {"distance": "DOUBLE"}
    assert good["models"] == ["delay:1"]
    assert good["outputs"] == {"distance": "DOUBLE", "late": "DOUBLE"}
    assert good["route"] in {"DuckDB", "row by row"}
    assert "count" in refused["problem"]
    (serving / "refused.sql").unlink()
    (serving / "late_flight.toml").unlink()
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert "request  trips: distance INTEGER" in done.output


def test_models_of_a_dbt_project(registry, tmp_path, start):
    """Compiled SQL, the parents' types and what meta says: as dbt writes its manifest."""
    project = tmp_path / "shop"
    (project / "target").mkdir(parents=True)
    node = {
        "resource_type": "model",
        "name": "late_flight",
        "compiled_code": QUERY.replace("FROM trips", 'FROM "shop"."main"."trips"'),
        "depends_on": {"nodes": ["model.shop.trips"]},
        "config": {"meta": {"endpoint": {"request": {"key": "distance"}}}},
    }
    trips = {
        "resource_type": "model",
        "name": "trips",
        "columns": {"distance": {"data_type": "double"}, "origin": {"data_type": "varchar"}},
    }
    nodes = {"model.shop.late_flight": node, "model.shop.trips": trips}
    manifest = project / "target" / "manifest.json"
    manifest.write_text(json.dumps({"nodes": nodes}))
    client = start(registry, endpoints=Endpoints(dbt=project, dbt_models=("late_flight",)))
    assert client.post("/predict/late_flight", ROW).status_code == 200
    endpoint = client.service.endpoints.find("late_flight")
    assert (endpoint.key, endpoint.names) == (("distance",), ["distance"])
    shutil.rmtree(project)
    client.service.endpoints.refresh()
    assert client.post("/predict/late_flight", ROW).status_code == 200
    assert client.service.problems


def test_grpc_answers_too(registry, serving, serve):
    """The shared code of the protocol serves endpoints over gRPC."""
    server = serve(registry, "--endpoints", serving, "--grpc-port", "0")
    with triton.InferenceServerClient(server.announced["grpc"]) as client:
        distance = triton.InferInput("distance", [2], "FP64")
        distance.set_data_from_numpy(np.array([733.0, np.inf]))
        answered = client.infer("late_flight", [distance])
        assert answered.as_numpy("distance").tolist() == [733.0, np.inf]
        assert answered.as_numpy("late").dtype == np.float64
    assert server.stop() == 0, server.errors
