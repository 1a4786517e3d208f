"""A version as SQL alone: a view of a table, or a table function of a row. No Python runs.

What has no exact SQL in Snowflake is refused; deploy it as functions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...certify.compare import label_doubts
from ...certify.sql_rounding import carry_sql_errors
from ...errors import ForesqlError
from ...models_sql import answer_names
from ...registry.references import check_name
from ...udfs.snowflake.names import folded, quote
from ...udfs.snowflake.sql_statements import TARGET, SqlModel
from ..plan import Phase, Plan, Step
from .golden import between, golden_rows
from .golden_sql import Equal, Listing, verdict
from .history import (
    UNDEPLOY,
    check_alias,
    check_names,
    check_unshared,
    check_unused,
    check_version,
    of_sql,
    record,
)
from .release import about, acting, make_plan, release_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ...scoring.models import OpenModel
    from .golden_sql import Expected, GoldenRows
    from .settings import Settings


def plan_deploy_sql(  # noqa: PLR0913 - keyword options of one call
    opened: OpenModel,
    settings: Settings,
    *,
    alias: str = "champion",
    previous: OpenModel | None = None,
    source: str | None = None,
    keep: Sequence[str] = (),
    most_golden_rows: int | None = None,
) -> Plan:
    """Plan to deploy a version as a view of ``source``, or as a table function where there is none.

    Parameters
    ----------
    opened
        A version of a registry.
    settings
        Where in the account, and as whom.
    alias
        The alias whose view or function is switched to the version.
    previous
        The version that it is at, in the same form; None if there is none.
    source
        The table whose rows are scored, as SQL names it.
    keep
        Its columns that stand beside the answers, such as its key.
    most_golden_rows
        The most golden rows to check; all by default.

    Raises
    ------
    UnsupportedModelError
        If the model has no exact SQL in Snowflake.
    ForesqlError
        If it has no version or no golden rows, or a name is none.
    """
    alias, settings = check_name(alias, "alias").lower(), of_sql(settings)
    score = SqlModel(release_of(opened), opened.bundle.model, source, tuple(keep))
    old = None
    if previous is not None:
        old = SqlModel(release_of(previous), previous.bundle.model, source, tuple(keep))
    rows = golden_rows(opened.bundle)
    names = [score.versioned, score.alias(alias)]
    noted = record(
        settings,
        score.release,
        action="deploy",
        alias=alias,
        previous=old.release.version if old else None,
        functions=names,
    )
    steps = [
        *acting(settings),
        *_guards(settings, score, old, alias),
        *_checking(score, rows if most_golden_rows is None else rows.first(most_golden_rows)),
        *_creating(settings, score, old),
        *_switching(settings, score, old, alias),
        Step(what="Note the deployment in the history.", sql=noted, phase=Phase.RECORD),
    ]
    what = f"The model is a {'view' if source else 'table function'}, and runs as SQL alone."
    title = f"Deploy {score.release.label} to Snowflake as SQL"
    return make_plan(title, [*about(score.release, settings), what], steps, settings)


def plan_undeploy_sql(
    opened: OpenModel, settings: Settings, *, alias: str = "champion", source: str | None = None
) -> Plan:
    """Plan to drop the view, or the table function, of a version and of an alias.

    The plan stops where another alias is at the version; ``source`` is the one it was deployed on.
    """
    alias, settings = alias.lower(), of_sql(settings)
    score = SqlModel(release_of(opened), opened.bundle.model, source)
    release, places = score.release, settings.places
    dropped = (
        places.in_serving(score.alias(alias)),
        places.in_models(score.versioned),
    )
    noted = record(
        settings,
        release,
        action=UNDEPLOY,
        alias=alias,
        previous=None,
        functions=[score.versioned],
    )
    steps = [
        *acting(settings),
        Step(
            what=f"Stop if another alias is at {release.label}.",
            sql=check_unused(settings, release, alias),
            phase=Phase.PREPARE,
        ),
        Step(
            what="Stop if the alias is at another version.",
            sql=check_alias(settings, release, alias, [release.version]),
            phase=Phase.PREPARE,
        ),
        *(Step(what=f"Drop {name}.", sql=_drop(score, name), phase=Phase.DROP) for name in dropped),
        Step(what="Note in the history what was dropped.", sql=noted, phase=Phase.RECORD),
    ]
    title = f"Drop {release.label} as SQL from Snowflake"
    return make_plan(title, about(release, settings), steps, settings)


def _guards(
    settings: Settings, score: SqlModel, old: SqlModel | None, alias: str
) -> Iterator[Step]:
    release = score.release
    names = [score.versioned, score.alias(alias)]
    known = sorted({release.version, old.release.version if old else release.version})
    for what, sql in (
        ("Stop if another model has the names.", check_names(settings, release, names)),
        (
            f"Stop if {release.label} was deployed from another bundle.",
            check_version(settings, release),
        ),
        (
            "Stop if the alias is at another version than this plan knows.",
            check_alias(settings, release, alias, known),
        ),
        (
            f"Stop if another alias is at {release.label}: both would read what is replaced.",
            check_unshared(settings, release, alias),
        ),
    ):
        yield Step(what=what, sql=sql, phase=Phase.PREPARE)


def _creating(settings: Settings, score: SqlModel, old: SqlModel | None) -> Iterator[Step]:
    name = settings.places.in_models(score.versioned)
    is_there = old is not None and old.release.version == score.release.version
    yield Step(
        what=f"Create {score.versioned}. No one reads it yet.",
        sql=score.create(settings.places),
        phase=Phase.CREATE,
        undo=() if is_there else (_drop(score, name),),
    )


def _checking(score: SqlModel, rows: GoldenRows) -> Iterator[Step]:
    """Check the query that the version consists of, over the golden rows."""
    rows = _certain(rows)
    expected = list(_expected(score, rows))
    listing = Listing(
        rows,
        tuple(each for _, each in expected),
        tuple(TARGET.types[column.type] for column in score.model.signature.columns),
        score.columns,
    )
    beside = [listing.row, *(name for names in listing.bounds for name in names)]
    conditions = [
        each.condition(quote(name), names)
        for (name, each), names in zip(expected, listing.bounds, strict=True)
    ]
    for count, listed in listing.chunks():
        query = score.query(_typed(listing, beside, listed), [name[1:-1] for name in beside])
        what = f"{score.release.label} are not answered as certified in SQL"
        yield Step(
            what=f"Stop unless the query of {score.versioned} gives the certified answers.",
            sql=verdict(what, count, listing.row, query.text, conditions),
            phase=Phase.CHECK,
        )


def _typed(listing: Listing, beside: list[str], listed: str) -> str:
    """Write rows as a source whose columns have the model's types."""
    typed = [
        f"{quote(column)}::{kind} AS {quote(column)}"
        for column, kind in zip(listing.columns, listing.types, strict=True)
    ]
    columns = ", ".join([*beside, *typed])
    return f'(\n    SELECT {columns}\n    FROM {listed} AS "listed"\n) AS "golden"'


