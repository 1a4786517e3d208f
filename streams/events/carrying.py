"""Which types come from the query to a sink as they are.

Predictions cross Arrow, and some sinks have fewer types than DuckDB. What would come out as another
value is refused by name, before an event is read; types that stand nowhere below come out as they
are. `UUID`, `JSON` and `ENUM` become their text, and a `HUGEINT` a `DECIMAL(38, 0)`: one of more
digits is a dead letter, which sinks find (`sinks/numbers.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from ...errors import UnsupportedModelError
from ...scoring.postgres_types import postgres_type, way_out
from ...udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_POSTGRES = frozenset({"postgresql", "postgres"})
_TOPICS = frozenset({"nats", "kafka"})
_FILES = frozenset({"parquet"})
_SPARK = frozenset({"spark"})
_ALL = _POSTGRES | _TOPICS | _FILES | _SPARK | {"duckdb"}


class _Lost(NamedTuple):
    """Where a type does not come out as it is, why, and what to write instead of ``{}``."""

    sinks: frozenset[str]
    why: str
    instead: str


_TEXT = "CAST({} AS VARCHAR)"
_MICROSECONDS = _Lost(_TOPICS, "messages have times of microseconds", _TEXT)
_LOST: Mapping[str, _Lost] = {
    "uhugeint": _Lost(_ALL, "Arrow gives such numbers a sign", "CAST({} AS DECIMAL(38, 0))"),
    "hugeint": _Lost(
        _SPARK, "Spark has no numbers of more than 38 digits", "CAST({} AS DECIMAL(38, 0))"
    ),
    "bit": _Lost(_ALL, "Arrow makes bytes of it", _TEXT),
    "time with time zone": _Lost(_ALL, "Arrow leaves out the zone", _TEXT),
    "interval": _Lost(_ALL, "beyond 292 years Arrow gives another one", _TEXT),
    "geometry": _Lost(_ALL, "Arrow makes bytes of it", _TEXT),
    "variant": _Lost(_ALL, "Arrow makes bytes of it", _TEXT),
    "type": _Lost(_ALL, "Arrow has none", _TEXT),
    "tuple": _Lost(_ALL, "Arrow makes a STRUCT of it", "struct_pack(name := value, …)"),
    "bignum": _Lost(_ALL, "other systems than DuckDB get its bytes", _TEXT),
    "union": _Lost(_ALL, "Arrow's tables have none", _TEXT),
    "timestamp_s": _Lost(
        _FILES, "Parquet has no seconds, and no infinite ones", "CAST({} AS TIMESTAMP)"
    ),
    "time": _Lost(_TOPICS, "messages have no time 24:00:00", _TEXT),
    "time_ns": _MICROSECONDS,
    "timestamp_ns": _MICROSECONDS,
    "timestamptz_ns": _MICROSECONDS,
    "map": _Lost(_TOPICS, "JSON has texts alone as keys", "CAST(to_json({}) AS VARCHAR)"),
}
_LOST_FEATURES = ("interval", "union")
_NESTED: Mapping[str, _Lost] = {
    "hugeint": _Lost(
        _ALL, "numbers of more than 38 digits are not found there", "fields of DECIMAL(38, 0)"
    ),
}
"""What is refused inside of other types, but for lists."""


def check_carried(columns: Mapping[str, Any], sink: str) -> None:
    """Refuse columns of predictions whose values would come out of a sink as others.

    Parameters
    ----------
    columns
        From names to types of DuckDB.
    sink
        The scheme of its address, or ``spark``.

    Raises
    ------
    UnsupportedModelError
        For the first of them, with the way out.
    """
    for name, type_ in columns.items():
        for part, lost in _lost(type_):
            if sink in lost.sinks:
                raise _refused(name, type_, f"has {part}" if part else "", lost)
        if sink in _POSTGRES and type_.id != "null" and postgres_type(str(type_), "x") is None:
            raise UnsupportedModelError(
                f"the output {name}, a {str(type_)[:80]}",
                "Postgres has no such type.",
                f"write in the query: {way_out(str(type_))}.",
            )


def check_features(columns: Mapping[str, Any]) -> None:
    """Refuse features that the outermost SELECT would read as other values.

    They cross Arrow without loss, but for what Arrow itself cannot hold.

    Raises
    ------
    UnsupportedModelError
        For the first of them, with the way out.
    """
    for name, type_ in columns.items():
        for part, _ in _parts(type_):
            if part.id in _LOST_FEATURES:
                raise _refused(name, type_, "", _LOST[part.id], "the feature")


def _refused(
    name: str, type_: Any, inside: str, lost: _Lost, title: str = "the output"
) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{title} {name}, a {str(type_)[:80]}",
        f"it {inside}: {lost.why}." if inside else f"{lost.why}.",
        f"write in the query: {lost.instead.format(quote(name))}.",
    )


def _lost(type_: Any) -> Iterator[tuple[str, _Lost]]:
    """Give what does not come out of some sink, and its name where it is a part."""
    for part, is_nested in _parts(type_):
        for table in (_LOST, _NESTED if is_nested else {}):
            if part.id in table:
                yield ("" if part is type_ else str(part)[:80], table[part.id])


def _parts(type_: Any, *, is_nested: bool = False) -> Iterator[tuple[Any, bool]]:
    """Give a type and those in it, and whether they are in more than lists."""
    yield type_, is_nested
    if type_.id in {"enum", "decimal"}:
        return
    try:
        children = type_.children
    except duckdb.InvalidInputException:  # it is not nested
        return
    for _, child in children:
        if isinstance(child, type(type_)):  # and no size of an array
            yield from _parts(child, is_nested=is_nested or type_.id != "list")
