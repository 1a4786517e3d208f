"""The native kernel: the same bits as the numpy kernel, many times as fast, where it was built."""

from .choice import NativePlan
from .forest import NativeForest
from .library import Library, load_library
from .walk import NativeWalk

__all__ = ["Library", "NativeForest", "NativePlan", "NativeWalk", "load_library"]
