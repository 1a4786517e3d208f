"""How DuckDB's types become Postgres's, and values the text of its COPY, with nothing changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

MOST_NAME_BYTES = 63
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s?(\d+)\)")
_LIST = re.compile(r"(.+)\[\d*\]", re.DOTALL)
_PLAIN = "CAST({} AS VARCHAR)"
# Postgres writes BC behind the time.
_DATED = (
    "CASE WHEN contains(CAST({0} AS VARCHAR), ' (BC)') "
    "THEN replace(CAST({0} AS VARCHAR), ' (BC)', '') || ' BC' ELSE CAST({0} AS VARCHAR) END"
)
_TIMESTAMP = _DATED.replace("{0}", "CAST({0} AS TIMESTAMP)")
_TYPES: Mapping[str, tuple[str, str]] = {
    "BOOLEAN": ("boolean", _PLAIN),
    "TINYINT": ("smallint", _PLAIN),
    "SMALLINT": ("smallint", _PLAIN),
    "INTEGER": ("integer", _PLAIN),
    "BIGINT": ("bigint", _PLAIN),
    "UTINYINT": ("smallint", _PLAIN),
    "USMALLINT": ("integer", _PLAIN),
    "UINTEGER": ("bigint", _PLAIN),
    "UBIGINT": ("numeric(20,0)", _PLAIN),
    "HUGEINT": ("numeric(39,0)", _PLAIN),
    "UHUGEINT": ("numeric(39,0)", _PLAIN),
    "FLOAT": ("real", _PLAIN),
    "DOUBLE": ("double precision", _PLAIN),
    "VARCHAR": ("text", "{}"),
    "JSON": ("json", "CAST({} AS VARCHAR)"),
    "BLOB": ("bytea", r"'\x' || hex({})"),
    "UUID": ("uuid", _PLAIN),
    "DATE": ("date", _DATED),
    "TIME": ("time without time zone", _PLAIN),
    "INTERVAL": ("interval", _PLAIN),
    "TIMESTAMP": ("timestamp without time zone", _DATED),
    "TIMESTAMP_S": ("timestamp without time zone", _TIMESTAMP),
    "TIMESTAMP_MS": ("timestamp without time zone", _TIMESTAMP),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", _DATED),
}
_WAYS_OUT: Mapping[str, str] = {
    "STRUCT": "take its fields (s.x AS x), or make text of it (CAST(to_json(s) AS VARCHAR))",
    "MAP": "make text of it (CAST(to_json(m) AS VARCHAR))",
    "UNION": "make text of it (CAST(u AS VARCHAR))",
    "TIMESTAMP_NS": "Postgres keeps microseconds: cast it to TIMESTAMP, if rounding is meant",
    "TIME_NS": "Postgres keeps microseconds: cast it to TIME, if rounding is meant",
    "TIME": "cast it to TIME or to VARCHAR",
}


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column in Postgres; ``text`` is DuckDB's expression of its value as Postgres reads it."""

    name: str
    type: str
    text: str
    comment: str | None = None

    @property
    def field(self) -> str:
        """Write the value as a field of COPY's text format."""
        escaped = self.text
        for letter, written in (
            (r"'\'", r"'\\'"),
            ("chr(9)", r"'\t'"),
            ("chr(10)", r"'\n'"),
            ("chr(13)", r"'\r'"),
        ):
            if self.may_need_escapes:
                escaped = f"replace({escaped}, {letter}, {written})"
        return rf"coalesce({escaped}, '\N')"

    @property
    def may_need_escapes(self) -> bool:
        """Whether a value may hold a tab, an end of line or a backslash."""
        return self.type in {"text", "json", "bytea"} or self.type.endswith("[]")


def copy_query(relation: str, columns: Sequence[TargetColumn]) -> str:
    """Write the query whose one column are the lines that COPY reads."""
    fields = ", chr(9), ".join(column.field for column in columns)
    return f"SELECT concat({fields}, chr(10)) FROM {relation}"


def lines_of(batches: Iterator[pa.RecordBatch]) -> Iterator[memoryview]:
    """Give the bytes of lines that stand in a column of text, without making objects of them."""
    for batch in batches:
        column = batch.column(0)
        _, offsets, data = column.buffers()
        places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
        if data is not None:
            yield memoryview(data)[int(places[0]) : int(places[-1])]


def postgres_type(duckdb_type: str, expression: str) -> tuple[str, str] | None:
    """Give the type in Postgres, and the value as text; None for what has no place there."""
    if duckdb_type in _TYPES:
        name, template = _TYPES[duckdb_type]
        return name, template.format(expression)
    if duckdb_type.startswith("ENUM("):
        return "text", _PLAIN.format(expression)
    found = _DECIMAL.fullmatch(duckdb_type)
    if found:
        return f"numeric({found[1]},{found[2]})", _PLAIN.format(expression)
    found = _LIST.fullmatch(duckdb_type)
    return _array(found[1], expression) if found else None


def way_out(duckdb_type: str) -> str:
    """Say what to do about a type that Postgres has not."""
    if _LIST.fullmatch(duckdb_type):
        return "make text of it (CAST(to_json(l) AS VARCHAR))"
    kind = duckdb_type.split("(", maxsplit=1)[0].split(" ", maxsplit=1)[0]
    return _WAYS_OUT.get(kind, "cast it to a type that Postgres has")


def _array(element_type: str, expression: str) -> tuple[str, str] | None:
    element = None if _LIST.fullmatch(element_type) else postgres_type(element_type, "item")
    if element is None:
        return None
    name, text = element
    quoted = rf"""'"' || replace(replace({text}, '\', '\\'), '"', '\"') || '"'"""
    items = f"list_transform({expression}, lambda item: coalesce({quoted}, 'NULL'))"
    # An empty list has no elements to join, which gives NULL.
    joined = f"coalesce(array_to_string({items}, ','), '')"
    written = f"CASE WHEN {expression} IS NOT NULL THEN '{{' || {joined} || '}}' END"
    return f"{name}[]", written
