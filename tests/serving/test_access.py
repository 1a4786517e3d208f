"""Who may ask for what: every route has a decision, and none is more open than it says."""

import threading
import time

import pytest
from children import PATIENCE
from serving_process import of, sha256

from foresql.errors import ForesqlError
from foresql.serving import Endpoints
from foresql.serving.access import Anyone, AnyPrincipal, OnModel, OnServer, is_loopback
from foresql.serving.access_file import read_access
from foresql.serving.endpoints.shelf import EndpointShelf
from foresql.serving.routes import ROUTES
from foresql.serving.server import check_address
from foresql.serving.settings import Settings
from foresql.serving.watching import Watcher

READER, CALLER, OPERATOR, STRANGER = (
    "key-of-reader",
    "key-of-caller",
    "key-of-operator",
    "key-of-stranger",
)
BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}

KEYS = f"""
[reader]
sha256 = "{sha256(READER)}"
models = {{ delay = ["read"] }}

[caller]
sha256 = "{sha256(CALLER)}"
models = {{ delay = ["predict"], late = ["read", "predict"] }}

[operator]
sha256 = "{sha256(OPERATOR)}"
models = {{ "*" = ["read"] }}
server = ["metrics"]

[stranger]
sha256 = "{sha256(STRANGER)}"
"""


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    return path


@pytest.fixture
def client(start, published, keys):
    return start(published, keys=keys)


def ask(client, route, headers):
    path = route.path.format(model="delay", version="1")
    if route.method == "GET":
        return client.get(path, headers=headers)
    return client.post(path, BODY, headers=headers)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_a_decision_and_keeps_to_it(client, route):
    assert isinstance(route.decision, Anyone | AnyPrincipal | OnModel | OnServer)
    is_open = isinstance(route.decision, Anyone)
    assert is_open == (route.path == "/" or route.path.startswith("/v2/health/"))
    for headers in ({}, of("wrong"), of(""), {"authorization": "Basic x"}, of(sha256(READER))):
        response = ask(client, route, headers)
        assert response.status_code == (200 if is_open else 401)
        if not is_open:
            assert response.headers["www-authenticate"] == "Bearer"
    expected = 200
    if isinstance(route.decision, OnModel):
        expected = 404
        assert "{model}" in route.path
    if isinstance(route.decision, OnServer):
        expected = 403
    assert ask(client, route, of(STRANGER)).status_code == expected


def test_every_path_of_a_model_is_decided_on_the_model():
    for route in ROUTES:
        assert isinstance(route.decision, OnModel) == ("{model}" in route.path)


def test_grants(client):
    asked = {
        "/predict/delay": {READER: 404, CALLER: 200, OPERATOR: 404},
        "/predict/delay@champion": {READER: 404, CALLER: 200, OPERATOR: 404},
        "/predict/delay:1": {READER: 404, CALLER: 200, OPERATOR: 404},
    }
    for path, statuses in asked.items():
        for key, status in statuses.items():
            assert client.post(path, BODY, headers=of(key)).status_code == status
    for path in ("/models/delay", "/v2/models/delay", "/v2/models/delay/ready"):
        for key, status in {READER: 200, CALLER: 404, OPERATOR: 200}.items():
            assert client.get(path, headers=of(key)).status_code == status
    assert client.get("/metrics", headers=of(OPERATOR)).status_code == 200


def test_what_is_forbidden_looks_like_what_is_not_there(client):
    hidden = client.post("/predict/delay", BODY, headers=of(READER))
    absent = client.post("/predict/nothing", BODY, headers=of(READER))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("delay", "nothing") == absent.text
    assert [*hidden.headers] == [*absent.headers]


def test_lists_show_what_was_granted(client):
    def names(key):
        return [m["name"] for m in client.get("/models", headers=of(key)).json()["models"]]

    assert names(READER) == ["delay"]
    assert names(CALLER) == ["delay", "late"]
    assert names(OPERATOR) == ["delay", "kinds", "late", "pair"]
    assert names(STRANGER) == []

    def described(key):
        return client.get("/openapi.json", headers=of(key)).text

    assert "/predict/late" in described(CALLER)
    assert "/predict/late" not in described(READER)
    assert "carrier" not in described(STRANGER)


def test_no_key_is_in_an_answer_or_in_the_file(client, keys):
    assert READER not in keys.read_text()
    pages = [client.get(path, headers=of(OPERATOR)).text for path in ("/metrics", "/models", "/v2")]
    assert not any(key in page for page in pages for key in (OPERATOR, sha256(OPERATOR)))


def test_keys_are_read_again(client, keys, caplog):
    keys.write_text(KEYS.replace(sha256(READER), sha256("new")))
    client.service.keys.reload()
    assert client.get("/models", headers=of(READER)).status_code == 401
    assert client.get("/models", headers=of("new")).status_code == 200
    keys.write_text("broken [")
    client.service.keys.reload()
    client.service.keys.reload()
    assert client.get("/models", headers=of("new")).status_code == 200
    assert caplog.text.count("The keys stay as they were") == 1
    assert "foresql_keys_is_current 0.0" in client.get("/metrics", headers=of(OPERATOR)).text
    keys.unlink()
    client.service.keys.reload()
    assert client.get("/models", headers=of("new")).status_code == 200
    keys.write_text(KEYS)
    client.service.keys.reload()
    assert client.get("/models", headers=of(READER)).status_code == 200
    assert "foresql_keys_is_current 1.0" in client.get("/metrics", headers=of(OPERATOR)).text


