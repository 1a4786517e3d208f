"""Versions come and go with their aliases, and never between two stools."""

import gc
import weakref

import pytest

import foresql
from foresql.errors import ForesqlError
from foresql.serving import App, Settings
from foresql.serving.shelf import Shelf

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}


@pytest.fixture(scope="session")
def another():
    """A second version of `delay`, which answers otherwise."""
    import lightgbm
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"distance": np.arange(300.0), "dep delay": np.arange(300.0)})
    options = {"n_estimators": 2, "num_leaves": 3, "n_jobs": 1, "verbose": -1}
    return lightgbm.LGBMRegressor(**options).fit(frame, frame["distance"]), frame


@pytest.fixture
def publish(registry, another):
    def run(alias=None):
        model, frame = another
        options = {"like": frame, "registry": registry, "probe_rows": 50}
        return foresql.publish("delay", model, alias=alias, **options).version

    return run


def version_of(client, reference="delay") -> int:
    return client.post(f"/predict/{reference}", BODY).json()["version"]


def test_a_move_is_followed_and_the_old_version_leaves(start, registry, publish):
    client = start(registry)
    old = weakref.ref(client.service.shelf.find("delay"))
    before = client.post("/predict/delay", BODY).json()
    publish("champion")
    assert version_of(client) == 1
    client.service.shelf.refresh()
    assert version_of(client) == 2
    assert client.post("/predict/delay", BODY).json()["answers"] != before["answers"]
    assert client.post("/predict/delay:1", BODY).status_code == 404
    gc.collect()
    assert old() is None
    foresql.Registry.open(registry).rollback("delay", "champion")
    client.service.shelf.refresh()
    assert client.post("/predict/delay", BODY).json() == before


def test_a_new_alias_and_a_new_model_are_found(start, registry, publish, another):
    client = start(registry)
    publish("challenger")
    model, frame = another
    foresql.publish("fresh", model, like=frame, registry=registry, alias="champion", probe_rows=50)
    client.service.shelf.refresh()
    assert version_of(client) == 1
    assert version_of(client, "delay@challenger") == version_of(client, "delay/versions/2") == 2
    assert version_of(client, "fresh") == 1
    assert client.get("/v2/models/delay@challenger").json()["versions"] == ["2"]


def damage(registry, version):
    store = foresql.Registry.open(registry)
    path = store.bundle_path(store.resolve(f"delay:{version}"))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def test_a_damaged_bundle_leaves_the_old_version(start, registry, publish, caplog, monkeypatch):
    client = start(registry)
    publish("champion")
    path = damage(registry, 2)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    for _ in range(3):
        client.service.shelf.refresh()
    assert version_of(client) == 1
    ready = client.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["degraded"]) == (200, True)
    [delay] = [m for m in client.get("/models").json()["models"] if m["name"] == "delay"]
    problem = "delay@champion: version 2 cannot be loaded, and version 1 answers"
    assert (delay["aliases"], delay["problems"]) == ({"champion": 1}, [problem])
    metrics = client.get("/metrics").text
    assert 'foresql_model_version{model="delay",alias="champion"} 1' in metrics
    assert 'foresql_model_wanted_version{model="delay",alias="champion"} 2' in metrics
    assert "foresql_model_load_failures_total 1" in metrics
    assert caplog.text.count("Version 2 of delay cannot be loaded") == 1
    path.write_bytes(whole)
    client.service.shelf.refresh()
    assert version_of(client) == 1  # it is left alone for a while
    monkeypatch.setattr("foresql.serving.shelf.time.monotonic", lambda: 1e12)
    client.service.shelf.refresh()
    assert version_of(client) == 2
    assert client.get("/v2/health/ready").json()["degraded"] is False


def test_a_registry_that_cannot_be_read_changes_nothing(start, registry, caplog):
    client = start(registry)
    (registry / "models").rename(registry / "gone")
    (registry / "models").write_text("a file")
    for _ in range(2):
        client.service.shelf.refresh()
    assert version_of(client) == 1
    assert client.get("/v2/health/ready").json()["degraded"] is True
    assert caplog.text.count("cannot be followed") == 1
    (registry / "models").unlink()
    (registry / "gone").rename(registry / "models")
    client.service.shelf.refresh()
    assert client.get("/v2/health/ready").json()["degraded"] is False


def test_models_that_are_named(start, registry, publish):
    publish("challenger")
    client = start(registry, models=("delay@challenger", "late", "delay:1"))
    places = client.service.shelf.places
    assert {name: place.served.version for name, place in places.items()} == {
        "delay@challenger": 2,
        "late@champion": 1,
        "delay:1": 1,
    }
    assert client.post("/predict/delay", BODY).status_code == 404
    assert version_of(client, "delay/versions/1") == 1
    assert version_of(client, "delay@challenger") == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dely", "Did you mean 'delay'"),
        ("delay@champoin", "Did you mean 'champion'"),
        ("delay:9", "no version 9"),
        ("de lay", "cannot be used"),
    ],
)
def test_names_that_are_wrong_end_the_start(published, name, words):
    with pytest.raises(ForesqlError, match=words):
        App(Settings(published, (name,)))


def test_a_damaged_model_that_is_named_ends_the_start(start, registry):
    damage(registry, 1)
    with pytest.raises(ForesqlError, match="not a whole bundle"):
        start(registry, models=("delay",))
    client = start(registry)
    assert client.post("/predict/delay", BODY).status_code == 404
    assert client.get("/v2/health/ready").json() == {"ready": True, "live": True, "degraded": True}


def test_a_name_without_an_alias(registry, another):
    model, frame = another
    foresql.publish("bare", model, like=frame, registry=registry, probe_rows=50)
    with pytest.raises(ForesqlError, match="such as bare:1"):
        App(Settings(registry, ("bare",)))
    assert "bare@champion" not in App(Settings(registry)).service.shelf.places


def test_a_registry_of_nothing_is_not_ready(start, tmp_path):
    foresql.Registry.open(tmp_path / "r", create=True)
    client = start(tmp_path / "r")
    ready = client.get("/v2/health/ready")
    assert ready.status_code == 503
    assert ready.json()["error"] == "Not ready: no model is loaded."
    assert client.get("/v2/health/live").status_code == 200


def test_a_dead_or_stuck_thread_is_not_ready(start, published, monkeypatch):
    client = start(published)
    worker = client.service.workers._threads[0]
    monkeypatch.setattr(worker, "busy_seconds", lambda: 61.0)
    assert "does not come back" in client.get("/v2/health/ready").json()["error"]
    assert client.get("/v2/models/delay/ready").status_code == 503
    monkeypatch.undo()
    assert client.get("/v2/health/ready").status_code == 200
    client.service.workers.stop()
    for thread in client.service.workers._threads:
        thread.join(10)
    assert "not running" in client.get("/v2/health/ready").json()["error"]
    client.service.shelf.find("delay").in_place_rows = 0
    assert client.post("/predict/delay", BODY).status_code == 503


def test_before_and_after_its_life_it_is_not_ready(published):
    app = App(Settings(published, ("delay",)))
    assert app.service.problem == "it is not running"
    app.service.start()
    assert app.service.problem is None
    app.service.stop()
    assert app.service.problem == "it is not running"


def test_warming_decides_where_rows_are_scored(published):
    shelf = App(Settings(published)).service.shelf
    assert isinstance(shelf, Shelf)
    assert shelf.find("delay").in_place_rows >= 1
