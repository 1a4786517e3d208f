"""The native kernel: the same bits as the numpy kernel, many times as fast, where it was built."""

from .forest import NativeForest
from .library import Library, load_library

__all__ = ["Library", "NativeForest", "load_library"]
