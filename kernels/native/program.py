"""A whole model as one flat binary, which C runs in blocks of rows straight from Arrow's buffers.

The format is described in program.c, the operations in operations.h. :func:`build_program` makes
it from a model; a bundle holds it, so what was certified is what runs.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

import numpy as np

from ...errors import BundleError
from ...ir import ColumnType
from ..scores import Scores
from ..threads import run_in_parts
from .columns import Columns, moved
from .compiler import Compiler, NoNativeFormError
from .library import load_library
from .operations import FORMAT_VERSION, Frontmatter

if TYPE_CHECKING:
    import pyarrow as pa

    from ...ir import Model
    from ..arrow import Decoder
    from ..frame import Frame
    from .library import Library

_TYPES = tuple(ColumnType)
_LABELS = {
    ColumnType.DOUBLE: 0,
    ColumnType.BIGINT: 1,
    ColumnType.BOOLEAN: 2,
    ColumnType.VARCHAR: 3,
}
_MESSAGE_BYTES = 512


def build_program(model: Model) -> bytes:
    """Compile a model; the same model always gives the same bytes. Empty: it has no native form."""
    try:
        return _compiled(model)
    except NoNativeFormError:
        return b""


def program_problem(model: Model) -> str | None:
    """Say which step has no native form and why, or None where the whole model has one."""
    try:
        _compiled(model)
    except NoNativeFormError as error:
        return str(error)
    return None


def _compiled(model: Model) -> bytes:
    compiler = Compiler(model)
    for index, step in enumerate(model.steps):
        try:
            compiler.add(step)
        except NoNativeFormError as error:
            message = f"step {index} ({type(step).__name__}): {error}"
            raise NoNativeFormError(message) from error
    outputs = model.outputs
    groups = (outputs.prediction, outputs.probabilities, outputs.margins)
    answers = [compiler.number(name) for group in groups for name in group]
    columns = [_described(compiler, model, name) for name in model.signature.names]
    front = Frontmatter(
        np.array(columns, np.int32),
        (len(groups[0]), len(groups[1]), len(groups[2])),
        _LABELS[outputs.label_type],
        _labels(compiler, model),
    )
    return compiler.assembly.to_bytes(front, answers)


def _described(compiler: Compiler, model: Model, name: str) -> tuple[int, int, int, int]:
    """Give a column's kind, its type, and the sections of its keys."""
    kind = _TYPES.index(model.signature[name].type)
    vocabulary = compiler.decoder.vocabularies.get(name)
    if vocabulary is None:
        return 0, kind, -1, -1
    if vocabulary.type is ColumnType.VARCHAR:
        texts = [str(key).encode() for key in vocabulary.keys]
        ends = np.cumsum([0, *map(len, texts)]).astype(np.int64)
        content = np.frombuffer(b"".join(texts), np.uint8)
        return kind, kind, compiler.assembly.section(ends), compiler.assembly.section(content)
    try:
        keys = np.array([int(key) for key in vocabulary.keys], np.int64)
    except OverflowError as error:
        message = f"a key of column {name!r} has more than 64 bits"
        raise NoNativeFormError(message) from error
    return kind, kind, compiler.assembly.section(keys), -1


def _labels(compiler: Compiler, model: Model) -> np.ndarray:
    labels, label_type = model.outputs.classes or (), model.outputs.label_type
    if label_type is ColumnType.VARCHAR:
        return np.array([compiler.assembly.text(str(label)) for label in labels], "<i8")
    if label_type is ColumnType.DOUBLE:
        return np.array([float(label) for label in labels], "<f8")
    try:
        return np.array([int(label) for label in labels], "<i8")
    except OverflowError as error:
        message = "a label has more than 64 bits"
        raise NoNativeFormError(message) from error


