"""What is set up once: least rights, other names, nothing left to chance."""

import re

import pytest
from releases import artifact_of, flights

from foresql.deploy.plan import Phase, Plan, Step
from foresql.deploy.snowflake.deployment import plan_deploy
from foresql.deploy.snowflake.retirement import plan_rollback, plan_undeploy
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup, rights, rights_table
from foresql.deploy.snowflake.sql_only import plan_deploy_sql
from foresql.errors import ForesqlError

OTHER = Settings.named(
    database='"my db"',
    models="m_1",
    serving="s_1",
    stage="files",
    history="log",
    deployer="d_1",
    caller="c_1",
    operator="o_1",
    warehouse="w_1",
)


def may(role):
    return {
        privilege.strip()
        for right in rights(Settings())
        if right.role == role
        for privilege in right.privileges.split(",")
    }


def test_callers_can_only_call_and_read():
    assert may("FORESQL_CALLER") == {"USAGE", "SELECT", "READ"}


def test_operators_change_no_model():
    assert may("FORESQL_OPERATOR") == {"USAGE", "SELECT", "OPERATE", "MONITOR"}


def test_the_deployer_adds_to_the_history_and_owns_no_schema():
    assert not {"UPDATE", "DELETE", "TRUNCATE", "OWNERSHIP", "ALL"} & may("FORESQL_DEPLOYER")
    script = plan_setup(Settings()).script()
    assert not re.search(r"GRANT (OWNERSHIP|ALL)", script)


def test_no_role_is_granted_to_another_of_them():
    granted = re.findall(r'GRANT ROLE "(\w+)" TO ROLE (\S+);', plan_setup(Settings()).script())
    assert {above for _, above in granted} == {"SYSADMIN"}
    assert len(granted) == 3


def test_the_table_lists_what_is_granted():
    lines = rights_table(Settings()).splitlines()[2:]
    grants = [step for step in plan_setup(Settings()).steps if step.sql.startswith("GRANT")]
    assert len(lines) == len(grants) - 3
    assert all(line.count("|") == 5 for line in lines)


def test_other_names_are_used_everywhere():
    artifact = artifact_of(flights(2))
    plans = [
        plan_setup(OTHER),
        plan_deploy(flights(2), OTHER, previous=flights(1), artifact=artifact),
        plan_rollback(flights(2), OTHER, to=flights(1)),
        plan_undeploy(flights(2), OTHER, alias="champion", artifact=artifact),
        plan_deploy_sql(flights(2), OTHER),
    ]
    default = Settings()
    for plan in plans:
        script = plan.script()
        assert '"my db"."M_1"' in script
        for name in (default.database, default.models, default.serving, default.stage):
            assert f'"{name}"' not in script
        assert not re.search(r'"FORESQL_\w+"', script)
        assert f'"{default.history}"' not in script


@pytest.mark.parametrize(
    "names",
    [{"models": "serving"}, {"caller": "foresql_deployer"}, {"database": "a b"}, {"nothing": "x"}],
)
def test_settings_that_make_no_sense(names):
    with pytest.raises(ForesqlError):
        Settings.named(**names)


def test_a_script_holds_no_line_of_a_text():
    step = Step(
        what="Say\n; DROP x; " + "long " * 40,
        sql="SELECT 1",
        phase=Phase.CHECK,
        undo=("DROP a\n;\u2028DROP b",),
    )
    plan = Plan(title="a\nDROP y;", header=("", "b\r\nDROP z;"), steps=(step,))
    lines = plan.script().split("\n")
    assert [line for line in lines if line and not line.startswith("--")] == ["SELECT 1;"]


def test_snowflakes_own_roles_are_refused():
    with pytest.raises(ForesqlError, match="PUBLIC is a role of Snowflake's own"):
        plan_setup(Settings.named(caller="public"))
