"""The command as a process, asked over HTTP."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from children import PATIENCE, child
from click.testing import CliRunner
from serving_process import FORESQL, Server, sha256

import foresql
from foresql.cli import main

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}


@pytest.fixture(scope="module")
def running(published):
    server = Server(published)
    yield server
    assert server.stop() == 0
    assert server.errors == "Invalid HTTP request received.\n"


def test_it_says_what_it_serves(running):
    assert running.announced["models"] == {
        f"{name}@champion": 1 for name in ("delay", "kinds", "late", "pair")
    }
    assert running.announced["keys"] is False
    assert running.url.startswith("http://127.0.0.1:")


def test_it_says_who_is_answered(published, tmp_path):
    """People are told at the start that it is closed to others, or nothing of it with keys."""
    keys = tmp_path / "keys.toml"
    keys.write_text(f"[all]\nsha256 = '{sha256('key')}'\n")
    only = "Without keys: this machine alone is answered. Others need --keys FILE.\n"
    for options, second in (([], only), (["--keys", keys], "")):
        command = [FORESQL, "serve", "--port", "0", "--registry", published, *options]
        words = [*map(str, command), "--models", "delay"]
        with child(words, stdout=subprocess.PIPE, text=True) as process:
            first = process.stdout.readline()
            assert first.startswith("Serving delay@champion (version 1) at http://127.0.0.1:")
            process.terminate()
            assert process.stdout.read() == second
        assert process.returncode == 0


def test_requests_over_one_connection(running):
    with httpx.Client(base_url=running.url) as client:
        for _ in range(20):
            assert client.post("/predict/delay", json=BODY).status_code == 200
            assert client.post("/predict/nothing", json=BODY).status_code == 404
            assert client.get("/v2/health/ready").json()["ready"] is True


def raw(server, data) -> bytes:
    """Send bytes, and read until the server has said a whole answer or closed."""
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
            if b"}" in part:
                break
        return b"".join(parts)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /v2/health/live HTTP/1.1\r\n\r\n", b"200"),
        (b"GET //etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /models/%2e%2e%2fkeys HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /models HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"403"),
        (
            b"POST /predict/delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
            b"413",
        ),
        (b"DELETE /models/delay HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
        (b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n", b"200"),
    ],
    ids=range(9),
)
def test_raw_requests(running, request_, status):
    assert raw(running, request_).split()[1] == status
    assert httpx.get(running.url + "/v2/health/ready").status_code == 200


def test_chunked_gzip_and_deep_bodies(running):
    parts = [json.dumps(BODY).encode()[i : i + 7] for i in range(0, 200, 7)]
    assert httpx.post(running.url + "/predict/delay", content=iter(parts)).status_code == 200
    deep = b'{"rows": [{"carrier": ' + b"[" * 1_000_000
    assert httpx.post(running.url + "/predict/kinds", content=deep).status_code == 400


def test_an_address_that_is_in_use(running, published):
    port = str(running.address[1])
    done = subprocess.run(
        [FORESQL, "serve", "--registry", published, "--port", port],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be listened to" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "Without keys the server listens to this machine alone"),  # noqa: S104
        (["--models", "dely"], "Did you mean 'delay'"),
        (["--keys", "none.toml"], "none.toml cannot be read"),
        (["--registry", "nowhere"], "There is no registry at"),
    ],
)
def test_it_does_not_start(published, options, words):
    command = ["serve", "--port", "0", "--registry", str(published), *options]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1
    assert words in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_with_keys_it_listens_to_all(serve, published, tmp_path):
    keys = tmp_path / "keys.toml"
    digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"  # of "key"
    keys.write_text(f"[all]\nsha256 = '{digest}'\nmodels = {{ '*' = ['predict'] }}\n")
    server = serve(published, "--host", "0.0.0.0", "--keys", keys)  # noqa: S104
    url = f"http://127.0.0.1:{server.address[1]}/predict/delay"
    assert httpx.post(url, json=BODY).status_code == 401
    allowed = httpx.post(url, json=BODY, headers={"authorization": "Bearer key"})
    assert allowed.status_code == 200
    assert server.announced["keys"] is True
    assert server.stop(signal.SIGINT) == 0


class Load:
    """Threads that ask again and again, and keep what they were answered."""

    def __init__(self, url, threads=3) -> None:
        self.statuses: list[int] = []
        self.versions: list[int] = []
        self.failures: list[Exception] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url,)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self, url) -> None:
        with httpx.Client(base_url=url) as client:
            while not self._end.is_set():
                try:
                    response = client.post("/predict/delay", json=BODY)
                except httpx.HTTPError as error:
                    self.failures.append(error)
                    return
                self.statuses.append(response.status_code)
                self.versions.append(response.json().get("version"))

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def wait_for(condition, seconds=20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_degraded(server) -> bool:
    return httpx.get(server.url + "/v2/health/ready").json()["degraded"]


def test_an_alias_moves_under_load(serve, published, tmp_path):
    registry = shutil.copytree(published, tmp_path / "registry")
    store = foresql.Registry.open(registry)
    second = store.add_version("delay", store.load(store.resolve("late:1")))
    broken = store.add_version("delay", store.load(store.resolve("delay:1")))
    store.move_alias("delay", "other", second.version, expected=None)
    server = serve(registry, "--models", "delay@champion")
    load = Load(server.url)
    wait_for(lambda: len(load.versions) > 50)
    third = store.add_version("delay", store.load(store.resolve("delay:1")))
    store.move_alias("delay", "champion", third.version, expected=1)
    wait_for(lambda: third.version in load.versions)
    path = store.bundle_path(broken)
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    store.move_alias("delay", "champion", broken.version, expected=third.version)
    wait_for(lambda: is_degraded(server))
    load.end()
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert set(load.versions) <= {1, third.version}
    assert server.stop() == 0
    assert f"delay@champion is version {third.version}." in server.errors
    assert f"Version {broken.version} of delay cannot be loaded" in server.errors


def test_a_graceful_end_answers_what_is_under_way(serve, published):
    server = serve(published)
    load = Load(server.url)
    wait_for(lambda: len(load.versions) > 50)
    body = json.dumps(BODY).encode()
    head = b"POST /predict/delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(server.address, timeout=20) as connection:
        connection.sendall(head % len(body) + body[:10])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(body[10:])
        assert b"200 OK" in connection.recv(65536)
    assert server.wait() == 0
    load.end()
    assert set(load.statuses) == {200}
    # Nothing that was sent whole was left unanswered: connections end between requests.
    kinds = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError)
    assert all(isinstance(failure, kinds) for failure in load.failures)


def test_a_killed_server_leaves_nothing_that_stops_the_next(serve, published):
    files = sorted(published.rglob("*"))
    server = serve(published)
    load = Load(server.url)
    wait_for(lambda: len(load.versions) > 50)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    load.end()
    assert sorted(published.rglob("*")) == files
    port = str(server.address[1])
    again = serve(published, "--port", port)
    assert httpx.post(again.url + "/predict/delay", json=BODY).status_code == 200
    assert again.stop() == 0


def test_under_another_server(published, tmp_path):
    """The application needs nothing of uvicorn's: asyncio and h11 will do."""
    (tmp_path / "served.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "from foresql.serving import App, Settings\n"
        "app = App(Settings(Path(os.environ['FORESQL_REGISTRY'])))\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--http", "h11", "--loop", "asyncio"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "served:app"],
        cwd=tmp_path,
        env=os.environ | {"FORESQL_REGISTRY": str(published)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"

        def is_ready():
            try:
                return httpx.get(url + "/v2/health/ready").status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(is_ready)
        assert httpx.post(url + "/predict/delay", json=BODY).status_code == 200
    finally:
        process.terminate()
        process.wait(PATIENCE)
