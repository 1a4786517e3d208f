"""What the shadow does, and that no answer ever waits for it."""

import threading

import duckdb
import pytest
from children import PATIENCE

from foresql.serving.bounded_queue import BoundedQueue
from foresql.serving.traffic import shadowing

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0, "customer": c} for c in range(4)]}
SHADOW = 'shadow = { alias = "challenger" }'


def logged(log, columns="request_id, row, role, model_version, entity, prediction"):
    query = f"SELECT {columns} FROM '{log.folder}/*/*/*.parquet' ORDER BY ALL"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def test_both_answers_have_one_request_id(start, two_versions, rules, log):
    client = start(two_versions, traffic=rules(SHADOW), prediction_log=log)
    answers = [client.post("/predict/delay", BODY) for _ in range(5)]
    ids = [answer.headers["foresql-request-id"] for answer in answers]
    assert len(set(ids)) == 5
    assert {answer.json()["version"] for answer in answers} == {1}
    values = {
        version: [
            a["value"] for a in client.post(f"/predict/delay:{version}", BODY).json()["answers"]
        ]
        for version in (1, 2)
    }
    client.service.stop()
    found = logged(log)
    for request_id in ids:
        mine = [row for row in found if row[0] == request_id]
        expected = [
            (request_id, place, role, version, None, values[version][place])
            for place in range(4)
            for role, version in (("champion", 1), ("shadow", 2))
        ]
        assert mine == expected
    # Who named a version is not shadowed.
    assert {row[2] for row in found if row[0] not in ids} == {"direct"}


def test_rows_that_it_answers_as_a_canary_are_not_shadowed(start, two_versions, rules, log):
    canary = 'canary = { alias = "challenger", percent = 50, key = "customer" }'
    client = start(two_versions, traffic=rules(f"{canary}\n{SHADOW}"), prediction_log=log)
    rows = [BODY["rows"][0] | {"customer": c} for c in range(40)]
    client.post("/predict/delay", {"rows": rows})
    client.service.stop()
    roles = {}
    for row, role, entity in logged(log, "row, role, entity"):
        assert entity == str(row)
        roles.setdefault(row, []).append(role)
    assert len(roles) == 40
    assert {tuple(sorted(each)) for each in roles.values()} == {("canary",), ("champion", "shadow")}


def test_a_share_by_key_and_by_chance(start, two_versions, rules, log):
    rows = [BODY["rows"][0] | {"customer": c} for c in range(400)]
    for number, key in enumerate(('key = "customer", ', "")):
        settings = type(log)(log.folder / str(number), ())
        text = f'shadow = {{ alias = "challenger", {key}percent = 25 }}'
        client = start(two_versions, traffic=rules(text), prediction_log=settings)
        for _ in range(2):
            client.post("/predict/delay", {"rows": rows})
        client.service.stop()
        shadowed = [row for row, role in logged(settings, "row, role") if role == "shadow"]
        twice = len(shadowed) - len(set(shadowed))
        assert 120 < len(shadowed) < 280
        # By key the same rows are taken again; by chance a quarter of them are.
        assert twice == len(shadowed) / 2 if key else twice < 60


@pytest.fixture
def shadowed(start, two_versions, rules, log):
    """Start an application with a shadow, and a log."""
    return lambda: start(two_versions, traffic=rules(SHADOW), prediction_log=log)


@pytest.fixture
def held(monkeypatch):
    """Shadows wait until the test lets them go."""
    gate = threading.Event()

    def hold(client):
        scorer = client.service.shelf.find("delay@challenger").scorer
        score = scorer.score
        monkeypatch.setattr(
            scorer, "score", lambda table: (gate.wait(PATIENCE), score(table))[1], raising=True
        )
        return gate

    yield hold
    gate.set()


def test_a_slow_shadow_holds_up_nobody(shadowed, log, held, monkeypatch):
    monkeypatch.setattr(shadowing, "QUEUED_ROWS", 20)
    client = shadowed()
    gate = held(client)
    answers = [client.post("/predict/delay", BODY) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    shadow = client.service.traffic.shadow
    assert shadow.queue.rows <= 20
    assert shadow.queue.dropped == 120 - shadow.queue.rows
    assert f"shadow_dropped_rows_total {shadow.queue.dropped}" in client.get("/metrics").text
    gate.set()
    client.service.stop()
    roles = [role for (role,) in logged(log, "role")]
    assert roles.count("champion") == 120
    assert roles.count("shadow") == 120 - shadow.queue.dropped


def test_a_shadow_that_fails_fails_alone(shadowed, log, monkeypatch, caplog):
    client = shadowed()
    scorer = client.service.shelf.find("delay@challenger").scorer
    score = scorer.score

    def fail(table):
        if table.column("customer").to_pylist()[:4] == [0.0] * 4:
            raise ZeroDivisionError("of the value 733")
        return score(table)

    monkeypatch.setattr(scorer, "score", fail)
    bad = {"rows": [row | {"customer": 0} for row in BODY["rows"]]}
    for body in (bad, BODY, bad, BODY):
        assert client.post("/predict/delay", body).status_code == 200
    client.service.stop()
    roles = [role for (role,) in logged(log, "role")]
    assert (roles.count("champion"), roles.count("shadow")) == (16, 8)
    assert client.service.traffic.shadow.failed_rows == {("delay", 2): 8}
    assert "delay:2 fails in the shadow: ZeroDivisionError." in caplog.text
    assert "733" not in caplog.text


def test_without_a_log_it_is_said_that_nothing_is_kept(start, two_versions, rules, caplog):
    client = start(two_versions, traffic=rules(SHADOW))
    client.post("/predict/delay", BODY)
    client.service.stop()
    assert client.service.traffic.shadow.answered_rows == {("delay", 2): 4}
    assert "Keep it: --prediction-log FOLDER" in caplog.text


class Thing:
    def __init__(self, rows, weight):
        self.rows, self.weight = rows, weight


def test_a_queue_is_bounded_by_rows_and_bytes():
    queue = BoundedQueue(10, 100)
    assert [queue.put(Thing(4, 10)) for _ in range(3)] == [True, True, False]
    assert not queue.put(Thing(1, 90))
    assert queue.put(Thing(2, 80))
    assert (queue.rows, queue.bytes, queue.dropped) == (10, 100, 5)
    taken = queue.take(8)
    assert [item.rows for item in taken] == [4, 4]
    assert not queue.put(Thing(1, 1)), "what is dealt with is still held"
    queue.release(taken)
    assert (queue.rows, queue.bytes) == (2, 80)
    assert [item.rows for item in queue.take(1)] == [2], "one is taken, however large it is"
    assert queue.take(1) == []
