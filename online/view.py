"""A feature view: what its rows are, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import FeatureError, MissingEntityError
from .kinds import NO_VALUE, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Self

    Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """What an entity without a row means.

    Attributes
    ----------
    kind
        ``error``; ``null``: NULL in all columns, keys too, as a LEFT JOIN gives; or ``defaults``:
        a row of this key, as if the warehouse had it.
    defaults
        Values by column, of the columns' types; NULL in columns that are not named.
    """

    kind: Literal["error", "null", "defaults"] = "error"
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A relation of the warehouse, with one row for each entity.

    Attributes
    ----------
    name
        The relation as the scoring query names it, in lower case.
    keys
        The columns that tell entities apart, in their order.
    columns
        All columns in order, keys too, with DuckDB's types: ``DOUBLE``, ``DECIMAL(18,2)``, …
    missing
        What an entity without a row means.
    as_of
        When the warehouse was read, in UTC.
    """

    name: str
    keys: tuple[str, ...]
    columns: Mapping[str, str]
    missing: Missing
    as_of: datetime

    def missing_row(self, key: Sequence[Any]) -> Row:
        """Give the declared row of an entity that is not there.

        Raises
        ------
        MissingEntityError
            If there is none.
        """
        match self.missing.kind:
            case "null":
                return (None,) * len(self.columns)
            case "defaults" if not self._can_be(key):
                named = ", ".join(self._shown(key))
                types = ", ".join(self.columns[name] for name in self.keys)
                message = (
                    f"The feature view {self.name} cannot have a row for {named}, whose type is "
                    f"{types}, so that none is declared.\n  What to do: ask for a key of that type."
                )
                raise MissingEntityError(message)
            case "defaults":
                values = {**self.missing.defaults, **dict(zip(self.keys, key, strict=True))}
                return tuple(values.get(name) for name in self.columns)
            case _:
                named = ", ".join(self._shown(key))
                as_of = f"{self.as_of:%Y-%m-%d %H:%M:%S} UTC"
                message = (
                    f"The feature view {self.name} has no row for {named}, as of {as_of}.\n"
                    "  What to do: materialize it again if the warehouse has that row, or declare "
                    "what a missing entity means: --missing null, or --default."
                )
                raise MissingEntityError(message)

    def _shown(self, key: Sequence[Any]) -> list[str]:
        return [f"{name} = {value!r}" for name, value in zip(self.keys, key, strict=True)]

    def _can_be(self, key: Sequence[Any]) -> bool:
        """Whether an entity can have this key: an integer may be out of its column's bounds."""
        kinds = [kind_of(self.columns[name]) for name in self.keys]
        return not any(
            value is not None and kind and kind.raw_of and kind.raw_of(value) is NO_VALUE
            for kind, value in zip(kinds, key, strict=True)
        )


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """How a view stands: for metrics and lists."""

    view: str
    as_of: datetime
    rows: int


class OnlineView(Protocol):
    """The newest snapshot of a feature view that the store has seen."""

    @property
    def view(self) -> FeatureView:
        """What it is: keys and columns stay, the rest moves when a newer snapshot is swapped in."""
        ...

    @property
    def rows(self) -> int:
        """How many entities it has."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether a lookup asks no other machine: then a few keys take microseconds."""
        ...

    def get(self, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...] | None]:
        """Look entities up; all rows of an answer are of one snapshot.

        Returns
        -------
        list
            For each key the row of all columns in the view's order, or None: no such entity. Values
            are bool, int, float, Decimal, str, date, datetime or None.

        Raises
        ------
        FeatureError
            If a key is not of the key's types, or the snapshot cannot be read.
        """
        ...

    def look_up(
        self, keys: Sequence[tuple[Any, ...]]
    ) -> tuple[FeatureView, list[tuple[Any, ...] | None]]:
        """Look entities up as :meth:`get` does, and say in which snapshot."""
        ...


class OnlineStore(Protocol):
    """Where snapshots are read. It may be used by several threads."""

    @property
    def location(self) -> str:
        """The folder, or the server without a password."""
        ...

    @property
    def views(self) -> Mapping[str, OnlineView]:
        """The views by name.

        Each stays the same object when its snapshot is replaced by one of the same columns. Other
        columns are another object; the one before keeps its snapshot for who was made for those.
        """
        ...

    @property
    def problems(self) -> Mapping[str, str]:
        """By view, why its newest snapshot is not read; the one before still answers, if any."""
        ...

    def refresh(self) -> None:
        """Look for newer snapshots and take them over. It reads them whole: call it in a thread."""
        ...

    def status(self) -> list[ViewStatus]:
        """Say which snapshots answer."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...

    def __enter__(self) -> Self:
        """Close it with the block."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close it."""
        ...


def complete_rows(online: OnlineView, keys: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Look entities up, with the declared row for those that are missing.

    Raises
    ------
    MissingEntityError
        If one is missing, and the view declares no row for such.
    """
    view, rows = online.look_up(keys)
    return [
        view.missing_row(key) if row is None else row for key, row in zip(keys, rows, strict=True)
    ]


def find_view(store: OnlineStore, name: str) -> OnlineView:
    """Give a view by its name.

    Raises
    ------
    FeatureError
        If it is not there, with the reason.
    """
    found = store.views.get(name.lower())
    if found is None:
        there = ", ".join(store.views) or "none"
        reason = store.problems.get(name.lower(), f"It has {there}")
        message = (
            f"{store.location} has no feature view {name!r}. {reason}.\n"
            f"  What to do: foresql materialize {name} --key COLUMN --into {store.location}"
        )
        raise FeatureError(message)
    return found
