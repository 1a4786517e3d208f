"""Times that are written as numbers, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from .texts import check_range

if TYPE_CHECKING:
    from collections.abc import Sequence


def from_milliseconds(values: Sequence[int | None], type_: pa.TimestampType) -> pa.Array:
    """Take milliseconds since the epoch.

    Raises
    ------
    ValueError
        If one is outside of the years 1 to 9999.
    """
    milliseconds = pa.array(values, pa.int64())
    return check_range(pc.multiply_checked(milliseconds, 1000).cast(type_))


def from_microseconds(values: Sequence[int | None], type_: pa.TimestampType) -> pa.Array:
    """Take microseconds since the epoch.

    Raises
    ------
    ValueError
        If one is outside of the years 1 to 9999.
    """
    return check_range(pa.array(values, pa.int64()).cast(type_))


def from_nanoseconds(values: Sequence[int | None], type_: pa.TimestampType) -> pa.Array:
    """Take nanoseconds since the epoch that are whole microseconds.

    Raises
    ------
    ValueError
        If one is not, or is outside of the years 1 to 9999.
    """
    nanoseconds = pa.array(values, pa.int64()).cast(pa.timestamp("ns", type_.tz))
    return check_range(nanoseconds.cast(type_))
