"""Requests that are meant to harm, as bytes, against the command as a process.

Each gets the right status and an error in JSON that tells nothing of the server, and the server
answers the next one. Slow ones: test_slow_clients.py.
"""

import json
import sys

import httpx
import pytest
from raw_http import Connection, request
from serving_process import Server

BODY = b'{"rows": [{"distance": 733.0, "dep delay": 4.0}]}'
NEXT = request(path="/metrics")
"""Behind a request: answered if the server believes that it begins there."""

CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
LENGTH = f"Content-Length: {len(BODY)}"
TE = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def running(published):
    server = Server(published)
    yield server
    assert server.stop() == 0
    assert set(server.errors.splitlines()) <= {"Invalid HTTP request received."}


@pytest.fixture
def connected(running):
    """A connection; behind the test, the server answers another one."""
    with Connection(running.address) as connection:
        yield connection
    with Connection(running.address) as another:
        another.send(post(LENGTH, body=BODY))
        assert another.answer().status == 200


def post(*lines, body=BODY, path="/predict/delay") -> bytes:
    return request("POST", path, *lines, body=body)


def refused(answer, *statuses) -> str:
    """Check that an error is in JSON, and names nothing of the server."""
    assert answer.status in statuses, answer
    message = answer.error
    for word in ("Traceback", ".py", "foresql_registry", "/tmp", sys.prefix, "Error("):  # noqa: S108
        assert word not in message
    return message


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 4", TE], CHUNKED),
        ([TE, "Content-Length: 4"], CHUNKED),
        (["Transfer-Encoding: identity"], BODY),
        (["Transfer-Encoding: xchunked"], CHUNKED),
        (["Transfer-Encoding: chunked, identity"], CHUNKED),
        ([TE, "Transfer-Encoding: identity"], CHUNKED),
        (["Transfer-Encoding : chunked"], CHUNKED),
        (["Transfer-Encoding: \x0bchunked"], CHUNKED),
        ([" Transfer-Encoding: chunked"], CHUNKED),
        ([LENGTH, "Content-Length: 0"], BODY),
        ([LENGTH, LENGTH], BODY),
        ([f"{LENGTH}, {len(BODY)}"], BODY),
        ([f"Content-Length: +{len(BODY)}"], BODY),
        (["Content-Length: -1"], BODY),
        ([f"Content-Length: {len(BODY):#x}"], BODY),
        ([f"Content-Length: {2**64 + len(BODY)}"], BODY),
        (["Content-Length: "], BODY),
        (["Content-Length: 4 9"], BODY),
        (["X: a\r\n b", LENGTH], BODY),
        (["X: a\0b", LENGTH], BODY),
        (["X: a\rb", LENGTH], BODY),
        (["X", LENGTH], BODY),
        ([": x", LENGTH], BODY),
        (["X Y: x", LENGTH], BODY),
        (["X\xe9: x", LENGTH], BODY),
        (["Transfer-Encoding: gzip, chunked"], CHUNKED),
        ([TE], b"0x4\r\n" + BODY),
        ([TE], b"-4\r\n" + BODY),
        ([TE], b"F" * 17 + b"\r\n" + BODY),
        ([TE], b"4;a\n" + BODY),
        ([TE], b"4\n" + BODY),
        ([TE], b"4 \r\n" + BODY),
        ([TE], b"4\r\n" + BODY),
        ([TE], CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n"),
        (["Connection: Upgrade", "Upgrade: h2c", LENGTH], BODY),
        (["Connection: Upgrade", "Upgrade: h2c", TE], CHUNKED),
    ],
    ids=range(36),
)
def test_where_a_request_ends_is_never_in_doubt(connected, lines, body):
    """It is refused, and what follows is not read: a proxy may see another request there."""
    connected.send(post(*lines, body=body) + NEXT)
    refused(connected.answer(), 400)
    assert connected.is_closed()


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([TE], CHUNKED),
        (["tRANSFER-eNCODING:\tCHUNKED"], CHUNKED),
        ([TE], b"".join(b"1\r\n%c\r\n" % each for each in BODY) + b"0\r\n\r\n"),
        ([TE], CHUNKED.replace(b"\r\n{", b";name=value\r\n{", 1)),
        ([TE], CHUNKED[:-2] + b"Trailer: read by nobody\r\n\r\n"),
        ([f"{LENGTH} "], BODY),
        ([LENGTH, "Connection: Upgrade"], BODY),
    ],
    ids=range(7),
)
def test_odd_requests_that_are_right(connected, lines, body):
    """They are answered, and so is the one behind them on the same connection."""
    connected.send(post(*lines, body=body) + NEXT)
    assert json.loads(connected.answer().body)["model"] == "delay"
    assert b"foresql_requests_total" in connected.answer().body


