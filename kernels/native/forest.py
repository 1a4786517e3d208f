"""Run a forest in the native kernel."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from .library import load_library
from .tables import build_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir.steps import Forest
    from ..coding import Coding
    from .library import Library
    from .tables import Tables

# In this order, the lengths of the arrays are the struct ``Lengths``.
ARRAYS = (
    *("feature", "input", "thresholds", "keys", "bytes", "splits", "runs"),
    *("first_tree", "first_run", "first_split", "sets", "root", "leaves", "first_leaf", "output"),
)
NUMBERS = ("features", "columns", "trees", "outputs", "batches", "slots", "single")


class _Forest(ctypes.Structure):
    """The struct ``Forest`` of forest.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in NUMBERS),
        *((name, ctypes.c_void_p) for name in ARRAYS),
    )


class NativeForest:
    """A forest's tables, ready to run. Threads may share it: a run has memory of its own."""

    def __init__(self, library: Library, tables: Tables, *, outputs: int, single: bool) -> None:
        """Keep the tables, to which the struct points."""
        self._library = library
        self._tables = tables
        self._forest = _Forest(
            len(tables.feature),
            tables.columns,
            len(tables.output),
            outputs,
            tables.batches,
            tables.slots,
            int(single),
            *(getattr(tables, name).ctypes.data for name in ARRAYS),
        )
        self._address = ctypes.addressof(self._forest)
        self._scratch = int(library.scratch(self._address))
        self._inputs = np.unique(tables.input).tolist()

    @property
    def variant(self) -> int:
        """The instruction set that a run would use now."""
        return self._library.variant

    @property
    def splits(self) -> int:
        """How many splits a block evaluates."""
        return len(self._tables.splits)

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self._tables.output)

    @classmethod
    def of(cls, step: Forest, codings: Mapping[int, Coding]) -> NativeForest | None:
        """Prepare a forest, or give None where the kernel or the forest does not allow it."""
        library = load_library()
        if library is None or not codings:
            return None
        single = step.precision.value == "float32"
        tables = build_tables(step.trees, codings, is_single=single)
        if tables is None:
            return None
        return cls(library, tables, outputs=len(step.outputs), single=single)

    def check(self, inputs: int) -> int:
        """Ask C whether the tables are safe to run on so many columns: 0, or what is wrong."""
        tables = self._tables
        lengths = (ctypes.c_int64 * len(ARRAYS))(*(len(getattr(tables, n)) for n in ARRAYS))
        return int(self._library.check(self._address, ctypes.addressof(lengths), inputs))

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order.

        ``inputs`` holds float64[rows] for each input that a split reads. ``scores`` may be some
        of the columns of an array. The interpreter's lock is not held meanwhile.
        """
        kept = [np.ascontiguousarray(inputs[index], np.float64) for index in self._inputs]
        pointers = (ctypes.c_void_p * (self._inputs[-1] + 1))()
        for index, column in zip(self._inputs, kept, strict=True):
            pointers[index] = column.ctypes.data
        rows = scores.shape[1]
        scratch = np.empty(self._scratch, np.uint8)
        self._library.run(
            self._address,
            ctypes.addressof(pointers),
            rows,
            scores.ctypes.data,
            scores.strides[0] // scores.itemsize,
            scratch.ctypes.data,
            self._library.variant,
        )
