"""How a query says that it is not answered row by row."""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):  # noqa: N818 - it is caught inside, and becomes a NotRowwise
    """A construct whose value is not certain to be DuckDB's."""


@dataclass(frozen=True, slots=True)
class NotRowwise:
    """Why a query needs DuckDB; ``reason`` names the construct."""

    reason: str
