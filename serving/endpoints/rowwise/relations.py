"""Relations of DuckDB's plan: the request, projections, filters, and joins with feature views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .expressions import Columns, Expressions
from .joins import Lookup, read_lookup
from .models import UNSET, ModelCalls
from .refusing import Refused
from .types import Value, read_type, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....online import FeatureView
    from ....scoring.rewriting.syntax import Node
    from .models import RowModel
    from .types import Closure, Type

Step: TypeAlias = "Compute | Keep | Lookup"
_NOT_CELLS = {"BOUND_REF", "BOUND_CONSTANT"}


class Compute:
    """A step that fills a cell of each row."""

    __slots__ = ("cell", "run")

    def __init__(self, cell: int, run: Closure) -> None:
        """Take the cell and its value."""
        self.cell, self.run = cell, run


class Keep:
    """A step that keeps the rows for which a condition is true."""

    __slots__ = ("run",)

    def __init__(self, run: Closure) -> None:
        """Take the condition."""
        self.run = run


class Relations:
    """Compiles a plan from its root; only what an output needs becomes a step."""

    def __init__(
        self,
        request: tuple[str, Mapping[str, str]],
        views: Mapping[str, FeatureView],
        models: Mapping[str, RowModel],
    ) -> None:
        """Take what the query reads."""
        self._request = request[0].casefold()
        self._views = {name.casefold(): view for name, view in views.items()}
        self.blank: list[Any] = [None] * len(request[1])
        self.steps: list[Step] = []
        self._expressions = Expressions(ModelCalls(models, self.new_cell))
        self._named: dict[str, Columns] = {}
        self._read: dict[int, Value] = {}
        self._by_type: Mapping[str, Callable[[Node], Columns]] = {
            "LOGICAL_GET": self._get,
            "LOGICAL_PROJECTION": self._projection,
            "LOGICAL_FILTER": self._filter,
            "LOGICAL_COMPARISON_JOIN": self._join,
        }

    def new_cell(self) -> int:
        """Give a further cell of each row."""
        self.blank.append(UNSET)
        return len(self.blank) - 1

    def compile(self, node: Node) -> Columns:
        """Compile a relation.

        Raises
        ------
        Refused
            If it is not row by row.
        """
        make = self._by_type.get(node["type"])
        if make is None:
            raise Refused(_written(node["type"]))
        return make(node)

    def _get(self, node: Node) -> Columns:
        name = self._name(node)
        if name != self._request:
            raise Refused(f"{name} as the first relation: the request's rows come first")
        return lambda index: self._of_request(node, index)

    def _of_request(self, node: Node, index: int) -> Value:
        place = column_of(node, index)
        if place not in self._read:
            type_ = read_type(node["returned_types"][place])
            read = reader_of(type_, node["names"][place])
            self._read[place] = self._cell(type_, lambda cells: read(cells[place]))
        return self._read[place]

    def _cell(self, type_: Type, run: Closure) -> Value:
        cell = self.new_cell()
        self.steps.append(Compute(cell, run))
        return Value(type_, lambda cells: cells[cell])

    def _projection(self, node: Node) -> Columns:
        below = self.compile(node["children"][0])
        done: dict[int, Value] = {}

        def column(index: int) -> Value:
            if index not in done:
                expression = node["expressions"][index]
                value = self._expressions.compile(expression, below)
                is_cell = expression["expression_class"] not in _NOT_CELLS
                done[index] = self._cell(value.type, value.run) if is_cell else value
            return done[index]

        return column

    def _filter(self, node: Node) -> Columns:
        below = self.compile(node["children"][0])
        if node.get("projection_map"):
            raise Refused("a filter that leaves columns out")
        for condition in node["expressions"]:
            self.steps.append(Keep(self._expressions.condition(condition, below)))
        return below

    def _join(self, node: Node) -> Columns:
        left, right = node["children"]
        if node.get("left_projection_map") or node.get("right_projection_map"):
            raise Refused("a join that leaves columns out")
        below = self.compile(left)
        width = width_of(left)
        if right["type"] != "LOGICAL_GET" or self._name(right) not in self._views:
            raise Refused("a join with anything but a feature view")
        view = self._views[self._name(right)]
        cell = self.new_cell()
        self.steps.append(read_lookup(node, view, below, self._expressions, cell))
        done: dict[int, Value] = {}

        def column(index: int) -> Value:
            if index < width:
                return below(index)
            if index not in done:
                done[index] = self._looked_up(right, index - width, cell)
            return done[index]

        return column

    def _looked_up(self, node: Node, index: int, cell: int) -> Value:
        place = column_of(node, index)
        type_ = read_type(node["returned_types"][place])
        read = reader_of(type_, f"{self._name(node)}.{node['names'][place]}")

        def run(cells: list[Any]) -> Any:
            row = cells[cell]
            return None if row is None else read(row[place])

        return self._cell(type_, run)

    @staticmethod
    def _name(node: Node) -> str:
        table = node.get("function_data")
        if not isinstance(table, dict) or "table" not in table or node.get("table_filters"):
            raise Refused("a relation that is no table")
        schema, name = table["schema"].casefold(), table["table"].casefold()
        return name if schema == "main" else f"{schema}.{name}"


def column_of(node: Node, index: int) -> int:
    """Say which column of a table is in a place of what is read of it."""
    if node.get("projection_ids"):
        index = node["projection_ids"][index]
    found = node["column_indexes"][index]
    if set(found) - {"index"}:
        raise Refused("a part of a column")
    place = found.get("index", 0)
    if not 0 <= place < len(node["names"]):
        raise Refused("a row's number")
    return place


def width_of(node: Node) -> int:
    """Count the columns that a relation gives."""
    match node["type"]:
        case "LOGICAL_GET":
            return len(node.get("projection_ids") or node["column_indexes"])
        case "LOGICAL_PROJECTION":
            return len(node["expressions"])
        case "LOGICAL_FILTER":
            return width_of(node["children"][0])
        case "LOGICAL_COMPARISON_JOIN":
            return sum(map(width_of, node["children"]))
        case other:
            raise Refused(_written(other))


def _written(type_: str) -> str:
    return type_.removeprefix("LOGICAL_").replace("_", " ")
