"""Times and dates that are written as texts, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_MICROSECOND = -62_135_596_800_000_000
_LAST_MICROSECOND = 253_402_300_799_999_999
_FIRST_DAY = -719_162
_LAST_DAY = 2_932_896
DATE_HINT = "write it as 2013-01-31"
TIMESTAMP_HINT = (
    "write it as 2013-01-31T23:59:59.123456, in UTC, with Z or without a zone; "
    "other zones are for TIMESTAMPTZ, and digits beyond a microsecond for VARCHAR"
)
TIMESTAMPTZ_HINT = (
    "write it as 2013-01-31T23:59:59.123456Z or with +01:00 at its end; "
    "digits beyond a microsecond are for VARCHAR"
)


def read_texts(values: Sequence[str | None], type_: pa.DataType) -> pa.Array:
    """Read texts of ISO 8601 to DATE, TIMESTAMP or TIMESTAMPTZ.

    Raises
    ------
    pyarrow.ArrowInvalid
        If one is none, has more than six digits behind the second, has a zone where there must be
        none or none where there must be one, or is outside of the years 1 to 9999.
    """
    texts = pa.array(values, pa.string())
    if pa.types.is_timestamp(type_) and type_.tz is None:
        return check_range(_read_utc(texts))
    return check_range(texts.cast(type_))


def _read_utc(texts: pa.StringArray) -> pa.TimestampArray:
    """Read times in UTC: those that say so, and those that say nothing."""
    plain = pa.timestamp("us")
    is_said = pc.or_(pc.ends_with(texts, "Z"), pc.ends_with(texts, "+00:00"))
    if not pc.any(is_said).as_py():
        return texts.cast(plain)
    if pc.all(is_said).as_py():
        return texts.cast(pa.timestamp("us", "UTC")).cast(plain)
    none = pa.scalar(None, pa.string())
    said = pc.if_else(is_said, texts, none).cast(pa.timestamp("us", "UTC")).cast(plain)
    return pc.coalesce(said, pc.if_else(is_said, none, texts).cast(plain))


def check_range(array: pa.Array) -> pa.Array:
    """Check dates or times to lie in the years that all sinks know, 1 to 9999.

    Raises
    ------
    ValueError
        If one does not.
    """
    is_date = pa.types.is_date32(array.type)
    number = pa.int32() if is_date else pa.int64()
    ends = pc.min_max(array.view(number))
    least, most = ends["min"].as_py(), ends["max"].as_py()
    first, last = (_FIRST_DAY, _LAST_DAY) if is_date else (_FIRST_MICROSECOND, _LAST_MICROSECOND)
    if least is not None and not first <= least <= most <= last:
        message = "a time is outside of the years 1 to 9999"
        raise ValueError(message)
    return array
