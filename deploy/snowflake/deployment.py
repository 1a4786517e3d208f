"""Plans of a version's life in an account: deployed, rolled back, dropped.

Nothing that callers see changes before the phase ``switch``, and every step before its end can be
taken back. The same plan can be run again: it then changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from ...registry.references import check_name
from ...udfs.snowflake.artifact import artifact_on_stage, build_artifact
from ...udfs.snowflake.functions import served_functions
from ...udfs.snowflake.names import literal
from ...udfs.snowflake.statements import (
    REPOSITORY,
    create_versioned,
    drop_function,
    grant_usage,
    versioned_reference,
)
from ..plan import Phase, Plan, Step, Upload
from .checks import golden_checks
from .comparison import compare_versions
from .history import check_artifact, check_names, check_version, record
from .release import (
    about,
    acting,
    alias_guard,
    function_names,
    how_to_call,
    make_plan,
    release_of,
)
from .retirement import plan_rollback, plan_undeploy
from .switch import alias_names, check_columns, switch_alias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...scoring.models import OpenModel
    from ...udfs.snowflake.artifact import Artifact
    from ...udfs.snowflake.statements import Release
    from .settings import Settings
    from .state import Record

__all__ = ["DEFAULTS", "Options", "plan_deploy", "plan_rollback", "plan_undeploy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a version is deployed.

    Attributes
    ----------
    inline
        Keep the model in the functions' bodies, and not in a file on the stage.
    sample_from, sample_rows
        The table on which the old and the new version are compared, and on how many of its rows.
    max_change
        The most that may differ there: the largest difference of a number, or the share of rows
        with another label.
    columns_may_change
        Switch an alias to a version with other columns or classes than the one before.
    golden_rows
        The most golden rows to check; all by default.
    repository
        Where packages come from; None is Snowflake's own channel.
    is_there
        The version is in the account: its functions are checked, and stay as they are.
    brought
        The account's record of it, which says with what code and data it runs there.
    """

    inline: bool = False
    sample_from: str | None = None
    sample_rows: int = 10_000
    max_change: float | None = None
    columns_may_change: bool = False
    golden_rows: int | None = None
    repository: str | None = REPOSITORY
    is_there: bool = False
    brought: Record | None = None


DEFAULTS = Options()


def plan_deploy(  # noqa: PLR0913 - keyword options of one call
    opened: OpenModel,
    settings: Settings,
    *,
    alias: str | None = "champion",
    previous: OpenModel | None = None,
    artifact: Artifact | None = None,
    options: Options = DEFAULTS,
) -> Plan:
    """Plan to bring a version into an account, prove it there, and switch an alias to it.

    Parameters
    ----------
    opened
        A version of a registry.
    settings
        Where in the account, and as whom.
    alias
        The alias that is switched; None brings the version alone.
    previous
        The version that the alias is at in the account; None if there is none.
    artifact
        What runs there; built from the bundle by default.
    options
        See :class:`Options`.

    Raises
    ------
    ForesqlError
        If the model has no version or no golden rows, the old version's columns are others, or
        the sample cannot be compared.
    UnsupportedModelError
        If the model cannot run there.
    """
    release = release_of(opened)
    old = release_of(previous) if previous is not None else None
    alias = check_name(alias, "alias").lower() if alias else None
    if alias and old:
        check_columns(release, old, may_change=options.columns_may_change)
    artifact = artifact or build_artifact(opened.bundle, release.model, release.version)
    artifact, is_inline = _source(artifact, options)
    if old and old.version == release.version:
        options = replace(options, is_there=True)
    names = (*function_names(release), *(alias_names(release, alias) if alias else ()))
    noted = record(
        settings,
        release,
        action="deploy",
        alias=alias,
        previous=old.version if old else None,
        functions=names,
        artifact=_running(artifact, is_inline, options),
        is_inline=is_inline,
    )
    steps = [
        *acting(settings),
        *_guards(settings, release, names),
        *([alias_guard(settings, release, alias, old)] if alias else []),
        *([] if is_inline or not artifact.content else _uploading(settings, artifact)),
        *_creating(settings, release, artifact, is_inline, options),
        *golden_checks(opened.bundle, settings, release, options.golden_rows),
        *_comparing(settings, release, old, options),
        *_granting(settings, release),
        *(switch_alias(release, old, alias, settings) if alias else []),
        Step(what="Note the deployment in the history.", sql=noted, phase=Phase.RECORD),
    ]
    header = [*about(release, settings), *_facts(opened, artifact, is_inline)]
    if alias:
        before = old.label if old else "nothing"
        header.append(f"{release.model}@{alias} is switched from {before} to {release.label}.")
        header.append(how_to_call(release, alias, settings))
    if options.sample_from is not None and old is None:
        header.append("Nothing is compared on a sample, since there is no version before.")
    return make_plan(f"Deploy {release.label} to Snowflake", header, steps, settings)


