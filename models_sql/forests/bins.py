"""Bins of a forest's inputs: each value becomes one whole number, against all splits at once.

Thresholds lie in a list. A value finds the few among which it belongs by a uniform grid, whose cell
is computed, and then its own by comparisons, so a long CASE is neither planned nor run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.steps import Function
from ..expressions import Expression, case, cell, chain, fill, ref, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ...ir import Trees
    from ..builder import Builder
    from ..columns import Number
    from ..target import ConstantLists

MOST_CATEGORIES = 2**16
"""The largest category for which a list has a place."""
_CELLS = (64, 256, 1024, 4096)


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The bins of an input, numbered from 1; the last one is for what is missing.

    Attributes
    ----------
    edges
        Thresholds, ascending: a bin holds what is above the one before and not above its own. Of
        an input that is split by sets the categories, each of which has a bin; the last bin but
        one is for all others.
    by_set
        Whether the input is split by sets.
    """

    edges: NDArray[np.float64]
    by_set: bool

    @classmethod
    def of(cls, trees: Trees, feature: int) -> Bins:
        """Collect what an input is compared with."""
        nodes = trees.feature == feature
        sets = np.unique(trees.category_set[nodes])
        if (sets >= 0).any():
            members, _ = trees.members(sets)
            return cls(np.unique(members).astype(np.float64), by_set=True)
        return cls(np.unique(trees.threshold[nodes]), by_set=False)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.edges) + 2

    def left(self, trees: Trees, nodes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Say which bins the nodes of an input send left: bool[nodes, bins]."""
        goes_left = np.zeros((len(nodes), self.count), np.bool_)
        if self.by_set:
            members, sizes = trees.members(trees.category_set[nodes])
            rows = np.repeat(np.arange(len(nodes)), sizes)
            goes_left[rows, np.searchsorted(self.edges, members)] = True
        else:
            goes_left[:, :-2] = self.edges <= trees.threshold[nodes][:, None]
        # What lies above all thresholds, or in no set, goes right.
        goes_left[:, -1] = trees.missing_left[nodes]
        return goes_left


class Coder:
    """Writes the bins of inputs, with one relation for the lists of all of them."""

    def __init__(self, builder: Builder, lists: ConstantLists) -> None:
        """Start without lists."""
        self._builder = builder
        self._lists = lists
        self._constants: dict[str, str] = {}
        self._relation = builder.add_relation("")

    def close(self) -> None:
        """Write the relation."""
        self._builder.relations[self._relation] = one_row(self._constants)

    def code(self, bins: Bins, column: Number) -> tuple[str, int]:
        """Define a column that holds the number of each row's bin.

        The other number is the most that the engine can expect there. DuckDB looks rows up by
        their numbers only where it sees that each is in the table.

        A definition begins with a list's element: DuckDB takes the first column that an expression
        reads for its source, sees that it has one value, and so expects no join to lose rows.
        Elsewise it would build its hash tables from the rows.
        """
        if bins.by_set:
            return self._by_set(bins, column), bins.count
        grid = _Grid.of(bins.edges)
        place = self._cell(bins, grid, column)
        code = self._define(self._at(self._list(self._lists.integers, grid.first), place))
        thresholds = self._list(self._lists.doubles, bins.edges.tolist())
        for step in grid.steps:
            at = ref(code)
            if step > 1:
                at = chain("+", [at, text(str(step - 1))])
            # Behind the last threshold, and where a value is missing, the list has nothing.
            above = fill("{} > {}", ref(column.name), self._at(thresholds, at), is_atom=False)
            more = case([(above, text(str(step)))], text("0"))
            code = self._define(chain("+", [ref(code), more]))
        return code, bins.count + sum(grid.steps)

    def _cell(self, bins: Bins, grid: _Grid, column: Number) -> Expression:
        """Give the place of a value's cell in the list of cells, which ends with missing."""
        x, builder = ref(column.name), self._builder
        cells = len(grid.first) - 2
        branches: list[tuple[Expression, Expression]] = []
        if grid.scale is not None:
            low, high = (builder.literal(float(bins.edges[end])) for end in (0, -1))
            distance = chain("-", [x, low])
            scaled = fill("{} * {}", distance, builder.literal(grid.scale), is_atom=False)
            inside = chain("+", [fill(self._lists.round, scaled), text("1")])
            branches = [
                (fill("{} BETWEEN {} AND {}", x, low, high, is_atom=False), inside),
                (fill("{} < {}", x, low, is_atom=False), text("1")),
            ]
        # NaN is above infinity, or compares with nothing.
        number = fill("{} <= {}", x, builder.literal(np.inf), is_atom=False)
        return case([*branches, (number, text(str(cells + 1)))], text(str(cells + 2)))

    def _by_set(self, bins: Bins, column: Number) -> str:
        x, builder = ref(column.name), self._builder
        largest = int(bins.edges[-1]) if len(bins.edges) else -1
        codes = np.full(largest + 3, bins.count - 1)
        codes[bins.edges.astype(int)] = np.arange(1, bins.count - 1)
        codes[-1] = bins.count
        # Cut towards zero: what is above -1 belongs to 0.
        below, above = builder.literal(0.0), builder.literal(float(largest + 1))
        whole = fill(self._lists.round, builder.function(Function.FLOOR, x))
        fits = fill("{0} >= {1} AND {0} < {2}", x, below, above, is_atom=False)
        near = fill("{0} > {1} AND {0} < {2}", x, builder.literal(-1.0), below, is_atom=False)
        number = fill("{} <= {}", x, builder.literal(np.inf), is_atom=False)
        branches = [(fits, chain("+", [whole, text("1")]))] if largest >= 0 else []
        branches += [(near, text("1")), (number, text(str(largest + 2)))]
        place = case(branches, text(str(largest + 3)))
        return self._define(self._at(self._list(self._lists.integers, codes.tolist()), place))

    def _list(self, template: str, values: Iterable[float]) -> Expression:
        name = f"a{len(self._constants)}"
        self._constants[name] = template.replace("{}", listed(values))
        return cell(self._relation, name)

    def _at(self, values: Expression, place: Expression) -> Expression:
        return fill(self._lists.at, values, place)

    def _define(self, expression: Expression) -> str:
        return self._builder.define(expression, null=False, nan=False, whole=True).name


@dataclass(frozen=True, slots=True)
class _Grid:
    """A uniform grid over thresholds.

    The cell of a value never falls as the value grows, since each operation rounds to the nearest.
    So all thresholds of earlier cells are below it, and those of later ones are not.

    Attributes
    ----------
    first
        The first bin of each cell, of what is above all thresholds, and of what is missing.
    steps
        How far each comparison may go on from there.
    scale
        Cells for each unit; None where no grid is used.
    """

    first: list[int]
    steps: list[int]
    scale: float | None

    @classmethod
    def of(cls, edges: NDArray[np.float64]) -> _Grid:
        """Take the smallest grid in which no cell has two thresholds, or the finest one."""
        count = len(edges)
        best = cls([1, 1, count + 2], _steps(count), None)
        with np.errstate(over="ignore", invalid="ignore"):
            width = float(edges[-1] - edges[0])
            if not (np.isfinite(width) and width > 0 and np.isfinite(_CELLS[-1] / width)):
                return best
        for cells in _CELLS:
            scale = (cells - 1) / width
            own = np.rint((edges - edges[0]) * scale).astype(int)
            most = int(np.bincount(own).max())
            if len(_steps(most)) < len(best.steps):
                below = np.searchsorted(own, np.arange(own[-1] + 1)) + 1
                best = cls([*below.tolist(), count + 1, count + 2], _steps(most), scale)
        return best


def _steps(most: int) -> list[int]:
    """Halve the way to the last of so many thresholds."""
    return [2**power for power in reversed(range(most.bit_length()))]


def listed(values: Iterable[float]) -> str:
    """Write numbers in the fewest digits that give them back."""
    return ", ".join(map(repr, values))


def one_row(constants: dict[str, str]) -> str:
    """Write a query of one row, a column a line."""
    given = constants or {"a": "NULL"}
    columns = ",\n      ".join(f"{value} AS {name}" for name, value in given.items())
    return f"    SELECT\n      {columns}"
