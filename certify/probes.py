"""Rows that sit where routes disagree: on every threshold and one step either side of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..ir import ColumnType
from ..ir import steps as s
from ..ir.thresholds import LARGEST_TO_FLOAT32, LIGHTGBM_ZERO
from .edges import split_values
from .ranges import within_ranges
from .rounding import has_sums
from .split_probes import split_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..ir import Model, Scalar
    from .split_probes import Change

EXTREMES = (
    *(0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-36, -1e-36),
    *(LIGHTGBM_ZERO, -LIGHTGBM_ZERO, float(np.nextafter(LIGHTGBM_ZERO, 1)), 0.1, 1.0, -1.0),
    *(2.0**31, -(2.0**31), 2.0**53 + 2, 1e15, -1e15),
)
HUGE = (1e300, -1e300, float(np.finfo(np.float64).max), float(np.finfo(np.float32).max), 1e39)
_TEXTS = ("", " ", "unseen", "UNSEEN", "1", "1.0", "nan", "None", "NULL", "naïve ☃", "a" * 300)
_INTEGERS = (-1, 0, 1, 2**31, -(2**31), 2**53 + 1, -(2**53) - 1, 2**62)
_TIMES = (-1, 0, 1, 4_102_444_800_000_000)
_MOST_CATEGORIES = 5000
_MOST_SPLIT_ROWS = 4
"""The most rows of each group for splits, in multiples of the rows that were asked for."""
_KEY_TYPES: Mapping[ColumnType, Callable[[Any], Scalar]] = {
    ColumnType.DOUBLE: float,
    ColumnType.BIGINT: int,
    ColumnType.BOOLEAN: bool,
}


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A group of rows that share what is odd about them.

    In ``boundaries`` and ``splits`` nothing is: the library must answer. It may refuse the other
    groups, and then every route has to. ``training`` is rows of the training table as they are,
    for models whose sums the library may add in another order.
    """

    name: str
    table: pa.Table


