"""Buses: where a worker's events come from, by the scheme of the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....errors import StreamError

if TYPE_CHECKING:
    from ..definition import Definition
    from ..records import Source

SCHEMES = ("file",)


def open_source(definition: Definition) -> Source:
    """Make the source of a definition, not connected yet.

    Raises
    ------
    StreamError
        If there is no such bus, or what it needs is not installed.
    """
    match definition.source.scheme:
        case "file":
            from .files import FileSource

            return FileSource(definition)
        case scheme:
            known = ", ".join(f"{each}:" for each in SCHEMES)
            message = f"[source] bus begins with {scheme}:, which is no known bus: {known}."
            raise StreamError(message)
