"""Mixed load on a server while aliases, features and keys change: nothing fails, nothing grows.

FORESQL_SOAK_SECONDS says for how long; `make soak` gives it half an hour.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

import duckdb
import grpc
import httpx
import numpy as np
import pytest
from children import PATIENCE
from raw_http import Connection, request
from serving_process import call, of, sha256
from soaked_views import ROWS as TRIPS
from soaked_views import SoakedViews

import foresql

SECONDS = float(os.environ.get("FORESQL_SOAK_SECONDS", "12"))
KEY, OTHER = "the-key-of-the-soak", "the-key-that-comes-and-goes"
ROWS = 64
NOISE = 16 * 2**20
"""Bytes by which memory may differ between two moments: stacks, batches, another version."""
PROCESSES = 2
LEAK = 10.0
"""Bytes a request that count as growth: the least object of Python has more."""


@pytest.fixture(scope="module")
def world(published, publish_another, tmp_path_factory):
    """A registry with two versions of `delay`, and what each one answers as a batch."""
    folder = tmp_path_factory.mktemp("soak")
    registry = shutil.copytree(published, folder / "registry")
    publish_another(registry)
    rng = np.random.default_rng(5)
    columns = rng.gamma(2, 400, ROWS).tolist(), rng.normal(0, 20, ROWS).tolist()
    rows = [{"distance": a, "dep delay": b} for a, b in zip(*columns, strict=True)]
    answers = {}
    for version in (1, 2):
        with duckdb.connect() as connection:
            connection.execute('create table f (distance double, "dep delay" double)')
            connection.executemany("insert into f values (?, ?)", [[*r.values()] for r in rows])
            foresql.register(connection, f"delay:{version}", registry=registry)
            query = "select predict_delay(f), explain_delay(f) from f order by rowid"
            answers[version] = connection.execute(query).fetchall()
    assert all(a[0] != b[0] for a, b in zip(answers[1], answers[2], strict=True))
    return registry, folder / "keys.toml", rows, answers


class Load:
    """Threads that ask in turn, by every way there is, and hold each answer against the batch's."""

    def __init__(self, server, rows, answers) -> None:
        self.server, self.rows, self.answers = server, rows, answers
        self.seen, self.failures = Counter(), []
        self.kills = self.deaths = 0
        self._is_quiet = threading.Event()
        self._is_quiet.set()
        self.joined: set[tuple[str, int, str]] = set()
        self._end = threading.Event()
        ways = [self.by_name, self.in_json, self.in_bytes, self.over_grpc, self.explained]
        ways += [self.with_features, self.wrong, self.gone, self.with_the_other_key]
        self._threads = [threading.Thread(target=self._go, args=(ways, i)) for i in range(4)]
        for thread in self._threads:
            thread.start()

    def _go(self, ways, number) -> None:
        rng = random.Random(number)  # noqa: S311 - the same load in every run
        while not self._end.is_set():
            self._is_quiet.wait()  # so that none connects to a process that is dying
            # Of each connection, how many processes were dead before what it answered was asked.
            lives = dict.fromkeys((True, False), self.deaths)
            is_grpc = False
            with (
                httpx.Client(base_url=self.server.url, headers=of(KEY), timeout=60) as client,
                grpc.insecure_channel(self.server.announced["grpc"]) as channel,
            ):
                try:
                    while not self._end.is_set():
                        way, deaths = rng.choice(ways), self.deaths
                        is_grpc = way == self.over_grpc
                        way(rng, channel if is_grpc else client)
                        lives[is_grpc] = deaths
                        self.seen[way.__name__] += 1
                except (httpx.TransportError, grpc.RpcError, OSError) as error:
                    if self.kills == lives[is_grpc]:  # no process was killed that had it
                        self.failures.append(error)
                        return
                except Exception as error:  # noqa: BLE001 - shown at the end
                    self.failures.append(error)
                    return

    def some(self, rng) -> list[int]:
        return rng.sample(range(ROWS), rng.choice((1, 1, 1, 3, ROWS)))

    def check(self, version, places, values) -> None:
        expected = [self.answers[version][place][0] for place in places]
        assert values == expected, (version, places, values, expected)
        self.seen[f"version {version}"] += 1

    def by_name(self, rng, client, explain=False) -> None:
        places = self.some(rng)
        body = {"rows": [self.rows[place] for place in places], "explain": explain}
        response = client.post("/predict/delay", json=body)
        assert response.status_code == 200, response.text
        found = response.json()
        self.check(found["version"], places, [each["value"] for each in found["answers"]])
        if explain:
            expected = [self.answers[found["version"]][place][1] for place in places]
            assert [each["explanation"] for each in found["answers"]] == expected

    def explained(self, rng, client) -> None:
        self.by_name(rng, client, explain=True)

    def columns(self, places):
        return {name: [self.rows[p][name] for p in places] for name in ("distance", "dep delay")}

    def in_json(self, rng, client) -> None:
        places = self.some(rng)
        inputs = [
            {"name": name, "shape": [len(places)], "datatype": "FP64", "data": values}
            for name, values in self.columns(places).items()
        ]
        response = client.post("/v2/models/delay/infer", json={"inputs": inputs})
        assert response.status_code == 200, response.text
        found = response.json()
        self.check(int(found["model_version"]), places, found["outputs"][0]["data"])

    def in_bytes(self, rng, client) -> None:
        places = self.some(rng)
        size = {"binary_data_size": 8 * len(places)}
        inputs = [
            {"name": name, "shape": [len(places)], "datatype": "FP64", "parameters": size}
            for name in self.rows[0]
        ]
        asked = {"inputs": inputs, "parameters": {"binary_data_output": True}}
        text = json.dumps(asked).encode()
        blobs = [np.array(values, "<f8").tobytes() for values in self.columns(places).values()]
        header = {"inference-header-content-length": str(len(text))}
        body = text + b"".join(blobs)
        response = client.post("/v2/models/delay/infer", content=body, headers=header)
        assert response.status_code == 200, response.text
        end = int(response.headers["inference-header-content-length"])
        version = int(json.loads(response.content[:end])["model_version"])
        self.check(version, places, np.frombuffer(response.content[end:], "<f8").tolist())

    def over_grpc(self, rng, channel) -> None:
        places = self.some(rng)
        inputs = [
            {
                "name": n,
                "shape": [len(places)],
                "datatype": "FP64",
                "contents": {"fp64_contents": v},
            }
            for n, v in self.columns(places).items()
        ]
        key = (("authorization", f"Bearer {KEY}"),)
        found = call(channel, "ModelInfer", key, 60, model_name="delay", inputs=inputs)
        values = np.frombuffer(found.raw_output_contents[0], "<f8").tolist()
        self.check(int(found.model_version), places, values)

    def with_features(self, rng, client) -> None:
        """Note what the endpoint answers from which snapshot by which version."""
        del rng
        response = client.post("/predict/late_flight", json={"rows": TRIPS})
        assert response.status_code == 200, response.text
        found = response.json()
        answers = repr(found["answers"])
        self.joined.add((found["as_of"]["weather"], found["models"]["delay"], answers))

    def wrong(self, rng, client) -> None:
        """Every error that is asked for is the one that comes."""
        path, body, headers, status = rng.choice((
            ("/predict/delay", b"{", {}, 400),
            ("/predict/delay", b'{"rows": [{"distance": "far", "dep delay": 1}]}', {}, 400),
            ("/v2/models/delay/infer", b'{"inputs": []}', {}, 400),
            ("/predict/none", b"{}", {}, 404),
            ("/predict/pair", b'{"rows": [{"distance": 1e9}]}', {}, 422),
            ("/predict/delay", b"{}", {"content-encoding": "br"}, 415),
            ("/predict/delay", b"{}", of("no key"), 401),
        ))  # fmt: skip
        response = client.post(path, content=body, headers=headers)
        assert response.status_code == status, (path, status, response.text)
        assert set(response.json()) == {"error"}

    def gone(self, rng, client) -> None:
        """Leave in the middle of a head, of a body, or before the answer."""
        del client
        whole = request(
            "POST", "/predict/delay", f"Authorization: Bearer {KEY}", body=b'{"rows": []}'
        )
        with Connection(self.server.address) as connection:
            connection.send(whole[: rng.randrange(len(whole) + 1)])
            if rng.random() < 0.5:
                connection.reset()

    def with_the_other_key(self, rng, client) -> None:
        del rng
        status = client.get("/v2/models/delay", headers=of(OTHER)).status_code
        assert status in {200, 401}
        self.seen[f"other key {status}"] += 1

    def kill_a_worker(self, rng) -> None:
        """End one of the processes that answer, without a chance to end well.

        Each thread may lose what it has under way, once for each kill, and nothing else.
        """
        pid = rng.choice(family(self.server.process.pid)[1:])
        self._is_quiet.clear()
        self.kills += 1
        try:
            os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + PATIENCE
            while Path(f"/proc/{pid}").exists():  # its sockets are closed before it is reaped
                assert time.monotonic() < end, f"{pid} is not reaped"
                time.sleep(0.01)
            self.deaths += 1
        finally:
            self._is_quiet.set()

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


