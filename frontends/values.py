"""Categories, fills and labels of the libraries as plain values of a column's type."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SignatureError
from ..ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir import Scalar


def is_missing(value: object) -> bool:
    """Whether a library's value stands for missing: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def missing_is_none(values: Any, name: str) -> bool:
    """Whether None stands for missing in a column of objects; NaN is no such None.

    Raises
    ------
    SignatureError
        If both do: scikit-learn tells them apart, and SQL knows NULL only.
    """
    kinds = {value is None for value in values if is_missing(value)}
    if len(kinds) > 1:
        message = (
            f"Column {name!r} holds both None and NaN, which scikit-learn tells apart and SQL's "
            "NULL cannot. Keep one before training: df[c] = df[c].where(df[c].notna(), None)."
        )
        raise SignatureError(message)
    return kinds == {True}


def objects_like(plain: list[Any], like: Sequence[Any]) -> list[Any]:
    """Make a column of objects, with the missing value and the kind of date that ``like`` has."""
    missing = next((value for value in like if is_missing(value)), np.nan)
    has_dates = any(type(value) is dt.date for value in like)
    return [
        missing
        if value is None
        else value.date()
        if has_dates and isinstance(value, dt.datetime) and value.time() == dt.time()
        else value
        for value in plain
    ]


def key_of(value: Any, column_type: ColumnType) -> Scalar:
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
        case ColumnType.TIMESTAMP if isinstance(value, dt.datetime | dt.date | np.datetime64):
            return _microseconds(value)
        case _:
            message = (
                f"{value!r} ({type(value).__name__}) is not a value of a {column_type} column. "
                "Give the column one type before training, for example df[c].astype(str)."
            )
            raise SignatureError(message)


def label_of(value: Any) -> Scalar:
    """Give a class label as a plain value."""
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, str | bool | int | float):
        kind = type(value).__name__
        message = f"Class label {value!r} is a {kind}; use text, numbers or booleans."
        raise SignatureError(message)
    return plain


def labels_of(classes: Any) -> tuple[Scalar, ...]:
    """Give all class labels as plain values of one type."""
    labels = tuple(label_of(value) for value in classes)
    if len({type(label) for label in labels}) > 1:
        message = f"Class labels {labels[:5]!r} are of several types; use one."
        raise SignatureError(message)
    return labels


def _microseconds(value: Any) -> int:
    stamp = np.datetime64(value)
    whole = stamp.astype("datetime64[us]")
    if whole == stamp:
        return int(whole.astype(np.int64))
    message = f"{value!r} is not a time in whole microseconds; round the column before training."
    raise SignatureError(message)
