"""Deployments as SQL alone, from a registry, in the account for tests and by the command."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from releases import opened as made_up
from releases import stump
from sklearn.tree import DecisionTreeRegressor
from snowflake_account import Account

import foresql
from foresql.cli import main
from foresql.deploy.snowflake import lifecycle
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.deploy.snowflake.sql_lifecycle import deploy_sql, undeploy_sql
from foresql.deploy.snowflake.sql_only import plan_deploy_sql
from foresql.errors import DeploymentError, ForesqlError
from foresql.scoring import open_model

TABLE = "foresql.public.flights"
FRAME = pd.DataFrame({"distance": np.arange(20.0)})


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("registry")
    for late in (5, 11):
        model = DecisionTreeRegressor(max_depth=1).fit(FRAME, FRAME["distance"] > late)
        foresql.publish("delay", model, like=FRAME, alias="champion", registry=path, probe_rows=200)
    return path


@pytest.fixture
def account():
    account = Account()
    for step in plan_setup(Settings()).steps:
        if not step.sql.startswith("CREATE DATABASE"):
            account.session.run(step.sql)
    account.session.run('CREATE TABLE "FORESQL"."PUBLIC"."FLIGHTS" ("DISTANCE" FLOAT)')
    account.session.run('INSERT INTO "FORESQL"."PUBLIC"."FLIGHTS" VALUES (4), (8), (12)')
    yield account
    account.close()


def predictions(account):
    sql = 'SELECT prediction FROM "FORESQL"."SERVING"."SCORE_DELAY" ORDER BY 1'
    return [row[0] for row in account.session.run(sql)]


def test_a_view_is_switched_kept_and_dropped(account, registry):
    there = lifecycle.Account(Settings(), lambda: account.session, registry)
    first, second = (open_model(f"delay:{number}", registry) for number in (1, 2))
    deploy_sql(there, first, alias="champion", source=TABLE)
    assert predictions(account) == [0.0, 1.0, 1.0]
    account.fail_on(r'CREATE OR REPLACE SECURE VIEW "FORESQL"."SERVING"', "refused", times=1)
    with pytest.raises(DeploymentError, match=r"Insufficient privileges"):
        deploy_sql(there, second, alias="champion", source=TABLE)
    assert predictions(account) == [0.0, 1.0, 1.0]
    done = deploy_sql(there, second, alias="Champion", source=TABLE)
    assert (done.version, done.alias) == (2, "champion")
    assert predictions(account) == [0.0, 0.0, 1.0]
    undeploy_sql(there, second, alias="champion", source=TABLE)
    with pytest.raises(ForesqlError, match=r"does not exist|SCORE_DELAY"):
        predictions(account)


def test_a_view_that_another_alias_reads_is_neither_replaced_nor_dropped(account, registry):
    there = lifecycle.Account(Settings(), lambda: account.session, registry)
    first, second = (open_model(f"delay:{number}", registry) for number in (1, 2))
    account.session.run('CREATE TABLE "FORESQL"."PUBLIC"."OTHERS" ("DISTANCE" FLOAT)')
    deploy_sql(there, first, alias="champion", source=TABLE)
    with pytest.raises(DeploymentError, match=r"for another alias: champion"):
        deploy_sql(there, first, alias="challenger", source="foresql.public.others")
    with pytest.raises(DeploymentError, match=r"at another version here"):
        undeploy_sql(there, second, alias="champion", source=TABLE)
    assert predictions(account) == [0.0, 1.0, 1.0]


def test_the_command_writes_what_it_would_do(registry):
    asked = ["deploy-sql", "delay@champion", "--to", "snowflake", "--registry", str(registry)]
    asked += ["--from", TABLE, "--dry-run"]
    written = CliRunner().invoke(main, [*asked, "--previous", "1"])
    plan = plan_deploy_sql(
        open_model("delay:2", registry),
        Settings(),
        previous=open_model("delay:1", registry),
        source=TABLE,
    )
    assert written.output == plan.script()
    dropped = CliRunner().invoke(main, [*asked, "--drop"])
    assert 'DROP VIEW IF EXISTS "FORESQL"."SERVING"."SCORE_DELAY";' in dropped.output


def test_a_function_of_other_columns_is_refused():
    old, new = made_up(stump(["a"]), 1, rows=[(1.0,)]), made_up(stump(["a", "b"]), 2)
    new = made_up(stump(["a", "b"]), 2, rows=[(1.0, 2.0)])
    with pytest.raises(ForesqlError, match="takes other columns than delay:1"):
        plan_deploy_sql(new, Settings(), previous=old)
