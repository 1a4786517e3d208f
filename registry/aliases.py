"""The rules of aliases: what a move may expect, and where a rollback goes."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from ..errors import RegistryError
from .records import AliasMove, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence


class AnyVersion(Enum):
    """The type of :data:`ANY`."""

    ANY = "any version"


ANY: Final = AnyVersion.ANY
"""Move the alias wherever it is now, even if it does not exist."""


def check_expected(
    name: str, alias: str, head: AliasMove | None, expected: int | AnyVersion | None
) -> None:
    """Check that an alias is where its mover believes it to be; None: that it does not exist.

    Raises
    ------
    RegistryError
        If it is elsewhere; the message says who moved it, and when.
    """
    if expected is ANY or expected == (head.version if head else None):
        return
    if head is None:
        raise RegistryError(
            f"Alias {name}@{alias} does not exist, so it is not at version {expected}. Pass "
            "expected=None to make it."
        )
    raise lost_race(head, "it should not exist" if expected is None else f"not {expected}")


def lost_race(head: AliasMove, belief: str) -> RegistryError:
    """Give the error for a move that came too late."""
    return RegistryError(
        f"Alias {head.name}@{head.alias} is at version {head.version}, {belief}: "
        f"{head.moved_by} moved it there at {head.moved_at.isoformat(' ', 'seconds')} "
        f"({head.reason}). Nothing was changed; look at the present version, then move again."
    )


def previous_version(moves: Sequence[AliasMove]) -> int:
    """Find the version to which a rollback returns.

    Publishing and promoting push a version on a stack, and a rollback takes the topmost off. So a
    second rollback goes one further back, and no rollback ever returns to what one has left.

    Raises
    ------
    RegistryError
        If there is none below, or records are missing.
    """
    name = f"{moves[0].name}@{moves[0].alias}"
    stack: list[int] = []
    for number, move in enumerate(moves, start=1):
        if move.reason is Reason.ROLLBACK:
            stack = stack[:-1]
        else:
            stack.append(move.version)
        if move.sequence != number or stack[-1:] != [move.version]:
            raise RegistryError(
                f"The history of {name} is damaged: move {number} is missing or was edited. "
                "Promote the version that you want."
            )
    if len(stack) == 1:
        raise RegistryError(
            f"Alias {name} has no version before {stack[0]}, so it cannot be rolled back. "
            "Promote the version that you want."
        )
    return stack[-2]
