"""The columns that a model reads: names, types, nullability and categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import SignatureError

Scalar = str | int | float | bool
"""A category, key or label. Timestamps are whole microseconds since 1970-01-01 (int)."""


class ColumnType(StrEnum):
    """The types a column can have; every engine's widths are read into one of these."""

    DOUBLE = "double"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    VARCHAR = "varchar"
    TIMESTAMP = "timestamp"

    @property
    def is_number(self) -> bool:
        """Whether the column can be read as a float64."""
        return self in {ColumnType.DOUBLE, ColumnType.BIGINT, ColumnType.BOOLEAN}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the training frame.

    ``nullable`` says whether training saw a missing value. ``categories`` lists the levels of a
    categorical training column in the library's order; scoring matches them by value.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    categories: tuple[Scalar, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns of a model, in training order.

    Raises
    ------
    SignatureError
        If there is no column, or two names differ only by case (SQL could not tell them apart).
    """

    columns: tuple[Column, ...]
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.columns:
            msg = "A model needs at least one column; the training frame has none."
            raise SignatureError(msg)
        seen: dict[str, str] = {}
        for column in self.columns:
            if not column.name:
                msg = "A column has an empty name; name every column of the training frame."
                raise SignatureError(msg)
            other = seen.setdefault(column.name.casefold(), column.name)
            if other is not column.name:
                msg = (
                    f"Columns {other!r} and {column.name!r} have the same name in SQL, where case "
                    "does not count. Rename one of them and fit again."
                )
                raise SignatureError(msg)
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in training order."""
        return tuple(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]