def make_probes(model: Model, table: pa.Table, rows: int, seed: int) -> list[Probe]:
    """Make at least ``rows`` probe rows from the training table and the model's own splits.

    Each cell keeps its training value, or takes one from the column's pool, with equal chance, so
    that splits are probed together with their neighbours and not only alone.
    """
    rng = np.random.default_rng(seed)
    thresholds = split_values(model)
    pools = {
        column.name: _pool(model, column.name, table, thresholds.get(column.name, []))
        for column in model.signature.columns
    }
    groups = [Probe("boundaries", _mixed(model, table, pools, rows, rng))]
    side = max(rows // 10, 50)
    odd_values = _odd_values(model)
    odd_values["out of range"] = {
        name: _out_of_range(model, name, table, splits) for name, splits in thresholds.items()
    }
    for name, odd in odd_values.items():
        base = _mixed(model, table, pools, side, rng)
        changed = {column: values for column, values in odd.items() if values}
        if changed:
            groups.append(Probe(name, _sprinkled(model, base, changed, rng)))
    if has_sums(model) and len(table):
        some = rng.permutation(len(table))[:rows]
        groups.append(Probe("training", table.select(list(pools)).take(some)))
    return [*groups, *_split_probes(model, table, _MOST_SPLIT_ROWS * rows, rng)]


def _split_probes(
    model: Model, table: pa.Table, most: int, rng: np.random.Generator
) -> Iterator[Probe]:
    """Make the rows of :mod:`.split_probes`, those with a missing or huge value apart."""
    groups: dict[str, list[Change]] = {"splits": [], "missing at splits": [], "huge at splits": []}
    known = {
        column.name: {*_distinct(table, column.name)}
        for column in model.signature.columns
        if column.type.is_number and _is_looked_up(model, column.name)
    }
    for change in split_changes(model, table, rng):
        _, name, value = change
        if value is not None and name in known and value not in known[name]:
            # The number is a key too, and the library may refuse one that it never saw.
            continue
        if name and value is None and not model.signature[name].nullable:
            groups["missing at splits"].append(change)
        elif isinstance(value, float) and not abs(value) < LARGEST_TO_FLOAT32:
            # scikit-learn splits missing values from all others at infinity.
            groups["huge at splits"].append(change)
        else:
            groups["splits"].append(change)
    for name, changes in groups.items():
        if changes:
            some = rng.permutation(len(changes))[:most]
            yield Probe(name, _changed(model, table, [changes[i] for i in some.tolist()]))


def _changed(model: Model, table: pa.Table, changes: list[Change]) -> pa.Table:
    rows = table.take([row for row, _, _ in changes])
    columns = {name: _native(rows.column(name)).to_pylist() for name in model.signature.names}
    for row, (_, name, value) in enumerate(changes):
        if name:
            columns[name][row] = value
    return table_of(model, list(columns.values()))


def _pool(model: Model, name: str, table: pa.Table, splits: list[float]) -> list[Any]:
    """Values to draw for a column, none of which the library refuses as such."""
    column = model.signature[name]
    pool = _candidates(model, name, table, splits)
    if column.type.is_number:
        accepted = within_ranges(model, name, table, pool)
        pool = [value for value, fits in zip(pool, accepted, strict=True) if fits]
    return [*pool, None] if column.nullable else pool


def _candidates(model: Model, name: str, table: pa.Table, splits: list[float]) -> list[Any]:
    column = model.signature[name]
    keys = [*keys_of(model, name)][:_MOST_CATEGORIES]
    pool: list[Any]
    if model.is_key(name) or not column.type.is_number:
        pool = keys or _distinct(table, name)
    elif _is_looked_up(model, name):
        pool = _distinct(table, name)
    elif column.type is ColumnType.BOOLEAN:
        pool = [True, False]
    elif column.type is ColumnType.BIGINT:
        near = {int(x) + step for x in splits if abs(x) < _INTEGERS[-1] for step in (-1, 0, 1)}
        largest = _largest(model, name)
        pool = sorted(i for i in {*near, *map(int, keys), *_INTEGERS} if abs(i) <= largest)
    else:
        exact = np.array([*splits, *keys, *EXTREMES])
        with np.errstate(over="ignore"):  # beyond the largest number comes infinity
            near = [exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)]
        pool = [*np.unique(np.concatenate(near)).tolist(), 0.0, -0.0]
    return pool


def _largest(model: Model, name: str) -> float:
    """Give the largest value that no step refuses a column for."""
    requires = [step for step in model.steps if isinstance(step, s.Require)]
    return min((step.largest for step in requires if name in step.inputs), default=math.inf)


def keys_of(model: Model, name: str) -> dict[Scalar, None]:
    """All values that the model looks for in a column, as values of the column's type."""
    kind = _KEY_TYPES.get(model.signature[name].type)
    found = [key for step in _lookups(model, name) for key in step.keys]
    return dict.fromkeys(found if kind is None else map(kind, found))


def _is_looked_up(model: Model, name: str) -> bool:
    """Whether a number may serve as a key, as it is or scaled: the library may refuse unknown ones.

    What an estimator does that is kept whole is not known.
    """
    derived = {name}
    for step in model.steps:
        match step:
            case s.Lookup() if step.inputs[0] in derived:
                return True
            case s.Forest() if len(step.inputs) == 1 and step.inputs[0] in derived:
                derived.update(step.outputs)
            case s.Skops() if name in step.inputs:
                return True
            case s.Impute() | s.NullIf() | s.Clip() | s.Arithmetic():
                pairs = zip(step.inputs, step.outputs, strict=True)
                derived.update(written for read, written in pairs if read in derived)
            case _:
                continue
    return False


def _lookups(model: Model, name: str) -> list[s.Lookup]:
    """List the lookups of a column, or of a copy that differs where a value is missing."""
    copies = {name}
    found: list[s.Lookup] = []
    for step in model.steps:
        match step:
            case s.Lookup() if step.inputs[0] in copies:
                found.append(step)
            case s.Impute() | s.NullIf():
                pairs = zip(step.inputs, step.outputs, strict=True)
                copies.update(written for read, written in pairs if read in copies)
            case _:
                continue
    return found


