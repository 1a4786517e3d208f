"""The warehouse's side: a relation or a query in DuckDB, read once, in the order of its keys."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ..errors import FeatureError, ForesqlError
from ..scoring.query import bind_query, open_database, register_called
from ..udfs.duckdb import interruptible
from ..udfs.duckdb.holder import find_holder, is_locked
from ..udfs.duckdb.macros import quote
from .kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from .definition import Wanted
    from .view import FeatureView

BATCH_ROWS = 16_384
_PAUSE = 0.2
# Equal where case, accents, or the way of writing an accent do not count.
_ALIKE = (("A", "a"), ("é", "e"), ("\u00e9", "e\u0301"))


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A database that is open for reading: as long as it is, no process can change the file."""

    connection: duckdb.DuckDBPyConnection
    path: Path | None
    registry: str | None
    opened_at: datetime

    @property
    def title(self) -> str:
        """How people call it."""
        return "DuckDB" if self.path is None else self.path.name

    def columns_of(self, wanted: Wanted) -> dict[str, str]:
        """Give the columns of what is to be read, with their types.

        Raises
        ------
        FeatureError
            If it cannot be read, or two columns have one name.
        """
        with self.reading(wanted):
            described = self.connection.execute(f"DESCRIBE {self._query(wanted)}").fetchall()
        columns = {str(name): str(type_) for name, type_, *_ in described}
        if len({name.lower() for name in columns}) < len(described):
            message = f"{wanted.title} gives two columns of one name.\n  What to do: name them."
            raise FeatureError(message)
        return columns

    def check_collations(self, wanted: Wanted, columns: Mapping[str, str]) -> None:
        """Refuse text that DuckDB compares otherwise than by its bytes, as lookups do.

        Raises
        ------
        FeatureError
            For the first column of a collation.
        """
        texts = [name for name, type_ in columns.items() if type_ == "VARCHAR"]
        if not texts:
            return
        # A row of NULLs has the columns' collations, whatever is in the relation.
        selected = ", ".join(
            " OR ".join(f"coalesce({quote(name)}, '{one}') = '{other}'" for one, other in _ALIKE)
            for name in texts
        )
        query = f"""
            SELECT {selected} FROM (SELECT 1) LEFT JOIN (
                SELECT {", ".join(map(quote, texts))} FROM (\n{self._query(wanted)}\n) LIMIT 0
            ) ON true
        """  # noqa: S608 - quoted; the query is the user's
        with self.reading(wanted):
            [found] = self.connection.execute(query).fetchall()
        for name, is_collated in zip(texts, found, strict=True):
            if is_collated:
                message = (
                    f"Column {name!r} of {wanted.title} has a collation, by which texts that "
                    "differ are equal; a lookup compares bytes.\n  What to do: SELECT "
                    f"{quote(name)} COLLATE C AS {quote(name)} in a view, or in --query."
                )
                raise FeatureError(message)

    def batches(self, wanted: Wanted, view: FeatureView) -> Iterator[pa.RecordBatch]:
        """Read all rows in the order of the key; no two batches are held at once.

        Raises
        ------
        FeatureError
            If DuckDB ends the query, or a value is none of Python's.
        """
        columns = ", ".join(quote(name) for name in view.columns)
        order = ", ".join(quote(key) for key in view.keys)
        with self.reading(wanted):
            relation = self.connection.sql(
                f"SELECT {columns} FROM (\n{self._query(wanted)}\n) AS r ORDER BY {order}"  # noqa: S608 - quoted; the query is the user's
            )
            for batch in relation.to_arrow_reader(BATCH_ROWS):
                if batch.num_rows:
                    _check_values(batch, view)
                    yield batch

    @contextmanager
    def reading(self, wanted: Wanted) -> Generator[None]:
        """Turn errors of DuckDB into ours, with the name of what was read."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException) as error:
            message = (
                f"{wanted.title} cannot be read from {self.title}: {str(error).splitlines()[0]}"
            )
            raise FeatureError(message) from error

    def register(self, wanted: Wanted) -> None:
        """Let the query call models of the registry.

        Raises
        ------
        FeatureError
            If it calls one that is not there, or is not one query.
        """
        query = self._query(wanted)
        with self.reading(wanted):
            statements = self.connection.extract_statements(query)
            if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
                message = f"{wanted.title} is not one query: {query[:200]}"
                raise FeatureError(message)
            try:
                called = register_called(self.connection, query, self.registry)
                bind_query(self.connection, query, called)
            except FeatureError:
                raise
            except ForesqlError as error:
                message = f"{wanted.title} cannot be read from {self.title}: {error}"
                raise FeatureError(message) from error

    def _query(self, wanted: Wanted) -> str:
        if wanted.query is not None:
            return wanted.query.strip().rstrip(";")
        parts = (wanted.relation or wanted.name).split(".")
        return f"SELECT * FROM {'.'.join(quote(part) for part in parts)}"  # noqa: S608 - quoted


@contextmanager
def open_warehouse(
    path: Path | None, registry: str | None = None, wait: float = 0
) -> Generator[Warehouse]:
    """Open a DuckDB file for reading, or a database in memory, for queries of files.

    Raises
    ------
    FeatureError
        If there is no such file, it is none, or a process that writes holds it for too long.
    """
    connection, opened_at = _connect(path, time.monotonic() + wait)
    try:
        # As Arrow, each type has one width: integers of 128 bits too, and booleans a byte.
        connection.execute("SET arrow_lossless_conversion = true")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        yield Warehouse(connection, path, registry, opened_at)
    finally:
        connection.close()


def check_there(path: Path | None) -> None:
    """See that there is such a file, without opening it.

    Raises
    ------
    FeatureError
        If there is none.
    """
    if path is not None and not path.exists():
        connection, _ = _connect(path, 0.0)  # which says what is wrong
        connection.close()


def _connect(path: Path | None, until: float) -> tuple[duckdb.DuckDBPyConnection, datetime]:
    while True:
        opened_at = datetime.now(UTC)
        try:
            return interruptible(open_database(path)), opened_at
        except ForesqlError as error:
            cause = error.__cause__
            if not (isinstance(cause, duckdb.Error) and is_locked(cause)):
                raise FeatureError(str(error)) from error
            if time.monotonic() >= until:
                raise _locked(path, cause) from error
        time.sleep(_PAUSE)


def _locked(path: Path | None, error: duckdb.Error) -> FeatureError:
    holder = find_holder(error)
    who = (
        "another process"
        if holder is None
        else (f"process {holder.pid} ({Path(holder.program).name})")
    )
    return FeatureError(
        f"{path} is being written: {who} holds it.\n  What to do: materialize when the dbt run has "
        "ended (dbt build && foresql materialize …), or let this command wait: --wait 600."
    )


def _check_values(batch: pa.RecordBatch, view: FeatureView) -> None:
    for key in view.keys:
        column = batch.column(key)
        if column.null_count:
            row = _example(batch, view, column.is_null().to_pylist().index(True))
            message = (
                f"{view.name} has a row whose key {key} is NULL: {row}.\n  What to do: leave such "
                "rows out: WHERE … IS NOT NULL in the view, or in --query."
            )
            raise FeatureError(message)
    for name, type_ in view.columns.items():
        kind = kind_of(type_)
        if kind is not None and kind.bounds is not None:
            _check_bounds(batch, view, name, kind.bounds)


def _check_bounds(
    batch: pa.RecordBatch, view: FeatureView, name: str, bounds: tuple[int, int]
) -> None:
    """Refuse dates that Python has not: infinity, and what is before the year 1 or after 9999."""
    import pyarrow.compute as pc

    column = batch.column(name)
    raw = column.view(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    least, most = pc.min_max(raw).as_py().values()
    if least is None or (least >= bounds[0] and most <= bounds[1]):
        return
    outside = [
        place
        for place, value in enumerate(raw.to_pylist())
        if value is not None and not bounds[0] <= value <= bounds[1]
    ]
    row = _example(batch, view, outside[0], only=view.keys)
    message = (
        f"Column {name!r} of {view.name} has a {view.columns[name]} that is infinite, or not of "
        f"the years 1 to 9999: in the row {row}.\n  What to do: make it NULL, or a date in bounds."
    )
    raise FeatureError(message)


_SHOWN = 6


def _example(
    batch: pa.RecordBatch, view: FeatureView, row: int, only: Sequence[str] | None = None
) -> str:
    """Show some of a row, so that people find it."""
    shown: list[str] = []
    for name in (only or [*view.columns])[:_SHOWN]:
        kind = kind_of(view.columns[name])
        if kind is not None and kind.bounds is None:
            shown.append(f"{name} = {value_at(batch.column(name), row)!r:.60}")
    return ", ".join(shown) or f"number {row + 1} of its batch"


def value_at(column: pa.Array, row: int) -> Any:
    """Give a value for people to read."""
    value = column[row].as_py()
    if isinstance(value, bytes):
        return int.from_bytes(value, "little", signed=True)
    return value
