"""Text: functions whose answers are DuckDB's for each code point of Unicode."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import duckdb

from .calls import Call, Function, Make, is_constant, same
from .types import RANGES, VARCHAR

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT = (VARCHAR,)
_INTEGERS = tuple(RANGES)
_CODE_POINTS = 0x110000
_FIRST_HALF, _LAST_HALF = 0xD800, 0xDFFF
"""Halves of surrogate pairs, which no text has."""


def _letters() -> list[str]:
    return [chr(i) for i in range(1, _CODE_POINTS) if not _FIRST_HALF <= i <= _LAST_HALF]


@cache
def case_table(function: str) -> dict[int, str]:
    """Ask DuckDB what it makes of each code point, once; those that stay are left out."""
    import pyarrow as pa

    letters = _letters()
    changed = duckdb.FunctionExpression(function, duckdb.ColumnExpression("letter"))
    with duckdb.connect() as connection:
        asked = connection.from_arrow(pa.table({"letter": letters})).select(changed)
        pairs = zip(letters, asked.fetchall(), strict=True)
        return {ord(letter): given for letter, (given,) in pairs if letter != given}


def _cased(call: Call) -> Callable[[str], str]:
    table = case_table(call.name)
    return lambda text: text.translate(table)


def _concat(*texts: str | None) -> str:
    return "".join([text for text in texts if text is not None])


@cache
def spaces() -> str:
    """Ask DuckDB which code points it trims: spaces of all scripts, and no tab or line feed."""
    import pyarrow as pa

    letters = pa.table({"letter": _letters()})
    trimmed = duckdb.FunctionExpression("trim", duckdb.ColumnExpression("letter"))
    with duckdb.connect() as connection:
        asked = connection.from_arrow(letters).filter(trimmed == duckdb.ConstantExpression(""))
        return "".join([letter for (letter,) in asked.fetchall()])


def _trimmed(strip: Callable[[str, str], str]) -> Make:
    def make(_: Call) -> Callable[[str], str]:
        taken = spaces()
        return lambda text: strip(text, taken)

    return make


def _like(call: Call) -> Callable[[str, str], bool] | None:
    """Match a pattern whose only sign is %: its parts are found one behind the other."""
    pattern = call.constant(1)
    if not is_constant(pattern) or "_" in pattern:
        return None
    first, *middle = pattern.split("%")
    if not middle:
        return lambda text, _: text == pattern
    *middle, last = middle

    def run(text: str, _: str) -> bool:
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return False
        place = len(first)
        for part in middle:
            found = text.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True

    return run


def _negated(call: Call) -> Callable[[str, str], bool] | None:
    like = _like(call)
    return None if like is None else lambda text, pattern: not like(text, pattern)


def _left(call: Call) -> Callable[[str, int], str] | None:
    count = call.constant(1)
    return (lambda text, _: text[:count]) if is_constant(count) and count >= 0 else None


def _substring(call: Call) -> Callable[..., str] | None:
    """Cut from a constant place on, counted from one."""
    start = call.constant(1)
    count = call.constant(2) if len(call.arguments) > 2 else None  # noqa: PLR2004 - the length
    if not is_constant(start) or start < 1:
        return None
    if len(call.arguments) == 2:  # noqa: PLR2004
        return lambda text, _: text[start - 1 :]
    if count is None or not is_constant(count) or count < 0:
        return None
    return lambda text, *_: text[start - 1 : start - 1 + count]


def _contains(text: str, part: Any) -> bool:
    return part in text


FUNCTIONS = (
    Function(("lower", "lcase"), (_TEXT,), _cased),
    Function(("upper", "ucase"), (_TEXT,), _cased),
    Function(("length", "len", "char_length", "character_length"), (_TEXT,), same(len)),
    Function(("concat",), (_TEXT,), same(_concat), any_number=True, sees_null=True),
    Function(("||",), (_TEXT, _TEXT), same(lambda x, y: x + y)),
    Function(("prefix", "starts_with", "^@"), (_TEXT, _TEXT), same(str.startswith)),
    Function(("suffix", "ends_with"), (_TEXT, _TEXT), same(str.endswith)),
    Function(("contains",), (_TEXT, _TEXT), same(_contains)),
    Function(("~~",), (_TEXT, _TEXT), _like, "LIKE a constant without _"),
    Function(("!~~",), (_TEXT, _TEXT), _negated, "NOT LIKE a constant without _"),
    Function(("trim",), (_TEXT,), _trimmed(str.strip)),
    Function(("ltrim",), (_TEXT,), _trimmed(str.lstrip)),
    Function(("rtrim",), (_TEXT,), _trimmed(str.rstrip)),
    Function(("left",), (_TEXT, _INTEGERS), _left, "a constant length, not negative"),
    Function(
        ("substring", "substr"), (_TEXT, _INTEGERS), _substring, "from a constant place, from 1"
    ),
    Function(
        ("substring", "substr"),
        (_TEXT, _INTEGERS, _INTEGERS),
        _substring,
        "from a constant place, from 1, of a constant length",
    ),
)
