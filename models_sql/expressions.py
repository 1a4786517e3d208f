"""SQL expressions as text with references: cheap for a forest of a hundred thousand splits.

An expression is a tuple of parts: text, or a reference to a column that another expression
defines. So what reads what is known without parsing, and a definition that is read once can be put
where it is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a column, by its name in the statement."""

    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A reference to a relation that stands in the statement beside the rows.

    Attributes
    ----------
    relation, column
        What is read.
    key
        The column of the rows that equals the relation's ``k``, in exactly one of its rows; None
        where the relation is a single row.
    """

    relation: str
    column: str
    key: str | None = None


Part: TypeAlias = str | Ref | Cell


@dataclass(frozen=True, slots=True)
class Expression:
    """Parts in their order.

    Attributes
    ----------
    parts
        Text and references.
    depth
        How deep calls, parentheses and CASEs are nested; a sum counts as one level.
    is_atom
        Whether it can stand beside an operator without parentheses.
    cases
        How many CASEs are nested in it.
    """

    parts: tuple[Part, ...]
    depth: int
    is_atom: bool
    cases: int = 0

    @property
    def size(self) -> int:
        """The length of its text; a reference counts as few letters."""
        return sum(len(part) if isinstance(part, str) else _REF_LETTERS for part in self.parts)

    def refs(self) -> Iterator[str]:
        """Name the columns that it reads, as often as it reads them."""
        for part in self.parts:
            if isinstance(part, Ref):
                yield part.name
            elif isinstance(part, Cell) and part.key is not None:
                yield part.key

    def cells(self) -> Iterator[Cell]:
        """Give what it reads of relations."""
        return (part for part in self.parts if isinstance(part, Cell))

    def replaced(self, by: Mapping[str, Expression]) -> Expression:
        """Put expressions in place of references to what they define."""
        if not any(name in by for name in self.refs()):
            return self
        parts: list[Part] = []
        inside: list[Expression] = []
        for part in self.parts:
            if isinstance(part, Ref) and part.name in by:
                inside.append(by[part.name])
                parts += in_parentheses(inside[-1])
            else:
                parts.append(part)
        cases = self.cases + most_cases(inside)
        return Expression(_merged(parts), self.depth + _deepest(inside), self.is_atom, cases)

    def __str__(self) -> str:
        """Give the SQL."""
        return "".join(map(_written, self.parts))


LINE = "\n      "
"""Where a long expression goes on."""
_LONG_TERM = 60
_REF_LETTERS = 4
_PLACE = re.compile(r"\{(\w*)\}")


def _written(part: Part) -> str:
    match part:
        case Ref(name):
            return name
        case Cell(relation, column):
            return f"{relation}.{column}"
        case _:
            return part


def unlike(letter: str, names: Iterable[str]) -> str:
    """Give a prefix such that no name, in any case, is the prefix and a number.

    In ClickHouse an alias hides a column of the same name, in other places of its SELECT too.
    """
    prefix, given = letter, [name.casefold() for name in names]
    while any(re.fullmatch(rf"{prefix}\d+", name) for name in given):
        prefix += letter
    return prefix


def text(sql: str) -> Expression:
    """Make an expression of a literal or another piece of SQL that reads no column."""
    return Expression((sql,), 0, is_atom=True)


def ref(name: str) -> Expression:
    """Make an expression that is a column."""
    return Expression((Ref(name),), 0, is_atom=True)


def cell(relation: str, column: str, key: str | None = None) -> Expression:
    """Make an expression that is a column of a relation."""
    return Expression((Cell(relation, column, key),), 0, is_atom=True)


def fill(template: str, *arguments: Expression, is_atom: bool = True) -> Expression:
    """Put expressions into the places ``{}`` (in order) or ``{0}`` of a template.

    A template that is no function call, cast or CASE needs ``is_atom=False``; its places get
    parentheses where they need them.
    """
    parts: list[Part] = []
    position = 0
    for index, piece in enumerate(_PLACE.split(template)):
        if index % 2 == 0:
            parts.append(piece)
            continue
        argument = arguments[int(piece) if piece else position]
        position += 1
        parts += in_parentheses(argument)
    return Expression(_merged(parts), 1 + _deepest(arguments), is_atom, most_cases(arguments))


def fill_named(template: str, *, is_atom: bool = True, **arguments: Expression) -> Expression:
    """Put expressions into the places ``{name}`` of a template, each of which has one."""
    places = {name: str(place) for place, name in enumerate(arguments)}
    numbered = _PLACE.sub(lambda found: f"{{{places[found[1]]}}}", template)
    return fill(numbered, *arguments.values(), is_atom=is_atom)


def chain(operator: str, terms: Iterable[Expression]) -> Expression:
    """Join terms by an operator that engines apply from left to right, such as ``+``."""
    given = list(terms)
    if len(given) == 1:
        return given[0]
    parts: list[Part] = []
    for index, term in enumerate(given):
        between = LINE if term.size > _LONG_TERM else " "
        parts += ([f"{between}{operator} "] if index else []) + in_parentheses(term)
    return Expression(_merged(parts), 1 + _deepest(given), False, most_cases(given))


def either(tests: Iterable[Expression]) -> Expression:
    """Join tests by OR."""
    return _joined(" OR ", list(tests))


def both(tests: Iterable[Expression]) -> Expression:
    """Join tests, none of which is an OR, by AND."""
    return _joined(" AND ", list(tests))


def _joined(between: str, tests: list[Expression]) -> Expression:
    """Join comparisons, which bind closer than AND, as that does closer than OR."""
    if len(tests) == 1:
        return tests[0]
    parts: list[Part] = []
    for index, test in enumerate(tests):
        parts += [between] if index else []
        parts += test.parts
    depth = max(test.depth for test in tests)
    return Expression(_merged(parts), depth, False, most_cases(tests))


def bare(expression: Expression) -> Expression:
    """Give an expression for a place in which it needs no parentheses, such as behind WHEN."""
    return replace(expression, is_atom=True)


def case(
    branches: Iterable[tuple[Expression, Expression]], otherwise: Expression | None
) -> Expression:
    """Write ``CASE WHEN condition THEN result … ELSE otherwise END``; None is NULL."""
    given = list(branches)
    if not given:
        return otherwise or text("NULL")
    parts: list[Part] = ["CASE"]
    for condition, result in given:
        parts += [" WHEN ", *condition.parts, " THEN ", *result.parts]
    inner = [each for branch in given for each in branch]
    if otherwise is not None:
        parts += [" ELSE ", *otherwise.parts]
        inner.append(otherwise)
    parts.append(" END")
    return Expression(_merged(parts), 1 + _deepest(inner), True, 1 + most_cases(inner))


def most_cases(expressions: Iterable[Expression]) -> int:
    """Give the most CASEs that are nested in one of several expressions."""
    return max((each.cases for each in expressions), default=0)


def in_parentheses(expression: Expression) -> list[Part]:
    """Give the parts of an operand."""
    return [*expression.parts] if expression.is_atom else ["(", *expression.parts, ")"]


def _deepest(expressions: Iterable[Expression]) -> int:
    return max((each.depth + (not each.is_atom) for each in expressions), default=0)


def _merged(parts: Iterable[Part]) -> tuple[Part, ...]:
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part:
            merged.append(part)
    return tuple(merged)
