"""An entity's key as an integer or as bytes that sort as the key does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import FeatureError
from .kinds import NO_VALUE, Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Key = int | bytes

_SIGN = 0x80
# Behind a text that is not the last part; a zero within a text is followed by 0xFF.
_END, _ZERO, _INNER_ZERO = b"\0\0", b"\0", b"\0\xff"


class KeyCodec:
    """Keys of a view: one integer of 64 bits stays one, all else becomes bytes."""

    __slots__ = ("_kinds", "_name", "_names", "is_integer")

    def __init__(self, name: str, keys: Sequence[str], columns: Mapping[str, str]) -> None:
        """Take the view's name, its key columns, and all columns' types.

        Raises
        ------
        FeatureError
            If a column cannot be a key.
        """
        self._name, self._names = name, tuple(keys)
        self._kinds = tuple(_key_kind(key, columns[key]) for key in keys)
        self.is_integer = len(keys) == 1 and self._kinds[0].fits_int64

    def encode(self, key: Sequence[Any]) -> Key | None:
        """Give a key as it is stored; None for one that no entity has, as one with a NULL.

        Raises
        ------
        FeatureError
            If it has another number of values, or one that is not of the column's type.
        """
        if len(key) != len(self._kinds):
            message = (
                f"The key of {self._name} is ({', '.join(self._names)}): {len(self._kinds)} "
                f"values, and not {len(key)}."
            )
            raise FeatureError(message)
        if len(key) == 1:
            raw = self._raw(0, key[0])
            if raw is NO_VALUE:
                return None
            return raw if self.is_integer or type(raw) is bytes else _bytes(self._kinds[0], raw)
        parts: list[bytes] = []
        for place, value in enumerate(key):
            raw = self._raw(place, value)
            if raw is NO_VALUE:
                return None
            kind = self._kinds[place]
            parts.append(_ended(raw) if kind.is_text else _bytes(kind, raw))
        return b"".join(parts)

    def encode_batch(self, columns: Sequence[pa.Array]) -> list[Any]:
        """Give the keys of a batch as they are stored. None of them is NULL."""
        if self.is_integer:
            return _raw_integers(self._kinds[0], columns[0])
        if len(columns) == 1 and self._kinds[0].is_text:
            return columns[0].cast(pa.binary()).to_pylist()
        parts = [
            [_ended(text) for text in column.cast(pa.binary()).to_pylist()]
            if kind.is_text
            else _sorted_bytes(kind, column)
            for kind, column in zip(self._kinds, columns, strict=True)
        ]
        return [b"".join(key) for key in zip(*parts, strict=True)]

    def _raw(self, place: int, value: Any) -> Any:
        if value is None:
            return NO_VALUE
        kind = self._kinds[place]
        try:
            return kind.raw_of(value) if kind.raw_of else NO_VALUE
        except FeatureError as error:
            message = (
                f"The key {self._names[place]} of {self._name} is {kind.type}: it takes {error}, "
                f"and not {type(value).__name__}."
            )
            raise FeatureError(message) from None


def _key_kind(name: str, type_: str) -> Kind:
    kind = kind_of(type_)
    if kind is None or kind.raw_of is None:
        message = (
            f"The key column {name!r} is {type_}, and keys are integers, text, booleans, dates or "
            "timestamps.\n  What to do: CAST it to one of them in a view or in --query."
        )
        raise FeatureError(message)
    return kind


def _bytes(kind: Kind, raw: int) -> bytes:
    """Give an integer as bytes that sort as it does."""
    bits = 8 * kind.width
    return (raw + (1 << (bits - 1) if kind.is_signed else 0)).to_bytes(kind.width, "big")


def _sorted_bytes(kind: Kind, column: pa.Array) -> list[bytes]:
    turned = kind.raw_bytes(column)[:, ::-1].copy()
    if kind.is_signed:
        turned[:, 0] ^= _SIGN
    whole = turned.tobytes()
    return [whole[i : i + kind.width] for i in range(0, len(whole), kind.width)]


def _raw_integers(kind: Kind, column: pa.Array) -> list[int]:
    code = "u1" if kind.code == "?" else kind.code
    return kind.raw_bytes(column).view(f"<{code}").reshape(-1).tolist()


def _ended(text: bytes) -> bytes:
    return text.replace(_ZERO, _INNER_ZERO) + _END
