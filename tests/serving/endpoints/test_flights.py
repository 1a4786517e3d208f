"""The online answer is the batch answer, bit for bit, on 10,000 flights with what dbt built."""

import asyncio
import json
import struct
from datetime import date, datetime

import duckdb
import httpx
import numpy as np
import pytest

import foresql
from foresql.serving import App, Endpoints, Limits, Settings

MODELS = ("delay", "cost")
# The server ignores it; pytest takes that back after each test.
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")


@pytest.fixture(scope="module")
def app(airport):
    endpoints = Endpoints(airport.serving, online=airport.online, database=airport.database)
    limits = Limits(body_bytes=2**26)
    app = App(
        Settings(airport.registry, endpoints=endpoints, poll_seconds=3600, threads=2, limits=limits)
    )
    app.service.start()
    yield app
    app.service.stop()


@pytest.fixture(scope="module")
def ask(app):
    runner = asyncio.Runner()
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    def post(path, **options):
        return runner.run(client.post(path, timeout=None, **options))

    yield post
    runner.run(client.aclose())
    runner.close()


@pytest.fixture(scope="module")
def batch(airport):
    """What the query answers over the warehouse's own tables, by flight."""

    def answers(name):
        query = (airport.serving / f"{name}.sql").read_text()
        with foresql.connect(airport.database, read_only=True) as connection:
            for model in MODELS:
                foresql.register(
                    connection, f"{model}@champion", registry=airport.registry, temporary=True
                )
            rows = connection.execute(query).to_arrow_table().to_pylist()
        return {row["flight_id"]: bits(row) for row in rows}

    return {name: answers(name) for name in ("flight_delay", "flight_cost")}


def bits(row):
    """A row in which doubles that differ in any bit differ."""
    return {
        name: struct.pack("<d", value) if isinstance(value, float) else value
        for name, value in row.items()
    }


def in_json(value):
    return value.isoformat() if isinstance(value, date | datetime) else value


@pytest.mark.parametrize("name", ["flight_delay", "flight_cost"])
@pytest.mark.parametrize("route", ["row by row", "DuckDB"])
@pytest.mark.parametrize("size", [10_000, 1])
def test_rows_by_name(airport, app, ask, batch, name, size, route, monkeypatch):  # noqa: PLR0913, PLR0917 - fixtures
    """Many rows at once, and rows alone: each answer is the batch's; what it drops is dropped."""
    endpoint = app.service.endpoints.find(name)
    assert endpoint.route == "row by row", endpoint.why_duckdb
    monkeypatch.setattr(endpoint, "in_place_rows", 0)
    monkeypatch.setattr(endpoint, "few_rows", 10_000 if route == "row by row" else 0)
    rows = airport.rows(endpoint.names).to_pylist()
    assert len(rows) == 10_000
    rows = rows if size > 1 else rows[:: 10_000 // 60]
    answered = 0
    for start in range(0, len(rows), size):
        part = [{k: in_json(v) for k, v in row.items()} for row in rows[start : start + size]]
        response = ask(f"/predict/{name}", json={"rows": part})
        assert response.status_code == 200, response.text
        found = response.json()
        places = found["rows"]
        assert places == sorted(places)
        kept = [place for place, row in enumerate(part) if row["flight_id"] in batch[name]]
        assert places == kept
        for place, answer in zip(places, found["answers"], strict=True):
            assert bits(answer) == batch[name][part[place]["flight_id"]]
        answered += len(places)
    assert answered > len(rows) / 10


def test_it_is_what_dbt_stored(airport, batch):
    """The endpoint's query gives the probabilities that the dbt project's own models stored."""
    with duckdb.connect(airport.database, read_only=True) as connection:
        stored = connection.sql(
            "SELECT flight_id, late_probability, predicted_late FROM delay_predictions"
        ).to_arrow_table()
    assert stored.num_rows > 10_000
    assert {row["flight_id"]: bits(row) for row in stored.to_pylist()} == batch["flight_delay"]


def test_binary_tensors(airport, app, ask, batch):
    endpoint = app.service.endpoints.find("flight_delay")
    rows = airport.rows(endpoint.names)
    inputs, blobs = [], []
    for name, datatype in endpoint.datatypes.items():
        blob = _blob(rows[name].to_pylist(), datatype)
        tensor = {"name": name, "shape": [rows.num_rows], "datatype": datatype}
        blobs.append(blob or b"")
        if blob is None:
            tensor["data"] = [in_json(value) for value in rows[name].to_pylist()]
        else:
            tensor["parameters"] = {"binary_data_size": len(blob)}
        inputs.append(tensor)
    wanted = [{"name": "late_probability", "parameters": {"binary_data": True}}]
    text = json.dumps({"inputs": inputs, "outputs": wanted}).encode()
    headers = {"inference-header-content-length": str(len(text))}
    response = ask("/v2/models/flight_delay/infer", content=text + b"".join(blobs), headers=headers)
    assert response.status_code == 200, response.text
    end = int(response.headers["inference-header-content-length"])
    found = np.frombuffer(response.content[end:], "<f8")
    expected = b"".join(
        batch["flight_delay"][flight]["late_probability"]
        for flight in rows["flight_id"].to_pylist()
    )
    assert found.tobytes() == expected
    parameters = json.loads(response.content[:end])["parameters"]
    assert parameters["models"].startswith("delay:")
    assert "as_of.stg_weather" in parameters


def _blob(values, datatype):
    """Bytes, where no value is NULL, which they cannot say."""
    if None in values:
        return None
    if datatype == "BYTES":
        texts = [str(in_json(value)).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    codes = {"INT64": "<i8", "FP64": "<f8"}
    return np.array(values, codes[datatype]).tobytes()
