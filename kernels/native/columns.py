"""Arrow columns as C reads them: where their values, their texts and their validity bits lie."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ...ir import ColumnType
from ..arrow import column_of, encode_keys, to_float64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ...ir import Model
    from ..arrow import Decoder
    from ..frame import Frame

COLUMN = struct.Struct("@2i3Pq")
_OFFSETS = np.dtype({"names": ["offset"], "formats": ["i8"], "offsets": [32], "itemsize": 40})
ABSENT, DOUBLE, CODES = 0, 1, 16
_NUMBERS: Mapping[pa.DataType, int] = {
    pa.float64(): DOUBLE,
    pa.float32(): 2,
    pa.int8(): 3,
    pa.int16(): 4,
    pa.int32(): 5,
    pa.int64(): 6,
    pa.uint8(): 7,
    pa.uint16(): 8,
    pa.uint32(): 9,
    pa.uint64(): 10,
    pa.bool_(): 12,
}
_KINDS: Mapping[ColumnType | None, Mapping[pa.DataType, int]] = {
    None: _NUMBERS,
    ColumnType.BIGINT: {kind: code for kind, code in _NUMBERS.items() if pa.types.is_integer(kind)},
    ColumnType.BOOLEAN: {pa.bool_(): 12},
    ColumnType.VARCHAR: {pa.string(): 13, pa.large_string(): 14},
    ColumnType.TIMESTAMP: {pa.timestamp("us"): 6},
}

Given = tuple[int, int, int, int, int, int]
"""A struct ``Column``: kind, constant, values, data, validity, offset."""


def moved(columns: bytes, rows: int) -> bytes:
    """Give the structs of the same columns, some rows further on."""
    if not rows:
        return columns
    later = np.frombuffer(columns, _OFFSETS).copy()
    later["offset"] += rows
    return later.tobytes()


class Columns:
    """The columns of a model's signature, in their order."""

    def __init__(self, model: Model, decoder: Decoder) -> None:
        """Note what each column is read as."""
        self._decoder = decoder
        self._numbers = set(decoder.numbers)
        keys = decoder.vocabularies
        self.types = {
            name: keys[name].type if name in keys else None for name in model.signature.names
        }
        # What a missing column is refused by, and in which order.
        self._order = tuple(dict.fromkeys((*decoder.numbers, *keys)))

    def fit(self, types: Sequence[int], key_counts: Sequence[int]) -> bool:
        """Whether a program reads the columns as this model does."""
        order = tuple(ColumnType)
        keys = self._decoder.vocabularies
        mine = [
            (0, 0) if t is None else (order.index(t), len(keys[n].keys))
            for n, t in self.types.items()
        ]
        return mine == list(zip(types, key_counts, strict=True))

    def of_batch(
        self, batch: pa.RecordBatch | pa.Table | pa.StructArray
    ) -> tuple[bytes, list[object]]:
        """Give the structs for C, and what must stay in memory while they are used.

        Raises
        ------
        SignatureError
            If a column is missing or of the wrong type.
        """
        source = {name: column_of(batch, name) for name in self._order}
        kept: list[object] = []
        given = [
            self._of_array(name, column_type, source[name], kept)
            for name, column_type in self.types.items()
        ]
        return b"".join([COLUMN.pack(*each) for each in given]), kept

    def of_frame(self, frame: Frame) -> tuple[bytes, list[object]]:
        """Give the same for rows that are decoded."""
        kept: list[object] = []
        given: list[Given] = []
        for name, column_type in self.types.items():
            numbers = _kept(frame.numbers[name], kept) if name in frame.numbers else 0
            if column_type is None:
                given.append((DOUBLE, 0, numbers, 0, 0, 0))
            else:
                given.append((CODES, 0, _kept(frame.codes[name], kept), numbers, 0, 0))
        return b"".join([COLUMN.pack(*each) for each in given]), kept

    def _of_array(
        self, name: str, column_type: ColumnType | None, column: pa.Array, kept: list[object]
    ) -> Given:
        kind = _KINDS[column_type].get(column.type)
        if kind is None:
            return self._decoded(name, column_type, column, kept)
        buffers = column.buffers()
        kept.append(buffers)
        validity, values = buffers[0], buffers[1]
        bits = validity.address if validity is not None and column.null_count else 0
        data = buffers[2].address if len(buffers) > 2 and buffers[2] is not None else 0  # noqa: PLR2004 - of texts
        return kind, 0, values.address if values is not None else 0, data, bits, column.offset

    def _decoded(
        self, name: str, column_type: ColumnType | None, column: pa.Array, kept: list[object]
    ) -> Given:
        """Read what C does not, such as decimals and dictionaries, or refuse it."""
        if column_type is None:
            return DOUBLE, 0, _kept(to_float64(column, name), kept), 0, 0, 0
        vocabulary = self._decoder.vocabularies[name]
        if pa.types.is_dictionary(column.type):
            keys = encode_keys(vocabulary, column.dictionary, name)
            places = column.indices.fill_null(len(keys)).to_numpy(zero_copy_only=False)
            codes = np.append(keys, vocabulary.missing)[places]
        else:
            codes = encode_keys(vocabulary, column, name)
        numbers = _kept(to_float64(column, name), kept) if name in self._numbers else 0
        return CODES, 0, _kept(codes.astype(np.int64), kept), numbers, 0, 0


def _kept(array: NDArray[np.generic], kept: list[object]) -> int:
    """Keep an array in memory and give its address."""
    whole = np.ascontiguousarray(array)
    kept.append(whole)
    return int(whole.ctypes.data)