class Usage:
    """What the processes of a server have of memory, files and threads together, by and by."""

    def __init__(self, server) -> None:
        self.server, self.processes = server, 1
        self.samples: list[tuple[int, int, int, int]] = []
        self._before: list[int] = []

    def note(self, requests: int) -> bool:
        """Note a moment in which all processes answer; tell whether it is one."""
        pids = family(self.server.process.pid)
        is_whole, self._before = pids == self._before and self._all_serve(), pids
        if is_whole:
            found = np.array([measured(pid) for pid in pids])
            self.processes = len(pids)
            self.samples.append((requests, *found.sum(axis=0).tolist()))
        return is_whole

    def _all_serve(self) -> bool:
        try:
            text = httpx.get(self.server.url + "/metrics", headers=of(KEY), timeout=PATIENCE).text
        except httpx.TransportError:  # to a process that was killed
            return False
        found = re.search("^foresql_processes_serving (.*)$", text, re.MULTILINE)
        return found is None or float(found[1]) == PROCESSES

    def check_flat(self) -> None:
        """Compare the middle with the end, when all has been loaded and every pool is full."""
        third = len(self.samples) // 3
        assert third, "they never answered all at once"
        early, late = self.samples[third : 2 * third], self.samples[2 * third :]
        asked, memory, files, threads = (
            median(each[i] for each in late) - median(each[i] for each in early) for i in range(4)
        )
        noise = NOISE * self.processes  # one that was killed begins anew, and small
        assert memory <= noise + LEAK * asked, (memory, asked, self.samples)
        assert files <= 8 * self.processes, self.samples
        assert threads <= 4 * self.processes, self.samples


