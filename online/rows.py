"""A row as bytes: which columns are NULL, a fixed place for each column, and the texts behind."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import FeatureError
from .kinds import Kind, kind_of, nulls_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class RowCodec:
    """Rows of a view's columns, as bytes and back, bit for bit."""

    __slots__ = (
        "_columns",
        "_is_plain",
        "_no_nulls",
        "_odd",
        "_skip",
        "_struct",
        "_texts",
        "width",
    )

    def __init__(self, columns: Mapping[str, str]) -> None:
        """Lay the columns out.

        Parameters
        ----------
        columns
            DuckDB's types by name; each must be one that :func:`kind_of` knows.
        """
        kinds = [_known(name, type_) for name, type_ in columns.items()]
        self._columns = tuple(kinds)
        self._skip = (len(kinds) + 7) // 8
        self._struct = struct.Struct("<" + "".join(kind.code for kind in kinds))
        self._no_nulls = bytes(self._skip)
        self._texts = tuple(place for place, kind in enumerate(kinds) if kind.is_text)
        self._odd = tuple(
            (place, kind.value_of) for place, kind in enumerate(kinds) if kind.value_of is not None
        )
        self._is_plain = not self._odd and not self._texts
        self.width = self._skip + self._struct.size

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """Give each row of a batch as bytes."""
        fixed = np.zeros((batch.num_rows, self.width), np.uint8)
        at = self._skip
        for place, (kind, column) in enumerate(zip(self._columns, batch.columns, strict=True)):
            fixed[:, at : at + kind.width] = kind.raw_bytes(column)
            at += kind.width
            if column.null_count:
                bits = nulls_of(column).astype(np.uint8) << (place & 7)
                fixed[:, place >> 3] |= bits.astype(np.uint8)
        whole = fixed.tobytes()
        rows = [whole[i : i + self.width] for i in range(0, len(whole), self.width)]
        if not self._texts:
            return rows
        texts = [
            batch.column(place).cast(pa.binary()).fill_null(b"").to_pylist()
            for place in self._texts
        ]
        return [b"".join(parts) for parts in zip(rows, *texts, strict=True)]

    def decode(self, row: bytes) -> tuple[Any, ...]:
        """Read a row.

        Raises
        ------
        FeatureError
            If the bytes are no row of these columns.
        """
        try:
            values = self._struct.unpack_from(row, self._skip)
            no_nulls = row.startswith(self._no_nulls)
            if no_nulls and self._is_plain:
                if len(row) != self.width:
                    raise _broken()
                return values
            return self._decode(row, [*values], no_nulls)
        except (struct.error, ValueError, OverflowError, ArithmeticError) as error:
            raise _broken() from error

    def _decode(self, row: bytes, values: list[Any], no_nulls: bool) -> tuple[Any, ...]:
        at = self.width
        for place in self._texts:
            end = at + values[place]
            values[place] = row[at:end].decode()
            at = end
        if at != len(row):
            raise _broken()
        for place, value_of in self._odd:
            values[place] = value_of(values[place])
        if not no_nulls:
            bits = int.from_bytes(row[: self._skip], "little")
            for place in range(len(values)):
                if bits >> place & 1:
                    values[place] = None
        return tuple(values)


def _known(name: str, type_: str) -> Kind:
    kind = kind_of(type_)
    if kind is None:
        message = f"The type {type_} of column {name!r} is none that a snapshot keeps."
        raise FeatureError(message)
    return kind


def _broken() -> FeatureError:
    return FeatureError("The bytes of a row are not those of its columns.")
