"""The switch of an alias from one version to another: statements over what callers see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...udfs.snowflake.names import VERSION, function_name
from ...udfs.snowflake.statements import (
    alias_reference,
    create_alias,
    create_version_function,
    drop_function,
    grant_usage,
    signature_of,
    version_reference,
)
from ..plan import Phase, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...udfs.snowflake.functions import ServedFunction
    from ...udfs.snowflake.statements import Release
    from .settings import Settings


def alias_names(release: Release, alias: str) -> tuple[str, ...]:
    """Name the functions of an alias."""
    kinds = [*(function.kind for function in release.functions), VERSION]
    return tuple(function_name(release.model, kind, alias=alias) for kind in kinds)


def check_columns(new: Release, old: Release, *, may_change: bool) -> None:
    """Refuse a version that takes other columns, or has other classes: calls would go wrong.

    Raises
    ------
    ForesqlError
        If the names, types or order of the columns differ, or the classes or their order, and
        nobody said that they may.
    """
    if not may_change and _classes(new) != _classes(old):
        raise ForesqlError(
            f"{new.label} has other classes than {old.label}, which the alias is at: "
            f"{_classes(new)} instead of {_classes(old)}. A probability without a label, that of "
            "the second class, would be another one's in silence. Take another alias for it, or "
            "change what reads the answers and say so (--columns-may-change, which allows other "
            "classes too)."
        )
    before = {function.kind: function for function in old.functions}
    for function in new.functions:
        other = before.get(function.kind)
        if other is None or may_change:
            continue
        ours, theirs = _columns(function), _columns(other)
        if ours != theirs:
            found = next(
                (pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]),
                (f"{len(ours)} columns", f"{len(theirs)}"),
            )
            raise ForesqlError(
                f"{new.label} takes other columns than {old.label}, which the alias is at: "
                f"{found[0]} instead of {found[1]}. Calls by position would get wrong answers or "
                "none. Take another alias for it, or change the calls and say that columns may "
                "change (--columns-may-change)."
            )


def _classes(release: Release) -> str:
    """Write the labels: 1 and True are equal, and are not the same label."""
    return "none" if release.classes is None else ", ".join(map(repr, release.classes))


def _columns(function: ServedFunction) -> list[str]:
    return [f"{each.name} {each.type}" for each in function.arguments]


def switch_alias(
    new: Release, old: Release | None, alias: str, settings: Settings
) -> Iterator[Step]:
    """Point an alias's functions to a version; each step takes itself back."""
    places = settings.places
    before = {} if old is None else {function.kind: function for function in old.functions}
    for function in new.functions:
        reference = alias_reference(new, function, alias, places)
        other = before.get(function.kind)
        if other is not None and signature_of(other) == signature_of(function):
            del before[function.kind]
        yield Step(
            what=f"Let {reference} call version {new.version}.",
            sql=create_alias(new, function, alias, places),
            phase=Phase.SWITCH,
            undo=(_undone(new, old, function, alias, settings),),
        )
        yield _grant(reference, settings)
    if old is not None:
        for function in before.values():
            yield _drop_old(old, function, alias, settings, new.label)
    reference = version_reference(new, alias, places)
    yield Step(
        what=f"Let {reference} say so.",
        sql=create_version_function(new, alias, places),
        phase=Phase.SWITCH,
        undo=(
            drop_function(reference)
            if old is None
            else create_version_function(old, alias, places),
        ),
    )
    yield _grant(reference, settings)


def drop_alias(release: Release, alias: str, settings: Settings) -> Iterator[Step]:
    """Drop the functions of an alias."""
    references = [
        *(alias_reference(release, each, alias, settings.places) for each in release.functions),
        version_reference(release, alias, settings.places),
    ]
    for reference in references:
        yield Step(what=f"Drop {reference}.", sql=drop_function(reference), phase=Phase.DROP)


def _undone(
    new: Release, old: Release | None, function: ServedFunction, alias: str, settings: Settings
) -> str:
    """Give the statement that puts back what a function of an alias was."""
    if old is not None:
        for other in old.functions:
            is_same = other.kind == function.kind and signature_of(other) == signature_of(function)
            if is_same:
                return create_alias(old, other, alias, settings.places)
    return drop_function(alias_reference(new, function, alias, settings.places))


def _drop_old(
    old: Release, function: ServedFunction, alias: str, settings: Settings, new: str
) -> Step:
    """Drop what would go on with the old version: other types of arguments are another function."""
    reference = alias_reference(old, function, alias, settings.places)
    return Step(
        what=f"Drop {reference}, which {new} does not have.",
        sql=drop_function(reference),
        phase=Phase.SWITCH,
        undo=(
            create_alias(old, function, alias, settings.places),
            grant_usage(reference, settings.caller),
        ),
    )


def _grant(reference: str, settings: Settings) -> Step:
    return Step(
        what=f"Let callers call {reference}.",
        sql=grant_usage(reference, settings.caller),
        phase=Phase.SWITCH,
    )
