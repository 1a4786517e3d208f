"""``foresql bus run``: a real server, killed, started again, refused and ended."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import nats
import pytest
from children import child
from click.testing import CliRunner

from foresql.cli import main
from foresql.errors import StreamError
from foresql.streams.events.bus import running_bus
from foresql.streams.events.bus_streams import Wanted, make_streams

FORESQL = [sys.executable, "-m", "foresql.cli", "bus", "run"]
EVENTS = ("--stream", "EVENTS", "--subjects", "sensors.>")


class Runner:
    """The command, with a store below a folder."""

    def __init__(self, folder):
        self.folder = folder

    def started(self, *arguments, **options):
        command = [*FORESQL, "--store", self.folder / "bus", "--port", "0", *arguments, "--json"]
        return child(command, cwd=self.folder, stdout=subprocess.PIPE, text=True, **options)


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def said(process):
    return json.loads(process.stdout.readline())


def publish(url, count):
    async def run():
        client = await nats.connect(url)
        for number in range(count):
            await client.jetstream().publish("sensors.0", str(number).encode())
        await client.close()

    asyncio.run(run())


def test_a_server_that_is_killed_keeps_its_messages(runner):
    with runner.started(*EVENTS) as first:
        found = said(first)
        assert found["url"].startswith("nats://127.0.0.1:")
        assert [(each["messages"], each["is_new"]) for each in found["streams"]] == [(0, True)]
        publish(found["url"], 20)
        os.kill(found["pid"], signal.SIGKILL)
        assert json.loads(first.stdout.read())["error"]["message"].startswith(
            "nats-server ended with code -9"
        )
    assert first.returncode == 1
    with runner.started(*EVENTS) as second:
        assert [(each["messages"], each["is_new"]) for each in said(second)["streams"]] == [
            (20, False)
        ]
        second.terminate()
    assert second.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server goes on")
def test_a_command_that_is_killed_takes_its_server_along(runner):
    with runner.started(*EVENTS) as first:
        publish(said(first)["url"], 5)
        first.kill()
    with runner.started(*EVENTS) as second:
        assert said(second)["streams"][0]["messages"] == 5
        second.send_signal(signal.SIGINT)
    assert second.returncode == 0


def test_a_folder_has_one_server(tmp_path, monkeypatch):
    monkeypatch.setattr("foresql.streams.events.bus._LEAVING", 0.1)
    with running_bus(tmp_path / "bus", tmp_path / "log") as bus:
        expected = f"bus is used by another server, PID {bus.process.pid}: two would break"
        with pytest.raises(StreamError, match=expected), running_bus(tmp_path / "bus", tmp_path):
            pass
        bus.check_alive()


def test_a_folder_stays_taken_while_the_server_lives(tmp_path, monkeypatch):
    """Also where the process that started it has let go of the lock."""
    monkeypatch.setattr("foresql.streams.events.bus._LEAVING", 0.1)
    with running_bus(tmp_path / "bus", tmp_path / "log"):
        [lock] = [
            int(path.name)
            for path in Path("/dev/fd").iterdir()
            if str(path.resolve()).endswith("/bus.lock")
        ]
        os.close(lock)
        with (
            pytest.raises(StreamError, match="is used by another server"),
            running_bus(tmp_path / "bus", tmp_path),
        ):
            pass
        assert os.open(os.devnull, os.O_RDONLY) == lock  # which the block closes


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        expected = f"cannot have the port {port} of 127.0.0.1: .*address already in use"
        with (
            pytest.raises(StreamError, match=expected),
            running_bus(tmp_path / "bus", tmp_path / "log", port),
        ):
            pass
    with running_bus(tmp_path / "bus", tmp_path / "log") as bus:  # and the folder is free
        bus.check_alive()


def test_a_server_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with (
        pytest.raises(StreamError, match=r"pip install 'foresql\[streams\]'"),
        running_bus(tmp_path / "bus", tmp_path / "log"),
    ):
        pass
    assert not (tmp_path / "bus").exists()


def test_a_server_on_the_path_is_taken(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nats-server").symlink_to(shutil.which("nats-server", path=BESIDE))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with running_bus(tmp_path / "bus", tmp_path / "log") as bus:
        assert bus.process.args[0] == str(tmp_path / "bin" / "nats-server")


BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def test_a_stream_that_differs_is_left_as_it_is(tmp_path):
    with running_bus(tmp_path / "bus", tmp_path / "log") as bus:
        [made] = make_streams(bus.url, [Wanted("EVENTS", ("sensors.>",))])
        assert made.is_new
        with pytest.raises(
            StreamError,
            match=r'EVENTS is there and differs: subjects is \["sensors.>"\], '
            r'wanted is \["pumps.>"\]\. It is left',
        ):
            make_streams(bus.url, [Wanted("EVENTS", ("pumps.>",))])
        with pytest.raises(StreamError, match="subjects overlap"):
            make_streams(bus.url, [Wanted("OTHER", ("sensors.1",))])
        again = make_streams(bus.url, [Wanted("EVENTS", ("sensors.>",))])
        assert [each.is_new for each in again] == [False]
        asyncio.run(make_otherwise(bus.url))
        with pytest.raises(StreamError, match=r'retention is "workqueue", wanted is "limits"'):
            make_streams(bus.url, [Wanted("JOBS", ("jobs.>",))])


async def make_otherwise(url):
    """Make a stream that no worker can read."""
    client = await nats.connect(url)
    bus = client.jetstream()
    await bus.add_stream(name="JOBS", subjects=["jobs.>"], retention="workqueue")
    await client.close()


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("A.B", ("a",)),
        ("A\r\nPUB x 0", ("a",)),
        ("", ("a",)),
        ("A", ()),
        ("A", ("",)),
        ("A", ("a b",)),
    ],
)
def test_what_is_no_name_is_refused(name, subjects):
    with pytest.raises(StreamError, match="is no"):
        Wanted(name, subjects)


def test_each_stream_has_its_subjects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["bus", "run", "--stream", "EVENTS"])
    assert done.exit_code == 2
    assert "needs its --subjects" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_folder_is_its_users_alone(tmp_path):
    with running_bus(tmp_path / "deep" / "bus", tmp_path / "log") as bus:
        assert (tmp_path / "deep" / "bus").stat().st_mode & 0o077 == 0
        with socket.socket() as other:
            port = int(bus.url.rpartition(":")[2])
            # The address of this machine that is not loopback, if it had listened there.
            assert other.connect_ex(("127.0.0.2", port)) != 0
