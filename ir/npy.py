"""Arrays in numpy's file format, in exactly one spelling: ``np.load`` reads what is written here.

The header is neither evaluated nor trusted: it is matched, written again and compared.
Format: ``numpy/lib/_format_impl.py``, version 1.0.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = {"|b1": np.bool_, "|u1": np.uint8, "<i4": np.int32, "<i8": np.int64, "<f8": np.float64}
"""The types that steps are made of; all other types, objects among them, do not exist here."""

_MAGIC = b"\x93NUMPY\x01\x00"
_LENGTH = slice(8, 10)
_START = 10
_ALIGNMENT = 64
_DIMENSION = r"\d{1,10}"
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[^']{3})', 'fortran_order': False, "
    rf"'shape': \((?P<shape>{_DIMENSION},|{_DIMENSION}, {_DIMENSION})\), \}} *\n"
)


def write_npy(array: NDArray[Any]) -> bytes:
    """Write an array of one or two dimensions.

    Raises
    ------
    BundleError
        If its type is none of :data:`DTYPES`, or it has another number of dimensions.
    """
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    header = _header(little_endian.dtype.str, array.shape)
    if little_endian.dtype.str not in DTYPES or not _HEADER.fullmatch(header[_START:].decode()):
        raise BundleError(f"{array.dtype} of shape {array.shape} is no array of a model.")
    return header + little_endian.tobytes()


def read_npy(blob: bytes) -> NDArray[Any]:
    """View the bytes as an array; it cannot be written to.

    Raises
    ------
    BundleError
        If they are not exactly what :func:`write_npy` writes for some array.
    """
    start = _START + int.from_bytes(blob[_LENGTH], "little")
    found = _HEADER.fullmatch(blob[_START:start].decode("latin-1"))
    if found is None or found["descr"] not in DTYPES:
        raise BundleError(f"it begins with {blob[:start][:120]!r}.")
    dtype = np.dtype(DTYPES[found["descr"]])
    shape = tuple(int(size) for size in found["shape"].split(",") if size)
    size = math.prod(shape) * dtype.itemsize
    if blob[:start] != _header(found["descr"], shape) or len(blob) - start != size:
        raise BundleError(f"{len(blob) - start:,} bytes are not {dtype} of shape {shape}.")
    array = np.frombuffer(blob, dtype.newbyteorder("<"), offset=start).reshape(shape)
    if dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise BundleError("a truth value is neither 0 nor 1.")
    return array.astype(dtype, copy=False)


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    padding = -(_START + len(text) + 1) % _ALIGNMENT
    line = text + " " * padding + "\n"
    return _MAGIC + len(line).to_bytes(2, "little") + line.encode()
