"""What Spark's Python workers are told of a query: its text, and the models that it calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

ROWS = "foresql_rows"
"""What a plan's text calls the rows that it is given."""


class ShippedModel(NamedTuple):
    """A model of a plan: its predicting function, its version, and its bundle among the files.

    Or the bundle itself, where workers do not get the session's files.
    """

    function: str
    version: int
    file: str
    digest: str
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A query that workers run over rows.

    Attributes
    ----------
    text
        The query, over the table ``ROWS``.
    models
        The models that it calls.
    time_zone
        Where times with a zone are read and written.
    keys
        For windows: the columns whose rows a query needs together. They come sorted.
    """

    text: str
    models: tuple[ShippedModel, ...]
    time_zone: str
    keys: tuple[str, ...] = ()
