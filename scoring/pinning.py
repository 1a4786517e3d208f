"""The versions that a scoring query's models mean now, made functions of a connection."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from ..registry import Registry
from ..udfs.duckdb.ownership import KINDS, function_name
from .models import register

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import duckdb

    from ..registry.records import Version
    from ..udfs.duckdb.ownership import Held
    from .row_by_row import Called

_HASH_DIGITS = 16
_held: WeakKeyDictionary[duckdb.DuckDBPyConnection, dict[tuple[object, ...], Held]] = (
    WeakKeyDictionary()
)
"""What was registered in each connection: of which version and registry, under which name."""


class Pinned(NamedTuple):
    """The versions that a run scores by, and what its predictions say of them."""

    functions: tuple[tuple[str, Version], ...]
    scoring_hash: str

    @property
    def model_name(self) -> str:
        """The models, in the order of the query."""
        return ",".join(version.name for _, version in self.functions)

    @property
    def model_version(self) -> str:
        """Their versions, in the same order."""
        return ",".join(str(version.version) for _, version in self.functions)

    @property
    def references(self) -> tuple[str, ...]:
        """The models with their versions, as in ``delay:3``."""
        return tuple(dict.fromkeys(version.reference for _, version in self.functions))

    def columns_of(self, function: str, registry: Path) -> tuple[str, ...]:
        """Name the columns that a function's model reads, in lower case; none for other functions.

        Raises
        ------
        BundleError
            If the model's bundle is not whole.
        """
        wanted = function.casefold()
        for name, version in self.functions:
            if wanted in {function_name(name, kind).casefold() for kind in KINDS}:
                model = Registry.open(registry).load(version).model
                return tuple(column.casefold() for column in model.signature.names)
        return ()

    def register(self, connection: duckdb.DuckDBPyConnection, registry: Path) -> None:
        """Make the functions those of these versions, whatever their aliases mean by now.

        Those of an earlier run are used again: to see that they are still there takes a third of
        the time.
        """
        kept = _held.setdefault(connection, {})
        for function, version in self.functions:
            made = (function, version.reference, version.digest, registry)
            if made not in kept or not kept[made].answers_in(connection):
                kept[made] = register(
                    connection, version.reference, name=function, registry=registry, temporary=True
                ).held


def pin(models: Iterable[Called], text: str, registry: Path) -> Pinned:
    """Find the versions that the models of a query mean now.

    Raises
    ------
    RegistryError
        If one is not there.
    """
    store = Registry.open(registry)
    functions = tuple((each.function, store.resolve(each.reference)) for each in models)
    parts = [text, *(f"{version.reference}#{version.digest}" for _, version in functions)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_HASH_DIGITS]
    return Pinned(functions, digest)