def _guards(
    settings: Settings,
    release: Release,
    names: tuple[str, ...],
) -> Iterator[Step]:
    yield Step(
        what="Stop if another model has functions of the same names.",
        sql=check_names(settings, release, names),
        phase=Phase.PREPARE,
    )
    yield Step(
        what=f"Stop if {release.label} was deployed from another bundle.",
        sql=check_version(settings, release),
        phase=Phase.PREPARE,
    )


def _uploading(settings: Settings, artifact: Artifact) -> Iterator[Step]:
    path = settings.places.staged(artifact.stage_path)
    folder = path.rpartition("/")[0] + "/"
    put = f"PUT {literal(f'file://{artifact.file_name}')} {folder}"
    yield Step(
        what="Upload the code and data. The folder is named after their hash, so a file that is "
        "there is the same, and is left as it is.",
        sql=f"{put} AUTO_COMPRESS = FALSE OVERWRITE = FALSE",
        phase=Phase.PREPARE,
        upload=Upload(artifact.content, path),
    )
    yield Step(
        what=f"Show the file on the stage: it has {len(artifact.content):,} bytes.",
        sql=f"LIST {folder}",
        phase=Phase.PREPARE,
        report=True,
    )


def _creating(
    settings: Settings, release: Release, artifact: Artifact, is_inline: bool, options: Options
) -> Iterator[Step]:
    if not options.is_there:
        # No guard of the first phase: those run again before the switch, and if they stop there,
        # what was created is dropped, which another command may have recorded meanwhile.
        yield Step(
            what=f"Stop if {release.label} is there with other code and data: callers may use it.",
            sql=check_artifact(settings, release, artifact),
            phase=Phase.CREATE,
        )
    for function in release.functions:
        reference = versioned_reference(release, function, settings.places)
        sql = create_versioned(
            release,
            function,
            artifact,
            settings.places,
            is_inline=is_inline,
            repository=options.repository,
            is_kept=options.is_there,
        )
        what = f"Create {release.name(function)}. No one calls it yet."
        if options.is_there:
            what = f"Create {release.name(function)} if it is missing. One that is there stays."
        yield Step(
            what=what,
            sql=sql,
            phase=Phase.CREATE,
            undo=() if options.is_there else (drop_function(reference),),
        )


def _comparing(
    settings: Settings, release: Release, old: Release | None, options: Options
) -> Iterator[Step]:
    if options.sample_from is None:
        if options.max_change is not None:
            raise ForesqlError(
                "The largest change is measured on a sample of a table: name one (--sample-from)."
            )
        return
    if old is None or old.version == release.version:
        return
    for kind, sql in compare_versions(
        release,
        old,
        settings,
        table=options.sample_from,
        rows=options.sample_rows,
        most=options.max_change,
    ):
        bound = "Report" if options.max_change is None else "Report, and bound,"
        yield Step(
            what=f"{bound} how {kind} of {release.label} differs from that of {old.label}.",
            sql=sql,
            phase=Phase.CHECK,
            report=True,
        )


def _granting(settings: Settings, release: Release) -> Iterator[Step]:
    for function in release.functions:
        reference = versioned_reference(release, function, settings.places)
        yield Step(
            what=f"Let callers call {release.name(function)}, in tasks and dynamic tables too.",
            sql=grant_usage(reference, settings.caller),
            phase=Phase.GRANT,
        )


def _source(artifact: Artifact, options: Options) -> tuple[Artifact, bool]:
    """Choose what is created, and whether in bodies: as it was brought, if the version is there."""
    there = options.brought
    if there is None or there.artifact is None:
        return artifact, _is_inline(artifact, options)
    if there.stage_path is None:
        return artifact, artifact.inline is not None
    if there.artifact == artifact.digest:
        return artifact, False
    return artifact_on_stage(there.stage_path, there.artifact) or artifact, False


def _running(artifact: Artifact, is_inline: bool, options: Options) -> Artifact:
    """Give what the history names: bodies that are there stay, whatever this foresql makes."""
    there = options.brought
    if is_inline and there is not None and there.artifact is not None:
        return replace(artifact, digest=there.artifact)
    return artifact


def _is_inline(artifact: Artifact, options: Options) -> bool:
    if options.inline and artifact.inline is None:
        raise ForesqlError(
            f"The model is too large for the body of a function ({len(artifact.content):,} bytes). "
            "Deploy it from the stage (without --inline)."
        )
    return options.inline


def _facts(opened: OpenModel, artifact: Artifact, is_inline: bool) -> Iterator[str]:
    where = "in the functions' bodies" if is_inline else f"uploaded as {artifact.file_name}"
    where = f"{len(artifact.content):,} bytes, {where}"
    if not artifact.content:
        where = f"which another foresql brought, as {artifact.stage_path}"
    yield f"What runs there: sha256 {artifact.digest}, {where}."
    _, omitted = served_functions(opened.bundle.model)
    for kind, reason in omitted.items():
        yield f"There is no {kind}: {reason}."
