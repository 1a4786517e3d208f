"""Golden rows as SELECTs for a warehouse that dbt works in and foresql's plugin does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ir import ColumnType
from ..models_sql import target_of
from ..udfs.golden import golden_array
from ..udfs.snowflake.functions import argument_types
from ..udfs.snowflake.literals import float_literal, is_certain, value_literal
from ..udfs.snowflake.names import argument_names, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..ir import Model
    from ..ir.bundle import Bundle

    Writer = Callable[[Any, ColumnType], str | None]

MOST_ROWS = 25
"""So many rows are read in a moment, and a file of many models stays readable."""
_SMALL, _LARGE = 1e-30, 1e30
"""Postgres ends a query where a product overflows, or underflows to zero."""


@dataclass(frozen=True, slots=True)
class GoldenSelects:
    """Golden rows, each a SELECT of ``golden_number``, the model's columns, and what is expected.

    ``golden_label``, or where it ``has_numbers`` ``golden_low`` and ``golden_high``; and with
    ``has_probability`` the ends ``golden_probability_low`` and ``golden_probability_high``.
    """

    rows: tuple[str, ...]
    has_numbers: bool
    has_probability: bool


def golden_selects(bundle: Bundle, adapter: str) -> GoldenSelects | None:
    """Write a bundle's golden rows for an adapter of dbt; None where it has none, or no literals.

    Rows are left out that no literal of the warehouse certainly holds.
    """
    if adapter not in _WRITERS:
        return None
    rows = golden_array(bundle).to_pylist()
    written = (_select(bundle.model, row, adapter) for row in rows)
    kept = tuple(select for select in written if select is not None)[:MOST_ROWS]
    if not kept:
        return None
    outputs = bundle.model.outputs
    has_numbers = outputs.classes is None
    if has_numbers and len(outputs.prediction) > 1:
        return None
    return GoldenSelects(kept, has_numbers, has_probability=_one(rows[0]["probability_low"]))


def _select(model: Model, row: Mapping[str, Any], adapter: str) -> str | None:
    """Write one row; None if a value has no literal."""
    write = _WRITERS[adapter]
    names = _NAMES[adapter](model)
    cells: dict[str, str | None] = {"golden_number": write(row["number"], ColumnType.BIGINT)}
    for name, column in zip(names, model.signature.columns, strict=True):
        cells[name] = write(_stored(row["features"][column.name], column.type), column.type)
    if model.outputs.classes is not None:
        cells["golden_label"] = write(row["label"], model.outputs.label_type)
    for name in ("low", "high", "probability_low", "probability_high"):
        if _one(row[name]):
            cells[f"golden_{name}"] = write(row[name][0], ColumnType.DOUBLE)
    if None in cells.values():
        return None
    return "select " + ", ".join(f"{cell} as {name}" for name, cell in cells.items())


def _one(ends: list[float] | None) -> bool:
    return ends is not None and len(ends) == 1


def _stored(value: Any, kind: ColumnType) -> Any:
    """Give times as microseconds, as literals take them."""
    if kind is not ColumnType.TIMESTAMP or value is None:
        return value
    import numpy as np

    return int(np.datetime64(value, "us").astype(np.int64))


def _snowflake(value: Any, kind: ColumnType) -> str | None:
    if not is_certain(value, kind):
        return None
    written = float_literal(value) if isinstance(value, float) else value_literal(value, kind)
    types = {
        ColumnType.DOUBLE: "float",
        ColumnType.BIGINT: "number(38, 0)",
        ColumnType.BOOLEAN: "boolean",
        ColumnType.VARCHAR: "varchar",
        ColumnType.TIMESTAMP: "timestamp_ntz",
    }
    return f"cast({written} as {types[kind]})"


def _postgres(value: Any, kind: ColumnType) -> str | None:
    target = target_of("postgres")
    written: str | None
    match value:
        case None:
            written = "null"
        case bool():
            written = str(value).lower()
        case float() if math.isnan(value):
            written = "'NaN'"
        case float():
            written = target.literal(value) if _is_ordinary(value) else None
        case str():
            # A text of Postgres holds no zero character.
            written = None if "\0" in value else target.text_literal(value)
        case _ if kind is ColumnType.TIMESTAMP:
            written = f"timestamp '1970-01-01' + {value} * interval '1 microsecond'"
        case _:
            written = str(value)
    types = {ColumnType.DOUBLE: "double precision", ColumnType.VARCHAR: "text"}
    return written and f"cast({written} as {types.get(kind, kind.value)})"


def _is_ordinary(value: float) -> bool:
    return not value or _SMALL < abs(value) < _LARGE


def _served_names(model: Model) -> list[str]:
    """Name the columns as the deployed functions take them."""
    return [quote(name) for name in argument_names([c.name for c in argument_types(model)])]


def _own_names(model: Model) -> list[str]:
    return [target_of("postgres").quoted(name) for name in model.signature.names]


_WRITERS: Mapping[str, Writer] = {"postgres": _postgres, "snowflake": _snowflake}
_NAMES: Mapping[str, Callable[[Model], list[str]]] = {
    "postgres": _own_names,
    "snowflake": _served_names,
}
