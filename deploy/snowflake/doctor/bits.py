"""Numbers by their bits, on both sides: neither a literal nor a client stands between."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ....udfs.snowflake.names import literal
from .check import expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scratch import Scratch

_SIGN = 2**63


def hexadecimal(value: float) -> str:
    """Write a float64 as the digits of its bits."""
    return struct.pack(">d", value).hex()


def number(digits: str) -> float:
    """Read what `hexadecimal` wrote."""
    return struct.unpack(">d", bytes.fromhex(digits))[0]


def ulps(first: float, second: float) -> int:
    """Count the float64 between two numbers."""
    return abs(_ordered(first) - _ordered(second))


def _ordered(value: float) -> int:
    bits = struct.unpack(">q", struct.pack(">d", value))[0]
    return bits if bits >= 0 else -(bits + _SIGN)


def bits_function(scratch: Scratch) -> str:
    """Make the function that gives a number's bits."""
    return scratch.python("bits", "x FLOAT", "VARCHAR")


def from_bits(scratch: Scratch) -> str:
    """Make the function that gives the number of bits."""
    return scratch.python("from_bits", "b VARCHAR", "FLOAT")


def numbered(expressions: Sequence[str]) -> str:
    """Write a query of a row for each expression, with its place."""
    rows = (f"SELECT {index} AS i, {each} AS x" for index, each in enumerate(expressions))
    return "\nUNION ALL ".join(rows)


def ask_bits(scratch: Scratch, expressions: Sequence[str]) -> list[str]:
    """Compute expressions, and give the bits of each."""
    rows = scratch.run(
        f"SELECT i, {bits_function(scratch)}(x) FROM (\n{numbered(expressions)}\n) ORDER BY i"
    )
    return in_order(rows, len(expressions))


def in_order(rows: Sequence[tuple[Any, ...]], count: int) -> list[Any]:
    """Give the second of pairs whose first ones are 0, 1, ….

    Raises
    ------
    Violation
        If rows are missing, or stand elsewhere.
    """
    expect([index for index, _ in rows], list(range(count)), "the places of rows")
    return [value for _, value in rows]


def given(scratch: Scratch, value: float) -> str:
    """Write a number by its bits, so that no literal is trusted."""
    return f"{from_bits(scratch)}({literal(hexadecimal(value))})"
