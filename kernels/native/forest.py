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

_POINTERS = (
    *("feature", "input", "thresholds", "bytes", "splits"),
    *("first_split", "sets", "leaves", "first_leaf", "output"),
)
_NUMBERS = ("features", "columns", "trees", "outputs", "depth", "single")


class _Forest(ctypes.Structure):
    """The struct ``Forest`` of forest.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in _NUMBERS),
        *((name, ctypes.c_void_p) for name in _POINTERS),
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
            tables.depth,
            int(single),
            *(getattr(tables, name).ctypes.data for name in _POINTERS),
        )
        self._address = ctypes.addressof(self._forest)
        self._scratch = int(library.scratch(self._address))
        self._inputs = tables.input.tolist()

    @classmethod
    def of(cls, step: Forest, codings: Mapping[int, Coding]) -> NativeForest | None:
        """Prepare a forest, or give None where the kernel or the forest does not allow it."""
        library = load_library()
        tables = build_tables(step.trees, codings) if library is not None and codings else None
        if library is None or tables is None:
            return None
        single = step.precision.value == "float32"
        return cls(library, tables, outputs=len(step.outputs), single=single)

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order.

        ``inputs`` holds float64[rows] for each input that a split reads. The interpreter's lock
        is not held meanwhile.
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
            rows,
            scratch.ctypes.data,
            self._library.variant,
        )
