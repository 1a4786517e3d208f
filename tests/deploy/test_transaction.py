"""Plans carried out in the fake account: what stands after a failure, a kill, a race."""

import re

import pytest
from releases import opened, stump
from snowflake_account import Account

from foresql.deploy.plan import Phase
from foresql.deploy.snowflake.deployment import Options, plan_deploy, plan_undeploy
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.deploy.snowflake.state import read_state
from foresql.deploy.snowflake.status import alias_problems
from foresql.deploy.snowflake.transaction import run_plan
from foresql.errors import DeploymentError
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact

SETTINGS = Settings()
ROWS = [(1.5,), (1.6,), (None,)]
# The two versions answer 2 and 3 there.
ASKED = (
    'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT), "FORESQL"."SERVING"."VERSION_DELAY"()'
)


def version(number):
    return opened(stump(["distance"], high=float(number + 1)), number, "delay", ROWS)


V1, V2, V3 = (version(number) for number in (1, 2, 3))
ON_STAGE = Options(inline=False)


@pytest.fixture(scope="module")
def plans():
    """Make the plans of a first deployment and of an upgrade once: they are the same each time."""
    return {
        "deploy": plan_deploy(V1, SETTINGS, options=ON_STAGE),
        "upgrade": plan_deploy(V2, SETTINGS, previous=V1, options=ON_STAGE),
        "third": plan_deploy(V3, SETTINGS, previous=V1, options=ON_STAGE),
    }


@pytest.fixture(scope="module")
def made(plans):
    """Two accounts for all tests: one that was set up, and one with version 1."""
    accounts = {name: Account() for name in plans}
    for name, account in accounts.items():
        run_plan(account.session, plan_setup(SETTINGS))
        if name != "deploy":
            run_plan(account.session, plans["deploy"])
    yield accounts
    for account in accounts.values():
        account.close()


@pytest.fixture
def accounts(made):
    """The accounts, which are as they were afterwards."""
    before = {name: (dict(account.functions), history(account)) for name, account in made.items()}
    yield made
    for name, account in made.items():
        account.failures.clear()
        functions, rows = before[name]
        names = {key[:3] for key in {*functions, *account.functions}}
        account.functions = functions
        for each in names:
            account._publish(each)
        kept = ", ".join(str(row[-1]) for row in rows) or "-1"
        account.duck.execute(f"DELETE FROM FORESQL.MODELS.DEPLOYMENTS WHERE rowid NOT IN ({kept})")


def history(account):
    return account.duck.execute(
        "SELECT VERSION, ACTION, rowid FROM FORESQL.MODELS.DEPLOYMENTS ORDER BY DEPLOYED_AT"
    ).fetchall()


def seen(account):
    """Give what callers and admins see: functions with what they call, answers, the record."""
    functions = {key: f.definition for key, f in account.functions.items()}
    answer = None
    if {"PREDICT_DELAY", "VERSION_DELAY"} <= {key[2] for key in functions}:
        ((answer,), _) = account.run(ASKED)
    return functions, answer, [row[:2] for row in history(account)]


def number_of_steps(kind):
    """Say how many steps a plan has, before the plans are made."""
    return {"deploy": 20, "upgrade": 20}[kind]


# Before these steps nothing is created that a kill could leave.
FIRST = {"deploy": 13, "upgrade": 7}
EACH = [(kind, n) for kind in ("deploy", "upgrade") for n in range(number_of_steps(kind))]


class Watch:
    """Counts steps as they are begun, and does something before one of them."""

    def __init__(self, place, action):
        self.place, self.action = place, action

    def __call__(self, number, step):
        if number == self.place + 1:
            self.action(step)


@pytest.mark.parametrize(("kind", "place"), EACH)
def test_a_failure_at_any_step_leaves_all_as_it_was(kind, place, plans, accounts):
    account, plan = accounts[kind], plans[kind]
    assert len(plan.steps) == number_of_steps(kind)
    before = seen(account)

    def refuse(step):
        text = f"PUT {step.upload.stage_path}" if step.upload else step.sql
        account.fail_on(f"^{re.escape(text)}$", "refused", times=1)

    with pytest.raises(DeploymentError, match=rf"Step {place + 1} of {len(plan.steps)}") as found:
        run_plan(account.session, plan, progress=Watch(place, refuse))
    after = seen(account)
    last_switch = max(i for i, s in enumerate(plan.steps) if s.phase is Phase.SWITCH)
    if place <= last_switch:
        assert after == before
        assert "What stands: every" in str(found.value)
    else:
        assert after[1] == (float(after[1][1]) + 1, {"deploy": 1, "upgrade": 2}[kind])
        assert "callers have the new state" in str(found.value)
    assert "003001" in str(found.value)


