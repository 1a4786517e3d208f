"""Relations of DuckDB's plan: the request, projections, filters, and joins with feature views."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .expressions import Columns, Expressions
from .joins import is_plain, read_lookup
from .models import UNSET, ModelCalls
from .refusing import Refused
from .steps import Compute, Drop, Keep
from .types import Value, read_type, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ....online import FeatureView
    from ....scoring.rewriting.syntax import Node
    from .models import RowModel
    from .steps import Step
    from .types import Closure, Type

_JOIN, _FILTER = "LOGICAL_COMPARISON_JOIN", "LOGICAL_FILTER"
_NOT_CELLS = {"BOUND_REF", "BOUND_CONSTANT"}


class Relations:
    """Compiles a plan from its root; only what an output needs becomes a step.

    Steps are in the order of the plan's levels, from the request up. DuckDB may move a condition
    below what it stands above, so that a column of a row that is dropped in the end is computed,
    and may fail, or not: here all of it is computed, and where it fails DuckDB is asked.
    """

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
        self._steps: list[tuple[int, Step]] = []
        self._level = 0
        self._alive: int | None = None
        self._expressions = Expressions(ModelCalls(models, self.new_cell))
        self._named: dict[str, Columns] = {}
        self._read: dict[int, Value] = {}
        self._by_type: Mapping[str, Callable[[Node], Columns]] = {
            "LOGICAL_GET": self._get,
            "LOGICAL_PROJECTION": self._projection,
            _FILTER: self._chain,
            _JOIN: self._chain,
        }

    def new_cell(self) -> int:
        """Give a further cell of each row."""
        self.blank.append(UNSET)
        return len(self.blank) - 1

    def steps(self) -> tuple[Step, ...]:
        """Give the steps in order; rows are dropped behind the last condition."""
        found = [step for _, step in sorted(self._steps, key=itemgetter(0))]
        if self._alive is not None:
            last = max(place for place, step in enumerate(found) if isinstance(step, Keep))
            found.insert(last + 1, Drop(self._alive))
        return tuple(found)

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
            self._read[place] = self._cell(0, type_, lambda cells: read(cells[place]))
        return self._read[place]

    def _cell(self, level: int, type_: Type, run: Closure) -> Value:
        cell = self.new_cell()
        self._steps.append((level, Compute(cell, run)))
        return Value(type_, lambda cells: cells[cell])

    def _next_level(self) -> int:
        self._level += 1
        return self._level

    def _projection(self, node: Node) -> Columns:
        below = self.compile(node["children"][0])
        level = self._next_level()
        done: dict[int, Value] = {}

        def column(index: int) -> Value:
            if index not in done:
                expression = node["expressions"][index]
                value = self._expressions.compile(expression, below)
                is_cell = expression["expression_class"] not in _NOT_CELLS
                done[index] = self._cell(level, value.type, value.run) if is_cell else value
            return done[index]

        return column

    def _chain(self, node: Node) -> Columns:
        """Compile what one SELECT joins and leaves out: its lookups come before its conditions.

        So does the way through DuckDB: what is looked up by the SELECT's own rows is looked up
        for all of them, whichever another JOIN drops.
        """
        chain: list[Node] = []
        while node["type"] in {_FILTER, _JOIN}:
            chain.append(node)
            node = node["children"][0]
        columns, width, first = self.compile(node), width_of(node), self._alive
        conditions: list[Closure] = []
        own: list[Closure] = []
        for each in reversed(chain):
            if each["type"] == _FILTER:
                own += self._conditions(each, columns)
                continue
            is_first = is_plain(each, width)
            if not is_first:
                self._keep(conditions)
                conditions = []
            below = columns
            cell = self._lookup(each, below, first if is_first else self._alive)
            columns = self._joined(each, below, cell)
            # The conditions in ON are below the join in the plan.
            conditions += [*own, *_found(each, cell)]
            own = []
        self._keep([*conditions, *own])
        return columns

    def _conditions(self, node: Node, columns: Columns) -> list[Closure]:
        if node.get("projection_map"):
            raise Refused("a filter that leaves columns out")
        return [self._expressions.compile(each, columns).run for each in node["expressions"]]

    def _keep(self, conditions: list[Closure]) -> None:
        if conditions:
            cell = self.new_cell()
            self._steps.append((self._next_level(), Keep(cell, tuple(conditions), self._alive)))
            self._alive = cell

    def _lookup(self, node: Node, below: Columns, alive: int | None) -> int:
        right = node["children"][1]
        if node.get("left_projection_map") or node.get("right_projection_map"):
            raise Refused("a join that leaves columns out")
        if right["type"] != "LOGICAL_GET" or self._name(right) not in self._views:
            raise Refused("a join with anything but a feature view")
        cell = self.new_cell()
        view = self._views[self._name(right)]
        lookup = read_lookup(node, view, below, self._expressions, cell, alive)
        self._steps.append((self._next_level(), lookup))
        return cell

    def _joined(self, node: Node, below: Columns, cell: int) -> Columns:
        left, right = node["children"]
        width, level = width_of(left), self._level
        done: dict[int, Value] = {}

        def column(index: int) -> Value:
            if index < width:
                return below(index)
            if index not in done:
                done[index] = self._looked_up(level, right, index - width, cell)
            return done[index]

        return column

    def _looked_up(self, level: int, node: Node, index: int, cell: int) -> Value:
        place = column_of(node, index)
        type_ = read_type(node["returned_types"][place])
        read = reader_of(type_, f"{self._name(node)}.{node['names'][place]}")

        def run(cells: list[Any]) -> Any:
            row = cells[cell]
            return None if row is None else read(row[place])

        return self._cell(level, type_, run)

    @staticmethod
    def _name(node: Node) -> str:
        table = node.get("function_data")
        if not isinstance(table, dict) or "table" not in table or node.get("table_filters"):
            raise Refused("a relation that is no table")
        schema, name = table["schema"].casefold(), table["table"].casefold()
        return name if schema == "main" else f"{schema}.{name}"


def _found(join: Node, cell: int) -> list[Closure]:
    """Give the condition of JOIN, that there is a row; LEFT JOIN has none."""
    return [] if join.get("join_type") == "LEFT" else [lambda cells: cells[cell] is not None]


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
