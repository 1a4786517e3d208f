"""Find and load the compiled kernel. It is optional: without it the numpy kernel runs."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

from ...errors import ForesqlError

SETTING = "FORESQL_KERNEL"
"""Environment: ``numpy``, ``baseline``, ``avx2`` or ``avx512``; the best there is by default."""

_VARIANTS = ("baseline", "avx2", "avx512")
_NUMPY = "numpy"
_FILE = "_forest.dll" if sys.platform == "win32" else "_forest.so"


class Library:
    """The compiled kernel, and which of its instruction sets to use."""

    def __init__(self, path: Path) -> None:
        """Load the shared library."""
        self.path = path
        loaded = self.loaded = ctypes.CDLL(str(path))
        self.run = loaded.foresql_run
        self.run.restype = None
        self.run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int),
        ]
        self.scratch = loaded.foresql_scratch
        self.scratch.restype = ctypes.c_int64
        self.scratch.argtypes = [ctypes.c_void_p]
        self.walk_run = loaded.foresql_walk_run
        self.walk_run.restype = None
        self.walk_run.argtypes = [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p),
        ]
        self.walk_scratch = loaded.foresql_walk_scratch
        self.walk_scratch.restype = ctypes.c_int64
        self.walk_scratch.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        self.check_walk = loaded.foresql_check_walk
        self.check_walk.restype = ctypes.c_int
        self.check_walk.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self.check = loaded.foresql_check
        self.check.restype = ctypes.c_int
        self.check.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        self.best = int(loaded.foresql_best())

    @property
    def variant(self) -> int:
        """The instruction set that is asked for, or the best that this machine has.

        Raises
        ------
        ForesqlError
            If the setting names none, or one that this machine lacks.
        """
        wanted = os.environ.get(SETTING)
        if not wanted or wanted == _NUMPY:
            return self.best
        if wanted not in _VARIANTS[: self.best + 1]:
            has = ", ".join((_NUMPY, *_VARIANTS[: self.best + 1]))
            message = f"{SETTING}={wanted!r} is not to be had here; use one of {has}."
            raise ForesqlError(message)
        return _VARIANTS.index(wanted)


def load_library() -> Library | None:
    """Give the compiled kernel, or None where it was not built or is not wanted."""
    return None if os.environ.get(SETTING) == _NUMPY else _load()


@cache
def _load() -> Library | None:
    path = Path(__file__).with_name(_FILE)
    return Library(path) if path.exists() else None
