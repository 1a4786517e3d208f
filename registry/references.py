"""How models are named: ``delay@champion`` (moves), ``delay:3`` (frozen), or just ``delay``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
# Windows gives these names to devices, in every folder.
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10)}
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, and at most one of an alias and a version."""

    name: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name}:{self.version}"
        return self.name if self.alias is None else f"{self.name}@{self.alias}"


def parse_reference(text: str) -> Reference:
    """Read ``name@alias``, ``name:version`` or ``name``.

    Raises
    ------
    RegistryError
        If the text is none of them.
    """
    name, separator, rest = _split(text)
    check_name(name, "model")
    if separator == "@":
        return Reference(name, alias=check_name(rest, "alias"))
    if separator == ":":
        if not _VERSION.fullmatch(rest):
            raise RegistryError(
                f"{rest[:80]!r} in {text[:80]!r} is no version: versions are 1, 2, 3 and so on. "
                f"An alias is written '{name}@…'."
            )
        return Reference(name, version=int(rest))
    return Reference(name)


def check_name(name: str, kind: str) -> str:
    """Return a model's or alias's name if it can be a SQL name and a folder everywhere.

    Raises
    ------
    RegistryError
        If it cannot.
    """
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"The {kind} name {name[:80]!r} cannot be used: it needs a letter first, then letters, "
            "digits and underscores, 63 characters at most."
        )
    if name.lower() in _RESERVED:
        raise RegistryError(
            f"The {kind} name {name!r} cannot be used: Windows reserves it. Choose another one."
        )
    return name


def suggest(given: str, known: Iterable[str]) -> str:
    """Say which known names are close to the given one, and which there are."""
    spelled = {name.lower(): name for name in known}
    if not spelled:
        return "There is none yet."
    close = difflib.get_close_matches(given.lower(), spelled, n=3)
    question = f"Did you mean {' or '.join(repr(spelled[name]) for name in close)}? "
    names = sorted(spelled.values())
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{question if close else ''}There is: {', '.join(names[:_LISTED])}{more}."


def _split(text: str) -> tuple[str, str, str]:
    match = re.search(r"[@:]", text)
    if match is None:
        return text, "", ""
    return text[: match.start()], match[0], text[match.end() :]
