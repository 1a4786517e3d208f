"""Tensors as bytes behind the JSON: little-endian, row after row; texts with their length before.

Nothing is sized by what a request claims: lengths are compared with the bytes that are there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .datatypes import BYTES
from .http import bad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .datatypes import Datatype

HEADER = b"inference-header-content-length"
_LENGTH = struct.Struct("<I")
_MOST_DIGITS = 12


def split_body(body: bytes, declared: bytes | None) -> tuple[bytes, bytes]:
    """Split a body into its JSON and the bytes behind it, by the header that says where.

    Raises
    ------
    Refusal
        If the header is no number, or beyond the body.
    """
    if declared is None:
        return body, b""
    is_number = declared.isdigit() and len(declared) <= _MOST_DIGITS
    if not is_number or int(declared) > len(body):
        raise bad(
            f"Inference-Header-Content-Length is {declared[:40].decode('latin-1')!r}, and the body "
            f"has {len(body)} bytes: it is the length of the JSON at its beginning."
        )
    end = int(declared)
    return body[:end], body[end:]


def read_tensor(
    name: str, datatype: Datatype, content: bytes, count: int
) -> list[Any] | NDArray[Any]:
    """Read the elements of a tensor.

    Raises
    ------
    Refusal
        If there are not as many as its shape says, or one is of no such type.
    """
    if datatype.name == BYTES:
        return _texts(name, content, count)
    if len(content) != count * datatype.dtype.itemsize:
        raise bad(
            f"Input {name!r} has {len(content)} bytes, and {count} of {datatype.name} are "
            f"{count * datatype.dtype.itemsize}."
        )
    if datatype.name == "BOOL":
        flags = np.frombuffer(content, np.uint8)
        if flags.max(initial=0) > 1:
            raise bad(f"Input {name!r}: a byte of BOOL is 0 or 1.")
        return flags.astype(np.bool_)
    return np.frombuffer(content, datatype.dtype)


def _texts(name: str, content: bytes, count: int) -> list[str]:
    texts: list[str] = []
    at, end = 0, len(content)
    try:
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size + length
            if at > end:
                break
            texts.append(content[at - length : at].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise bad(f"Input {name!r}: {error}. BYTES are a length of 4 bytes, then UTF-8.") from error
    if at != end or len(texts) != count:
        raise bad(f"Input {name!r}: its {end} bytes are not the {count} texts of its shape.")
    return texts


def write_tensor(values: Sequence[Any], datatype: Datatype) -> bytes:
    """Write the elements of a tensor, in order."""
    if datatype.name == BYTES:
        texts = [str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.array(values, datatype.dtype).tobytes()
