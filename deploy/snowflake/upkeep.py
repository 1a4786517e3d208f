"""What keeps predictions up to date: the query, its key, and the names of its objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ForesqlError, UnsupportedModelError
from ...udfs.snowflake.names import literal, quote, stored_name
from .calls import NamedColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scoring_query import ScoringQuery
    from .settings import Settings

MODEL_NAME, MODEL_VERSION = "MODEL_NAME", "MODEL_VERSION"
SCORING_HASH, FEATURES_HASH = "SCORING_HASH", "FEATURES_HASH"
SCORED_AT, RUN_ID = "SCORED_AT", "RUN_ID"
STAMPS = (MODEL_NAME, MODEL_VERSION, SCORING_HASH, FEATURES_HASH, SCORED_AT, RUN_ID)
"""Columns that each stored prediction carries besides the query's own."""
_OURS = "FORESQL_"
_PARTS = 3
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """A scoring query, and where its answers are kept.

    Attributes
    ----------
    query
        The query, as Snowflake takes it.
    settings
        The account's layout and roles.
    source
        The qualified table whose rows are scored, as stored names.
    target
        The qualified table of predictions, as stored names. The stream, the task and the views
        are in its schema, named after it.
    keys
        The query's columns that tell rows apart.
    latest_by
        The source's column that says which of several rows with one key counts: the greatest.
        None where no two rows have one key.
    append_only
        Whether rows are only ever added to the source.
    view
        Whether the source is a view.
    warehouse
        Who computes; None for a serverless task.
    lag
        How long the predictions may be behind: ``1 MINUTES``.
    """

    query: ScoringQuery
    settings: Settings
    source: tuple[str, str, str]
    target: tuple[str, str, str]
    keys: tuple[str, ...]
    latest_by: str | None = None
    append_only: bool = False
    view: bool = False
    warehouse: str | None = None
    lag: str = "1 MINUTES"

    def __post_init__(self) -> None:
        """Refuse keys that are not columns of the table, and names that are taken."""
        names = [output.name for output in self.query.outputs]
        for key in self.keys:
            if key not in self.query.plain:
                raise UnsupportedModelError(
                    f"the key {key!r}",
                    "it is not a column of the table that the query gives as it is.",
                    f"SELECT it, or name another one of: {', '.join(self.query.plain) or 'none'}.",
                )
        if not self.keys:
            raise UnsupportedModelError(
                "the query", "no key says which rows are the same.", "name the key: --key id."
            )
        taken = [name for name in (*names, *self.query.reads) if name.startswith(_OURS)]
        taken += [name for name in names if name in STAMPS]
        if taken:
            raise UnsupportedModelError(
                f"the column {taken[0]!r}",
                "each stored prediction has a column of that name already.",
                "give the query's column another name by AS.",
            )
        names += [*self.query.reads, *self.source, *self.target, self.latest_by or ""]
        unprintable = [name for name in names if not name.isprintable()]
        if unprintable:
            raise ForesqlError(
                f"The name {unprintable[0]!r} holds a line break or the like, which a task's body "
                "cannot. Give the column or table another name in a view (--view)."
            )
        if self.source == self.target:
            raise ForesqlError("The predictions would replace the table that they come from.")

    @property
    def source_table(self) -> str:
        """The source, quoted."""
        return qualified(self.source)

    @property
    def target_table(self) -> str:
        """The predictions, quoted."""
        return qualified(self.target)

    def beside(self, suffix: str) -> str:
        """Name an object that belongs to the predictions, quoted."""
        return qualified((*self.target[:2], self.named(suffix)))

    def named(self, suffix: str) -> str:
        """Name an object that belongs to the predictions, as stored."""
        return f"{self.target[2]}_{suffix}"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The keys' columns of the source, in the order of the keys."""
        return tuple(self.query.plain[key] for key in self.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns that are needed, the keys first."""
        more = () if self.latest_by is None else (self.latest_by,)
        return tuple(dict.fromkeys((*self.key_columns, *self.query.reads, *more)))

    @property
    def label(self) -> str:
        """The models, as messages and comments name them."""
        return ", ".join(f"{model.name}:{model.version}" for model in self.query.models)

    @property
    def model_name(self) -> str:
        """What a prediction says of its model's name; of several, in the order of the query."""
        return ",".join(model.name for model in self.query.models)

    @property
    def model_version(self) -> str:
        """What a prediction says of its model's version, in the order of the names."""
        return ",".join(str(model.version) for model in self.query.models)

    @property
    def scoring_hash(self) -> str:
        """What all predictions of the same versions by the same query share."""
        query = self.query
        parts = [f"{output.name}={output.sql}" for output in query.outputs]
        parts += [query.where or "", *self.keys, *self.source]
        parts += [f"{model.name}:{model.version}#{model.digest}" for model in query.models]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_HASH_DIGITS]

    def features_hash(self) -> str:
        """Write the hash of what the query reads of a row."""
        columns = ", ".join(f"{quote(self.query.alias)}.{quote(name)}" for name in self.query.reads)
        return f"CAST(HASH({columns}) AS VARCHAR)"

    def stamps(self) -> list[str]:
        """Write the columns that are the same for all rows of a run, but for the hash."""
        run = self.beside("RUN")
        return [
            f"{literal(self.model_name)} AS {quote(MODEL_NAME)}",
            f"{literal(self.model_version)} AS {quote(MODEL_VERSION)}",
            f"{literal(self.scoring_hash)} AS {quote(SCORING_HASH)}",
            f"(SELECT MAX({quote('STARTED_AT')}) FROM {run}) AS {quote(SCORED_AT)}",
            f"(SELECT MAX({quote(RUN_ID)}) FROM {run}) AS {quote(RUN_ID)}",
        ]


def qualified(parts: Sequence[str]) -> str:
    """Write a qualified name."""
    return ".".join(map(quote, parts))


def whole_name(written: str, database: str, schema: str) -> tuple[str, str, str]:
    """Read a name as users write it in SQL; what it lacks is the given database and schema."""
    parts = [stored_name(part) for part in _split(written)]
    if not 1 <= len(parts) <= _PARTS:
        raise ForesqlError(
            f"{written[:80]!r} is no name of a table: write database.schema.table, or less of it."
        )
    return _complete(parts, database, schema)


def table_name(parts: Sequence[str], database: str, schema: str) -> tuple[str, str, str]:
    """Complete the name of a query's table."""
    return _complete([NamedColumns.fold(part, fold_case=True) for part in parts], database, schema)


def _complete(parts: list[str], database: str, schema: str) -> tuple[str, str, str]:
    whole = [database, schema][: _PARTS - len(parts)] + parts
    return whole[0], whole[1], whole[2]


def _split(written: str) -> list[str]:
    """Split a qualified name at its dots, but for those in quotes."""
    parts, inside = [""], False
    for letter in written:
        inside ^= letter == '"'
        if letter == "." and not inside:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
