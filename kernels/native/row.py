"""One row at a time, without Arrow: plain values are packed into a buffer, and C is called once.

The buffer holds 8 bytes a column: a number, or the code of a key, which a dictionary finds. Values
that are not plain (other types than the column's, dates, numpy's times) are left to Arrow.
"""

from __future__ import annotations

import ctypes
import math
import struct
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir import ColumnType
from .columns import CODES, COLUMN, DOUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..arrow import Decoder
    from ..frame import Vocabulary
    from .program import NativeProgram

# Other rows may have names of their own, and these in another order.
_IN_ORDER = frozenset((list, tuple, np.ndarray))
_PLAIN = {ColumnType.BIGINT: int, ColumnType.BOOLEAN: bool, ColumnType.VARCHAR: str}
_CALL = struct.Struct("@2PqPq2Pqi")
_LEAST, _LARGEST = -(2**63), 2**63 - 1
_EPOCH, _MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)  # noqa: DTZ001 - of local times


class RowProgram:
    """A native program that takes rows of plain values. Threads may share it."""

    def __init__(self, program: NativeProgram, decoder: Decoder) -> None:
        """Prepare the dictionaries of keys."""
        self._program = program
        types = list(program.columns.types.items())
        self._keys = [
            (index, _Codes(decoder.vocabularies[name]))
            for index, (name, column_type) in enumerate(types)
            if column_type is not None
        ]
        self._format = struct.Struct("".join("d" if kind is None else "q" for _, kind in types))
        self._local = threading.local()
        function = ctypes.PyDLL(program.path).foresql_program_call
        function.restype, function.argtypes = ctypes.c_int, [ctypes.c_void_p]
        self._call = function

    @classmethod
    def of(cls, program: NativeProgram, decoder: Decoder) -> RowProgram | None:
        """Prepare rows, or give None where a column is read both as a key and as a number."""
        both = set(decoder.numbers) & set(decoder.vocabularies)
        return None if both else cls(program, decoder)

    def on_numbers(
        self, pick: Callable[[Any], Any], otherwise: Callable[[Any], Sequence[float]]
    ) -> Callable[[Any], Sequence[float]] | None:
        """Give one function for rows of numbers, or None where a column is a key.

        ``pick`` takes the values out of a dictionary. A row that is anything else goes to
        ``otherwise``: each call that is saved here is a tenth of the whole.
        """
        if self._keys or len(self._format.format) == 1:
            return None
        local, call, pack = self._local, self._call, self._format.pack_into

        def answers(row: Any) -> Sequence[float]:
            try:
                lane = local.lane
                values = pick(row) if type(row) is dict else row if type(row) in _IN_ORDER else ()
                pack(lane.values, 0, *values)
            except (AttributeError, KeyError, struct.error, TypeError, ValueError, OverflowError):
                return otherwise(row)
            return otherwise(row) if call(lane.call) else lane.answers

        return answers

    def answers(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Give predictions, probabilities and margins, one after the other.

        ``values`` are those of the signature's columns. None where Arrow, or the steps, must say
        what they are; the answers are overwritten by this thread's next row.
        """
        try:
            lane = self._local.lane
        except AttributeError:
            lane = self._local.lane = _Lane(self._program, len(self._format.format), self._keys)
        if self._keys:
            coded = list(values)
            for index, codes in self._keys:
                code = codes.find(coded[index])
                if code is None:
                    return None
                coded[index] = code
            values = coded
        try:
            self._format.pack_into(lane.values, 0, *values)
        except (struct.error, TypeError, ValueError, OverflowError):
            numbers = _numbers_of(values)
            if numbers is None:
                return None
            self._format.pack_into(lane.values, 0, *numbers)
        return None if self._call(lane.call) else lane.answers


class _Lane:
    """The memory of one thread, and what C is called with: both stay where they are."""

    def __init__(
        self, program: NativeProgram, columns: int, keys: Sequence[tuple[int, _Codes]]
    ) -> None:
        self.values = bytearray(8 * columns)
        width = sum(program.groups)
        self._answers = np.empty(width)
        self.answers = memoryview(self._answers.data)
        first = np.frombuffer(self.values, np.uint8).ctypes.data
        coded = {index for index, _ in keys}
        self._columns = b"".join(
            COLUMN.pack(CODES if index in coded else DOUBLE, 0, first + 8 * index, 0, 0, 0)
            for index in range(columns)
        )
        self._scratch = np.empty(program.scratch_bytes, np.uint8)
        structs = np.frombuffer(self._columns, np.uint8)
        call = _CALL.pack(
            *(program.address, structs.ctypes.data, 1, self._answers.ctypes.data, 1),
            *(self._scratch.ctypes.data, 0, 0, program.variant),
        )
        self._call = np.frombuffer(call, np.uint8)
        self.call = int(self._call.ctypes.data)


class _Codes:
    """The codes of a column's keys by value."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._by_key: dict[object, int] = {key: code for code, key in enumerate(vocabulary.keys)}
        self._plain = _PLAIN.get(vocabulary.type)

    def find(self, value: object) -> int | None:
        """Give a value's code, or None where it is of another type than the column."""
        # 1, 1.0 and True are one key to a dictionary, and not to a column.
        if type(value) is self._plain:
            found = self._by_key.get(value)
            return self._unknown(value) if found is None else found
        if value is None:
            return self._vocabulary.missing
        if self._plain is None and type(value) is datetime and value.tzinfo is None:
            return self._by_key.get((value - _EPOCH) // _MICROSECOND, self._vocabulary.unknown)
        return None

    def _unknown(self, value: object) -> int | None:
        is_long = isinstance(value, int) and not _LEAST <= value <= _LARGEST
        return None if is_long else self._vocabulary.unknown


def _numbers_of(values: Sequence[Any]) -> list[Any] | None:
    """Put NaN in place of missing values, or give None where one is no number."""
    numbers = [math.nan if value is None else value for value in values]
    try:
        _ = [float(number) for number in numbers if not isinstance(number, str)]
    except (TypeError, ValueError, OverflowError):
        return None
    return None if any(isinstance(number, str | bytes) for number in numbers) else numbers