def family(pid: int) -> list[int]:
    """A process, and those that it started."""
    with contextlib.suppress(FileNotFoundError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(each for child in children for each in family(int(child)))]
    return []


def measured(pid: int) -> tuple[int, int, int]:
    """Bytes in memory, open files, and threads; nothing of a process that has just ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        folder = Path(f"/proc/{pid}")
        pages = int((folder / "statm").read_text().split()[1])
        files, threads = (len([*(folder / each).iterdir()]) for each in ("fd", "task"))
        return pages * os.sysconf("SC_PAGE_SIZE"), files, threads
    return 0, 0, 0


def write_keys(path: Path, *, with_other: bool) -> None:
    """Replace the file of keys as a whole."""
    text = f'[one]\nsha256 = "{sha256(KEY)}"\nmodels = {{ "*" = ["predict", "read"] }}\n'
    text += 'server = ["metrics"]\n'
    if with_other:
        text += f'[other]\nsha256 = "{sha256(OTHER)}"\nmodels = {{ delay = ["read"] }}\n'
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def move(store, turn: int) -> None:
    """Promote the other version, or roll back to it."""
    if turn % 2:
        store.rollback("delay", "champion")
    else:
        there = store.resolve("delay@champion").version
        store.move_alias("delay", "champion", 3 - there, expected=there)


CASES = [
    pytest.param((), id="one process"),
    pytest.param(("--processes", str(PROCESSES)), id="two processes that are killed"),
]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read in /proc")
@pytest.mark.parametrize("options", CASES)
def test_soak(world, serve, tmp_path, options):
    registry, keys, rows, answers = world
    store = foresql.Registry.open(registry)
    write_keys(keys, with_other=True)
    views = SoakedViews(tmp_path, registry)
    server = serve(registry, "--grpc-port", "0", "--keys", keys, *views.options, *options)
    load = Load(server, rows, answers)
    usage, rng = Usage(server), random.Random(1)  # noqa: S311
    end, turn, is_whole, killed_at = time.monotonic() + SECONDS, 0, True, 0
    try:
        while time.monotonic() < (end if is_whole else end + PATIENCE) and not load.failures:
            if turn % 4 == 0:
                move(store, turn // 4)
            if turn % 6 == 0:
                write_keys(keys, with_other=turn % 12 == 0)
            if turn % 5 == 4:
                views.replace(turn)
            if options and is_whole and turn >= killed_at + 10:
                load.kill_a_worker(rng)
                killed_at = turn
            time.sleep(0.4)
            is_whole = usage.note(sum(load.seen.values()))
            turn += 1
    finally:
        load.end()
    assert load.failures == []
    views.check(load.joined)
    wanted = {"by_name", "in_json", "in_bytes", "over_grpc", "explained", "with_features"}
    wanted |= {"wrong", "gone"}
    wanted |= {"version 1", "version 2", "other key 200", "other key 401"}
    assert wanted <= set(load.seen), load.seen
    assert bool(load.kills) == bool(options)
    assert is_whole, "a process that was killed was not replaced"
    usage.check_flat()
    assert server.stop() == 0, server.errors
    assert "Traceback" not in server.errors
