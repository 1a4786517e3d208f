"""Rows into tables of Postgres, so that readers have the old ones or the new ones.

Rows are deleted, updated and inserted, never truncated, and a table is never made anew: another
transaction that reads its own snapshot would find such a table empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import PublishingError
from .session import quoted, text_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...scoring.postgres_types import TargetColumn
    from .session import Session

_NEW = 'pg_temp."foresql_new"'


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """Rows for a table.

    Attributes
    ----------
    lines
        Gives parts of the text that COPY reads.
    key
        The columns that tell rows apart; without them all rows are written again.
    keeps_others
        Whether rows stay that are not among these.
    """

    schema: str
    name: str
    columns: Sequence[TargetColumn]
    lines: Callable[[], Iterator[memoryview]]
    key: tuple[str, ...] = ()
    comment: str | None = None
    keeps_others: bool = False

    @property
    def sql(self) -> str:
        """Write the table's name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def title(self) -> str:
        """How people call it."""
        return f"{self.schema}.{self.name}"

    @property
    def names(self) -> str:
        """List its columns."""
        return ", ".join(quoted(column.name) for column in self.columns)

    @property
    def definitions(self) -> str:
        """List its columns with their types."""
        return ", ".join(f"{quoted(column.name)} {column.type}" for column in self.columns)


def existing_columns(session: Session, schema: str, name: str) -> dict[str, str] | None:
    """Give the columns of a table with their types; None where there is no such table.

    Raises
    ------
    PublishingError
        If there is something else of that name.
    """
    place = f"{quoted(schema)}.{quoted(name)}"
    found = session.rows("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", [place])
    if not found:
        return None
    if found[0][0] not in {"r", "p"}:
        message = f"{schema}.{name} is no table there. Choose another --schema, or drop it."
        raise PublishingError(message)
    return dict(
        session.rows(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [place],
        )
    )


def load(session: Session, incoming: Incoming) -> int:
    """Make a table hold these rows, and give how many of them were written or deleted."""
    there = existing_columns(session, incoming.schema, incoming.name)
    if there is None:
        key = ", ".join(quoted(name) for name in incoming.key)
        constraint = f", PRIMARY KEY ({key})" if key else ""
        session.run(f"CREATE TABLE {incoming.sql} ({incoming.definitions}{constraint})")
        written = _copy(session, incoming.sql, incoming)
    else:
        _change_columns(session, incoming, there)
        session.run(f"CREATE TEMPORARY TABLE foresql_new ({incoming.definitions}) ON COMMIT DROP")
        _copy(session, _NEW, incoming)
        written = _merge(session, incoming)
        session.run(f"DROP TABLE {_NEW}")
    session.run(f"ANALYZE {incoming.sql}")
    _comment(session, incoming)
    return written


def _copy(session: Session, place: str, incoming: Incoming) -> int:
    statement = f"COPY {place} ({incoming.names}) FROM STDIN"
    with session.connection.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            for part in incoming.lines():
                copy.write(part)
        return cursor.rowcount


def _change_columns(session: Session, incoming: Incoming, there: dict[str, str]) -> None:
    """Add and drop columns: that writes no row anew, so other snapshots keep theirs."""
    wanted = {column.name: column.type for column in incoming.columns}
    for name, kind in there.items():
        if wanted.get(name) != kind:
            session.run(f"ALTER TABLE {incoming.sql} DROP COLUMN {quoted(name)}")
    for name, kind in wanted.items():
        if there.get(name) != kind:
            session.run(f"ALTER TABLE {incoming.sql} ADD COLUMN {quoted(name)} {kind}")


def _merge(session: Session, incoming: Incoming) -> int:
    table, names = incoming.sql, incoming.names
    if not incoming.key or _has_duplicates(session, incoming):
        deleted = session.run(f"DELETE FROM {table}")
        inserted = session.run(f"INSERT INTO {table} ({names}) SELECT {names} FROM {_NEW}")
        return max(deleted, inserted)
    key = ", ".join(quoted(name) for name in incoming.key)
    # It also says which key is there twice, or missing.
    session.run(f"ALTER TABLE {_NEW} ADD PRIMARY KEY ({key})")
    session.run(f"ANALYZE {_NEW}")
    same = " AND ".join(f"old.{quoted(name)} = new.{quoted(name)}" for name in incoming.key)
    sides = [
        ", ".join(f"{side}.{quoted(column.name)}" for column in incoming.columns)
        for side in ("old", "new")
    ]
    written = 0
    if not incoming.keeps_others:
        written += session.run(
            f"DELETE FROM {table} AS old WHERE NOT EXISTS (SELECT FROM {_NEW} AS new WHERE {same})"
        )
    # By their bytes: 0 equals -0, and 1.0 equals 1.00.
    written += session.run(
        f"UPDATE {table} AS old SET ({names}) = ROW({sides[1]}) FROM {_NEW} AS new "
        f"WHERE {same} AND CAST(ROW({sides[0]}) AS record) *<> CAST(ROW({sides[1]}) AS record)"
    )
    return written + session.run(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {_NEW} AS new "
        f"WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE {same})"
    )


def _has_duplicates(session: Session, incoming: Incoming) -> bool:
    """Whether the table, published without this key before, has a key twice or none."""
    key = ", ".join(quoted(name) for name in incoming.key)
    missing = " OR ".join(f"{quoted(name)} IS NULL" for name in incoming.key)
    return bool(
        session.rows(
            f"SELECT FROM {incoming.sql} WHERE {missing} "
            f"UNION ALL SELECT FROM {incoming.sql} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
        )
    )


def _comment(session: Session, incoming: Incoming) -> None:
    """Write the comments that are not there yet."""
    found: dict[Any, Any] = dict(
        session.rows(
            "SELECT coalesce(a.attname, ''), d.description FROM pg_description AS d "
            "LEFT JOIN pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid "
            "AND a.attnum > 0 "
            "WHERE d.classoid = 'pg_class'::regclass AND d.objoid = to_regclass(%s)",
            [incoming.sql],
        )
    )
    if incoming.comment and found.get("") != incoming.comment:
        session.run(f"COMMENT ON TABLE {incoming.sql} IS {text_literal(incoming.comment)}")
    for column in incoming.columns:
        if column.comment and found.get(column.name) != column.comment:
            place = f"{incoming.sql}.{quoted(column.name)}"
            session.run(f"COMMENT ON COLUMN {place} IS {text_literal(column.comment)}")
