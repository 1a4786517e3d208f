"""How a function of DuckDB's is told: what it takes, and what computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from .types import NOT_CONSTANT, Closure, Type, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

Kinds: TypeAlias = tuple[str, ...]


class Call(NamedTuple):
    """A call in a plan: DuckDB's name of the function, its arguments, and the type it gives."""

    name: str
    arguments: tuple[Value, ...]
    result: Type

    def constant(self, place: int) -> Any:
        """Give an argument's value, NOT_CONSTANT where it depends on the row."""
        return self.arguments[place].constant


Make: TypeAlias = Callable[[Call], Callable[..., Any] | None]
"""Gives what computes a call from its arguments' values; None where that is not certain."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of DuckDB's that is computed here, bit for bit.

    Attributes
    ----------
    names
        As DuckDB's plan calls it.
    takes
        For each argument the names of the types that it may have.
    make
        What computes a call.
    says
        A line for people: what is covered, where that is not all.
    any_number
        Whether the last argument may be repeated.
    sees_null
        Whether it is asked where an argument is NULL. Others give NULL then.
    """

    names: tuple[str, ...]
    takes: tuple[Kinds, ...]
    make: Make
    says: str = ""
    any_number: bool = False
    sees_null: bool = False

    def fits(self, types: Sequence[Type]) -> bool:
        """Whether it takes arguments of these types."""
        takes = self.takes
        if self.any_number:
            takes += (takes[-1],) * (len(types) - len(takes))
        return len(takes) == len(types) and all(
            type_.name in kinds for type_, kinds in zip(types, takes, strict=True)
        )

    def compile(self, call: Call) -> Closure | None:
        """Give a call's closure."""
        compute = self.make(call)
        if compute is None:
            return None
        runs = tuple(argument.run for argument in call.arguments)
        if self.sees_null:
            return lambda cells: compute(*[run(cells) for run in runs])
        return strict(compute, runs)


def strict(compute: Callable[..., Any], runs: tuple[Closure, ...]) -> Closure:
    """Compute where no argument is NULL; all of them are evaluated, as DuckDB does."""
    if len(runs) == 1:
        return _of_one(compute, runs[0])
    if len(runs) == 2:  # noqa: PLR2004 - the two operands of an operator
        return _of_two(compute, *runs)

    def run(cells: list[Any]) -> Any:
        values = [one(cells) for one in runs]
        return None if None in values else compute(*values)

    return run


def _of_one(compute: Callable[..., Any], argument: Closure) -> Closure:
    def run(cells: list[Any]) -> Any:
        value = argument(cells)
        return None if value is None else compute(value)

    return run


def _of_two(compute: Callable[..., Any], left: Closure, right: Closure) -> Closure:
    def run(cells: list[Any]) -> Any:
        x, y = left(cells), right(cells)
        return None if x is None or y is None else compute(x, y)

    return run


def same(compute: Callable[..., Any]) -> Make:
    """Compute all calls alike."""
    return lambda _: compute


def is_constant(value: Any) -> bool:
    """Whether an argument has the same value in each row, and is not NULL."""
    return value is not NOT_CONSTANT and value is not None
