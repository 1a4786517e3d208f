"""What DuckDB calls, and how long it lives.

DuckDB frees a Python function when it is removed, and when the connection that made it is gone. A
query of another connection that runs it then ends the whole process. So DuckDB is given shells
that are never freed; what a shell holds, which is the model, is let go.
"""

from __future__ import annotations

import inspect
import sys
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ...errors import RegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..functions import Function

_KEPT = 8
"""So many registrations that were let go last still answer the queries that run with them."""


class _Shell(NamedTuple):
    answer: Callable[..., pa.Array]
    held: list[Function]


_shells: list[Callable[..., pa.Array]] = []
_alive: dict[str, _Shell] = {}
_retired: deque[list[_Shell]] = deque()


def make_callable(udf: str, function: Function) -> Callable[..., pa.Array]:
    """Wrap a function's body as DuckDB calls it: chunked arrays in, one array out."""
    retire(_left_by_duckdb())
    shell = _make_shell(function)
    _shells.append(shell.answer)
    _alive[udf] = shell
    return shell.answer


def retire(udfs: Iterable[str]) -> None:
    """Let a registration's functions go: not at once, for queries may still run with them."""
    shells = [_alive.pop(udf) for udf in udfs if udf in _alive]
    if shells:
        _retired.append(shells)
    while len(_retired) > _KEPT:
        for shell in _retired.popleft():
            shell.held.clear()


def _make_shell(function: Function) -> _Shell:
    held = [function]

    def answer(*arguments: pa.ChunkedArray | pa.Array) -> pa.Array:
        whole = (a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arguments)
        for present in tuple(held):
            return present.answer(*whole)
        message = (
            "The model of this function was let go: the connection that it was registered in is "
            "gone, or it was replaced several times while this query ran. Register it again."
        )
        raise RegistrationError(message)

    count = 2 if function.takes_level else 1
    kind = inspect.Parameter.POSITIONAL_ONLY
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"argument{index}", kind) for index in range(count)]
    )
    return _Shell(answer, held)


def _left_by_duckdb() -> list[str]:
    """Find the functions that nothing refers to but this module: their connection is gone."""
    lone = _Shell(lambda: pa.nulls(0), [])
    _shells.append(lone.answer)
    references = sys.getrefcount(lone.answer)
    _shells.pop()
    return [udf for udf, shell in _alive.items() if sys.getrefcount(shell.answer) <= references]