def _distinct(table: pa.Table, name: str) -> list[Any]:
    values = _native(table.column(name)).unique().to_pylist()
    return [value for value in values if value is not None][:_MOST_CATEGORIES]


def _native(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give times as the integers that :class:`~..ir.Column` keeps them as."""
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column


def _mixed(
    model: Model,
    table: pa.Table,
    pools: Mapping[str, list[Any]],
    rows: int,
    rng: np.random.Generator,
) -> pa.Table:
    picked = rng.integers(len(table), size=rows) if len(table) else None
    columns: list[list[Any]] = []
    for column in model.signature.columns:
        pool = pools[column.name] or [None]
        drawn = [pool[i] for i in rng.integers(len(pool), size=rows).tolist()]
        if picked is not None:
            trained = _native(table.column(column.name)).take(picked).to_pylist()
            keep = rng.random(rows) < 0.5  # noqa: PLR2004 - an even chance
            drawn = [t if k else d for t, d, k in zip(trained, drawn, keep, strict=True)]
        columns.append(drawn)
    return table_of(model, columns)


def _sprinkled(
    model: Model, base: pa.Table, odd: Mapping[str, list[Any]], rng: np.random.Generator
) -> pa.Table:
    """Put an odd value into about two cells of every row."""
    columns: list[list[Any]] = []
    share = min(2 / len(odd), 1.0)
    for column in model.signature.columns:
        values = _native(base.column(column.name)).to_pylist()
        if column.name in odd:
            choices = odd[column.name]
            hit = np.flatnonzero(rng.random(len(values)) < share)
            for row, choice in zip(hit, rng.integers(len(choices), size=len(hit)), strict=True):
                values[row] = choices[choice]
        columns.append(values)
    return table_of(model, columns)


def _odd_values(model: Model) -> dict[str, dict[str, list[Any]]]:
    """For each group of odd rows, the values that make them odd, by column."""
    doubles = [c.name for c in model.signature.columns if c.type is ColumnType.DOUBLE]
    return {
        "missing": {name: [None] for name in model.signature.names},
        "infinite": {name: [np.inf, -np.inf] for name in doubles},
        "huge": {name: list(HUGE) for name in doubles},
        "unseen": {name: _unseen(model, name) for name in model.signature.names},
    }


def _out_of_range(model: Model, name: str, table: pa.Table, splits: list[float]) -> list[Any]:
    if not model.signature[name].type.is_number:
        return []
    values = _candidates(model, name, table, splits)
    accepted = within_ranges(model, name, table, values)
    return [value for value, fits in zip(values, accepted, strict=True) if not fits]


def _unseen(model: Model, name: str) -> list[Any]:
    keys = keys_of(model, name)
    if not keys:
        return []
    match model.signature[name].type:
        case ColumnType.VARCHAR:
            swapped = [str(key).swapcase() for key in keys] + [f" {key}" for key in keys]
            candidates: list[Any] = [*_TEXTS, *swapped[:100]]
        case ColumnType.BIGINT:
            candidates = list(_INTEGERS)
        case ColumnType.TIMESTAMP:
            candidates = list(_TIMES)
        case ColumnType.DOUBLE:
            candidates = [float(np.nextafter(float(key), np.inf)) for key in keys]
        case ColumnType.BOOLEAN:
            candidates = [True, False]
    return [value for value in candidates if value not in keys]


def table_of(model: Model, columns: list[list[Any]]) -> pa.Table:
    """Make a table in the signature's types from plain values, a list a column."""
    arrays = [
        _array(values, column.type)
        for values, column in zip(columns, model.signature.columns, strict=True)
    ]
    return pa.table(arrays, names=list(model.signature.names))


def _array(values: list[Any], column_type: ColumnType) -> pa.Array:
    match column_type:
        case ColumnType.DOUBLE:
            return pa.array(values, pa.float64())
        case ColumnType.BIGINT:
            return pa.array(values, pa.int64())
        case ColumnType.BOOLEAN:
            return pa.array(values, pa.bool_())
        case ColumnType.VARCHAR:
            return pa.array(values, pa.string())
        case ColumnType.TIMESTAMP:
            return pa.array(values, pa.int64()).cast(pa.timestamp("us"))