def assert_done(account, kind):
    number = {"deploy": 1, "upgrade": 2}[kind]
    _, answer, records = seen(account)
    assert answer == (number + 1.0, number)
    assert records[-1] == (number, "deploy")
    state = read_state(account.session, SETTINGS)
    assert not list(alias_problems(state, state.current("delay", "champion")))
    assert set(state.versions("delay")) == set(range(1, number + 1))


class KilledError(BaseException):
    """The process is gone: nothing more is sent."""


@pytest.mark.parametrize(("kind", "place"), [each for each in EACH if each[1] > FIRST[each[0]]])
def test_a_kill_between_any_two_steps(kind, place, plans, accounts):
    account, plan = accounts[kind], plans[kind]
    before = seen(account)
    sent = []

    def kill(_):
        sent.append(len(account.statements))
        account.fail_on("", "lost")
        raise KilledError

    with pytest.raises(KilledError):
        run_plan(account.session, plan, progress=Watch(place, kill))
    account.failures.clear()
    # Each function of the alias is at the old version or at the new one.
    functions, answer, _ = seen(account)
    first_switch = next(i for i, s in enumerate(plan.steps) if s.phase is Phase.SWITCH)
    if place <= first_switch:
        assert answer == before[1]
    elif answer is not None:
        assert answer[0] in {2.0, 3.0}
    created = any("_V2" in key[2] for key in functions) if kind == "upgrade" else bool(functions)
    state = read_state(account.session, SETTINGS)
    has_left = created and (2 if kind == "upgrade" else 1) not in state.versions("delay")
    left = {f.of[1] for f in state.functions if f.of} - set(state.versions("delay"))
    assert bool(left) == has_left
    run_plan(account.session, plan)
    assert_done(account, kind)


def test_the_later_of_two_stops_before_its_switch(plans, accounts):
    account = accounts["upgrade"]
    first_switch = next(i for i, s in enumerate(plans["third"].steps) if s.phase is Phase.SWITCH)

    def overtake(_):
        run_plan(account.session, plans["upgrade"])

    with pytest.raises(DeploymentError, match=r"is at another version here .*: 2") as found:
        run_plan(account.session, plans["third"], progress=Watch(first_switch, overtake))
    assert "everything that callers see is as before" in str(found.value)
    assert seen(account)[1] == (3.0, 2)
    assert not any("_V3" in key[2] for key in account.functions)


def test_who_fails_in_the_switch_does_not_undo_another_one(plans, accounts):
    account = accounts["upgrade"]
    places = [i for i, s in enumerate(plans["third"].steps) if s.phase is Phase.SWITCH]

    def overtake(step):
        run_plan(account.session, plans["upgrade"])
        account.fail_on(re.escape(step.sql[:60]), "refused", times=1)

    with pytest.raises(DeploymentError, match="someone else has switched the alias"):
        run_plan(account.session, plans["third"], progress=Watch(places[2], overtake))
    assert seen(account)[1] == (3.0, 2)


def test_a_lost_connection_is_opened_again_to_take_back(plans, accounts):
    account, plan = accounts["upgrade"], plans["upgrade"]
    before = seen(account)
    opened_again = []
    places = [i for i, s in enumerate(plan.steps) if s.phase is Phase.SWITCH]

    def lose(_):
        account.fail_on("", "lost")

    def reconnect():
        account.failures.clear()
        opened_again.append(True)
        return account.session

    with pytest.raises(DeploymentError, match="250001") as found:
        run_plan(account.session, plan, progress=Watch(places[-2], lose), reconnect=reconnect)
    assert "as before" in str(found.value)
    assert opened_again == [True]
    assert seen(account) == before


def test_a_lost_connection_that_stays_lost_says_so(plans, accounts):
    account, plan = accounts["upgrade"], plans["upgrade"]

    def lose(_):
        account.fail_on("", "lost")

    with pytest.raises(
        DeploymentError, match=r"What stands: not known.*\n?.*Run the command again"
    ):
        run_plan(account.session, plan, progress=Watch(8, lose))
    account.failures.clear()
    run_plan(account.session, plan)
    assert_done(account, "upgrade")


def test_what_cannot_be_taken_back_is_listed(plans, accounts):
    account, plan = accounts["upgrade"], plans["upgrade"]

    def refuse(_):
        account.fail_on("^GRANT", "refused")
        account.fail_on("^DROP FUNCTION", "refused")

    first_grant = next(i for i, s in enumerate(plan.steps) if s.phase is Phase.GRANT)
    with pytest.raises(DeploymentError, match="could not be taken back") as found:
        run_plan(account.session, plan, progress=Watch(first_grant, refuse))
    assert 'DROP FUNCTION IF EXISTS "FORESQL"."MODELS"."PREDICT_DELAY_V2"' in str(found.value)