class NativeProgram:
    """A program, checked and ready to run. Threads may share it."""

    def __init__(self, library: Library, content: bytes, decoder: Decoder, model: Model) -> None:
        """Check and open a program that was built from the model.

        Raises
        ------
        BundleError
            If the bytes are no program, or one of another model.
        """
        self._library = _bind(library)
        self.path = str(library.path)
        self.variant = library.variant
        # A copy, for its alignment; the open program points into it.
        self._content = np.frombuffer(content, np.uint8).copy()
        self.address = _opened(self._library, self._content)
        outputs = model.outputs
        self.groups = (len(outputs.prediction), len(outputs.probabilities), len(outputs.margins))
        self.columns = Columns(model, decoder)
        self._check(model)
        self.scratch_bytes = int(self._library.foresql_program_scratch(self.address))
        self._memory = threading.local()

    def __del__(self) -> None:
        """Give the memory back."""
        if getattr(self, "address", None):
            self._library.foresql_program_close(self.address)

    @classmethod
    def of(cls, model: Model, decoder: Decoder, content: bytes = b"") -> NativeProgram | None:
        """Open a model's program, having built it where ``content`` is none that can be read.

        None where the library is not there, or the model has no native form.

        Raises
        ------
        BundleError
            If the program is damaged, or another model's.
        """
        library = load_library()
        if library is None:
            return None
        content = content if _is_readable(content) else build_program(model)
        return cls(library, content, decoder, model) if content else None

    def score(
        self, batch: pa.RecordBatch | pa.Table | pa.StructArray, threads: int = 1
    ) -> Scores | None:
        """Score Arrow rows. None where the library refuses a row or a column cannot be read.

        Raises
        ------
        SignatureError
            If a column is missing or of the wrong type.
        """
        packed, kept = self.columns.of_batch(batch)
        scores = self._run(packed, len(batch), threads)
        del kept
        return scores

    def score_frame(self, frame: Frame, threads: int = 1) -> Scores | None:
        """Score decoded rows. None where the library refuses a row."""
        packed, kept = self.columns.of_frame(frame)
        scores = self._run(packed, frame.rows, threads)
        del kept
        return scores

    def _run(self, columns: bytes, rows: int, threads: int) -> Scores | None:
        answers = np.empty((sum(self.groups), rows))
        codes: list[int] = []

        def run_part(part: slice) -> None:
            codes.append(
                self._library.foresql_program_run(
                    self.address,
                    moved(columns, part.start),
                    part.stop - part.start,
                    answers.ctypes.data + 8 * part.start,
                    rows,
                    self.scratch().ctypes.data,
                    self.variant,
                    None,
                    0,
                )
            )

        run_in_parts(run_part, rows, threads)
        if any(codes):
            return None
        first, second = self.groups[0], self.groups[0] + self.groups[1]
        return Scores(answers[:first].T, answers[first:second].T, answers[second:].T)

    def scratch(self) -> np.ndarray:
        """Give this thread's scratch memory."""
        memory = getattr(self._memory, "scratch", None)
        if memory is None:
            memory = self._memory.scratch = np.empty(self.scratch_bytes, np.uint8)
        return memory

    def _check(self, model: Model) -> None:
        library, address = self._library, self.address
        groups = tuple(library.foresql_program_answers(address, group) for group in range(3))
        count = library.foresql_program_columns(address)
        key_counts = [library.foresql_program_key_count(address, i) for i in range(count)]
        types = [library.foresql_program_column_type(address, i) for i in range(count)]
        names = len(model.signature.names)
        if (groups, count) != (self.groups, names) or not self.columns.fit(types, key_counts):
            message = "The bundle's program is not its model's. Publish the model again."
            raise BundleError(message)


def _is_readable(content: bytes) -> bool:
    """Whether a program is of the format that this release runs."""
    return content[8:12] == FORMAT_VERSION.to_bytes(4, "little")


def _opened(library: ctypes.CDLL, content: np.ndarray) -> int:
    program = ctypes.c_void_p()
    message = ctypes.create_string_buffer(_MESSAGE_BYTES)
    failed = library.foresql_program_open(
        content.ctypes.data, len(content), ctypes.byref(program), message, _MESSAGE_BYTES
    )
    if failed:
        raise BundleError(message.value.decode())
    return int(program.value or 0)


def _bind(library: Library) -> ctypes.CDLL:
    """Declare the functions of program.h."""
    loaded = library.loaded
    pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures = {
        "open": (int32, [pointer, int64, pointer, ctypes.c_char_p, int64]),
        "close": (None, [pointer]),
        "scratch": (int64, [pointer]),
        "columns": (int32, [pointer]),
        "column_type": (int32, [pointer, int32]),
        "answers": (int32, [pointer, int32]),
        "key_count": (int32, [pointer, int32]),
        "run": (
            int32,
            [
                *(pointer, ctypes.c_char_p, int64, pointer, int64, pointer),
                *(int32, ctypes.c_char_p, int64),
            ],
        ),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, f"foresql_program_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded
