"""Sections of a definition: tables of TOML that become dataclasses, and where a mistake stands."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from ..errors import ForesqlError, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

ONE_OF = "one of"
"""Where a field of a section says which values it may have."""
_Section = TypeVar("_Section")
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) *([a-z]+)")
_UNITS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1,
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
}
_SECRETS = ("password", "passwd", "token", "secret", "credential")


@dataclass(frozen=True, slots=True)
class At:
    """A place in a definition: the file, the section, and the kind of its errors."""

    file: str
    name: str = ""
    kind: type[ForesqlError] = StreamError

    def section(self, name: str) -> At:
        """Go to a section."""
        return At(self.file, f"[{name}] ", self.kind)

    def error(self, key: str, problem: str) -> ForesqlError:
        """Say what is wrong with a key."""
        return self.kind(f"{self.file}, {self.name}{key}: {problem}.")

    def check_known(self, table: Iterable[str], known: Collection[str]) -> None:
        """Refuse keys that mean nothing, and say which was probably meant.

        Raises
        ------
        ForesqlError
            For the first of them, of the definition's kind.
        """
        for key in table:
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                meant = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise self.error(key, f"is unknown; {meant}")

    def check_no_secret(self, key: str, address: str, *, user: bool) -> None:
        """Refuse an address that has a password in it; with ``user``, also one with a user.

        Raises
        ------
        ForesqlError
            If it has, without the address.
        """
        for part in address.split(","):  # an address may have several servers, with a scheme each
            self._check_one(key, part, user=user)
        self._check_one(key, address, user=user)

    def _check_one(self, key: str, address: str, *, user: bool) -> None:
        try:
            parts = urlsplit(address)
            names = [name.casefold() for name, _ in parse_qsl(parts.query)]
        except ValueError as error:
            raise self.error(key, "is no address") from error
        is_secret = any(secret in name for name in names for secret in _SECRETS)
        if is_secret or parts.password is not None or (user and parts.username is not None):
            raise self.error(
                key, "has credentials in it, which belong into environment variables; see the docs"
            )


def read_section(class_: type[_Section], table: object, at: At) -> _Section:
    """Make a section of a table of TOML.

    Parameters
    ----------
    class_
        A dataclass, whose fields are the keys; those without a default must be there.
    table
        What stands in the file.
    at
        Where.

    Raises
    ------
    ForesqlError
        If a key is unknown or missing, or has a wrong value; of the definition's kind.
    """
    if not isinstance(table, dict):
        message = f"{at.file}, {at.name.strip()}: must be a table."
        raise at.kind(message)
    known = {each.name: each for each in fields(class_)}  # pyright: ignore[reportArgumentType]
    at.check_known(table, tuple(known))
    values: dict[str, Any] = {}
    for name, each in known.items():
        if name in table:
            values[name] = _read(str(each.type), table[name], name, at)
            choices = each.metadata.get(ONE_OF, ())
            if choices and values[name] not in choices:
                raise at.error(name, f"must be one of {', '.join(choices)}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise at.error(name, "is missing")
    return class_(**values)


def _read(type_: str, value: object, key: str, at: At) -> object:
    read, expected = _TYPES[type_.removesuffix(" | None")]
    found = read(value)
    if found is None:
        raise at.error(key, f"must be {expected}")
    return found


def read_interval(value: object) -> timedelta | None:
    """Read ``5 minutes``, ``30 s`` or ``100 ms``; None where it is something else."""
    found = _INTERVAL.fullmatch(value.strip().casefold()) if isinstance(value, str) else None
    if found is None:
        return None
    unit = _UNITS.get(found[2]) or _UNITS.get(found[2].removesuffix("s"))
    try:
        return None if unit is None else timedelta(seconds=float(found[1]) * unit)
    except OverflowError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...] | None:
    texts = (value,) if isinstance(value, str) else value
    if isinstance(texts, list | tuple) and texts and all(_text(each) for each in texts):
        return tuple(texts) if len(set(texts)) == len(texts) else None
    return None


def _mapping(value: object) -> dict[str, str] | None:
    is_one = isinstance(value, dict) and all(_text(each) for each in value.values())
    return dict(value) if is_one and isinstance(value, dict) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_TYPES: dict[str, tuple[Callable[[object], object], str]] = {
    "str": (_text, "a text"),
    "tuple[str, ...]": (_texts, "a list of different texts"),
    "Mapping[str, str]": (_mapping, 'a table of texts: { name = "TYPE" }'),
    "timedelta": (read_interval, 'a time like "30 seconds", "5 minutes" or "100 ms"'),
    "int": (_int, "a whole number"),
    "float": (_float, "a number"),
    "bool": (_bool, "true or false"),
}
