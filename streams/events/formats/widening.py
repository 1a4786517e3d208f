"""A column of a wider type than its values have, where each value stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ....errors import StreamError
from .columns import Leaf, Shape
from .types import sql_type

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOUBLE, _BIGINT, _UTC = pa.float64(), pa.int64(), pa.timestamp("us", "UTC")
_WIDER: Mapping[pa.DataType, tuple[pa.DataType, ...]] = {
    pa.int32(): (_BIGINT, _DOUBLE),
    _BIGINT: (_DOUBLE,),
    pa.float32(): (_DOUBLE,),
    _UTC: (pa.timestamp("us"),),
}


def widened(shape: Shape, wanted: pa.DataType, name: str) -> Shape:
    """Give a column the type that is wanted of it.

    Raises
    ------
    StreamError
        If that is another type, and no wider one.
    """
    own = shape.type
    if own == wanted:
        return shape
    if not isinstance(shape, Leaf) or wanted not in _WIDER.get(own, ()):
        others = [sql_type(each) for each in _WIDER.get(own, ())]
        may = f", or {' or '.join(others)}" if others else ""
        message = (
            f"Column {name!r}: the schema has {sql_type(own)} for it{may}, not {sql_type(wanted)}."
        )
        raise StreamError(message)
    return Leaf(
        wanted, lambda values: shape.convert(values).cast(wanted), f"{shape.hint}, or inexact"
    )
