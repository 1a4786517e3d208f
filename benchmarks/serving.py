"""One row a request over HTTP: ours, FastAPI and MLServer with the same LightGBM model.

And ours against itself: with all that a request can pass, and from two processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import statistics
import sys
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm as lgb
import pandas as pd
from measuring import largest_difference, refused, report
from measuring.boosters import small
from measuring.environments import BENCHMARKS, PeerError, python_of
from measuring.load import Wrk, server
from measuring.rows import Row

import foresql
from foresql.online import Wanted, materialize

ROUNDS = 5
SECONDS = 1
MANY = 16
CHECKED_ROWS = 500
OURS, FASTAPI, MLSERVER = "ours", "FastAPI", "MLServer"
PLAIN = "ours, plain"
MOST_OF_PLAIN = 1.5
"""With keys, features and a chained model: no more than so many times the plain median."""
KEY = "the benchmark's key"
LATE = 8
"""So many of the model's columns are stored features, and the request has the others."""
CHAINED = """
SELECT f.entity, predict_chained_after(first := predict_small(f), late := f.{late}) AS value
FROM (SELECT r.*, s.* EXCLUDE (entity) FROM requests r JOIN stored s USING (entity)) AS f
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is asked, with which body, and by whom."""

    url: str
    body: Path
    key: str | None = None


def main() -> None:
    """Start all servers, and ask them in turn."""
    booster, matrix = small()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        frame = pd.DataFrame(matrix[:CHECKED_ROWS], columns=booster.feature_name())
        registry = folder / "registry"
        options = {"like": frame, "registry": registry, "alias": "champion", "probe_rows": 500}
        foresql.publish("small", booster, **options)
        booster.save_model(folder / "model.bst")
        by_row, by_tensor = start_ours(stack, folder, registry, frame)
        difference = largest_difference(answers(by_row.url, frame), booster.predict(frame))
        wrk = Wrk(folder)
        rows: list[Row] = []
        for peer, start, ours, bars in (
            (FASTAPI, start_fastapi, by_row, (2.0, 2.0)),
            (MLSERVER, start_mlserver, by_tensor, (10.0, 5.0)),
        ):
            try:
                theirs = start(stack, folder, frame, booster)
                rows += against(wrk, peer, ours, theirs, bars, difference)
            except PeerError as error:
                rows.append(refused("one row a request", peer, str(error), bar=bars[0]))
        home = made(folder / "fuller")
        access = write_access(home)
        fuller = Target(
            f"{start_server(stack, home, registry, *access)}/predict/small", by_row.body
        )
        case = "keys, a rate and the audit log"
        rows.append(beside_plain(wrk, case, replace(fuller, key=KEY), by_row, difference))
        endpoint, gap = start_endpoint(stack, folder, registry, frame, access)
        case = "keys, a rate, the audit log, features by key and a chained model"
        rows.append(beside_plain(wrk, case, endpoint, by_row, gap))
        rows.append(from_two(stack, wrk, folder, registry, by_row, difference))
    report("serving", rows)


def against(  # noqa: PLR0913, PLR0917 - the parts of a comparison
    wrk: Wrk, peer: str, ours: Target, theirs: Target, bars: tuple[float, float], difference: float
) -> list[Row]:
    """Compare throughput at many connections, and the median latency at one."""
    rows: list[Row] = []
    for connections, bar in ((MANY, bars[0]), (1, bars[1])):
        taken: list[list[float]] = []
        for number in range(ROUNDS + 1):
            loads = [
                wrk.post(t.url, t.body, connections=connections, seconds=SECONDS, key=t.key)
                for t in (ours, theirs)
            ]
            each = [load.p50 if connections == 1 else load.seconds_each for load in loads]
            taken += [each] if number else []
        mine, other = (statistics.median(column) for column in zip(*taken, strict=True))
        what = "median latency" if connections == 1 else "time per answer"
        case = f"one row a request, {connections} connection{'s' * (connections > 1)}: {what}"
        rows.append(Row(case, peer, mine, other, other / mine, bar, difference))
    return rows