def _certain(rows: GoldenRows) -> GoldenRows:
    """Leave out rows whose label hangs on the last bit of a function of SQL."""
    doubts = label_doubts(rows.model, rows.values, carry_sql_errors)
    is_lost = doubts.ties | doubts.overflows
    return replace(rows, kept=tuple(index for index in rows.kept if not is_lost[index]))


def _expected(score: SqlModel, rows: GoldenRows) -> Iterator[tuple[str, Expected]]:
    """Expect the kernel's own bits, or what is as near as the functions of SQL allow."""
    model, kept = rows.model, list(rows.kept)
    approximate = score.query("golden").approximate
    errors: dict[str, NDArray[np.float64]] = {}
    with np.errstate(all="ignore"):
        for step in model.steps:
            carry_sql_errors(step, rows.values, errors)
    for name, column in answer_names(model):
        answer = folded(name)
        numbers = rows.values.numbers(column)[kept]
        if model.outputs.classes is not None and name == "prediction":
            labels = [model.outputs.classes[int(index)] for index in numbers]
            yield answer, Equal(model.outputs.label_type, tuple(labels))
            continue
        allowed = np.zeros_like(numbers)
        if name in approximate and column in errors:
            allowed = errors[column][kept]
        yield answer, between((), numbers, np.where(np.isfinite(allowed), allowed, 0.0))


def _switching(
    settings: Settings, score: SqlModel, old: SqlModel | None, alias: str
) -> Iterator[Step]:
    places = settings.places
    name = places.in_serving(score.alias(alias))
    put_back = _drop(score, name) if old is None else old.create_alias(alias, places)
    if old is not None and old.reference(name) != score.reference(name):
        raise ForesqlError(
            f"{score.release.label} takes other columns than {old.release.label}, which the alias "
            "is at: the function of the old one would stay. Deploy it under another alias."
        )
    yield Step(
        what=f"Let {name} be version {score.release.version}.",
        sql=score.create_alias(alias, places),
        phase=Phase.SWITCH,
        undo=(put_back,),
    )
    privilege = "SELECT" if score.source is not None else "USAGE"
    yield Step(
        what=f"Let callers read {name}.",
        sql=f"GRANT {privilege} ON {score.reference(name)} TO ROLE {quote(settings.caller)}",
        phase=Phase.SWITCH,
    )


def _drop(score: SqlModel, name: str) -> str:
    kind, _, rest = score.reference(name).partition(" ")
    return f"DROP {kind} IF EXISTS {rest}"
