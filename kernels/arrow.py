"""Arrow batches as frames: what the columns of every width and encoding hold."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SignatureError
from ..ir import ColumnType
from .frame import Frame, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .frame import Vocabulary

_ARROW_KEYS: Mapping[ColumnType, pa.DataType] = {
    ColumnType.BIGINT: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.VARCHAR: pa.string(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Decoder(Reading):
    """Reads Arrow batches into frames for one model."""

    def decode(self, batch: pa.RecordBatch | pa.Table | pa.StructArray) -> Frame:
        """Decode the columns that the model reads; further columns are ignored.

        Raises
        ------
        SignatureError
            If a column is not there or cannot be read as its type.
        """
        names = dict.fromkeys((*self.numbers, *self.vocabularies))
        source = {name: column_of(batch, name) for name in names}
        return Frame(
            len(batch),
            {name: to_float64(source[name], name) for name in self.numbers},
            {name: encode_keys(v, source[name], name) for name, v in self.vocabularies.items()},
            self.vocabularies,
            source,
            self.as_is,
        )


def encode_keys(vocabulary: Vocabulary, column: pa.Array, name: str) -> NDArray[np.intp]:
    """Turn a column into codes.

    Raises
    ------
    SignatureError
        If it is of another type: 1 is not the text "1", and to Arrow it would be.
    """
    arrow_type = _ARROW_KEYS[vocabulary.type]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_readable(column.type, vocabulary.type):
        message = (
            f"Column {name!r} is {column.type}, and the model was trained on {vocabulary.type}."
        )
        raise SignatureError(message)
    keys = pa.array(
        vocabulary.keys, pa.int64() if vocabulary.type is ColumnType.TIMESTAMP else arrow_type
    )
    try:
        values = column.cast(arrow_type)
    except pa.ArrowInvalid as error:
        message = f"Column {name!r} cannot be read as {vocabulary.type}: {error}."
        raise SignatureError(message) from error
    found = pc.index_in(values, keys.cast(arrow_type), skip_nulls=True)
    codes = np.asarray(pc.fill_null(found, vocabulary.unknown)).astype(np.intp)
    if column.null_count:
        codes[np.asarray(column.is_null())] = vocabulary.missing
    return codes


def _is_readable(arrow_type: pa.DataType, column_type: ColumnType) -> bool:
    types = pa.types
    if types.is_null(arrow_type):
        return True
    match column_type:
        case ColumnType.BIGINT:
            return types.is_integer(arrow_type)
        case ColumnType.BOOLEAN:
            return types.is_boolean(arrow_type)
        case ColumnType.TIMESTAMP:
            is_local = types.is_timestamp(arrow_type) and arrow_type.tz is None
            return is_local or types.is_date(arrow_type)
        case _:
            return any(
                is_text(arrow_type)
                for is_text in (types.is_string, types.is_large_string, types.is_string_view)
            )


def to_float64(column: pa.Array, name: str) -> NDArray[np.float64]:
    """Read a number column of any width as float64, NULL as NaN.

    Decimals go through their text, because Arrow's own cast is not correctly rounded.
    """
    if column.type == pa.float64():
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    elif not (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_boolean(column.type)
        or pa.types.is_null(column.type)
    ):
        message = f"Column {name!r} is {column.type}, and the model was trained on numbers."
        raise SignatureError(message)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not pa.types.is_float64(column.type):
        column = column.cast(pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False)


def to_int64(column: pa.Array, name: str) -> pa.Array:
    """Read a column of integers of any width as Arrow's int64.

    Raises
    ------
    SignatureError
        If a value is no such integer.
    """
    try:
        return column.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        message = f"Column {name!r} cannot be read as {ColumnType.BIGINT}: {error}."
        raise SignatureError(message) from error


def to_text(column: pa.Array) -> pa.Array:
    """Read a column that is known to hold text as Arrow's string."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())


def bits_of(frame: Frame) -> list[NDArray[np.uint64]]:
    """Give all that a model sees of an Arrow frame's rows as integers, uint64[rows] a column."""
    columns = [*frame.numbers.values(), *frame.codes.values()]
    seen = [column.view(np.uint64) for column in columns]
    for name, column_type in frame.as_is.items():
        seen += _bits_of(cast("pa.Array", frame.source[name]), name, column_type)
    return seen


def _bits_of(column: pa.Array, name: str, column_type: ColumnType) -> list[NDArray[np.uint64]]:
    """Tell integers, or texts by a hash of 128 bits, apart: uint64[rows] each.

    Missing ones have any bits: the column's codes or float64 values tell them.
    """
    if column_type is ColumnType.BIGINT:
        return [np.asarray(pc.fill_null(to_int64(column, name), 0)).view(np.uint64)]
    coded = to_text(column).dictionary_encode()
    texts = ("" if text is None else text for text in [*coded.dictionary.to_pylist(), ""])
    hashes = b"".join(blake2b(text.encode(), digest_size=16).digest() for text in texts)
    places = np.asarray(pc.fill_null(coded.indices, 0)).astype(np.intp)
    return [*np.frombuffer(hashes, np.uint64).reshape(-1, 2)[places].T.copy()]


def column_of(batch: pa.RecordBatch | pa.Table | pa.StructArray, name: str) -> pa.Array:
    """Give a column in one piece.

    Raises
    ------
    SignatureError
        If it is not there.
    """
    if isinstance(batch, pa.StructArray):
        # flatten() would apply the struct's own nulls; a NULL row has NULL fields anyway.
        return batch.field(name)
    if batch.schema.get_field_index(name) < 0:
        there = ", ".join(batch.schema.names[:20])
        message = f"Column {name!r} is missing. There are: {there}."
        raise SignatureError(message)
    column = batch.column(name)
    if not isinstance(column, pa.ChunkedArray):
        return column
    # combine_chunks() copies even a single chunk.
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
