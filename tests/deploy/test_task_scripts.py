"""The scripts of a task's life, beside what was reviewed; and the command that writes them.

Regenerate by ``FORESQL_GOLDEN=write pytest tests/deploy/test_task_scripts.py`` and read the diff.
"""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from snowflake_account import check_syntax
from snowflake_task import QUERY, publish_versions

from foresql.cli import main
from foresql.deploy.snowflake.asked import Asked
from foresql.deploy.snowflake.incremental import (
    plan_backfill,
    plan_incremental,
    plan_incremental_upgrade,
)
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.task_rights import plan_task_rights
from foresql.errors import ForesqlError, UnsupportedModelError

FOLDER = Path(__file__).parent / "golden_tasks"
ROWS = "ANALYTICS.PUBLIC.FLIGHT_FEATURES"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "registry"
    publish_versions(path)
    return path


@pytest.fixture(scope="module")
def upkeep(registry):
    def made(version=1, **asked):
        given = {"query": QUERY, "into": "PREDICTIONS", "key": ["flight_id"], "source": ROWS}
        return Asked(**given | asked, models=[f"delay:{version}"]).upkeep(Settings(), registry)

    return made


PLANS = {
    "task": lambda upkeep: plan_incremental(upkeep()),
    "task_upgrade": lambda upkeep: plan_incremental_upgrade(upkeep(2), previous=upkeep()),
    "task_latest_backfill": lambda upkeep: plan_backfill(
        upkeep(latest_by="updated_at", key=["flight_id"], view=True), reconcile=True
    ),
    "task_latest": lambda upkeep: plan_incremental(
        upkeep(latest_by="updated_at", append_only=True, view=True, warehouse="wh")
    ),
    "dynamic_table": lambda upkeep: plan_incremental(
        upkeep(warehouse="wh", lag="5 minutes"), "dynamic-table"
    ),
    "dynamic_table_upgrade": lambda upkeep: plan_incremental_upgrade(
        upkeep(2, warehouse="wh", lag="5 minutes"), "dynamic-table"
    ),
    "task_rights": lambda upkeep: plan_task_rights(upkeep()),
}


def without_hashes(script, plan_upkeeps):
    """Hide what a release of the training library may change: the bundle's hash."""
    for each in plan_upkeeps:
        script = script.replace(each.scoring_hash, "<scoring hash>")
        for model in each.query.models:
            script = script.replace(model.digest, f"<sha256 of {model.name}:{model.version}>")
    return script


@pytest.mark.parametrize("name", PLANS)
def test_script(name, upkeep):
    made = []

    def keeping(*arguments, **options):
        made.append(upkeep(*arguments, **options))
        return made[-1]

    plan = PLANS[name](keeping)
    written = without_hashes(plan.script(), made)
    path = FOLDER / f"{name}.sql"
    if os.environ.get("FORESQL_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(written)
    assert written == path.read_text()
    for step in plan.steps:
        for statement in (step.sql, *step.undo):
            check_syntax(statement)


def test_every_golden_file_belongs_to_a_plan():
    assert {path.stem for path in FOLDER.iterdir()} == set(PLANS)


def test_the_blocks_hold_statements_that_parse(upkeep):
    from snowflake_streams import block_of, statements_of

    for plan in (plan_incremental(upkeep()), plan_backfill(upkeep(latest_by="x"))):
        for step in plan.steps:
            for statement in statements_of(block_of(step.sql)) if "$$" in step.sql else ():
                sql = statement.removeprefix("REPEAT").strip()
                if not sql.startswith(("touched", "UNTIL")):
                    check_syntax(sql)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"key": ["carrier"]}, "key 'CARRIER'.*not a column.*FLIGHT_ID"),
        ({"key": []}, "no key"),
        ({"into": ROWS}, "would replace the table"),
        ({"into": "a.b.c.d"}, "no name of a table"),
        ({"into": "x; DROP"}, "no name"),
        ({"query": 'SELECT flight_id, predict_delay(f) AS "a\nb" FROM f'}, "line break"),
        ({"lag": "soon"}, "no interval"),
        ({"lag": "0 minutes"}, "no interval"),
        (
            {"query": "SELECT id, predict_delay(f) AS run_id FROM f", "key": ["id"]},
            "'RUN_ID'.*already",
        ),
    ],
)
def test_what_is_refused(upkeep, asked, reason):
    with pytest.raises(ForesqlError, match=f"(?s){reason}"):
        upkeep(**asked)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "no warehouse"),
        ({"warehouse": "wh", "latest_by": "x"}, "--latest-by"),
        (
            {
                "warehouse": "wh",
                "query": "SELECT flight_id, f.x FROM f WHERE predict_proba_delay(f) > 0.5",
            },
            "a model in WHERE",
        ),
    ],
)
def test_what_a_dynamic_table_cannot_be(upkeep, asked, reason):
    with pytest.raises(UnsupportedModelError, match=reason):
        plan_incremental(upkeep(**asked), "dynamic-table")


def test_the_task_calls_versions_and_never_an_alias(upkeep):
    for plan in (plan_incremental(upkeep()), plan_incremental_upgrade(upkeep(2))):
        assert '"PREDICT_DELAY"' not in plan.script()
        assert "CREATE OR REPLACE STREAM" not in plan.script()
        assert "CREATE OR REPLACE TASK" not in plan.script()
    assert "PREDICT_DELAY_V1" not in plan.script()


def invoke(registry, tmp_path, *options):
    query = tmp_path / "scoring.sql"
    query.write_text(QUERY)
    given = ["task", str(query), "--to", "snowflake", "--into", "PREDICTIONS", "--dry-run"]
    return CliRunner().invoke(
        main, [*given, "--key", "flight_id", "--registry", str(registry), *options]
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), "CREATE TASK IF NOT EXISTS"),
        (("--do", "upgrade", "--previous", "delay:1"), "-- Undo: USE ROLE"),
        (("--do", "backfill", "--slice", "500", "--reconcile"), "LIMIT 500"),
        (("--do", "setup"), "GRANT EXECUTE MANAGED TASK ON ACCOUNT"),
        (("--as", "dynamic-table", "--compute", "wh", "--lag", "2 hours"), "'2 HOURS'"),
        (("--model", "delay:1", "--keep-case"), '"F"."distance" > 10'),
        (("--set", "serving=ANALYTICS", "--append-only"), "APPEND_ONLY = TRUE"),
    ],
)
def test_command_writes_the_script(registry, tmp_path, options, found):
    done = invoke(registry, tmp_path, *options)
    assert done.exit_code == 0, done.output
    assert found in done.output


def test_command_gives_json_and_errors(registry, tmp_path):
    done = invoke(registry, tmp_path, "--json")
    assert "CREATE STREAM" in json.loads(done.output)["script"]
    done = invoke(registry, tmp_path, "--as", "dynamic-table")
    assert done.exit_code == 1
    assert "--compute" in done.output
    done = invoke(registry, tmp_path, "--as", "dynamic-table", "--do", "backfill")
    assert "needs no backfill" in done.output