def test_ctrl_c_takes_back_what_was_done(plans, accounts):
    account, plan = accounts["upgrade"], plans["upgrade"]
    before = seen(account)
    places = [i for i, s in enumerate(plan.steps) if s.phase is Phase.SWITCH]

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        run_plan(account.session, plan, progress=Watch(places[2], interrupt))
    assert "as before" in found.value.__notes__[0]
    assert seen(account) == before


def test_a_wrong_answer_stops_the_upgrade(plans, accounts):
    """The zip is another model's: one that answers the golden rows otherwise."""
    account, plan = accounts["upgrade"], plans["upgrade"]
    before = seen(account)
    wrong = opened(stump(["distance"], high=3.0000000000000004), 2, "delay", ROWS)
    other = plan_deploy(wrong, SETTINGS, options=ON_STAGE)
    upload = next(step.upload for step in other.steps if step.upload)
    path = next(step.upload.stage_path for step in plan.steps if step.upload)
    name = path.rpartition("/")[2].removesuffix(".zip")
    theirs = upload.stage_path.rpartition("/")[2].removesuffix(".zip")
    stage, within = account._staged(path)
    stage[within] = renamed(upload.content, theirs, name)
    try:
        with pytest.raises(DeploymentError, match=r"foresql: \d of 3 golden rows of delay:2"):
            run_plan(account.session, plan)
        assert seen(account) == before
    finally:
        del stage[within]


def test_a_wrong_redeployment_of_the_live_version_changes_no_answer(accounts):
    """Another release of foresql makes another artifact of the same bundle."""
    account = accounts["upgrade"]
    before = seen(account)
    other = build_artifact(Bundle(stump(["distance"], high=9.0)), "delay", 1)
    run_plan(account.session, plan_deploy(V1, SETTINGS, previous=V1, artifact=other))
    assert seen(account) == before


def test_a_function_that_was_dropped_is_made_again(accounts):
    account = accounts["upgrade"]
    before = seen(account)
    account.run('DROP FUNCTION "FORESQL"."MODELS"."EXPLAIN_DELAY_V1"(FLOAT)')
    run_plan(account.session, plan_deploy(V1, SETTINGS, previous=V1, options=ON_STAGE))
    assert seen(account)[0].keys() == before[0].keys()


def test_half_an_undeployment_says_what_is_done(accounts):
    account = accounts["upgrade"]
    account.fail_on("^DROP FUNCTION .*PREDICT_DELAY_V1", "refused", times=1)
    with pytest.raises(DeploymentError, match=r"3 steps were done, and not taken back"):
        run_plan(account.session, plan_undeploy(V1, SETTINGS, alias="champion"))
    assert "PREDICT_DELAY" not in {key[2] for key in account.functions}


def test_what_is_dropped_and_deployed_again_is_recorded(accounts):
    account = accounts["deploy"]
    for plan in (
        plan_deploy(V1, SETTINGS, alias=None),
        plan_deploy(V1, SETTINGS),
        plan_undeploy(V1, SETTINGS, alias="champion"),
        plan_deploy(V1, SETTINGS, alias=None),
    ):
        run_plan(account.session, plan)
    assert set(read_state(account.session, SETTINGS).versions("delay")) == {1}
    for plan in (
        plan_undeploy(V1, SETTINGS),
        plan_deploy(V1, SETTINGS),
        plan_deploy(V2, SETTINGS, previous=V1),
        plan_undeploy(V1, SETTINGS),
    ):
        run_plan(account.session, plan)
    assert set(read_state(account.session, SETTINGS).versions("delay")) == {2}


def renamed(content, old, new):
    """Give a zip's modules another name, as deep as it is written."""
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            inside = source.read(name).replace(old.encode(), new.encode())
            target.writestr(name.replace(old, new), inside)
    return out.getvalue()


def test_a_corrupted_zip_stops_the_upgrade(plans, accounts):
    account, plan = accounts["upgrade"], plans["upgrade"]
    before = seen(account)
    upload = next(step.upload for step in plan.steps if step.upload)
    stage, within = account._staged(upload.stage_path)
    stage[within] = upload.content[: len(upload.content) // 2]
    try:
        with pytest.raises(DeploymentError, match="100357"):
            run_plan(account.session, plan)
        assert seen(account) == before
    finally:
        del stage[within]


def test_roles_of_steps_are_taken_and_given_back(accounts):
    from foresql.deploy.plan import Plan, Step

    account = accounts["deploy"]
    step = Step(what="x", sql="SELECT CURRENT_ROLE()", phase=Phase.PREPARE, role="B", report=True)
    plan = Plan(title="x", header=(), steps=(step,), role="FORESQL_DEPLOYER")
    (answer,) = run_plan(account.session, plan)
    assert answer.rows == (("B",),)
    assert account.role == "FORESQL_DEPLOYER"
