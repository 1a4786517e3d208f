"""Plans that go back to an earlier version, or drop one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...udfs.snowflake.artifact import build_artifact
from ...udfs.snowflake.statements import drop_function, versioned_reference
from ..plan import Phase, Plan, Step
from .checks import golden_checks
from .history import UNDEPLOY, check_unused, record
from .release import about, acting, alias_guard, function_names, make_plan, release_of
from .switch import alias_names, check_columns, drop_alias, switch_alias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ...scoring.models import OpenModel
    from ...udfs.snowflake.artifact import Artifact
    from ...udfs.snowflake.statements import Release
    from .settings import Settings


def plan_rollback(  # noqa: PLR0913 - keyword options of one call
    opened: OpenModel,
    settings: Settings,
    *,
    to: OpenModel,
    alias: str = "champion",
    golden_rows: int | None = None,
    columns_may_change: bool = False,
) -> Plan:
    """Plan to switch an alias back to a version that is still in the account.

    Parameters
    ----------
    opened
        The version that the alias is at.
    settings
        Where in the account, and as whom.
    to
        The version that it goes back to.
    alias
        The alias.
    golden_rows
        The most golden rows to check before; all by default.
    columns_may_change
        Go back to a version that takes other columns.

    Raises
    ------
    ForesqlError
        If a model has no version or no golden rows, or the columns are others.
    """
    release, old = release_of(to), release_of(opened)
    check_columns(release, old, may_change=columns_may_change)
    alias = alias.lower()
    noted = record(
        settings,
        release,
        action="rollback",
        alias=alias,
        previous=old.version,
        functions=(*function_names(release), *alias_names(release, alias)),
    )
    steps = [
        *acting(settings),
        alias_guard(settings, release, alias, old),
        *golden_checks(to.bundle, settings, release, golden_rows),
        *switch_alias(release, old, alias, settings),
        Step(what="Note the rollback in the history.", sql=noted, phase=Phase.RECORD),
    ]
    what = (
        f"{release.model}@{alias} is switched from {old.label} back to {release.label}, whose "
        "functions are still there. Nothing is uploaded or dropped."
    )
    title = f"Roll {release.model}@{alias} back to {release.label} in Snowflake"
    return make_plan(title, [*about(release, settings), what], steps, settings)


def plan_undeploy(
    opened: OpenModel,
    settings: Settings,
    *,
    alias: str | None = None,
    artifact: Artifact | None = None,
    files: Collection[str] | None = None,
) -> Plan:
    """Plan to drop what a version brought, and the functions of ``alias`` if it is named.

    The plan stops where another alias is at the version. ``files`` are the version's on the
    stage, as the account names them; by default that of ``artifact``, which is built from the
    bundle if it is not given.

    Raises
    ------
    ForesqlError
        If the model has no version.
    """
    release = release_of(opened)
    what_is_removed = "Remove the version's file from the stage."
    if files is None:
        artifact = artifact or build_artifact(opened.bundle, release.model, release.version)
        files = [artifact.stage_path]
        what_is_removed = (
            "Remove the version's file from the stage, if there is one. A file that another "
            f"foresql brought has another name, STAGE_PATH in {settings.history_table}, and stays."
        )
    alias = alias.lower() if alias else None
    steps = [
        *acting(settings),
        Step(
            what=f"Stop if {'another' if alias else 'an'} alias is at {release.label}.",
            sql=check_unused(settings, release, alias),
            phase=Phase.PREPARE,
        ),
        *([alias_guard(settings, release, alias, None)] if alias else []),
        *(drop_alias(release, alias, settings) if alias else []),
        *_dropping(release, settings),
        *(_removing(path, what_is_removed, settings) for path in sorted(files)),
        Step(
            what="Note in the history what was dropped.",
            sql=record(
                settings,
                release,
                action=UNDEPLOY,
                alias=alias,
                previous=None,
                functions=function_names(release),
            ),
            phase=Phase.RECORD,
        ),
    ]
    what = f"What {release.label} brought is dropped"
    what += f", and the functions of {release.model}@{alias} with it." if alias else "."
    title = f"Drop {release.label} from Snowflake"
    return make_plan(title, [*about(release, settings), what], steps, settings)


def _dropping(release: Release, settings: Settings) -> Iterator[Step]:
    for function in release.functions:
        yield Step(
            what=f"Drop {release.name(function)}.",
            sql=drop_function(versioned_reference(release, function, settings.places)),
            phase=Phase.DROP,
        )


def _removing(path: str, what: str, settings: Settings) -> Step:
    return Step(what=what, sql=f"REMOVE {settings.places.staged(path)}", phase=Phase.DROP)
