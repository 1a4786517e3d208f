"""Functions of the C library: taken where DuckDB gives the same bits in this very process.

DuckDB calls the C library, and so does Python; but nothing says that it is the same one. So DuckDB
is asked for thousands of numbers once, and one that differs in a bit refuses the function.
"""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import TYPE_CHECKING

import duckdb

from .calls import Call, Function
from .types import DOUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LARGEST = 709.782712893384
"""The largest number whose exponential is finite."""
_BITS = struct.Struct("<Qd")


def _log_of(log: Callable[[float], float]) -> Callable[[float], float]:
    def run(x: float) -> float:
        if x > 0:
            return log(x)
        return -math.inf if x == 0 else math.nan

    return run


def _exp(x: float) -> float:
    return math.inf if x > _LARGEST else math.exp(x)


_COMPUTE: Mapping[str, Callable[[float], float]] = {
    "exp": _exp,
    "ln": _log_of(math.log),
    "log10": _log_of(math.log10),
    "log": _log_of(math.log10),
    "log2": _log_of(math.log2),
}
_ROUNDS = 20_000


def probes() -> Iterator[float]:
    """Give numbers of every size, and those around which functions change their ways."""
    yield from (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308)
    yield from (_LARGEST, math.nextafter(_LARGEST, math.inf), -745.2, -745.1, -708.4)
    for exponent in range(-1074, 1024, 16):
        edge = 2.0**exponent
        yield from (edge, math.nextafter(edge, 0.0), math.nextafter(edge, math.inf))
    state = 0x9E3779B97F4A7C15
    for index in range(_ROUNDS):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        share = (state >> 11) * 2.0**-53
        yield ((share - 0.5) * 1500.0, share * 4.0, share * 1e6, 1.0 + (share - 0.5) * 1e-3)[
            index % 4
        ]


@cache
def is_same(name: str) -> bool:
    """Whether DuckDB and Python give the same bits."""
    numbers = list(probes())
    with duckdb.connect() as connection:
        value = duckdb.FunctionExpression(name, duckdb.ColumnExpression("x"))
        asked = connection.from_arrow(_table(numbers)).select(value)
        try:
            found = [row[0] for row in asked.fetchall()]
        except duckdb.Error:
            return False
    compute = _COMPUTE[name]
    return all(_same(compute(x), y) for x, y in zip(numbers, found, strict=True))


def _table(numbers: list[float]) -> object:
    import pyarrow as pa

    return pa.table({"x": pa.array(numbers, pa.float64())})


def _same(x: float, y: float) -> bool:
    return struct.pack("<d", x) == struct.pack("<d", y) or (math.isnan(x) and math.isnan(y))


def _checked(call: Call) -> Callable[[float], float] | None:
    return _COMPUTE[call.name] if is_same(call.name) else None


FUNCTIONS = tuple(
    Function((name,), ((DOUBLE,),), _checked, "where the C library is DuckDB's, asked at start")
    for name in _COMPUTE
)
