"""Joins with feature views: by equality of the whole key, so that a row finds one row or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .binding import parts
from .refusing import Refused
from .types import BOOLEAN, DATE, RANGES, TIMESTAMP, VARCHAR, Closure, read_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....online import FeatureView, OnlineView
    from ....scoring.rewriting.syntax import Node
    from .expressions import Columns, Expressions

_KEYS = {*RANGES, BOOLEAN, VARCHAR, DATE, TIMESTAMP}


class Lookup(NamedTuple):
    """A step that puts a feature view's row, or None, into a cell of each row.

    Attributes
    ----------
    view
        The view's name.
    cell
        Where its row goes.
    keys
        The key's values, in the order of the view's keys.
    alive
        The mark of rows that are still there: no other one is looked up. None if all are.
    """

    view: str
    cell: int
    keys: tuple[Closure, ...]
    alive: int | None

    def fill(self, rows: Sequence[list[Any]], online: OnlineView) -> None:
        """Look all rows up at once."""
        keys = [self._key(cells) for cells in rows]
        whole = list(dict.fromkeys(key for key in keys if None not in key))
        view, looked = online.look_up(whole)
        found = dict(zip(whole, looked, strict=True))
        for cells, key in zip(rows, keys, strict=True):
            row = found.get(key)
            if row is None and None not in key and view.missing.kind != "null":
                row = view.missing_row(key)
            cells[self.cell] = row

    def _key(self, cells: list[Any]) -> tuple[Any, ...]:
        if self.alive is not None and not cells[self.alive]:
            return (None,)
        return tuple([key(cells) for key in self.keys])


def is_plain(node: Node, width: int) -> bool:
    """Whether a join's key is read from the first columns alone, so many, and no other view's."""
    read = (part for each in node.get("conditions", []) for part in parts(each["left"]))
    references = (part for part in read if part.get("expression_class") == "BOUND_REF")
    return all(reference.get("index", 0) < width for reference in references)


def read_lookup(  # noqa: PLR0913, PLR0917 - a join, and what is below it
    node: Node,
    view: FeatureView,
    below: Columns,
    expressions: Expressions,
    cell: int,
    alive: int | None,
) -> Lookup:
    """Read a join of DuckDB's plan.

    Raises
    ------
    Refused
        If it is not JOIN or LEFT JOIN by equality of all keys, and nothing else.
    """
    kind = node.get("join_type", "INNER")
    if kind not in {"INNER", "LEFT"}:
        raise Refused(f"a {kind} JOIN")
    keys: dict[str, Closure] = {}
    for condition in node.get("conditions", []):
        column, run = _key(condition, node["children"][1], view, below, expressions)
        if column in keys:
            raise Refused(f"two conditions on {view.name}.{column}")
        keys[column] = run
    names = [name.casefold() for name in view.keys]
    if set(names) != set(keys):
        wanted = ", ".join(view.keys)
        raise Refused(f"a join with {view.name} that is not by its whole key ({wanted})")
    return Lookup(view.name, cell, tuple(keys[name] for name in names), alive)


def _key(
    condition: Node, right: Node, view: FeatureView, below: Columns, expressions: Expressions
) -> tuple[str, Closure]:
    from .relations import column_of

    other = condition.get("right")
    if condition.get("comparison") != "COMPARE_EQUAL" or other is None:
        raise Refused(f"a condition of the join with {view.name} that is no equality")
    if other["expression_class"] != "BOUND_REF":
        raise Refused(f"a computed or cast key of {view.name}: join by the column as it is")
    value = expressions.compile(condition["left"], below)
    type_ = read_type(other["return_type"])
    if value.type != type_ or type_.name not in _KEYS:
        raise Refused(f"a key of type {type_} of {view.name}")
    place = column_of(right, other.get("index", 0))
    return right["names"][place].casefold(), value.run
