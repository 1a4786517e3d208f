"""Which file of a registry holds what. Folders are lower case: two spellings meet in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RegistryError
from .atomic import make_folder, publish_file, restore_file
from .journal import Journal
from .records import AliasMove, Version, damaged, decode_record, encode_record

if TYPE_CHECKING:
    from pathlib import Path

_MODELS = "models"
_BUNDLES = "bundles"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files below ``root``; names are checked by the caller."""

    root: Path

    def bundle(self, digest: str) -> Path:
        """Where a bundle lies."""
        return self.root / _BUNDLES / f"{digest}.foresql"

    def store_bundle(self, content: bytes, digest: str) -> None:
        """Write a bundle, unless it is there; one that was damaged since is made whole."""
        make_folder(self.root, _BUNDLES)
        try:
            publish_file(self.bundle(digest), content)
        except FileExistsError:
            restore_file(self.bundle(digest), content)

    def models(self) -> list[str]:
        """List the folders of models that have a version."""
        return [name for name in self._folders(_MODELS) if self.versions(name).numbers()]

    def aliases(self, name: str) -> list[str]:
        """List the folders of a model's aliases that have moved."""
        folders = self._folders(_MODELS, name.lower(), "aliases")
        return [alias for alias in folders if self.moves(name, alias).numbers()]

    def versions(self, name: str) -> Journal:
        """Give the journal of a model's versions."""
        return Journal(self.root, (_MODELS, name.lower(), "versions"))

    def moves(self, name: str, alias: str) -> Journal:
        """Give the journal of an alias's moves."""
        return Journal(self.root, (_MODELS, name.lower(), "aliases", alias.lower()))

    def read_version(self, name: str, number: int) -> Version:
        """Read a version's record."""
        path = self.versions(name).file(number)
        record = decode_record(Version, path)
        if (record.name.lower(), record.version) != (name.lower(), number):
            raise damaged(path, f"it is of {record.reference}")
        return record

    def read_move(self, name: str, alias: str, number: int) -> AliasMove:
        """Read the record of a move."""
        path = self.moves(name, alias).file(number)
        record = decode_record(AliasMove, path)
        place = (record.name.lower(), record.alias.lower(), record.sequence)
        if place != (name.lower(), alias.lower(), number):
            raise damaged(path, f"it is move {record.sequence} of {record.name}@{record.alias}")
        return record

    def last_move(self, name: str, alias: str) -> AliasMove | None:
        """Read the move that says where an alias is; None if it has never moved."""
        numbers = self.moves(name, alias).numbers()
        return self.read_move(name, alias, numbers[-1]) if numbers else None

    def spelling(self, name: str) -> str | None:
        """Tell how a model's first version spells its name; None if there is no version."""
        numbers = self.versions(name).numbers()
        return self.read_version(name, numbers[0]).name if numbers else None

    def add_version(self, record: Version) -> bool:
        """Write a version's record; False if another process took its number."""
        return _append(self.versions(record.name), record.version, encode_record(record))

    def add_move(self, record: AliasMove) -> bool:
        """Write the record of a move; False if another process moved the alias first."""
        journal = self.moves(record.name, record.alias)
        return _append(journal, record.sequence, encode_record(record))

    def _folders(self, *parts: str) -> list[str]:
        try:
            entries = list(self.root.joinpath(*parts).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RegistryError(f"The registry cannot be read: {error}.") from error
        return sorted(entry.name for entry in entries if not entry.name.startswith("."))


def _append(journal: Journal, number: int, content: bytes) -> bool:
    try:
        journal.append(number, content)
    except FileExistsError:
        return False
    return True
