"""Reading what workers wrote, while they go on: by SQL, whatever the sink is."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import duckdb

from ....errors import StreamError
from ....udfs.duckdb.macros import literal, quote
from .layout import DEAD, DEAD_COLUMNS, POSITION_COLUMNS, POSITIONS, SCHEMA, read_place

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from ..definition import Definition
    from .layout import Place

    Select: TypeAlias = Callable[[str], list[tuple[Any, ...]]]


def table_of(definition: Definition) -> str:
    """Write the name of the predictions' table."""
    return _name(read_place(definition.sink.table))


@contextmanager
def looking(
    definition: Definition, told: Callable[[str], None] = lambda _: None
) -> Generator[Select]:
    """Give a function that answers queries over what is in a sink.

    Parameters
    ----------
    definition
        A worker's.
    told
        Takes that the sink is waited for.

    Raises
    ------
    StreamError
        If no worker wrote there yet, or what it wrote cannot be read again.
    """
    sink = definition.sink
    rest = definition.folder / sink.to.partition(":")[2]
    match sink.scheme:
        case "duckdb":
            yield from _in_duckdb(rest, told)
        case "postgresql" | "postgres":
            yield from _in_postgres(sink.to, told)
        case "parquet":
            yield from _in_parquet(rest, sink.table)
        case _:
            message = (
                f"What goes to {sink.to} cannot be read again here. Its consumers and the metrics "
                "of [metrics] say what was done."
            )
            raise StreamError(message)


def _in_duckdb(path: Path, told: Callable[[str], None]) -> Generator[Select]:
    from .turns import SharedFile

    if not path.exists():
        raise _nothing_yet(path)
    file = SharedFile(path, hold=False, pause=time.sleep, told=told)
    with closing(file), file.use() as connection:
        yield _selecting(connection, path)


def _in_postgres(address: str, told: Callable[[str], None]) -> Generator[Select]:
    from .postgres_session import Server

    server = Server(address, pause=time.sleep, told=told)
    server.connect()

    def select(query: str) -> list[tuple[Any, ...]]:
        return server.transact(lambda connection: connection.execute(query.encode()).fetchall())

    with closing(server):
        [(there,)] = select(f"SELECT to_regclass('{SCHEMA}.{POSITIONS}') IS NOT NULL")
        if not there:
            raise _nothing_yet("the server")
        yield select


def _in_parquet(root: Path, table: str) -> Generator[Select]:
    from .parquet_files import SUFFIX, read_footer

    files = f"*/[!.]*{SUFFIX}"
    newest: dict[str, Path] = {}
    for path in sorted((root / str(read_place(table))).glob(files)):
        newest[path.parent.name] = path
    if not newest:
        raise _nothing_yet(root)
    with closing(duckdb.connect()) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        _make(connection, POSITIONS, POSITION_COLUMNS)
        _make(connection, DEAD, DEAD_COLUMNS)
        for folder, path in newest.items():
            footer = read_footer(path)
            moved = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
            connection.execute(
                f"INSERT INTO {SCHEMA}.{POSITIONS} VALUES (?, ?, ?, ?, NULL, ?)",
                [
                    footer.source,
                    unquote(folder.partition("=")[2]),
                    str(footer.after),
                    moved,
                    footer.worker,
                ],
            )
        if any((root / DEAD).glob(files)):
            connection.execute(
                f"INSERT INTO {SCHEMA}.{DEAD} BY NAME {_reading(root / DEAD / files)}"
            )
        place = read_place(table)
        if place.schema is not None:
            connection.execute(f"CREATE SCHEMA {quote(place.schema)}")
        pattern = root / str(place) / files
        connection.execute(f"CREATE VIEW {_name(place)} AS {_reading(pattern)}")
        yield _selecting(connection, root)


def _make(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]) -> None:
    fields = ", ".join(f"{quote(column)} {type_}" for column, type_ in columns.items())
    connection.execute(f"CREATE TABLE {SCHEMA}.{name} ({fields})")


def _reading(pattern: Path) -> str:
    return f"SELECT * FROM read_parquet({literal(str(pattern))}, hive_partitioning = FALSE)"


def _name(place: Place) -> str:
    parts = [place.name] if place.schema is None else [place.schema, place.name]
    return ".".join(quote(part) for part in parts)


def _selecting(connection: duckdb.DuckDBPyConnection, path: Path) -> Select:
    def select(query: str) -> list[tuple[Any, ...]]:
        try:
            return connection.execute(query).fetchall()
        except duckdb.CatalogException as error:
            raise _nothing_yet(path) from error

    return select


def _nothing_yet(where: object) -> StreamError:
    return StreamError(f"No worker wrote to {where} yet: foresql worker run FILE.")
