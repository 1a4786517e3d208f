"""The hashes by which CatBoost knows categories and combinations of them.

CatBoost hashes a category's text with the first version of CityHash64. Source: util/digest/city.cpp
of CatBoost, and Google's CityHash of 2011.
"""

from __future__ import annotations

_BITS = 2**64 - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_K3 = 0xC949D7C7509E6557
_TO_64 = 0x9DDFEA08EB382D69
_COMBINE = 0x4906BA494954CB65
_SHORT, _MEDIUM, _LONG, _BLOCK = 8, 16, 32, 64


def hash_category(text: str) -> int:
    """Give the 32 bits that CatBoost keeps of a text's hash, as an integer with its sign."""
    low = _city_hash(text.encode()) & 0xFFFFFFFF
    return low - 2**32 if low >= 2**31 else low


def add_to_hash(found: int, value: int) -> int:
    """Take one more category's hash, or outcome of a split, into the hash of a combination.

    Source: ``CalcHash`` in catboost/libs/model/hash.h.
    """
    return (_COMBINE * (found + _COMBINE * (value & _BITS))) & _BITS


def _rotate(value: int, shift: int) -> int:
    return ((value >> shift) | (value << (64 - shift))) & _BITS


def _mix(value: int) -> int:
    return value ^ (value >> 47)


def _to_64(low: int, high: int) -> int:
    """Hash 128 bits."""
    first = _mix(((low ^ high) * _TO_64) & _BITS)
    second = _mix(((high ^ first) * _TO_64) & _BITS)
    return (second * _TO_64) & _BITS


def _city_hash(data: bytes) -> int:
    size = len(data)
    if size <= _MEDIUM:
        return _of_short(data)
    if size <= _LONG:
        return _of_medium(data)
    return _of_long(data) if size <= _BLOCK else _of_blocks(data)


def _word(data: bytes, place: int, size: int = 8) -> int:
    """Read a little-endian integer; negative places count from the end."""
    start = place if place >= 0 else len(data) + place
    return int.from_bytes(data[start : start + size], "little")


def _of_short(data: bytes) -> int:
    size = len(data)
    if size > _SHORT:
        first, last = _word(data, 0), _word(data, -8)
        return _to_64(first, _rotate((last + size) & _BITS, size)) ^ last
    if size >= 4:  # noqa: PLR2004 - bytes of a half word
        return _to_64(size + (_word(data, 0, 4) << 3), _word(data, -4, 4))
    if not size:
        return _K2
    low = data[0] + (data[size >> 1] << 8)
    high = size + (data[-1] << 2)
    return (_mix((low * _K2 & _BITS) ^ (high * _K3 & _BITS)) * _K2) & _BITS


def _of_medium(data: bytes) -> int:
    a = _word(data, 0) * _K1 & _BITS
    b = _word(data, 8)
    c = _word(data, -8) * _K2 & _BITS
    d = _word(data, -16) * _K0 & _BITS
    low = _rotate((a - b) & _BITS, 43) + _rotate(c, 30) + d
    high = a + _rotate(b ^ _K3, 20) - c + len(data)
    return _to_64(low & _BITS, high & _BITS)


def _of_long(data: bytes) -> int:
    head = _word(data, 0) + (len(data) + _word(data, -16)) * _K0
    v_first, v_second = _half(head & _BITS, data[8:24], _word(data, 24))
    start = _word(data, 16) + _word(data, -32)
    w_first, w_second = _half(start & _BITS, data[-24:-8], _word(data, -8))
    mixed = _mix(((v_first + w_second) * _K2 + (w_first + v_second) * _K0) & _BITS)
    return (_mix((mixed * _K0 + v_second) & _BITS) * _K2) & _BITS


def _half(a: int, two: bytes, z: int) -> tuple[int, int]:
    """Mix four words: one in ``a``, the next two, and the last."""
    b = _rotate((a + z) & _BITS, 52)
    c = _rotate(a, 37)
    a = (a + _word(two, 0)) & _BITS
    c += _rotate(a, 7)
    a = (a + _word(two, 8)) & _BITS
    return (a + z) & _BITS, (b + _rotate(a, 31) + c) & _BITS


def _weak(data: bytes, a: int, b: int) -> tuple[int, int]:
    """Mix 32 bytes with two seeds."""
    w, x, y, z = (_word(data, place) for place in (0, 8, 16, 24))
    a = (a + w) & _BITS
    b = _rotate((b + a + z) & _BITS, 21)
    c = a
    a = (a + x + y) & _BITS
    b += _rotate(a, 44)
    return (a + z) & _BITS, (b + c) & _BITS


def _of_blocks(data: bytes) -> int:
    size = len(data)
    x = _word(data, 0)
    y = _word(data, -16) ^ _K1
    z = _word(data, -56) ^ _K0
    v = _weak(data[-64:-32], size, y)
    w = _weak(data[-32:], size * _K1 & _BITS, _K0)
    z = (z + _mix(v[1]) * _K1) & _BITS
    x = _rotate((z + x) & _BITS, 39) * _K1 & _BITS
    y = _rotate(y, 33) * _K1 & _BITS
    for start in range(0, (size - 1) & ~63, _BLOCK):
        block = data[start : start + _BLOCK]
        x = _rotate((x + y + v[0] + _word(block, 16)) & _BITS, 37) * _K1 & _BITS
        y = _rotate((y + v[1] + _word(block, 48)) & _BITS, 42) * _K1 & _BITS
        x ^= w[1]
        y ^= v[0]
        z = _rotate(z ^ w[0], 33)
        v = _weak(block[:32], v[1] * _K1 & _BITS, (x + w[0]) & _BITS)
        w = _weak(block[32:], (z + w[1]) & _BITS, y)
        z, x = x, z
    first = _to_64(v[0], w[0]) + _mix(y) * _K1 + z
    return _to_64(first & _BITS, (_to_64(v[1], w[1]) + x) & _BITS)
