"""The scripts of whole deployments, as they were reviewed.

Regenerate by ``FORESQL_GOLDEN=write pytest tests/deploy/test_golden_scripts.py``; read the diff.
"""

import os
from pathlib import Path

import pytest
from releases import artifact_of, flights, opened, stump
from sqlfluff.core import FluffConfig, Linter

from foresql.deploy.snowflake.deployment import (
    Options,
    plan_deploy,
    plan_rollback,
    plan_undeploy,
)
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.deploy.snowflake.sql_only import plan_deploy_sql

FOLDER = Path(__file__).parent / "golden"
SETTINGS = Settings()
WIDE = [f"column {place}" for place in range(501)]


def first():
    release = flights(1)
    options = Options(golden_rows=3)
    return plan_deploy(release, SETTINGS, artifact=artifact_of(release), options=options)


def inline():
    release = opened(stump(["distance"]), 1, "delay", [(1.5,), (2.0,), (None,)])
    artifact = artifact_of(release, inline="def predict(frame):\n    return frame[0]")
    settings = Settings(warehouse="SCORING")
    options = Options(inline=True)
    return plan_deploy(release, settings, artifact=artifact, alias="challenger", options=options)


def upgrade():
    release, options = (
        flights(2),
        Options(sample_from="shop.flights", max_change=0.25, golden_rows=2),
    )
    return plan_deploy(
        release, SETTINGS, previous=flights(1), artifact=artifact_of(release), options=options
    )


PLANS = {
    "setup": lambda: plan_setup(Settings(warehouse="SCORING")),
    "deploy_first": first,
    "deploy_inline": inline,
    "deploy_upgrade": upgrade,
    "rollback": lambda: plan_rollback(flights(2), SETTINGS, to=flights(1), golden_rows=2),
    "undeploy": lambda: plan_undeploy(
        flights(1), SETTINGS, alias="champion", artifact=artifact_of(flights(1))
    ),
    "sql_view": lambda: plan_deploy_sql(
        flights(2),
        SETTINGS,
        previous=flights(1),
        source="shop.flights",
        keep=["id"],
        most_golden_rows=2,
    ),
    "sql_function": lambda: plan_deploy_sql(flights(1), SETTINGS, most_golden_rows=2),
}


@pytest.mark.parametrize("name", PLANS)
def test_script(name):
    path, script = FOLDER / f"{name}.sql", PLANS[name]().script()
    if os.environ.get("FORESQL_GOLDEN") == "write":
        path.write_text(script)
    assert script == path.read_text()
    assert script == PLANS[name]().script()


def test_every_golden_file_belongs_to_a_plan():
    assert {path.stem for path in FOLDER.iterdir()} == set(PLANS)


def test_sqlfluff_parses_every_statement():
    plans = [PLANS[name]() for name in PLANS]
    texts = {text for plan in plans for step in plan.steps for text in (step.sql, *step.undo)}
    linter = Linter(config=FluffConfig(overrides={"dialect": "snowflake"}))
    for text in sorted(texts):
        parsed = linter.parse_string(f"{text};\n")
        assert parsed.violations == [], text
        assert list(parsed.tree.recursive_crawl("unparsable")) == []
        assert len(list(parsed.tree.recursive_crawl("statement", recurse_into=False))) == 1


@pytest.mark.parametrize("name", PLANS)
def test_the_script_is_the_statements_and_comments(name):
    script = (FOLDER / f"{name}.sql").read_text()
    at = 0
    for step in PLANS[name]().steps:
        at = script.index(f"\n{step.sql};\n", at) + len(step.sql)
    outside = script
    for step in PLANS[name]().steps:
        outside = outside.replace(f"\n{step.sql};\n", "\n", 1)
    assert all(not line or line.startswith("--") for line in outside.splitlines())
