"""What is known of a column while a model is written as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ..ir import ColumnType


@dataclass(frozen=True, slots=True)
class Number:
    """A float64 column.

    Attributes
    ----------
    name
        Its name in the statement.
    null
        Whether a row may have NULL, which is how a missing number is written.
    nan
        Whether a row may have NaN, which means the same and is not yet turned into NULL.
    whole
        Whether every number in it is whole.
    """

    name: str
    null: bool
    nan: bool
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A column that is read by value."""

    name: str
    type: ColumnType
    null: bool = True


@dataclass(frozen=True, slots=True)
class Indicator:
    """1 where the column ``of`` equals ``code``, else 0: written out only where it is needed."""

    of: str
    code: float


Column: TypeAlias = Number | Key | Indicator
