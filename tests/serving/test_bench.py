"""The load report: real requests to a real server, and every error told. No time is asserted."""

import json
import os
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import duckdb
import httpx
import numpy as np
import pytest
from children import PATIENCE
from click.testing import CliRunner
from serving_process import FORESQL, Server, sha256

from foresql.cli import main
from foresql.errors import ForesqlError
from foresql.serving.load import Clients, Plan, Target, bodies_of

KEYS = f"[bench]\nsha256 = '{sha256('the-key')}'\nmodels = {{ '*' = ['read', 'predict'] }}\n"
QUICK = ["--seconds", "0.3", "--clients", "2"]


@pytest.fixture(scope="module")
def server(published, tmp_path_factory):
    keys = tmp_path_factory.mktemp("bench") / "keys.toml"
    keys.write_text(KEYS + "server = ['metrics']\n")
    server = Server(published, "--keys", keys)
    yield server
    assert server.stop() == 0


def bench(*options, code=0, key="the-key"):
    done = CliRunner().invoke(
        main, ["bench", "serve", *map(str, options)], env={"FORESQL_KEY": key}
    )
    assert done.exit_code == code, done.output
    assert "the-key" not in done.output
    return done


def write_wide(path):
    """Write a row of `kinds` that has 900 bytes."""
    values = f'SELECT 5 AS "the ""hour""", \'{"x" * 900}\' AS carrier, true AS weekend'
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({values}, TIMESTAMP '2013-01-01' AS at) TO '{path}'")
    return path


def test_a_server_is_started_measured_and_ended(published, tmp_path):
    """It takes the rows that are asked for, more than by default: 9 MB, and 10,001 of them."""
    command = [FORESQL, "bench", "serve", "kinds@champion", "--registry", published, "--json"]
    command += ["--rows", write_wide(tmp_path / "rows.parquet"), "--rows-each", "10001"]
    done = subprocess.run(
        [*map(str, command), *QUICK, "--connections", "1,3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["version"], found["started"]) == ("kinds", 1, True)
    assert [stage["connections"] for stage in found["stages"]] == [1, 3]
    for stage in found["stages"]:
        assert stage["answered"] > 0
        assert stage["errors"] == {}
        seconds = [stage["seconds"][name] for name in ("p50", "p90", "p99", "p99_9", "max")]
        assert seconds == sorted(seconds)
        assert stage["cpu_seconds"] > 0
        assert stage["rows_per_second"] == pytest.approx(stage["requests_per_second"] * 10_001)
    with pytest.raises(httpx.ConnectError):
        httpx.get(found["url"])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="what ran is read in /proc")
def test_all_processes_are_counted(published, serve):
    """Whichever process is asked, it knows what the others took of processors before."""
    server = serve(published, "--processes", "2")
    target = Target(server.url, "delay")
    bodies, _ = bodies_of(target.card()["columns"], None, 50)
    with Clients(1, target, bodies) as clients:
        told, taken = target.cpu_seconds(), taken_by(server.process.pid)
        seconds, errors, _ = clients.run(Plan(8, 1.0))
        taken = taken_by(server.process.pid) - taken
        told = target.cpu_seconds() - told
    assert len(seconds)
    assert not errors
    assert told >= 0.5 * taken, (told, taken)
    assert server.stop() == 0


def taken_by(pid) -> float:
    """Seconds of processors that the children of a process took."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 2
    stats = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2] for child in children]
    ticks = sum(int(part) for stat in stats for part in stat.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_every_kind_of_column_and_a_file(server, tmp_path):
    for model in ("kinds", "late", "delay:1"):
        text = bench(model, "--url", server.url, *QUICK, "--connections", 2).stdout
        assert "made at random" in text
        assert "Each connection waits for its answer" in text
    path = tmp_path / "rows.csv"
    path.write_text("distance,dep delay,other\n733,4,x\n2475,,y\n")
    options = ["--url", server.url, *QUICK, "--connections", 2, "--rows-each", 5, "--rate", 50]
    text = bench("delay", *options, "--rows", path).stdout
    assert f"2 rows of {path}, 5 a request" in " ".join(text.split())
    assert "when a request was due" in text
    path.write_text("distance\n733\n")
    done = bench("delay", *options, "--rows", path, code=1)
    assert "has no column 'dep delay'" in done.stderr


def test_what_cannot_be_asked(server, published):
    assert "401" in bench("delay", "--url", server.url, code=1, key="wrong").stderr
    assert "404" in bench("nothing", "--url", server.url, code=1).stderr
    assert "no address" in bench("delay", "--url", "file:///etc/passwd", code=1).stderr
    assert "does not answer" in bench("delay", "--url", "http://127.0.0.1:9", code=1).stderr
    assert "--connections" in bench("delay", "--connections", "1,x", code=2).stderr
    done = bench("dely", "--registry", published, code=1)
    assert "Did you mean 'delay'" in " ".join(done.stderr.split())


class Redirecting(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(307)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_key_goes_to_its_server_alone(monkeypatch):
    """A redirect is not followed, and no proxy of the environment is asked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        answering = threading.Thread(target=server.serve_forever)
        answering.start()
        try:
            with pytest.raises(ForesqlError, match="answered with 307"):
                Target(f"http://127.0.0.1:{server.server_port}", "delay", "the-key").card()
        finally:
            server.shutdown()
            answering.join()
    assert Redirecting.asked == ["/models/delay"]


def test_errors_end_with_a_code(server):
    """A file whose second request is refused: an infinite prediction, which JSON cannot say."""
    target = Target(server.url, "pair", "the-key")
    good, wrong = (json.dumps({"rows": [{"distance": x}]}).encode() for x in (1.0, 1e300))
    with Clients(1, target, [good, wrong]) as clients:
        seconds, errors, _ = clients.run(Plan(2, 0.3))
    assert len(seconds)
    assert set(errors) == {"status 422"}


def test_a_server_that_goes_away(published):
    server = Server(published)
    target = Target(server.url, "delay")
    bodies, _ = bodies_of(target.card()["columns"], None, 1)
    with Clients(1, target, bodies) as clients:
        clients.run(Plan(3, 0.1))  # by now they have started, however slowly
        killing = threading.Timer(0.5, server.process.kill)
        killing.start()
        seconds, errors, _ = clients.run(Plan(3, 1.5))
        killing.join()
        assert len(seconds)
        assert errors["no connection"]
        seconds, errors, _ = clients.run(Plan(1, 0.2))
        assert not len(seconds)
        assert [name[:13] for name in errors] == ["no connection"]
    server.wait()


def test_every_request_is_counted_once(server):
    target = Target(server.url, "delay", "the-key")
    bodies, _ = bodies_of(target.card()["columns"], None, 3)

    def answered():
        text = target.ask("/metrics").decode()
        name = 'foresql_requests_total{route="/predict/{model}",model="delay"'
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    before = answered()
    with Clients(2, target, bodies) as clients:
        seconds, errors, taken = clients.run(Plan(5, 0.5))
        assert answered() - before == len(seconds)
        paced, more, _ = clients.run(Plan(5, 1.0, 40))
    assert errors == more == Counter()
    assert taken >= 0.5
    assert np.all(seconds > 0)
    # Each of five connections is due eight times within the second, or fewer where all is slow.
    assert 5 <= len(paced) <= 40


@pytest.mark.parametrize("key", ["a\r\nX: y", "a\nb", "kéy"])
def test_a_key_that_no_header_can_have(key):
    with pytest.raises(ForesqlError, match="no header") as caught:
        Target("http://127.0.0.1:1", "delay", key)
    assert key not in str(caught.value)
