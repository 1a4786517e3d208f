"""The history of deployments in an account: its table, its views, and what is asked of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...udfs.snowflake.literals import float_literal
from ...udfs.snowflake.names import literal, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...udfs.snowflake.artifact import Artifact
    from ...udfs.snowflake.statements import Release
    from .settings import Settings

COLUMNS = (
    ("MODEL", "VARCHAR NOT NULL", "the model in the registry"),
    ("ALIAS", "VARCHAR", "the alias that was switched; NULL where none was"),
    ("VERSION", "NUMBER(38, 0) NOT NULL", "the version that was deployed, or dropped"),
    ("PREVIOUS_VERSION", "NUMBER(38, 0)", "the version that the alias was at before"),
    ("ACTION", "VARCHAR NOT NULL", "deploy, rollback or undeploy"),
    ("BUNDLE_SHA256", "VARCHAR NOT NULL", "the hash of the bundle in the registry"),
    ("ARTIFACT_SHA256", "VARCHAR", "the hash of the code and data that run here"),
    ("STAGE_PATH", "VARCHAR", "the file on the stage; NULL where the functions hold it"),
    ("FUNCTIONS", "VARCHAR NOT NULL", "the functions of the version and of the alias"),
    ("CERTIFIED_ROWS", "NUMBER(38, 0)", "the rows on which the gate compared the version"),
    ("CERTIFIED_ROUTES", "VARCHAR", "the routes that it compared with the library"),
    ("LARGEST_DIFFERENCE", "FLOAT", "the largest relative difference that it found"),
    ("DEPLOYED_AT", "TIMESTAMP_LTZ NOT NULL", "when"),
    ("DEPLOYED_BY", "VARCHAR NOT NULL", "the user"),
)
"""Names, types and meanings of the columns of the history."""
SQL_HISTORY = "SQL_DEPLOYMENTS"
"""The history of versions that are deployed as SQL alone."""
CATALOG = "MODEL_CATALOG"
_SHOWN = (
    *("MODEL", "ALIAS", "VERSION", "FUNCTIONS", "BUNDLE_SHA256", "CERTIFIED_ROWS"),
    *("CERTIFIED_ROUTES", "LARGEST_DIFFERENCE", "DEPLOYED_AT"),
)
UNDEPLOY = "undeploy"


def create_history(settings: Settings) -> str:
    """Create the table, to which rows are only added."""
    columns = ",\n".join(
        f"    {quote(name)} {kind} COMMENT {literal(meaning)}" for name, kind, meaning in COLUMNS
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {settings.history_table} (\n{columns}\n)\n"
        "COMMENT = 'foresql: what was deployed, by whom and when; rows are only added'"
    )


def create_current(settings: Settings) -> str:
    """Create the view of what each alias is at."""
    return (
        f"CREATE OR REPLACE VIEW {current(settings)}\n"
        "COPY GRANTS\n"
        "COMMENT = 'foresql: the version that each alias is at'\n"
        "AS\n"
        f"SELECT *\nFROM (\n    SELECT *\n    FROM {settings.history_table}\n"
        '    WHERE "ALIAS" IS NOT NULL\n'
        '    QUALIFY ROW_NUMBER() OVER (PARTITION BY "MODEL", "ALIAS" ORDER BY "DEPLOYED_AT" DESC)'
        f" = 1\n)\nWHERE \"ACTION\" <> '{UNDEPLOY}'"
    )


def create_catalog(settings: Settings) -> str:
    """Create the view by which callers see which models there are."""
    columns = ", ".join(map(quote, _SHOWN))
    return (
        f"CREATE OR REPLACE SECURE VIEW {settings.places.in_serving(CATALOG)}\n"
        "COPY GRANTS\n"
        "COMMENT = 'foresql: the models that can be called, and what they were certified on'\n"
        "AS\n"
        f"SELECT {columns}\nFROM {current(settings)}\n"
        f"UNION ALL\nSELECT {columns}\nFROM {current(of_sql(settings))}"
    )


def current(settings: Settings) -> str:
    """Name the view of what each alias is at, of one history."""
    return settings.places.in_models(f"CURRENT_{settings.history}")


def of_sql(settings: Settings) -> Settings:
    """Give the same settings with the history of what is deployed as SQL alone."""
    return replace(settings, history=SQL_HISTORY)


def check_names(settings: Settings, release: Release, names: Sequence[str]) -> str:
    """End with an error if another model has used one of the names."""
    found = "\n    OR ".join(
        f"CONTAINS(', ' || \"FUNCTIONS\" || ', ', {literal(f', {name}, ')})" for name in names
    )
    return _refusing(
        settings.history_table,
        f'"MODEL" <> {literal(release.model)} AND (\n    {found}\n)',
        f"functions of {release.model} would have the names of another model's: ",
        'MIN("MODEL")',
        ". Publish it under another name.",
    )


def check_version(settings: Settings, release: Release) -> str:
    """End with an error if the version was deployed with another bundle."""
    return _refusing(
        settings.history_table,
        f'"MODEL" = {literal(release.model)} AND "VERSION" = {release.version} '
        f'AND "BUNDLE_SHA256" <> {literal(release.digest)}',
        f"{release.label} was deployed from another bundle, with sha256 ",
        'MIN("BUNDLE_SHA256")',
        ". Versions never change: deploy from the registry that it came from.",
    )


def check_artifact(settings: Settings, release: Release, artifact: Artifact) -> str:
    """End with an error if the version is there with other code and data, made by another release.

    What counts is the last deployment that brought it, unless it was dropped since.
    """
    brought = (
        '(\n    SELECT "ACTION", "ARTIFACT_SHA256"\n'
        f"    FROM {settings.history_table}\n"
        f'    WHERE "MODEL" = {literal(release.model)} AND "VERSION" = {release.version} '
        f'AND ("ACTION" = \'{UNDEPLOY}\' OR "ARTIFACT_SHA256" IS NOT NULL)\n'
        '    QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1\n) AS "last"'
    )
    return _refusing(
        brought,
        f'"ACTION" <> \'{UNDEPLOY}\' AND "ARTIFACT_SHA256" <> {literal(artifact.digest)}',
        f"{release.label} is here with the code and data of another foresql, with sha256 ",
        'MIN("ARTIFACT_SHA256")',
        ". It stays as it is: deploy it with a connection, or make the plan again with --previous "
        f"{release.version}.",
    )


def check_alias(settings: Settings, release: Release, alias: str, versions: Sequence[int]) -> str:
    """End with an error if the alias is at a version that the plan does not know of."""
    known = ", ".join(map(str, versions))
    return _refusing(
        current(settings),
        f'"MODEL" = {literal(release.model)} AND "ALIAS" = {literal(alias)} '
        f'AND "VERSION" NOT IN ({known})',
        f"{release.model}@{alias} is at another version here than this plan was made for: ",
        'MIN("VERSION")',
        ". Make the plan again.",
    )


def check_unused(settings: Settings, release: Release, besides: str | None) -> str:
    """End with an error if an alias is at the version, other than the one that goes with it."""
    others = "" if besides is None else f' AND "ALIAS" <> {literal(besides)}'
    return _refusing(
        current(settings),
        f'"MODEL" = {literal(release.model)} AND "VERSION" = {release.version}{others}',
        f"{release.label} cannot be dropped, since an alias is at it: ",
        'MIN("ALIAS")',
        ". Deploy another version there first.",
    )


def check_unshared(settings: Settings, release: Release, alias: str) -> str:
    """End with an error if another alias is at the version, and so reads what would be replaced."""
    return _refusing(
        current(settings),
        f'"MODEL" = {literal(release.model)} AND "VERSION" = {release.version} '
        f'AND "ALIAS" <> {literal(alias)}',
        f"{release.label} is here as SQL already, for another alias: ",
        'MIN("ALIAS")',
        ". Drop it there first, by foresql deploy-sql --drop.",
    )


def _refusing(table: str, condition: str, *message: str) -> str:
    """Write a SELECT that gives 0, or ends with a message around an aggregate."""
    before, aggregate, after = message
    return (
        "SELECT\n"
        f"    CASE WHEN COUNT(*) = 0 THEN 0 ELSE TO_NUMBER({literal('foresql: ' + before)}"
        f' || {aggregate} || {literal(after)}) END AS "PROBLEMS"\n'
        f"FROM {table}\nWHERE {condition}"
    )


def record(  # noqa: PLR0913 - each is a column
    settings: Settings,
    release: Release,
    *,
    action: str,
    alias: str | None,
    previous: int | None,
    functions: Sequence[str],
    artifact: Artifact | None = None,
    is_inline: bool = False,
) -> str:
    """Add a row to the history, unless the last one of the alias, or version, says the same."""
    known = release.certificate
    staged = artifact is not None and not is_inline
    values = {
        "MODEL": literal(release.model),
        "ALIAS": _optional(alias),
        "VERSION": str(release.version),
        "PREVIOUS_VERSION": "NULL" if previous is None else str(previous),
        "ACTION": literal(action),
        "BUNDLE_SHA256": literal(release.digest),
        "ARTIFACT_SHA256": _optional(artifact.digest if artifact else None),
        "STAGE_PATH": _optional(artifact.stage_path if artifact and staged else None),
        "FUNCTIONS": literal(", ".join(functions)),
        "CERTIFIED_ROWS": str(int(known["rows"])) if "rows" in known else "NULL",
        "CERTIFIED_ROUTES": literal(", ".join(known.get("routes") or ())),
        "LARGEST_DIFFERENCE": float_literal(float(known.get("largest_difference") or 0)),
        "DEPLOYED_AT": "CURRENT_TIMESTAMP()",
        "DEPLOYED_BY": "CURRENT_USER()",
    }
    names = ", ".join(map(quote, values))
    cells = ",\n    ".join(f"{value} AS {quote(name)}" for name, value in values.items())
    return (
        f"INSERT INTO {settings.history_table} ({names})\n"
        f"SELECT\n    {cells}\n"
        f"WHERE NOT EXISTS (\n{_same(settings, release, action, alias)}\n)"
    )


def _same(settings: Settings, release: Release, action: str, alias: str | None) -> str:
    """Find the last row of the alias, or where there is none of the version, that says the same."""
    of_alias = f'"VERSION" = {release.version}' if alias is None else f'"ALIAS" = {literal(alias)}'
    return (
        '    SELECT 1\n    FROM (\n        SELECT "VERSION", "ACTION"\n'
        f"        FROM {settings.history_table}\n"
        f'        WHERE "MODEL" = {literal(release.model)} AND {of_alias}\n'
        '        QUALIFY ROW_NUMBER() OVER (ORDER BY "DEPLOYED_AT" DESC) = 1\n    ) AS "last"\n'
        f'    WHERE "VERSION" = {release.version} AND '
        f"(\"ACTION\" = '{UNDEPLOY}') = {'TRUE' if action == UNDEPLOY else 'FALSE'}"
    )


def _optional(text: str | None) -> str:
    return "NULL" if text is None else literal(text)
