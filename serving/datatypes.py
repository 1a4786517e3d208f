"""The datatypes of the Open Inference Protocol, and which of them a column takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTES = "BYTES"


@dataclass(frozen=True, slots=True)
class Datatype:
    """A datatype.

    Attributes
    ----------
    dtype
        Its elements in an array, in little-endian order.
    element
        The type of an element in JSON; an integer may stand for a float.
    columns
        The columns that take it.
    bounds
        The least and the largest integer.
    """

    name: str
    dtype: np.dtype[Any]
    element: type
    columns: frozenset[ColumnType]
    bounds: tuple[int, int] = (0, 0)


def _integer(name: str, code: str) -> Datatype:
    dtype = np.dtype(code)
    limits = np.iinfo(dtype)
    return Datatype(name, dtype, int, _INTEGER_COLUMNS, (int(limits.min), int(limits.max)))


_INTEGER_COLUMNS = frozenset({ColumnType.DOUBLE, ColumnType.BIGINT})
_NUMBERS = frozenset({ColumnType.DOUBLE})
_TEXTS = frozenset({ColumnType.VARCHAR, ColumnType.TIMESTAMP})

DATATYPES: Mapping[str, Datatype] = {
    each.name: each
    for each in (
        Datatype("BOOL", np.dtype("?"), bool, frozenset({ColumnType.BOOLEAN})),
        *(_integer(f"INT{8 * size}", f"<i{size}") for size in (1, 2, 4, 8)),
        *(_integer(f"UINT{8 * size}", f"<u{size}") for size in (1, 2, 4, 8)),
        *(Datatype(f"FP{8 * size}", np.dtype(f"<f{size}"), float, _NUMBERS) for size in (2, 4, 8)),
        Datatype(BYTES, np.dtype("O"), str, _TEXTS),
    )
}

OF_COLUMN: Mapping[ColumnType, str] = {
    ColumnType.DOUBLE: "FP64",
    ColumnType.BIGINT: "INT64",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.VARCHAR: BYTES,
    ColumnType.TIMESTAMP: BYTES,
}
"""The datatype that a model's metadata names for a column or a label."""
