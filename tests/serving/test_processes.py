"""Several processes behind one port: kills, ends, moves, and what they count together."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import click
import grpc
import httpx
import pytest
from children import PATIENCE
from prometheus_client.parser import text_string_to_metric_families
from serving_process import FORESQL, call, sha256

import foresql
from foresql.cli.serve_processes import _WORKERS_OWN, words_of
from foresql.cli.serving import serve as serve_command
from foresql.errors import ForesqlError
from foresql.serving.metrics import Metrics
from foresql.serving.processes.listening import bind_all, hold_port
from foresql.serving.processes.shared import CELLS_BYTES, TEXT_BYTES, Shared, make_file
from foresql.serving.processes.supervisor import LONGEST_PAUSE, pause
from foresql.serving.scrape import by_process

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}
CLIENTS = 8

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="workers are found in Linux's /proc"
)


def workers(server) -> list[int]:
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def scrape(server) -> dict:
    """Samples by name and labels, of whichever process answers."""
    text = httpx.get(server.url + "/metrics", timeout=PATIENCE).text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def serving(server) -> float:
    return scrape(server)["foresql_processes_serving",]


class Clients:
    """Connections that are kept, and made anew where one breaks."""

    def __init__(self, url) -> None:
        self.answered: list[tuple[int, int]] = []
        self.failures = [0] * CLIENTS
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(url, number)) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, url, number) -> None:
        while not self._end.is_set():
            with httpx.Client(base_url=url, timeout=PATIENCE) as client:
                try:
                    while not self._end.is_set():
                        response = client.post("/predict/delay", json=BODY)
                        self.answered.append((response.status_code, response.json()["version"]))
                except httpx.TransportError:
                    self.failures[number] += 1

    def more(self, count=50) -> None:
        before = len(self.answered)
        wait_for(lambda: len(self.answered) > before + count)

    def __enter__(self):
        self.more()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def end_with_requests_under_way(server) -> None:
    """Begin requests, end the server, and send the rest of them."""
    body = json.dumps(BODY).encode()
    head = b"POST /predict/delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(server.address, timeout=PATIENCE))
            for _ in range(CLIENTS)
        ]
        for connection in connections:
            connection.sendall(head % len(body) + body[:10])

        def under_way():
            figures = scrape(server)
            numbers = [figures["foresql_requests_in_flight", ("process", n)] for n in "01"]
            return sum(numbers) == CLIENTS + 1  # the scrape is one

        wait_for(under_way)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for connection in connections:
            connection.sendall(body[10:])
        assert all(b"200 OK" in connection.recv(65536) for connection in connections)
    assert server.wait() == 0


def test_killed_workers_are_replaced_and_nothing_else_is_lost(serve, published, tmp_path):
    log = tmp_path / "audit.jsonl"
    server = serve(published, "--processes", 2, "--grpc-port", 0, "--audit-log", log)
    assert server.announced["models"]["delay@champion"] == 1
    killed = workers(server)
    assert len(killed) == 2
    with Clients(server.url) as clients:
        for count, pid in enumerate(killed, start=1):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda count=count: scrape(server)["foresql_process_restarts_total",] == count)
            wait_for(lambda: serving(server) == 2)
            clients.more()
    assert set(clients.answered) == {(200, 1)}
    # A connection belongs to one worker: it broke with it, and at no other time.
    assert max(clients.failures) <= 2
    lost = sum(clients.failures)
    assert not {*workers(server)} & {*killed}
    counted = scrape(server)[
        "foresql_requests_total",
        ("model", "delay"),
        ("route", "/predict/{model}"),
        ("status", "200"),
        ("version", "1"),
    ]
    assert len(clients.answered) <= counted <= len(clients.answered) + lost
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    noted = sum(line["route"] == "/predict/{model}" for line in lines)
    assert len(clients.answered) <= noted <= len(clients.answered) + lost
    for _ in range(5):
        with grpc.insecure_channel(server.announced["grpc"]) as channel:
            assert call(channel, "ServerReady", timeout=PATIENCE).ready
    running = workers(server)
    end_with_requests_under_way(server)
    assert not any(map(is_there, running))
    assert server.errors.count("Another is started now.") == 2


def test_an_alias_moves_in_all_of_them(serve, published, tmp_path):
    registry = shutil.copytree(published, tmp_path / "registry")
    store = foresql.Registry.open(registry)
    server = serve(registry, "--processes", 2, "--models", "delay@champion")
    with Clients(server.url) as clients:
        second = store.add_version("delay", store.load(store.resolve("delay:1")))
        store.move_alias("delay", "champion", second.version, expected=1)
        place = ("alias", "champion"), ("model", "delay")
        for number in "01":
            key = "foresql_model_version", *place, ("process", number)
            wait_for(lambda key=key: scrape(server)[key] == second.version)
        moved = len(clients.answered)
        clients.more()
    assert clients.failures == [0] * CLIENTS
    assert {status for status, _ in clients.answered} == {200}
    # Answers that were under way when the figures were read are allowed the old version.
    assert {version for _, version in clients.answered[moved + CLIENTS :]} == {second.version}
    # Workers end with a supervisor that is killed, and their pipes with them.
    running = workers(server)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: not any(map(is_there, running)))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(server.address)
    for number in (0, 1):
        assert f"[worker {number}] delay@champion is version {second.version}." in server.errors


def test_a_worker_that_cannot_load_is_not_asked(serve, published, tmp_path):
    keys = tmp_path / "keys.toml"
    good = (
        f"[all]\nsha256 = '{sha256('key')}'\nmodels = {{ '*' = ['predict'] }}\n"
        "server = ['metrics']\n"
    )
    keys.write_text(good)
    server = serve(published, "--processes", 2, "--keys", keys)
    headers = {"authorization": "Bearer key"}

    def figures():
        return httpx.get(server.url + "/metrics", headers=headers, timeout=PATIENCE).text

    keys.write_text("broken [")
    os.kill(workers(server)[0], signal.SIGKILL)
    wait_for(lambda: "foresql_process_restarts_total 2\n" in figures())
    assert "foresql_processes_serving 1\n" in figures()
    for _ in range(20):
        answer = httpx.post(server.url + "/predict/delay", json=BODY, headers=headers)
        assert answer.status_code == 200
        assert httpx.get(server.url + "/v2/health/ready").status_code == 200
    keys.write_text(good)
    wait_for(lambda: "foresql_processes_serving 2\n" in figures())
    assert server.stop() == 0
    assert "Worker 0 cannot serve: " in server.errors
    assert "ended with code -9. Another is started now." in server.errors


def ended(*options):
    command = [FORESQL, "serve", "--processes", "2", *options]
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )


def test_they_do_not_start(published):
    done = ended("--port", 0, "--registry", published, "--models", "dely")
    assert done.returncode == 1
    assert done.stdout == ""
    assert " ".join(done.stderr.split()).count("Did you mean 'delay'") == 1


def test_a_port_that_another_has():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for take in (bind_all, hold_port):
            with pytest.raises(ForesqlError, match="cannot be listened to"):
                take("127.0.0.1", port)
    held = hold_port("127.0.0.1", 0)
    with held, pytest.raises(ForesqlError, match="cannot be listened to"):
        hold_port("127.0.0.1", held.getsockname()[1])


def test_every_address_of_a_host_is_bound():
    bound = bind_all("localhost", 0)
    assert len({each.getsockname()[1] for each in bound}) == 1
    for each in bound:
        each.close()


def test_pauses_grow():
    assert [pause(number) for number in range(6)] == [0, 0, 1, 2, 4, 8]
    assert pause(100) == LONGEST_PAUSE


@pytest.fixture
def file():
    descriptor = make_file(3)
    yield descriptor
    os.close(descriptor)


def test_counts_outlive_who_counted(file):
    first, second = Metrics(Shared(file, 3, 0)), Metrics(Shared(file, 3, 1))
    for metrics in (first, second, Metrics(Shared(file, 3, 0))):
        metrics.count("/x", "ü☃", "1", 200, 0.5)
        metrics.observe_batch("m", 4)
    again = Shared(file, 3, 2)
    assert again.totals()["foresql_requests_total", "/x", "ü☃", "1", "200"] == [3.0]
    seconds = again.totals()["foresql_request_seconds", "/x", "ü☃"]
    assert seconds[-1] == 1.5
    assert sum(seconds[:-1]) == 3
    assert 'foresql_batch_rows_bucket{model="m",le="4.0"} 3.0' in Metrics(again).text()


def test_a_half_written_series_is_none(file):
    shared = Shared(file, 3, 0)
    shared.cells(("a",), 2)[1] = 7.0
    used = TEXT_BYTES
    os.pwrite(file, b"\xff" * 8, used + 8 + int.from_bytes(os.pread(file, 8, used), "little"))
    again = Shared(file, 3, 0)
    assert again.totals() == {("a",): [0.0, 7.0]}
    again.cells(("b",), 1)[0] += 1
    assert again.totals() == {("a",): [0.0, 7.0], ("b",): [1.0]}


def test_a_full_area_counts_for_nobody(file):
    shared = Shared(file, 3, 0)
    cells = shared.cells(("large",), CELLS_BYTES // 8)
    cells[0] += 1
    assert shared.cells(("large",), CELLS_BYTES // 8) is cells
    assert shared.totals() == {}


def test_texts_of_others(file):
    first, second = Shared(file, 3, 0), Shared(file, 3, 2)
    first.say("ü" * 10)
    second.say("two")
    assert first.said() == {0: "ü" * 10, 2: "two"}
    second.say("", 0)
    assert first.said() == {2: "two"}
    os.pwrite(file, b"x", 2 * (TEXT_BYTES + CELLS_BYTES) + 8)
    assert first.said() == {}


def test_samples_say_whose_they_are():
    text = (
        "# HELP a Means a.\n# TYPE a gauge\na 1\n"
        '# HELP b Means b.\n# TYPE b gauge\nb{model="{} x"} 2\n'
    )
    own = "# HELP c Means c.\n# TYPE c gauge\nc 3\n"
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(by_process({0: text, 1: text, 2: own}, 2))
        for sample in family.samples
    }
    assert found == {
        ("a", ("process", "0")): 1,
        ("a", ("process", "1")): 1,
        ("b", ("model", "{} x"), ("process", "0")): 2,
        ("b", ("model", "{} x"), ("process", "1")): 2,
        ("c",): 3,
    }


def test_a_worker_gets_the_options_of_the_command():
    given = [
        "--host", "0.0.0.0", "--port", "9", "--processes", "3", "--models", "a,b", "--json",  # noqa: S104
        "--tls", "a b.pem", "key.pem", "--grpc-port", "7", "--max-rows", "5",
    ]  # fmt: skip
    context = serve_command.make_context("serve", given, parent=click.Context(serve_command))
    words = words_of(context, context.params.keys() - _WORKERS_OWN)
    again = serve_command.make_context("serve", [*words, "--processes", "3"])
    left = {"port": 8000, "grpc_port": None, "as_json": False}
    assert again.params == context.params | left
