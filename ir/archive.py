"""The zip file around a bundle, in exactly one spelling.

Members lie one after the other, uncompressed, with fixed times and rights, so the same members
give the same bytes on every platform and in every Python. Reading writes the headers again and
compares: there is no byte of a bundle that could be changed unnoticed, and nothing that a tolerant
zip reader would look past (a prefix, a second directory, overlapping or compressed members).
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from os import SEEK_CUR, SEEK_END
from typing import TYPE_CHECKING

from ..errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

MAX_BYTES = 2**32 - 2**24
"""Offsets have 32 bits; the last 16 MiB are left for the headers."""
MAX_MEMBERS = 2**16 - 2

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_NEEDS = 20
_MADE_BY = 3 << 8 | _NEEDS
_TIME, _DATE = 0, 1 << 5 | 1
_RIGHTS = 0o100644 << 16


def pack(members: Mapping[str, bytes]) -> bytes:
    """Write members to the bytes of a zip file, in their order.

    Raises
    ------
    BundleError
        If they are more, or larger, than a plain zip file holds.
    """
    _check_size(sum(map(len, members.values())), len(members))
    return b"".join(piece for _, piece in _layout(members))


def unpack(content: bytes) -> dict[str, bytes]:
    """Read what :func:`pack` wrote, and nothing else.

    Raises
    ------
    BundleError
        If any byte is not as :func:`pack` writes it.
    """
    members = dict(_members(content))
    _check_size(len(content), len(members))
    position = 0
    for place, piece in _layout(members):
        if not content.startswith(piece, position):
            raise BundleError(
                f"{place}, at byte {position:,}, is not as this foresql writes it: the file is "
                "truncated, edited, compressed, of a later foresql, or no bundle."
            )
        position += len(piece)
    if position != len(content):
        raise BundleError(f"{len(content) - position:,} bytes follow after its end.")
    return members


def read_first(file: BinaryIO) -> tuple[str, bytes]:
    """Read the name and the content of the first member alone, from a file of any size.

    Of the rest only the length is checked, by what the file's end says of it.

    Raises
    ------
    BundleError
        If the file does not begin with a member, or is longer or shorter than it was written.
    """
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise BundleError("it does not begin as a bundle does.")
    *_, size, name_length, extra_length = _LOCAL.unpack(header)
    name = file.read(name_length).decode("latin-1")
    file.seek(extra_length, SEEK_CUR)
    content = file.read(size)
    length = file.seek(0, SEEK_END)
    file.seek(max(0, length - _END.size))
    end = file.read(_END.size)
    if len(content) < size or len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise BundleError("the file is truncated.")
    *_, listing, position, _ = _END.unpack(end)
    if position + listing + _END.size != length:
        raise BundleError("the file is longer or shorter than it was written.")
    return name, content


def _check_size(size: int, count: int) -> None:
    if size > MAX_BYTES or count > MAX_MEMBERS:
        raise BundleError(
            f"It has {size:,} bytes in {count:,} parts; a bundle has at most {MAX_BYTES:,} bytes "
            f"in {MAX_MEMBERS:,} parts. Train a smaller model."
        )


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Cut the file at its local headers. What they say is checked afterwards, all at once."""
    position = 0
    while content.startswith(b"PK\3\4", position) and len(content) - position >= _LOCAL.size:
        *_, size, name_length, extra_length = _LOCAL.unpack_from(content, position)
        name_start = position + _LOCAL.size
        start = name_start + name_length + extra_length
        name = content[name_start : name_start + name_length].decode("latin-1")
        yield name, content[start : start + size]
        position = start + size


def _layout(members: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Give the file piece by piece, each with its name for messages."""
    directory: list[bytes] = []
    position = 0
    for name, blob in members.items():
        label = name.encode("latin-1")
        sizes = (zlib.crc32(blob), len(blob), len(blob), len(label), 0)
        header = _LOCAL.pack(b"PK\3\4", _NEEDS, 0, 0, _TIME, _DATE, *sizes) + label
        entry = (_MADE_BY, _NEEDS, 0, 0, _TIME, _DATE, *sizes, 0, 0, 0, _RIGHTS, position)
        directory.append(_CENTRAL.pack(b"PK\1\2", *entry) + label)
        position += len(header) + len(blob)
        yield f"Member {name!r}", header
        yield f"Member {name!r}", blob
    listing = b"".join(directory)
    count = len(members)
    yield "The directory", listing
    yield "The end", _END.pack(b"PK\5\6", 0, 0, count, count, len(listing), position, 0)
