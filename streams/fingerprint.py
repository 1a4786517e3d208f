"""A fingerprint of 128 bits of a row's columns.

Two fingerprints are compared only where the same DuckDB computed both, since its ``hash`` may work
in another way in another release: :func:`engine` says which it was. ``hash`` maps values of up to
64 bits one to one, but for -0.0, which goes in beside it, and NULL, which shares its hash with one
value of 64 bits: so that it is NULL goes in too. NaN is one value, as it is for DuckDB, which may
answer for a whole column of them by one sign. Longer values go into the second half with a prefix,
so that what collides in one half does not do so in the other.
"""

from __future__ import annotations

import hashlib
import platform
import re
from typing import TYPE_CHECKING

import duckdb

from ..udfs.duckdb.macros import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLOATS = {"FLOAT", "DOUBLE"}
_SHORT = {
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
}
_NARROW = {
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "DATE",
}
"""Of at most 32 bits: the one value with NULL's hash is none of them."""
_DECIMAL = re.compile(r"DECIMAL\((\d+),\d+\)")
_SHORT_DIGITS = 18
_PREFIX = "'x'"
_ZONE = "WITH TIME ZONE"


def is_short(type_: str) -> bool:
    """Whether values have at most 64 bits, and are equal only if their bits are."""
    found = _DECIMAL.fullmatch(type_)
    return type_ in _SHORT or (found is not None and int(found[1]) <= _SHORT_DIGITS)


def engine(columns: Sequence[tuple[str, str]]) -> str | None:
    """Name the DuckDB and the formula by which fingerprints may be kept; None for by none.

    A time with a zone within a list, say, goes in as text, which the session's own zone decides.
    """
    if any(_ZONE in type_ and not is_short(type_) for _, type_ in columns):
        return None
    formula = hashlib.sha256("".join(halves(columns)).encode()).hexdigest()[:16]
    return f"DuckDB {duckdb.__version__} {platform.machine()} {formula}"


def halves(columns: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Write both halves of the fingerprint of the columns, given by name and type."""
    first: list[str] = []
    second: list[str] = []
    for name, type_ in columns:
        column = quote(name)
        if type_ in _FLOATS:
            is_minus_zero = f"{column} = 0 AND signbit({column})"
            first += [column, is_minus_zero]
            second += [column, is_minus_zero]
        elif is_short(type_):
            first.append(column)
            second += [column] if type_ in _NARROW else [column, f"{column} IS NULL"]
        else:
            text = column if type_ == "VARCHAR" else f"CAST({column} AS VARCHAR)"
            first.append(f"encode({text})")
            second.append(f"encode({_PREFIX} || {text})")
    return (
        f"hash({', '.join(first or [_PREFIX])})",
        f"hash({', '.join([_PREFIX, *reversed(second)])})",
    )
