"""Requests that are scored together do not notice each other."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import foresql


@pytest.fixture
def client(start, published):
    client = start(published)
    for served in client.service.shelf.versions:
        served.in_place_rows = 0  # everything goes through the queue
    return client


def test_the_same_answers_as_alone(client):
    rng = np.random.default_rng(4)
    bodies = [
        {"rows": [{"distance": d, "dep delay": e} for d, e in rng.normal(9, 99, (n, 2)).tolist()]}
        for n in rng.integers(1, 40, 60).tolist()
    ]
    alone = [client.post("/predict/delay", body).json() for body in bodies]
    together = client.together([("/predict/delay", body) for body in bodies])
    assert [response.json() for response in together] == alone
    batches = client.service.metrics.batches["delay"]
    assert sum(batches.counts) < 60 + 20
    assert batches.total == 2 * sum(len(body["rows"]) for body in bodies)


def test_a_refused_row_is_its_own_request_s(client):
    row = {"distance": 1.0}
    bodies = [{"rows": [row]}] * 5 + [{"rows": [row, {"distance": None}]}] + [{"rows": [row]}] * 5
    found = client.together([("/predict/pair", body) for body in bodies])
    assert [response.status_code for response in found] == [200] * 5 + [422] + [200] * 5
    assert "'distance' is NULL" in found[5].json()["error"]
    assert len({response.text for response in found}) == 2


def test_models_do_not_mix(client):
    rows = {"delay": {"distance": 9.0, "dep delay": 1.0}, "pair": {"distance": 9.0}}
    alone = {
        name: client.post(f"/predict/{name}", {"rows": [row]}).json() for name, row in rows.items()
    }
    names = ["delay", "pair"] * 10
    found = client.together([(f"/predict/{name}", {"rows": [rows[name]]}) for name in names])
    assert [response.json() for response in found] == [alone[name] for name in names]


def test_a_batch_has_no_more_rows_than_allowed(start, published):
    client = start(published, limits={"batch_rows": 10})
    client.service.shelf.find("delay").in_place_rows = 0
    body = {"rows": [{"distance": 9.0, "dep delay": 1.0}] * 4}
    found = client.together([("/predict/delay", body)] * 12)
    assert {response.status_code for response in found} == {200}
    assert client.service.metrics.batches["delay"].counts[3:] == [0] * 6
    assert sum(client.service.metrics.batches["delay"].counts) >= 6


def test_a_failure_of_ours_is_no_answer(client, caplog):
    def broken(_batch):
        raise ZeroDivisionError("secret")

    client.service.shelf.find("delay").scorer.score = broken
    response = client.post("/predict/delay", {"rows": [{"distance": 1.0, "dep delay": 1.0}]})
    assert response.status_code == 500
    assert response.json() == {"error": "The server failed. Its log says why."}
    assert "secret" in caplog.text


def test_requests_that_come_together_are_one_batch(start, tmp_path, monkeypatch):
    monkeypatch.setattr("foresql.serving.models.IN_PLACE_SECONDS", 0.0)
    like = pd.DataFrame({"x": np.arange(50.0)})
    model = LinearRegression().fit(like, like["x"] * 2)
    options = {"like": like, "registry": tmp_path / "r", "alias": "champion", "probe_rows": 50}
    foresql.publish("line", model, **options)
    client = start(tmp_path / "r")
    found = client.together([("/predict/line", {"rows": [{"x": float(n)}]}) for n in range(30)])
    values = [response.json()["answers"][0]["value"] for response in found]
    expected = model.predict(pd.DataFrame({"x": np.arange(30.0)}))
    assert values == expected.tolist()
    assert sum(client.service.metrics.batches["line"].counts) < 10