def write_access(folder: Path) -> tuple[str, ...]:
    """Write a file of keys, and give the server's options for it, with an audit log."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys = folder / "keys.toml"
    keys.write_text(
        f"[bench]\nsha256 = '{digest}'\nmodels = {{ small = ['predict'], chained = ['predict'] }}\n"
        "requests_per_second = 1e6\n"
    )
    return ("--keys", str(keys), "--audit-log", str(folder / "audit.jsonl"))


def start_endpoint(
    stack: ExitStack, folder: Path, registry: Path, frame: pd.DataFrame, access: tuple[str, ...]
) -> tuple[Target, float]:
    """Serve a query that looks features up by key, and feeds one model's answer to another.

    Its answers are held against the query in the warehouse, for all rows.
    """
    home = made(folder / "endpoint")
    late = list(frame.columns[-LATE:])
    (made(home / "queries") / "chained.sql").write_text(CHAINED.format(late=late[0]))
    matrix = pd.DataFrame({"first": frame[frame.columns[0]] / 3, "late": frame[late[0]]})
    data = lgb.Dataset(matrix, matrix["first"] * matrix["late"])
    chained = lgb.train({"num_leaves": 31, "verbose": -1, "seed": 1}, data, 100)
    options = {"like": matrix, "registry": registry, "alias": "champion", "probe_rows": 500}
    foresql.publish("chained_after", chained, **options)
    warehouse = home / "warehouse.duckdb"
    rows = frame.assign(entity=range(len(frame)))  # noqa: F841 - DuckDB reads it by its name
    with foresql.connect(warehouse, registry=registry) as con:
        con.execute(f"CREATE TABLE stored AS SELECT entity, {', '.join(late)} FROM rows")
        con.execute(f"CREATE TABLE requests AS SELECT * EXCLUDE ({', '.join(late)}) FROM rows")
        text = CHAINED.format(late=late[0])
        batch = foresql.run_query(con, f"{text} ORDER BY ALL", registry=registry).fetchall()
        asked = con.execute("SELECT * FROM requests ORDER BY entity").df().to_dict("records")
    online = str(home / "online")
    materialize([Wanted(name="stored", keys=("entity",))], online, database=warehouse)
    more = ("--endpoints", str(home / "queries"), "--online", online, "--database", str(warehouse))
    url = f"{start_server(stack, home, registry, *access, *more)}/predict/chained"
    found = [each["value"] for each in posted(url, {"rows": asked}, KEY)["answers"]]
    gap = largest_difference(found, [value for _, value in batch])
    return Target(url, written(folder / "endpoint.json", {"rows": asked[:1]}), KEY), gap


def beside_plain(wrk: Wrk, case: str, fuller: Target, plain: Target, difference: float) -> Row:
    """Compare the median of a lone connection with that of the plain server."""
    bars = (0.0, 1 / MOST_OF_PLAIN)
    *_, row = against(wrk, PLAIN, fuller, plain, bars, difference)
    return replace(row, case=f"{row.case}, with {case}")


def from_two(  # noqa: PLR0913, PLR0917 - the parts of a comparison
    stack: ExitStack, wrk: Wrk, folder: Path, registry: Path, plain: Target, difference: float
) -> Row:
    """Compare two processes with one, for information: on two cores the client has one of them."""
    options = ("--processes", "2")
    url = start_server(stack, made(folder / "two"), registry, *options, pinned=False)
    two = Target(f"{url}/predict/small", plain.body)
    row, _ = against(wrk, PLAIN, two, plain, (0.0, 0.0), difference)
    return replace(row, case=f"{row.case}, two processes", note="not pinned to cores")


def start_server(
    stack: ExitStack, home: Path, registry: Path, *options: str, pinned: bool = True
) -> str:
    """Serve the registry, and give the address."""
    port = free_port()
    command = [sys.executable, "-m", "foresql.cli", "serve", "--registry", str(registry)]
    url = f"http://127.0.0.1:{port}"
    command += ["--port", str(port), *options]
    stack.enter_context(server(command, f"{url}/v2/health/ready", home, pinned=pinned))
    return url


def start_ours(
    stack: ExitStack, folder: Path, registry: Path, frame: pd.DataFrame
) -> tuple[Target, Target]:
    """Serve the registry; asked by row, and by the protocol with a tensor for each column."""
    url = start_server(stack, made(folder / "ours"), registry)
    first = frame.iloc[0].to_dict()
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in first.items()
    ]
    return (
        Target(f"{url}/predict/small", written(folder / "row.json", {"rows": [first]})),
        Target(f"{url}/v2/models/small/infer", written(folder / "oip.json", {"inputs": tensors})),
    )


def start_fastapi(
    stack: ExitStack, folder: Path, frame: pd.DataFrame, booster: lgb.Booster
) -> Target:
    """Serve the model file from FastAPI, under the same uvicorn, httptools and uvloop."""
    port = free_port()
    command = [str(python_of("fastapi")), "-m", "uvicorn", "--no-access-log", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PYTHONPATH": str(BENCHMARKS / "peer_worker"),
        "FORESQL_PEER_MODEL": str(folder / "model.bst"),
    }
    stack.enter_context(
        server([*command, "fastapi_app:app"], f"{url}/docs", made(folder / "fastapi"), environment)
    )
    target = f"{url}/predict/small"
    if largest_difference(answers(target, frame), booster.predict(frame)):
        raise PeerError("its answers are not the model's")
    return Target(target, folder / "row.json")


def start_mlserver(
    stack: ExitStack, folder: Path, frame: pd.DataFrame, booster: lgb.Booster
) -> Target:
    """Serve the model file from MLServer as it comes; it takes all columns as one tensor."""
    python = python_of("mlserver")
    home = made(folder / "mlserver")
    (home / "model.bst").write_bytes((folder / "model.bst").read_bytes())
    port = free_port()
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", "debug": False, **ports}
    written(home / "settings.json", settings)
    runtime = "mlserver_lightgbm.LightGBMModel"
    model = {"name": "small", "implementation": runtime, "parameters": {"uri": "./model.bst"}}
    written(home / "model-settings.json", model)
    url = f"http://127.0.0.1:{port}/v2/models/small"
    command = [str(python.with_name("mlserver")), "start", str(home)]
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    stack.enter_context(server(command, f"{url}/ready", home, {"PATH": path}, pinned=False))
    tensor = {
        "name": "rows",
        "shape": [1, frame.shape[1]],
        "datatype": "FP64",
        "data": frame.iloc[0].tolist(),
    }
    body = written(folder / "matrix.json", {"inputs": [tensor]})
    found = posted(f"{url}/infer", json.loads(body.read_text()))["outputs"][0]["data"]
    if largest_difference(found, booster.predict(frame.iloc[:1])):
        raise PeerError("its answer is not the model's")
    return Target(f"{url}/infer", body)


def answers(url: str, frame: pd.DataFrame) -> list[float]:
    """Ask for all rows at once."""
    found = posted(url, {"rows": frame.to_dict("records")})
    return [answer["value"] for answer in found["answers"]]


def posted(url: str, content: object, key: str | None = None) -> dict[str, list[dict[str, float]]]:
    """Post JSON, and read JSON."""
    headers = {"Content-Type": "application/json"}
    headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(content).encode(), headers)  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - same
        return json.load(response)


def written(path: Path, content: object) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(content))
    return path


def made(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder


def free_port() -> int:
    """Find a port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
