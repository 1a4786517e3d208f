"""Serve models, and let other people's clients ask for them, from an environment of their own.

    make test-clients

What the answers must be comes from DuckDB. The clients know nothing of foresql: they read
addresses, rows and answers from a file.
"""

import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "support")]

from serving_process import Server, sha256  # noqa: E402

import foresql  # noqa: E402

KEY = "the-key-of-a-client"
ROWS = 1_000
NARROW = ("FP16", "FP32", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


def main(python: str, arguments: list[str]) -> int:
    """Publish, serve in the clear and over TLS, and run the clients' tests."""
    publish_all = runpy.run_path(str(TESTS / "serving" / "conftest.py"))["publish_all"]
    certificate = runpy.run_path(str(TESTS / "serving" / "test_tls.py"))["certificate"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        registry = folder / "registry"
        publish_all(registry)
        publish_second_version(registry)
        (pem, key, _), _ = certificate(folder, "server")
        keys = folder / "keys.toml"
        keys.write_text(
            f'[one]\nsha256 = "{sha256(KEY)}"\nmodels = {{ late = ["read", "predict"] }}\n'
        )
        tls = ("--tls", pem, key, "--keys", keys)
        servers = [Server(registry, "--grpc-port", "0", *options) for options in ((), tls)]
        try:
            world = folder / "world.json"
            world.write_text(json.dumps(described(registry, servers, pem)))
            # One process each: both bring the same messages of gRPC, which do not go together.
            codes = [ask(python, name, world, arguments) for name in ("triton", "kserve")]
        finally:
            ends = [server.stop() for server in servers]
    for server in servers:
        sys.stderr.write(server.errors)
    return int(any(codes + ends))


def ask(python: str, client: str, world: Path, arguments: list[str]) -> int:
    """Run the tests of a client."""
    folder = TESTS / "clients"
    options = ["-q", "-c", folder / "clients.ini", "-p", "no:cacheprovider"]
    command = [python, "-m", "pytest", *options, f"--confcutdir={folder}"]
    environment = os.environ | {"FORESQL_CLIENTS": str(world)}
    command += [folder / f"test_{client}.py", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def publish_second_version(registry: Path) -> None:
    """Give `late` a second version under another alias: the first one of `delay`'s kind."""
    store = foresql.Registry.open(registry)
    second = store.add_version("late", store.load(store.resolve("delay:1")))
    store.move_alias("late", "challenger", second.version, expected=None)


def described(registry: Path, servers: list[Server], authority: Path) -> dict:
    """Give addresses, rows, and what DuckDB answers to them."""
    rng = np.random.default_rng(11)
    distance, delay = rng.gamma(2, 400, ROWS), rng.normal(0, 20, ROWS)
    delay[::9] = np.nan
    carriers = rng.choice(["AA", "UA", "naïve ☃", "never seen"], ROWS)
    rows = {
        "distance": distance.tolist(),
        "dep delay": delay.tolist(),
        "carrier": carriers.tolist(),
    }
    kinds = {
        'the "hour"': rng.integers(-3, 27, 50).tolist(),
        "carrier": rng.choice(["AA", "UA", "naïve ☃"], 50).tolist(),
        "weekend": rng.choice([True, False], 50).tolist(),
        "at": ["2013-01-01T00:00:00", "2013-06-01T12:00:00.000001"] * 25,
    }
    plain, secure = servers
    with duckdb.connect() as connection:
        for name in ("delay", "late", "kinds"):
            foresql.register(connection, f"{name}@champion", registry=registry)
        return {
            "plain": {"http": plain.url, "grpc": plain.announced["grpc"]},
            "secure": {
                "http": secure.url.replace("127.0.0.1", "localhost"),
                "grpc": secure.announced["grpc"].replace("127.0.0.1", "localhost"),
                "authority": str(authority),
                "key": KEY,
            },
            "late": {"rows": rows, "answers": asked(connection, "late", rows)},
            "kinds": {"rows": kinds, "answers": asked(connection, "kinds", kinds)},
            "narrow": {name: narrow(connection, name) for name in NARROW},
        }


def narrow(connection, datatype: str) -> dict:
    """Give numbers that a datatype has, its bounds too, and what DuckDB answers to them."""
    dtype = np.dtype(datatype.lower().replace("fp", "float"))
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    numbers = np.array([info.min, info.max, 0, 1, 2, 100], dtype)
    rows = {"distance": numbers.astype(np.float64).tolist(), "dep delay": [4.0] * len(numbers)}
    return {"numbers": numbers.tolist(), "answers": asked(connection, "delay", rows)}


def asked(connection, name: str, columns: dict) -> dict:
    """Ask DuckDB's functions."""
    types = {float: "double", int: "bigint", bool: "boolean", str: "varchar"}
    kinds = {c: "timestamp" if c == "at" else types[type(v[0])] for c, v in columns.items()}
    quoted = {column: '"' + column.replace('"', '""') + '"' for column in columns}
    fields = ", ".join(f"{quoted[column]} {kind}" for column, kind in kinds.items())
    connection.execute(f"create or replace table given ({fields})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"insert into given values ({marks})", zip(*columns.values(), strict=True)
    )
    proba = "" if name == "delay" else f", predict_proba_{name}(g) as predict_proba"
    found = connection.sql(
        f"select predict_{name}(g) as predict{proba} from given g order by rowid"
    )
    answers = found.to_arrow_table().to_pydict()
    if isinstance(answers.get("predict_proba", [0])[0], dict):
        answers["predict_proba"] = [[*each.values()] for each in answers["predict_proba"]]
    return answers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