def test_a_request_without_end_of_line_characters(connected):
    connected.send(post(LENGTH).replace(b"\r\n", b"\n") + NEXT)
    refused(connected.answer(), 400)
    assert connected.is_closed()


def test_many_requests_at_once(connected):
    """Answers come in order; what is no HTTP behind them ends the connection, after them."""
    count = 300
    connected.send(
        (post(LENGTH) + request(path="/models/none")) * count + b"\0nonsense\r\n\r\n" + NEXT
    )
    statuses = [connected.answer().status for _ in range(2 * count)]
    assert statuses == [200, 404] * count
    end = connected.answer()
    if end is not None:
        refused(end, 400)
    assert connected.is_closed()


def test_a_body_longer_than_its_length(connected):
    """The first answer is of the request as it was declared; the rest is none."""
    connected.send(post(LENGTH, body=BODY + b"}}"))
    assert connected.answer().status == 200
    end = connected.answer()
    if end is not None:
        refused(end, 400)
    assert connected.is_closed()


def test_a_body_that_ends_early(connected):
    """Nobody is there to be answered, and nothing is scored."""
    connected.send(post(f"Content-Length: {len(BODY) + 5}"))
    connected.shut()
    assert connected.answer() is None


def test_a_client_that_listens_on_but_sends_no_more(running):
    """uvicorn may answer it or close; neither is waited for."""
    for _ in range(20):
        with Connection(running.address) as connection:
            connection.send(post(LENGTH))
            connection.shut()
            answer = connection.answer()
            assert answer is None or answer.status == 200
            assert connection.is_closed()


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/models/%2e%2e", [404]),
        ("/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", [404]),
        ("/models/delay%00", [404]),
        ("/models/%ff%fe", [404]),
        ("/models/%", [404]),
        ("/models/%zz", [404]),
        ("/models/..;/metrics", [404]),
        ("/v2/health/../../metrics", [404]),
        ("/v2/health/live/../../../metrics", [404]),
        ("//metrics", [404]),
        ("/metrics/", [404]),
        ("/./metrics", [404]),
        ("/models/delay;x=1", [404]),
        ("/models/d%C3%A9lay", [404]),
        ("/models/%E2%80%AEdelay", [404]),
        ("/models/%EF%BD%84elay", [404]),
        ("/models/delay@champion@champion", [404]),
        ("/models/delay:01", [404]),
        ("/models/delay:+1", [404]),
        ("/models/delay:%EF%BC%91", [404]),
        ("/models/*", [404]),
        ("/models/{}", [404]),
        ("/models/%7B%7D", [404]),
        ("/models/'%20or%201=1--", [404]),
        ("/models/{0.__class__}", [404]),
        ("/models/%0d%0aSet-Cookie:%20a=b", [404]),
        ("/models/" + "a" * 60_000, [404]),
        ("/models/" + "/a" * 30_000, [404]),
        ("/models/" + "a" * 66_000, [400, 431]),
        ("\\models", [400]),
        ("models", [400]),
        ("/mod els", [400]),
        ("/mod\x01els", [400]),
        ("/mod\xe8ls", [400]),
        ("", [400]),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_paths(connected, path, statuses):
    connected.send(request(path=path))
    answer = connected.answer()
    assert len(refused(answer, *statuses)) < 1_000
    assert "set-cookie" not in answer.headers


def test_what_a_path_may_be(connected):
    """A query means nothing; what is percent-encoded means what it is."""
    for path in ("/models/delay?version=7", "/models/%64elay", "/%6dodels%2fdelay"):
        connected.send(request(path=path))
        assert json.loads(connected.answer().body)["name"] == "delay"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/models", 405), ("OPTIONS", "*", 404), ("TRACE", "/models", 405),
        ("PUT", "/models/delay", 405), ("PATCH", "/predict/delay", 405), ("HEAD", "/models", 200),
        ("HEAD", "/predict/delay", 405), ("HEAD", "/nothing", 404), ("GET", "/predict/delay", 405),
        ("BREW", "/models", 400), ("get", "/models", 400), ("CONNECT", "/models", 405),
        ("CONNECT", "evil.example:443", 400), ("PRI", "*", 400),
    ],
)  # fmt: skip
def test_methods(connected, method, path, status):
    connected.send(request(method, path))
    is_head = method == "HEAD"
    answer = connected.answer(has_body=not is_head)
    assert answer.status == status
    if status == 405:
        assert answer.headers["allow"] == ("POST" if "predict" in path else "GET, HEAD")
    if is_head:
        connected.send(request("GET", path))
        assert int(answer.headers["content-length"]) == len(connected.answer().body)
    else:
        refused(answer, status)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost@evil.example", "localhost:80@evil.example", "evil:127.0.0.1",
        "[::1].evil.example", "[::1", "localhost/evil.example", "localhost,evil.example",
        "localhost\xa0", "localhost.evil.example", "127.1", "2130706433", "0.0.0.0", "",  # noqa: S104
    ],
)  # fmt: skip
def test_other_hosts(connected, host):
    connected.send(request("GET", "/models", f"Host: {host}"))
    assert "--keys" in refused(connected.answer(), 403)


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Encoding", "Transfer-Encoding"])
def test_headers_that_decide_and_come_twice(connected, name):
    value = {"Host": "localhost", "Transfer-Encoding": "chunked"}.get(name, "gzip")
    connected.send(post(LENGTH, f"{name}: {value}", f"{name.lower()}: {value}"))
    refused(connected.answer(), 400)


