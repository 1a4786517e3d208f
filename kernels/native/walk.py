"""Run a forest in the walking kernel: trees of any size, and batches of any size."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from .library import load_library
from .linear_tables import LINEAR_ARRAYS, build_linear_tables
from .walk_tables import LANES, build_walk_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ...ir.steps import Forest, LinearForest
    from .library import Library
    from .linear_tables import LinearTables
    from .walk_tables import WalkTables

_NUMBERS = ("features", "columns", "trees", "outputs", "single", "has_sets", "block", "shift")
WALK_ARRAYS = ("feature", "thresholds", "words", "sets", "nodes", "tree", "leaves", "output")


class _Walk(ctypes.Structure):
    """The struct ``Walk`` of walk.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in _NUMBERS),
        ("mask", ctypes.c_uint32),
        ("unused", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in (*WALK_ARRAYS, "linear")),
    )


class _Lengths(ctypes.Structure):
    """The struct ``WalkLengths`` of walk.h."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            *("feature", "thresholds", "words", "sets", "nodes", "tree", "leaves", "output"),
            *("reads", "terms", "inputs"),
        )
    )


class _Linear(ctypes.Structure):
    """The struct ``WalkLinear`` of walk.h."""

    _fields_ = (
        ("zero", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in LINEAR_ARRAYS),
        ("reads", ctypes.c_int64),
    )


class NativeWalk:
    """A forest's tables, ready to run. Threads may share it: a run has memory of its own."""

    def __init__(
        self,
        library: Library,
        tables: WalkTables,
        *,
        outputs: int,
        single: bool,
        linear: LinearTables | None = None,
    ) -> None:
        """Keep the tables, to which the structs point."""
        self._library = library
        self.tables = tables
        self._linear_tables = linear
        self._linear = _linear_struct(linear) if linear else None
        self.struct = _Walk(
            *walk_numbers(tables, outputs, is_single=single),
            linear=ctypes.addressof(self._linear) if self._linear else None,
            **{name: getattr(tables, name).ctypes.data for name in WALK_ARRAYS},
        )
        self._address = ctypes.addressof(self.struct)
        read = linear.read if linear else np.zeros(0, np.int32)
        self.inputs: list[int] = np.union1d(tables.feature["input"], read).astype(int).tolist()

    @classmethod
    def of(cls, step: Forest) -> NativeWalk | None:
        """Prepare a forest, or give None where the kernel or the forest does not allow it."""
        library = load_library()
        tables = build_walk_tables(step.trees) if library is not None else None
        if library is None or tables is None:
            return None
        single = step.precision.value == "float32"
        return cls(library, tables, outputs=len(step.outputs), single=single)

    @classmethod
    def of_linear(cls, step: LinearForest) -> NativeWalk | None:
        """Prepare a forest with linear leaves, or give None as :meth:`of` does."""
        library = load_library()
        tables = build_walk_tables(step.trees, share_twins=False) if library is not None else None
        if library is None or tables is None:
            return None
        linear = build_linear_tables(step, tables.leaf_nodes)
        return cls(library, tables, outputs=len(step.outputs), single=False, linear=linear)

    def is_in_bounds(self, inputs: int) -> bool:
        """Whether every index in the tables is, for so many inputs."""
        lengths = {name: len(getattr(self.tables, name)) for name in WALK_ARRAYS}
        if self._linear_tables:
            lengths["reads"] = len(self._linear_tables.read)
            lengths["terms"] = len(self._linear_tables.coefficients)
        checked = _Lengths(**lengths, inputs=inputs)
        return bool(self._library.check_walk(self._address, ctypes.addressof(checked)))

    def add_to(
        self, scores: NDArray[np.float64], inputs: Mapping[int, NDArray[np.float64]]
    ) -> None:
        """Add every tree's leaf to ``scores``, float64[outputs, rows], in the trees' order.

        ``inputs`` holds float64[rows] for each input that is read. ``scores`` may be some of
        the columns of an array. The interpreter's lock is not held meanwhile.
        """
        kept = [np.ascontiguousarray(inputs[index], np.float64) for index in self.inputs]
        pointers = (ctypes.c_void_p * (max(self.inputs, default=0) + 1))()
        for index, column in zip(self.inputs, kept, strict=True):
            pointers[index] = column.ctypes.data
        rows = scores.shape[1]
        scratch = np.empty(self._library.walk_scratch(self._address, rows), np.uint8)
        self._library.walk_run(
            self._address,
            ctypes.addressof(pointers),
            rows,
            scores.ctypes.data,
            scores.strides[0] // scores.itemsize,
            scratch.ctypes.data,
        )


def walk_numbers(tables: WalkTables, outputs: int, *, is_single: bool) -> list[int]:
    """List the numbers with which the struct begins."""
    return [
        *(len(tables.feature), tables.columns, len(tables.tree), outputs),
        *(int(is_single), int(tables.words.any()), tables.block, tables.shift),
        *((1 << tables.shift) - LANES, 0),
    ]


def _linear_struct(linear: LinearTables) -> _Linear:
    arrays = {name: getattr(linear, name).ctypes.data for name in LINEAR_ARRAYS}
    return _Linear(zero=linear.zero, reads=len(linear.read), **arrays)
