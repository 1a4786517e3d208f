"""The operations of a program, and how they are laid out as bytes; program.c says what they do.

While a program is compiled, every value has a register of its own. :class:`Assembly` leaves out
what no answer needs, and then gives registers away again after their last use, so that the blocks
of a whole model stay in the cache.
"""

from __future__ import annotations

import heapq
import struct
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

FORMAT_VERSION = 1
_MAGIC = b"foresql\n"
_HEADER = struct.Struct("<8s16i")
_SECTION = struct.Struct("<2q")
_ALIGNMENT = 64
_FIXED = 6


class Code(IntEnum):
    """What an operation does; the enum of operations.h, in its order."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:  # noqa: ARG004 - enum's signature
        return count

    LOAD_NUMBER = auto()
    LOAD_KEY = auto()
    REFUSE_MISSING = auto()
    REFUSE_INFINITE = auto()
    REFUSE_LARGE = auto()
    REFUSE_RANGE = auto()
    REFUSE_CODES = auto()
    NULL_IF = auto()
    IMPUTE = auto()
    REPLACE_CODE = auto()
    IS_MISSING = auto()
    INDICATOR = auto()
    COALESCE = auto()
    ARITHMETIC = auto()
    CLIP = auto()
    GATHER = auto()
    TRANSLATE = auto()
    MATCH = auto()
    LOOKUP_ROW = auto()
    DOT = auto()
    FLOAT32_DOT = auto()
    PRODUCT = auto()
    SUM = auto()
    NORMALIZE = auto()
    FOREST = auto()
    ELEMENTWISE = auto()
    INTERPOLATE = auto()
    SOFTMAX = auto()
    ARGMAX = auto()
    EXCEEDS = auto()


_REFUSALS = {
    *(Code.REFUSE_MISSING, Code.REFUSE_INFINITE, Code.REFUSE_LARGE),
    *(Code.REFUSE_RANGE, Code.REFUSE_CODES),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: registers that it writes and reads, integers, and sections."""

    code: Code
    outs: tuple[int, ...]
    ins: tuple[int, ...]
    integers: tuple[int, ...]
    tables: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frontmatter:
    """What a program says of its model; ``columns`` is int32[columns, 4], ``labels`` 8 bytes each.

    ``groups`` counts predictions, probabilities and margins.
    """

    columns: NDArray[np.int32]
    groups: tuple[int, int, int]
    label_type: int
    labels: NDArray[Any]


@dataclass(slots=True)
class Assembly:
    """Operations, sections and texts under construction."""

    operations: list[Operation] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    registers: int = 0
    _sections: list[bytes] = field(default_factory=list)
    _numbers: dict[bytes, int] = field(default_factory=dict)

    def emit(
        self,
        code: Code,
        ins: Iterable[int] = (),
        *,
        outs: int = 0,
        integers: Iterable[int] = (),
        tables: Iterable[NDArray[Any]] = (),
    ) -> tuple[int, ...]:
        """Add an operation and give the registers that it writes."""
        written = tuple(range(self.registers, self.registers + outs))
        self.registers += outs
        sections = tuple(self.section(table) for table in tables)
        self.operations.append(Operation(code, written, tuple(ins), tuple(integers), sections))
        return written

    def section(self, table: NDArray[Any]) -> int:
        """Store a table, once, and give its section."""
        content = np.ascontiguousarray(table, table.dtype.newbyteorder("<")).tobytes()
        if content not in self._numbers:
            self._numbers[content] = _FIXED + len(self._sections)
            self._sections.append(content)
        return self._numbers[content]

    def text(self, text: str) -> int:
        """Store a text and give its index."""
        self.texts.append(text)
        return len(self.texts) - 1

    def to_bytes(self, front: Frontmatter, answers: Sequence[int]) -> bytes:
        """Lay the program out."""
        operations, places, registers = _placed(_needed(self.operations, answers), answers)
        encoded = [text.encode() for text in self.texts]
        ends = np.cumsum([0, *map(len, encoded)])
        fixed = [
            _words(operations),
            front.columns.astype("<i4").tobytes(),
            np.array([places[answer] for answer in answers], "<i4").tobytes(),
            ends.astype("<i8").tobytes(),
            b"".join(encoded),
            front.labels.tobytes(),
        ]
        counts = (registers, len(front.columns), *front.groups, front.label_type)
        return _laid_out([*fixed, *self._sections], (*counts, len(front.labels), len(self.texts)))


def _needed(operations: Sequence[Operation], answers: Iterable[int]) -> list[Operation]:
    """Leave out what neither refuses a row nor leads to an answer."""
    wanted = set(answers)
    kept: list[Operation] = []
    for operation in reversed(operations):
        if operation.code in _REFUSALS or not wanted.isdisjoint(operation.outs):
            wanted.update(operation.ins)
            kept.append(operation)
    return kept[::-1]


def _placed(
    operations: Sequence[Operation], answers: Iterable[int]
) -> tuple[list[Operation], dict[int, int], int]:
    """Give registers away again after their last use, but not within the operation that reads."""
    last = {register: at for at, each in enumerate(operations) for register in each.ins}
    last |= dict.fromkeys(answers, len(operations))
    places: dict[int, int] = {}
    pool = _Pool()
    placed: list[Operation] = []
    for at, each in enumerate(operations):
        # A forest adds to scores that lie side by side.
        side_by_side = each.code is Code.FOREST
        outs = pool.run(len(each.outs)) if side_by_side else [pool.take() for _ in each.outs]
        places.update(zip(each.outs, outs, strict=True))
        ins = tuple(places[register] for register in each.ins)
        placed.append(replace(each, outs=tuple(outs), ins=ins))
        for register in {*each.ins, *each.outs}:
            if last.get(register, at) == at:
                pool.free(places[register])
    return placed, places, pool.size


class _Pool:
    """Registers, the lowest free one first."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[int] = []

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self.size += 1
        return self.size - 1

    def run(self, count: int) -> list[int]:
        if count == 1:
            return [self.take()]
        self.size += count
        return list(range(self.size - count, self.size))

    def free(self, register: int) -> None:
        heapq.heappush(self._free, register)


def _words(operations: Iterable[Operation]) -> bytes:
    words: list[int] = []
    for each in operations:
        parts = (each.outs, each.ins, each.integers, each.tables)
        words += (each.code, *map(len, parts))
        for part in parts:
            words += part
    return np.array(words, "<i4").tobytes()


def _laid_out(sections: Sequence[bytes], counts: Sequence[int]) -> bytes:
    header = (FORMAT_VERSION, len(sections), *counts)
    position = _aligned(_HEADER.size + len(sections) * _SECTION.size)
    table: list[bytes] = []
    body: list[bytes] = []
    for section in sections:
        table.append(_SECTION.pack(position, len(section)))
        body += [section, bytes(-len(section) % _ALIGNMENT)]
        position = _aligned(position + len(section))
    head = _HEADER.pack(_MAGIC, *header, *[0] * (16 - len(header))) + b"".join(table)
    return b"".join([head, bytes(-len(head) % _ALIGNMENT), *body])


def _aligned(position: int) -> int:
    return position + -position % _ALIGNMENT