def rows(*each: str) -> str:
    return f'{{"rows": [{", ".join(each)}]}}'


def row(distance="1", carrier=None) -> str:
    more = "" if carrier is None else f', "carrier": "{carrier}"'
    return f'{{"distance": {distance}, "dep delay": 1{more}}}'


def tensors(*each: str) -> str:
    return f'{{"inputs": [{", ".join(each)}]}}'


def tensor(shape="[1]", data='"data": [1]', name="distance") -> str:
    return f'{{"name": "{name}", "shape": {shape}, "datatype": "FP64", {data}}}'


DELAY, LATE, INFER = "/predict/delay", "/predict/late", "/v2/models/delay/infer"
MANY = f'"data": [{"1.5," * 10_000} 1.5]'


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (DELAY, rows(row("NaN")), 400),
        (DELAY, rows(row("-Infinity")), 400),
        (DELAY, rows(row("1e400")), 400),
        (DELAY, rows(row("9" * 5_000)), 400),
        (DELAY, rows(row("0." + "1" * 100_000)), 200),
        (DELAY, rows(row('1, "distance": 2')), 200),
        (DELAY, rows(*[row()] * 10_001), 413),
        (DELAY, '{"rows": ' + "[" * 900_000, 400),
        (DELAY, '{"rows": [{"distance": ' + '{"a":' * 100_000 + "1", 400),
        (DELAY, rows(f'{{"{"a" * 1_000_000}": 1}}'), 400),
        (DELAY, rows(row().replace("distance", "distance\\u0000")), 400),
        (DELAY, rows(row().replace("distance", "DISTANCE")), 400),
        (DELAY, rows(row('1, "__class__": 1')), 400),
        (LATE, rows(row(carrier="\\ud800")), 400),
        (LATE, rows(row(carrier="A\\u0000")), 200),
        (INFER, tensors(tensor(data='"data": [NaN]')), 400),
        (INFER, tensors(tensor(f"[{'9' * 4_300}]", '"parameters": {"binary_data_size": 0}')), 400),
        (INFER, tensors(tensor("[1, 1, 1, 1]", '"data": [[[[1]]]]')), 400),
        (
            INFER,
            tensors(*(tensor("[10001]", MANY, each) for each in ("distance", "dep delay"))),
            413,
        ),
    ],
    ids=range(19),
)
def test_bodies(connected, path, body, status):
    connected.send(post(path=path, body=body.encode()))
    answer = connected.answer()
    if status == 200:
        assert answer.status == 200, answer
    else:
        assert len(refused(answer, status)) < 1_000


def test_of_a_name_that_comes_twice_the_last_one_counts(connected):
    """As in JavaScript, in Python and in DuckDB's JSON."""
    found = []
    for numbers in ('-50, "dep delay": 60', "60", "-50"):
        row = f'{{"distance": 733, "dep delay": {numbers}}}'
        connected.send(post(body=f'{{"rows": [{row}]}}'.encode()))
        found.append(json.loads(connected.answer().body)["answers"])
    assert found[0] == found[1] != found[2]


def test_answers_are_packed_for_who_takes_them(running):
    """Large ones alone; and not where the client weighs gzip with zero."""
    body = {"rows": [{"distance": 733.0, "dep delay": i} for i in range(1000)]}
    url = running.url + "/predict/delay"
    plain = httpx.post(url, json=body, headers={"accept-encoding": "identity"})
    for accepted, is_packed in (
        ("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.000, br", False),
        ("*", False), ("x-gzip", False), ("gzipped", False),
    ):  # fmt: skip
        answer = httpx.post(url, json=body, headers={"accept-encoding": accepted})
        assert (answer.headers.get("content-encoding") == "gzip") is is_packed, accepted
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.content == plain.content
    small = httpx.post(url, json={"rows": body["rows"][:2]}, headers={"accept-encoding": "gzip"})
    assert not {"vary", "content-encoding"} & set(small.headers)