def test_a_key_is_withdrawn_while_feature_views_are_slow(
    start, published, keys, tmp_path, monkeypatch
):
    """To hash a large snapshot, or to wait for a server that is away, takes its time."""
    looking, ended = threading.Event(), threading.Event()

    def refresh(_shelf):
        looking.set()
        ended.wait(PATIENCE)

    monkeypatch.setattr(EndpointShelf, "refresh", refresh)
    folder = tmp_path / "endpoints"
    folder.mkdir()
    (folder / "trip.sql").write_text("SELECT predict_pair(distance) AS pair FROM trips")
    (folder / "trip.toml").write_text('[request]\ncolumns = { distance = "DOUBLE" }\n')
    options = {"keys": keys, "endpoints": Endpoints(folder), "poll_seconds": 0.02}
    client = start(published, **options)
    assert looking.wait(PATIENCE)
    assert client.get("/models", headers=of(READER)).status_code == 200
    keys.write_text(KEYS.replace(sha256(READER), sha256("new")))
    end = time.monotonic() + PATIENCE
    while client.get("/models", headers=of(READER)).status_code != 401:
        assert time.monotonic() < end
        time.sleep(0.02)
    ended.set()


def test_a_look_that_fails_does_not_end_the_others(caplog):
    seen = threading.Event()
    failures = iter([ValueError("first"), TypeError("second")])

    def fail():
        error = next(failures, None)
        if error is None:
            seen.set()
        else:
            raise error

    watcher = Watcher(0.01, fail)
    watcher.start()
    assert seen.wait(10)
    watcher.stop()
    watcher.join()
    assert "ValueError: first" in caplog.text
    assert "TypeError: second" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds none"),
        ("x = 1", "wrong in [x]"),
        ("[x]\nkey = 'secret'", "wrong in [x]"),
        ("[x]\nsha256 = 'abc'", "64 small hexadecimal digits"),
        (f"[x]\nsha256 = '{sha256('x').upper()}'", "64 small hexadecimal digits"),
        (f"[x]\nsha256 = '{sha256('x')}'\nmodels = ['delay']", "models is a table"),
        (f"[x]\nsha256 = '{sha256('x')}'\nmodels = {{ delay = ['write'] }}", "read, predict"),
        (f"[x]\nsha256 = '{sha256('x')}'\nmodels = {{ delay = 'read' }}", "no list of verbs"),
        (
            f"[x]\nsha256 = '{sha256('x')}'\nmodels = {{ 'delay:1' = ['read'] }}",
            "no name of a model",
        ),
        (f"[x]\nsha256 = '{sha256('x')}'\nmodels = {{ 'a b' = ['read'] }}", "no name of a model"),
        (f"[x]\nsha256 = '{sha256('x')}'\nmodels = {{ delay = [['read']] }}", "no list of verbs"),
        (f"[x]\nsha256 = '{sha256('x')}'\nserver = ['all']", "metrics"),
        (f"[x]\nsha256 = '{sha256('x')}'\n[y]\nsha256 = '{sha256('x')}'", "make one for each"),
        ("[x", "cannot be read"),
    ],
)
def test_files_of_keys_that_are_wrong(tmp_path, text, words):
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ForesqlError) as caught:
        read_access(path)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_of_keys_that_is_not_there(start, published, tmp_path):
    with pytest.raises(ForesqlError, match="No such file"):
        start(published, keys=tmp_path / "none.toml")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1", "LOCALHOST"])
def test_addresses_of_this_machine(host, published):
    assert is_loopback(host)
    check_address(host, Settings(published))


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "192.168.1.1", "example.org", "127.0.0.1.example.org", "localhost."],  # noqa: S104
)
def test_other_addresses_need_keys(host, published, keys):
    assert not is_loopback(host)
    with pytest.raises(ForesqlError, match="--keys FILE"):
        check_address(host, Settings(published))
    check_address(host, Settings(published, keys=keys))


@pytest.mark.parametrize(
    "host", ["evil.example", "192.168.1.7:8000", "[::2]:8000", "", "127.0.0.1.evil"]
)
def test_without_keys_a_page_of_another_host_gets_nothing(shared, host):
    assert shared.get("/models", headers={"host": host}).status_code == 403
    assert shared.post("/predict/delay", BODY, headers={"host": host}).status_code == 403
    assert shared.get("/v2/health/live", headers={"host": host}).status_code == 200


def test_without_keys_another_machine_gets_nothing(shared):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/models", "headers": []}
    for client in (("192.168.1.7", 1), None):
        shared.run(shared.app(scope | {"client": client}, None, send))
    assert [message["status"] for message in sent if "status" in message] == [403, 403]
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert shared.get("/models", headers={"host": host}).status_code == 200
