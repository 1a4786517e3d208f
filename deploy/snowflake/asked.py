"""What a user says of a table of predictions, and what it means in an account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...registry import default_path
from ...udfs.snowflake.names import stored_name
from .calls import Models, NamedColumns
from .scoring_query import read_query
from .upkeep import Upkeep, table_name, whole_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a user says of a table of predictions; names are as SQL takes them.

    Attributes
    ----------
    query
        The scoring query, as DuckDB runs it.
    into
        The table of predictions; by default in the schema of what callers see.
    key
        The query's columns that tell rows apart.
    source
        The table in Snowflake that takes the place of the query's; by default the query's own
        name, in the database and schema of ``into``.
    models
        Versions that go before the registry's aliases: ``delay:7``.
    latest_by, append_only, view, warehouse, lag
        See :class:`~.upkeep.Upkeep`; ``lag`` is ``5 minutes``.
    fold_case
        Whether columns have plain names in upper case, as Snowflake stores names without quotes.
    """

    query: str
    into: str
    key: Sequence[str]
    source: str | None = None
    models: Sequence[str] = ()
    latest_by: str | None = None
    append_only: bool = False
    view: bool = False
    warehouse: str | None = None
    lag: str = "1 minute"
    fold_case: bool = True

    def upkeep(self, settings: Settings, registry: str | Path | None = None) -> Upkeep:
        """Read the query, and complete all names."""
        models = Models(Path(registry or default_path()), self.models)
        query = read_query(self.query, models, settings, fold_case=self.fold_case)
        target = whole_name(self.into, settings.database, settings.serving)
        if self.source is None:
            source = table_name(query.table, *target[:2])
        else:
            source = whole_name(self.source, *target[:2])
        return Upkeep(
            query=query,
            settings=settings,
            source=source,
            target=target,
            keys=tuple(NamedColumns.fold(key, self.fold_case) for key in self.key),
            latest_by=self.latest_by and NamedColumns.fold(self.latest_by, self.fold_case),
            append_only=self.append_only,
            view=self.view,
            warehouse=self.warehouse and stored_name(self.warehouse),
            lag=_interval(self.lag),
        )


def _interval(written: str) -> str:
    """Read an interval: a whole number of seconds, minutes or hours."""
    number, _, unit = written.strip().partition(" ")
    units = {"second": "SECONDS", "minute": "MINUTES", "hour": "HOURS"}
    known = units.get(unit.strip().lower().removesuffix("s"))
    if not (number.isascii() and number.isdigit() and int(number) > 0) or known is None:
        raise ForesqlError(
            f"{written!r} is no interval. Write '30 seconds', '5 minutes', '1 hour'."
        )
    return f"{int(number)} {known}"
