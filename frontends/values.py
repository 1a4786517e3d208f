"""Categories, fills and labels of the libraries as plain values of a column's type."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SignatureError
from ..ir import ColumnType

if TYPE_CHECKING:
    from ..ir import Scalar


def is_missing(value: object) -> bool:
    """Whether a library's value stands for missing: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def key_of(value: Any, column_type: ColumnType) -> Scalar:  # noqa: ANN401 - a library's scalar
    """Give a category or fill as a value of the column's type.

    Raises
    ------
    SignatureError
        If it is not one: a category 1.5 of a BIGINT column, a number among texts.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    match column_type:
        case ColumnType.VARCHAR if isinstance(plain, str):
            return plain
        case ColumnType.BOOLEAN if isinstance(plain, bool | int | float) and plain in {0, 1}:
            return bool(plain)
        case ColumnType.BIGINT if isinstance(plain, int | float) and plain == int(plain):
            return int(plain)
        case ColumnType.DOUBLE if isinstance(plain, bool | int | float):
            return float(plain)
        case ColumnType.TIMESTAMP:
            return _microseconds(value)
        case _:
            message = (
                f"{value!r} ({type(value).__name__}) is not a value of a {column_type} column. "
                "Give the column one type before training, for example df[c].astype(str)."
            )
            raise SignatureError(message)


def label_of(value: Any) -> Scalar:  # noqa: ANN401 - a library's scalar
    """Give a class label as a plain value."""
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, str | bool | int | float):
        message = f"Class label {value!r} is a {type(value).__name__}; use text, numbers or booleans."
        raise SignatureError(message)
    return plain


def labels_of(classes: Any) -> tuple[Scalar, ...]:  # noqa: ANN401 - a library's array
    """Give all class labels as plain values of one type."""
    labels = tuple(label_of(value) for value in classes)
    if len({type(label) for label in labels}) > 1:
        message = f"Class labels {labels[:5]!r} are of several types; use one."
        raise SignatureError(message)
    return labels


def _microseconds(value: Any) -> int:  # noqa: ANN401 - a library's timestamp
    if isinstance(value, datetime.datetime | datetime.date | str | np.datetime64):
        stamp = np.datetime64(value)
        whole = stamp.astype("datetime64[us]")
        if whole == stamp:
            return int(whole.astype(np.int64))
    message = f"{value!r} is not a time in whole microseconds; round the column before training."
    raise SignatureError(message)
