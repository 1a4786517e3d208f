"""Where endpoints are defined: a folder of queries, models of a dbt project, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...errors import EndpointError
from ..watching import stamp
from .definition import BESIDE, QUERY, read_definition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .definition import Definition


class Source(Protocol):
    """Defines endpoints."""

    def names(self) -> Mapping[str, object]:
        """Name them, each with what differs where its definition has changed.

        Raises
        ------
        EndpointError
            If they cannot be listed.
        """
        ...

    def read(self, name: str) -> Definition:
        """Read one.

        Raises
        ------
        EndpointError
            If it cannot be read, or is wrong.
        """
        ...


class Folder:
    """Each ``NAME.sql`` is an endpoint, and ``NAME.toml`` what is said of it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self._folder = folder

    def names(self) -> Mapping[str, object]:
        """Name the files."""
        try:
            files = sorted(self._folder.iterdir())
        except OSError as error:
            message = f"The folder of endpoints {self._folder} cannot be read: {error.strerror}."
            raise EndpointError(message) from error
        queries = [path for path in files if path.suffix == QUERY]
        for path in files:
            if path.suffix == BESIDE and path.with_suffix(QUERY) not in queries:
                message = f"{path} has no query beside it: {path.with_suffix(QUERY).name}."
                raise EndpointError(message)
        return {path.stem: (stamp(path), stamp(path.with_suffix(BESIDE))) for path in queries}

    def read(self, name: str) -> Definition:
        """Read a file, and the one beside it."""
        return read_definition(self._folder / f"{name}{QUERY}")


class Several:
    """Endpoints of several sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Take the sources."""
        self._sources = sources

    def names(self) -> Mapping[str, object]:
        """Name the endpoints of all."""
        found: dict[str, object] = {}
        for source in self._sources:
            names = source.names()
            for name in names:
                if name in found:
                    message = f"Two endpoints are called {name}: rename one, or leave it out."
                    raise EndpointError(message)
            found.update(names)
        return found

    def read(self, name: str) -> Definition:
        """Read one from the source that has it."""
        for source in self._sources:
            if name in source.names():
                return source.read(name)
        message = f"There is no endpoint {name}."
        raise EndpointError(message)
