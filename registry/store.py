"""Writing a registry: versions are added and never changed, aliases move by compare-and-swap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import RegistryError
from ..ir.bundle import decode_bundle, encode_bundle
from .aliases import AnyVersion, check_expected, lost_race, previous_version
from .atomic import remove_temporaries
from .catalog import Catalog
from .location import MARKER, make_registry
from .records import AliasMove, Reason, Version, current_user, now
from .references import check_name

if TYPE_CHECKING:
    from ..ir.bundle import Bundle

_HOUR = 3600.0


class Registry(Catalog):
    """The registry in a folder. Any number of processes may read and write it at once."""

    __slots__ = ()

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False) -> Registry:
        """Open a registry, having made it first where ``create`` allows and none is there."""
        folder = Path(path).expanduser().absolute()
        if create and not (folder / MARKER).exists():
            make_registry(folder)
        return cls(folder)

    def add_version(self, name: str, bundle: Bundle, *, description: str = "") -> Version:
        """Store a bundle as the next version of a model; the first version makes the model.

        Raises
        ------
        RegistryError
            If the name cannot be used, or the folder cannot be written.
        BundleError
            If the model or its card holds what a bundle cannot hold.
        """
        self._check_new_name(name)
        content, digest = encode_bundle(bundle)
        decode_bundle(content, digest)  # what cannot be read back is never published
        self._layout.store_bundle(content, digest)
        number = 0
        while True:
            # A listing may be stale on a network file system; a number that was refused is taken.
            number = max((number, *self._layout.versions(name).numbers())) + 1
            self._check_new_name(name)  # after the listing: whoever came first has spelled it
            version = Version(name, number, digest, now(), current_user(), description)
            if self._layout.add_version(version):
                return version

    def move_alias(
        self,
        name: str,
        alias: str,
        version: int,
        *,
        expected: int | AnyVersion | None,
        reason: Literal["publish", "promote"] = "promote",
    ) -> AliasMove:
        """Move an alias if it is at the ``expected`` version; None: if it does not exist.

        An alias that is at ``version`` already stays as it is, and its last move is given.

        Raises
        ------
        RegistryError
            If the alias is elsewhere, naming who moved it; or if the version is unknown.
        """
        if reason not in {Reason.PUBLISH, Reason.PROMOTE}:
            raise RegistryError(
                f"{reason!r} is no reason for move_alias(): it takes 'publish' and 'promote'. To "
                "go back, call rollback()."
            )
        self.version(name, version)
        head = self._layout.last_move(name, check_name(alias, "alias"))
        while True:
            _check_spelling(alias, head)
            check_expected(name, alias, head, expected)
            if head is not None and head.version == version:
                return head
            sequence = head.sequence + 1 if head else 1
            move = _move(name, alias, sequence, version, Reason(reason))
            if self._layout.add_move(move):
                return move
            head = self._layout.read_move(name, alias, sequence)

    def rollback(self, name: str, alias: str) -> AliasMove:
        """Move an alias to the version below its present one on its stack of versions.

        Publishing and promoting push a version, a rollback takes one off. If another process moves
        the alias at the same time, nothing is changed.

        Raises
        ------
        RegistryError
            If there is no version below, or another process moved the alias first.
        """
        moves = self.history(name, alias)
        sequence = moves[-1].sequence + 1
        move = _move(name, alias, sequence, previous_version(moves), Reason.ROLLBACK)
        if not self._layout.add_move(move):
            winner = self._layout.read_move(name, alias, sequence)
            raise lost_race(winner, f"no longer at {moves[-1].version}")
        return move

    def clean(self, older_than: float = _HOUR) -> tuple[Path, ...]:
        """Remove temporary files of killed writers that are older than so many seconds."""
        return remove_temporaries(self.path, older_than)

    def _check_new_name(self, name: str) -> None:
        check_name(name, "model")
        spelling = self._layout.spelling(name)
        if spelling not in {None, name}:
            raise RegistryError(
                f"There is a model {spelling!r}, and {name!r} would be the same name in SQL. "
                f"Publish a version of {spelling!r}, or choose another name."
            )


def _move(name: str, alias: str, sequence: int, version: int, reason: Reason) -> AliasMove:
    return AliasMove(name, alias, sequence, version, now(), current_user(), reason)


def _check_spelling(alias: str, head: AliasMove | None) -> None:
    if head is not None and head.alias != alias:
        raise RegistryError(
            f"Model {head.name!r} has an alias {head.alias!r}, and {alias!r} differs from it only "
            "by case. Use the one that is there."
        )
