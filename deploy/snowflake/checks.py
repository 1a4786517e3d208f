"""The steps that hold a version's functions against its golden rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...udfs.answers import EXPLAIN, INTERVAL, PREDICT, PROBA
from ..plan import Phase, Step
from .golden import LEVEL, explained_rows, golden_rows, golden_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...ir.bundle import Bundle
    from ...udfs.snowflake.functions import ServedFunction
    from ...udfs.snowflake.statements import Release
    from .settings import Settings

_INTERVALS = 10


def golden_checks(
    bundle: Bundle, settings: Settings, release: Release, most: int | None = None
) -> Iterator[Step]:
    """Check the version's functions on ``most`` golden rows, by default on all.

    Raises
    ------
    ForesqlError
        If the bundle has none.
    """
    rows = golden_rows(bundle)
    rows = rows if most is None else rows.first(most)
    groups = (
        (rows, {PREDICT, PROBA}),
        (explained_rows(rows), {EXPLAIN}),
        (rows.first(_INTERVALS), {INTERVAL}),
    )

    def name_of(function: ServedFunction) -> str:
        return settings.places.in_models(release.name(function))

    for some, kinds in groups:
        functions = [each for each in release.functions if each.kind in kinds]
        if not functions:
            continue
        named = " and ".join(release.name(each) for each in functions)
        for sql in golden_table(some, functions).statements(name_of, release.label, LEVEL):
            yield Step(
                what=f"Stop unless golden rows get the certified answers from {named}.",
                sql=sql,
                phase=Phase.CHECK,
            )
