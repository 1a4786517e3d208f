"""Bodies that are too large, too slow, badly packed; and what there is no room for."""

import asyncio
import gzip
import json
import threading
import zlib

import pytest

ROW = {"distance": 733.0, "dep delay": 4.0}
BODY = json.dumps({"rows": [ROW]}).encode()
GZIP = {"content-encoding": "gzip"}


def error(response, status) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return response.json()["error"]


def test_gzip(shared):
    plain = shared.post("/predict/delay", BODY)
    assert shared.post("/predict/delay", gzip.compress(BODY), headers=GZIP).json() == plain.json()
    identity = {"content-encoding": "identity"}
    assert shared.post("/predict/delay", BODY, headers=identity).json() == plain.json()


@pytest.mark.parametrize(
    "body",
    [b"", BODY, gzip.compress(BODY)[:-4], gzip.compress(BODY) + b"x", gzip.compress(BODY) * 2,
     zlib.compress(BODY)],
    ids=["nothing", "plain", "cut", "more behind", "twice", "zlib"],
)  # fmt: skip
def test_what_is_no_gzip(shared, body):
    assert "gzip" in error(shared.post("/predict/delay", body, headers=GZIP), 400)


def test_other_encodings(shared):
    response = shared.post("/predict/delay", BODY, headers={"content-encoding": "br"})
    assert "Send gzip" in error(response, 415)


def test_a_gzip_bomb_is_not_unpacked(start, published):
    client = start(published, limits={"body_bytes": 100_000})
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert "100,000 bytes" in error(client.post("/predict/delay", bomb, headers=GZIP), 413)
    fits = gzip.compress(BODY + b" " * (100_000 - len(BODY)))
    assert client.post("/predict/delay", fits, headers=GZIP).status_code == 200
    larger = gzip.compress(BODY + b" " * (100_001 - len(BODY)))
    error(client.post("/predict/delay", larger, headers=GZIP), 413)


def test_a_large_body(start, published):
    client = start(published, limits={"body_bytes": 1_000})
    response = client.post("/predict/delay", BODY + b" " * 1_000)
    assert "1,000 bytes" in error(response, 413)
    assert response.headers["connection"] == "close"

    async def parts():
        for _ in range(100):
            yield b" " * 100

    assert error(client.run(client.http.post("/predict/delay", content=parts())), 413)
    assert client.service.bodies.buffered == 0


def test_many_rows(start, published):
    client = start(published, limits={"rows": 5})
    assert client.post("/predict/delay", {"rows": [ROW] * 5}).status_code == 200
    assert "6 rows, and 5" in error(client.post("/predict/delay", {"rows": [ROW] * 6}), 413)


def ask(client, messages):
    """Send what a server would, message by message; a number waits for so many seconds."""
    sent = []
    remaining = iter(messages)

    async def receive():
        message = next(remaining)
        while isinstance(message, float):
            await asyncio.sleep(message)
            message = next(remaining)
        return message

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/predict/delay", "headers": [],
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    client.run(client.app(scope, receive, send))
    return sent


def part(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_does_not_arrive(start, published):
    client = start(published, limits={"body_seconds": 0.05})
    for messages in ([5.0], [part(BODY[:9]), 5.0]):
        sent = ask(client, messages)
        assert sent[0]["status"] == 408
        assert (b"connection", b"close") in sent[0]["headers"]
    assert ask(client, [part(BODY[:9]), part(BODY[9:], more=False)])[0]["status"] == 200
    assert client.service.bodies.buffered == client.service.in_flight == 0


def test_a_client_that_goes_away(start, published):
    client = start(published)
    assert ask(client, [part(BODY[:9]), {"type": "http.disconnect"}]) == []
    assert client.service.bodies.buffered == client.service.in_flight == 0


def test_no_room_for_bodies(start, published):
    client = start(published, limits={"buffered_bytes": 10})
    sent = ask(client, [part(BODY[:20]), part(BODY[20:], more=False)])
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"1") in sent[0]["headers"]


def test_no_room_for_requests(start, published):
    client = start(published, limits={"requests": 2})
    sent = []

    async def hold(free):
        async def receive():
            await free.wait()
            return part(BODY, more=False)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict/delay", "headers": [],
                 "client": ("127.0.0.1", 1)}  # fmt: skip
        await client.app(scope, receive, send)

    async def all_at_once():
        free = asyncio.Event()
        first = [asyncio.create_task(hold(free)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await client.http.post("/predict/delay", content=BODY)
        healthy = await client.http.get("/v2/health/live")
        free.set()
        await asyncio.gather(*first)
        return refused, healthy

    refused, healthy = client.run(all_at_once())
    assert "under way" in error(refused, 429)
    assert refused.headers["retry-after"] == "1"
    assert healthy.status_code == 200
    assert [message["status"] for message in sent if "status" in message] == [200, 200]


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for is inside the application
        await asyncio.sleep(0)


def test_a_full_queue(start, published):
    """Two requests are taken, two wait, the fifth is refused; then all are answered."""
    client = start(published, limits={"queued": 2})
    served = client.service.shelf.find("delay")
    served.in_place_rows = 0
    scorer, free = served.scorer.score, threading.Event()

    def slow(batch):
        free.wait(10)
        return scorer(batch)

    served.scorer.score = slow

    async def ask():
        first = asyncio.create_task(client.http.post("/predict/delay", content=BODY))
        await until(lambda: client.service.workers.waiting)
        more = [asyncio.create_task(client.http.post("/predict/delay", content=BODY)) for _ in "ab"]
        await until(lambda: served.batcher.waiting == 2)
        refused = await client.http.post("/predict/delay", content=BODY)
        free.set()
        return refused, await asyncio.gather(first, *more)

    refused, answered = client.run(ask())
    assert "queue is full" in error(refused, 429)
    assert [response.status_code for response in answered] == [200] * 3
    assert 'foresql_batch_rows_count{model="delay"} 2' in client.get("/metrics").text
