"""Plans run in a Snowflake account for tests: what they check, switch, note and take back."""

from dataclasses import replace
from functools import cache

import pytest
from releases import FLIGHTS, artifact_of, classifier, opened, stump
from snowflake_account import Account

from foresql.deploy.plan import Phase
from foresql.deploy.snowflake.deployment import (
    Options,
    plan_deploy,
    plan_rollback,
    plan_undeploy,
)
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.deploy.snowflake.sql_only import plan_deploy_sql, plan_undeploy_sql
from foresql.errors import AccountError, ForesqlError
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact

SETTINGS = Settings()
ROWS = [(1.5,), (1.6,), (-0.0,), (float("inf"),), (float("-inf"),), (None,), (1e300,)]


@cache
def version(number, high=2.0, name="delay", column="distance"):
    return opened(stump([column], high=high), number, name, ROWS)


@cache
def built(release, model=None):
    """Build what runs in the account; of another model, to see that it is caught."""
    bundle = release.bundle if model is None else Bundle(model)
    return build_artifact(bundle, release.name, release.version)


@pytest.fixture
def account():
    account = Account()
    run(account, plan_setup(SETTINGS), skip="CREATE DATABASE")
    yield account
    account.close()


def run(account, plan, *, skip=None):
    """Run a plan; give the answers of its reports."""
    reports = []
    for step in plan.steps:
        if step.upload:
            account.session.upload(step.upload.content, step.upload.stage_path)
        elif skip is None or not step.sql.startswith(skip):
            answer = account.session.run(step.sql)
            if step.report:
                reports.append(answer)
    return reports


def deploy(account, release, artifact, **options):
    previous = options.pop("previous", None)
    alias = options.pop("alias", "champion")
    plan = plan_deploy(
        release,
        SETTINGS,
        alias=alias,
        previous=previous,
        artifact=artifact,
        options=Options(**options),
    )
    return run(account, plan)


def ask(account, sql):
    return account.session.run(sql)


def test_first_deployment(account):
    release = version(1)
    deploy(account, release, built(release))
    sql = (
        'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(1.5::FLOAT), '
        '"FORESQL"."SERVING"."VERSION_DELAY"()'
    )
    assert ask(account, sql) == [(-1.0, 1)]
    found = ask(
        account,
        'SELECT "MODEL", "ALIAS", "VERSION", "ACTION", "DEPLOYED_BY" '
        'FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"',
    )
    assert found == [("delay", "champion", 1, "deploy", "TESTER")]
    catalog = ask(
        account, 'SELECT "VERSION", "CERTIFIED_ROWS" FROM "FORESQL"."SERVING"."MODEL_CATALOG"'
    )
    assert catalog == [(1, 12_345)]


def test_a_wrong_answer_stops_before_anyone_sees_it(account):
    old = version(1)
    deploy(account, old, built(old))
    new = version(2, high=3.0)
    with pytest.raises(AccountError, match="foresql: 3 of 7 golden rows of delay:2"):
        # One ulp off.
        deploy(account, new, built(new, stump(["distance"], high=3.0000000000000004)), previous=old)
    assert ask(account, 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT)') == [(2.0,)]


def test_a_row_at_the_split_tells_the_comparison(account):
    release = version(1)
    with pytest.raises(AccountError, match=r"foresql: 1 of 7 golden rows .* first is row 0"):
        deploy(account, release, built(release, stump(["distance"], threshold=1.4999999999999998)))


def test_a_missing_answer_is_a_wrong_one(account):
    release = version(1)
    with pytest.raises(AccountError, match="foresql: 3 of 7 golden rows"):
        deploy(account, release, built(release, stump(["distance"], high=float("nan"))))


def test_a_sample_without_rows_bounds_nothing(account):
    old, new = version(1), version(2, high=2.5)
    deploy(account, old, built(old))
    ask(account, 'CREATE TABLE "FORESQL"."PUBLIC"."FLIGHTS" ("DISTANCE" FLOAT)')
    sample = {"previous": old, "sample_from": "foresql.public.flights"}
    with pytest.raises(AccountError, match="rows of the sample: 0"):
        deploy(account, new, built(new), **sample, max_change=100)


def test_upgrade_reports_what_changes_and_rollback_returns(account):
    old, new = version(1), version(2, high=2.5)
    deploy(account, old, built(old))
    ask(account, 'CREATE TABLE "FORESQL"."PUBLIC"."FLIGHTS" ("DISTANCE" FLOAT)')
    ask(
        account,
        """INSERT INTO "FORESQL"."PUBLIC"."FLIGHTS"
        SELECT column1 FROM VALUES (1::FLOAT), (2::FLOAT), (NULL), (3::FLOAT)""",
    )
    sample = {"previous": old, "sample_from": "foresql.public.flights"}
    with pytest.raises(AccountError, match=r"delay:2 differs from delay:1 by more than 0.25 .*0.5"):
        deploy(account, new, built(new), **sample, max_change=0.25)
    _, reported = deploy(account, new, built(new), **sample, max_change=0.5)
    assert reported == [(4, 2, 0.5)]
    call = 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT)'
    said = 'SELECT "FORESQL"."SERVING"."VERSION_DELAY"()'
    assert (ask(account, call), ask(account, said)) == ([(2.5,)], [(2,)])
    run(account, plan_rollback(new, SETTINGS, to=old))
    assert (ask(account, call), ask(account, said)) == ([(2.0,)], [(1,)])
    found = ask(
        account,
        'SELECT "ACTION", "VERSION", "PREVIOUS_VERSION" '
        'FROM "FORESQL"."MODELS"."DEPLOYMENTS" ORDER BY "DEPLOYED_AT"',
    )
    assert found == [("deploy", 1, None), ("deploy", 2, 1), ("rollback", 1, 2)]


def test_a_plan_runs_twice(account):
    release = version(1)
    plan = plan_deploy(release, SETTINGS, artifact=built(release))
    run(account, plan)
    run(account, plan)
    assert ask(account, 'SELECT COUNT(*) FROM "FORESQL"."MODELS"."DEPLOYMENTS"') == [(1,)]
    run(account, plan_setup(SETTINGS), skip="CREATE DATABASE")
    assert ask(account, 'SELECT COUNT(*) FROM "FORESQL"."MODELS"."DEPLOYMENTS"') == [(1,)]


@pytest.mark.parametrize("alias", ["champion", "challenger", None])
def test_a_script_replaces_no_functions_of_another_foresql(account, alias):
    release = version(1)
    deploy(account, release, built(release))
    before = {key: each.definition for key, each in account.functions.items()}
    other = built(release, stump(["distance"], high=9.0))
    with pytest.raises(AccountError, match=r"delay:1 is here with .* another foresql"):
        deploy(account, release, other, alias=alias)
    assert {key: each.definition for key, each in account.functions.items()} == before
    deploy(account, release, other, previous=release)
    assert ask(account, 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT)') == [(2.0,)]
    run(account, plan_undeploy(release, SETTINGS, alias="champion"))
    deploy(account, release, built(release), alias=alias)
    deploy(account, release, built(release), alias=alias)


def test_undo_returns_the_alias(account):
    old, new = version(1), version(2, high=3.0)
    deploy(account, old, built(old))
    plan = plan_deploy(new, SETTINGS, previous=old, artifact=built(new))
    done = [step for step in plan.steps if step.phase is not Phase.RECORD]
    for step in done:
        if step.upload:
            account.session.upload(step.upload.content, step.upload.stage_path)
        else:
            account.session.run(step.sql)
    for step in reversed(done):
        for statement in step.undo:
            account.session.run(statement)
    assert ask(
        account,
        'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT), '
        '"FORESQL"."SERVING"."VERSION_DELAY"()',
    ) == [(2.0, 1)]
    assert {key[2] for key in account.functions} == {
        *("PREDICT_DELAY_V1", "EXPLAIN_DELAY_V1"),
        *("PREDICT_DELAY", "EXPLAIN_DELAY", "VERSION_DELAY"),
    }


def test_undeploy_drops_what_no_alias_needs(account):
    old, new = version(1), version(2)
    deploy(account, old, built(old))
    with pytest.raises(AccountError, match=r"delay:1 cannot be dropped, .*: champion"):
        run(account, plan_undeploy(old, SETTINGS))
    deploy(account, new, built(new), previous=old)
    run(account, plan_undeploy(old, SETTINGS))
    assert "PREDICT_DELAY_V1" not in {key[2] for key in account.functions}
    (stage,) = account.stages.values()
    assert [path.split("-")[0] for path in stage] == ["delay/v2"]
    run(account, plan_undeploy(new, SETTINGS, alias="champion"))
    assert account.functions == {}
    assert stage == {}
    assert ask(account, 'SELECT * FROM "FORESQL"."MODELS"."CURRENT_DEPLOYMENTS"') == []


def test_an_alias_that_moved_meanwhile_stops_the_plan(account):
    first, second = version(1), version(2)
    deploy(account, first, built(first))
    deploy(account, second, built(second), previous=first)
    third = version(3)
    with pytest.raises(AccountError, match=r"delay@champion is at another version .*: 2"):
        deploy(account, third, built(third), previous=first)


def test_a_version_of_another_bundle_stops_the_plan(account):
    release = version(1)
    deploy(account, release, built(release))
    other = opened(stump(["distance"], high=7.0), 1, "delay", ROWS, digest="f" * 64)
    with pytest.raises(AccountError, match="delay:1 was deployed from another bundle"):
        deploy(account, other, built(other), previous=release)


def test_models_whose_functions_would_share_a_name(account):
    release = version(1, name="delay_challenger")
    deploy(account, release, built(release))
    other = version(1, name="delay")
    with pytest.raises(AccountError, match="another model's: delay_challenger"):
        deploy(account, other, built(other), alias="challenger")
    deploy(account, other, built(other))


def test_other_columns_are_refused_unless_said(account):
    old, new = version(1), version(2, column="delay")
    with pytest.raises(ForesqlError, match="delay FLOAT instead of distance FLOAT"):
        plan_deploy(new, SETTINGS, previous=old, artifact=built(new))
    deploy(account, old, built(old))
    kinds = opened(stump(["a", "b"]), 2, "delay", [(1.5, 2.0)])
    options = Options(columns_may_change=True)
    plan = plan_deploy(kinds, SETTINGS, previous=old, artifact=artifact_of(kinds), options=options)
    dropped = [step for step in plan.steps if step.sql.startswith("DROP")]
    assert [step.sql for step in dropped] == [
        'DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."PREDICT_DELAY"(FLOAT)',
        'DROP FUNCTION IF EXISTS "FORESQL"."SERVING"."EXPLAIN_DELAY"(FLOAT)',
    ]
    assert all(step.undo[0].startswith("CREATE OR REPLACE FUNCTION") for step in dropped)


def test_a_rollback_to_other_columns_is_refused_unless_said():
    old = opened(stump(["a", "b"]), 1, "delay", [(1.5, 2.0)])
    new = opened(stump(["b", "a"]), 2, "delay", [(1.5, 2.0)])
    with pytest.raises(ForesqlError, match=r"a FLOAT instead of b FLOAT.*--columns-may-change"):
        plan_rollback(new, SETTINGS, to=old)
    plan = plan_rollback(new, SETTINGS, to=old, columns_may_change=True)
    assert any('PREDICT_DELAY_V1"("A", "B")' in step.sql for step in plan.steps)


@pytest.mark.parametrize("is_order", [True, False])
def test_other_classes_are_refused_unless_said(is_order):
    model = classifier()
    classes = model.outputs.classes[::-1] if is_order else ("a", "b")
    other = replace(model, outputs=replace(model.outputs, classes=classes))
    old, new = opened(model, 1, "delay", FLIGHTS), opened(other, 2, "delay", FLIGHTS)
    artifact, message = artifact_of(new), r"delay:2 has other classes .*--columns-may-change"
    with pytest.raises(ForesqlError, match=message):
        plan_deploy(new, SETTINGS, previous=old, artifact=artifact)
    with pytest.raises(ForesqlError, match=message):
        plan_rollback(old, SETTINGS, to=new)
    options = Options(columns_may_change=True)
    plan_deploy(new, SETTINGS, previous=old, artifact=artifact, options=options)
    plan_rollback(old, SETTINGS, to=new, columns_may_change=True)


def test_sql_alone(account):
    ask(account, 'CREATE TABLE "FORESQL"."PUBLIC"."FLIGHTS" ("ID" NUMBER, "DISTANCE" FLOAT)')
    ask(account, 'INSERT INTO "FORESQL"."PUBLIC"."FLIGHTS" VALUES (1, 1.5), (2, 1.6), (3, NULL)')
    release, source = version(1), "foresql.public.flights"
    plan = plan_deploy_sql(release, SETTINGS, source=source, keep=["id"])
    run(account, plan)
    run(account, plan)
    sql = 'SELECT id, prediction FROM "FORESQL"."SERVING"."SCORE_DELAY" ORDER BY id'
    assert ask(account, sql) == [(1, -1.0), (2, 2.0), (3, -1.0)]
    later = version(2, high=3.0)
    run(account, plan_deploy_sql(later, SETTINGS, previous=release, source=source, keep=["id"]))
    assert ask(account, sql) == [(1, -1.0), (2, 3.0), (3, -1.0)]
    with pytest.raises(AccountError, match=r"delay:2 cannot be dropped, .*: champion"):
        run(account, plan_undeploy_sql(later, SETTINGS, alias="other", source=source))
    catalog = 'SELECT "VERSION", "FUNCTIONS" FROM "FORESQL"."SERVING"."MODEL_CATALOG"'
    assert ask(account, catalog) == [(2, "SCORE_DELAY_V2, SCORE_DELAY")]
    run(account, plan_undeploy_sql(later, SETTINGS, source=source))
    assert ask(account, catalog) == []


def test_sql_alone_is_held_against_golden_rows(account):
    release = version(1)
    steps = plan_deploy_sql(release, SETTINGS, source="f", keep=["id"]).steps
    check = next(step.sql for step in steps if step.phase is Phase.CHECK)
    assert ask(account, check) == [(len(ROWS),)]
    mutant = check.replace("> (3::FLOAT/2)", ">= (3::FLOAT/2)")
    assert mutant != check
    with pytest.raises(AccountError, match="foresql: 1 of 7 golden rows"):
        ask(account, mutant)


WIDE = [f"column {place}" for place in range(501)]
LABELS = ("'; DROP SCHEMA x; --", '$$ "quoted" \\ \n')


def test_501_columns_come_in_one_object(account):
    release = opened(stump(WIDE), 1, "wide", [(1.5,) * 501, (2.0,) * 500 + (None,)])
    plan = plan_deploy(release, SETTINGS, artifact=built(release))
    assert "more than a function takes. They come in one object" in " ".join(plan.header)
    # Contributions of 501 columns take fakesnow half a minute.
    predicting = [step for step in plan.steps if "EXPLAIN" not in step.sql]
    run(account, replace(plan, steps=tuple(predicting)))
    columns = ", ".join(f"'{name}', 2::FLOAT" for name in WIDE)
    called = f'"FORESQL"."SERVING"."PREDICT_WIDE"(OBJECT_CONSTRUCT_KEEP_NULL({columns}))'
    assert ask(account, f"SELECT {called}") == [(2.0,)]


def test_hostile_labels_are_answers_like_others(account):
    forest = classifier()
    outputs = replace(forest.outputs, classes=LABELS)
    release = opened(replace(forest, outputs=outputs), 1, "delay", FLIGHTS)
    deploy(account, release, built(release))
    called = 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(1::FLOAT, \'UA\')'
    assert ask(account, called)[0][0] in LABELS


def test_a_bundle_over_the_inline_limit():
    release = version(1)
    artifact = artifact_of(release)
    with pytest.raises(ForesqlError, match=r"too large for the body .* \(without --inline\)"):
        plan_deploy(release, SETTINGS, artifact=artifact, options=Options(inline=True))


def test_an_inline_deployment_needs_no_file(account):
    release = version(1)
    deploy(account, release, built(release), inline=True)
    assert list(account.stages.values()) == [{}]
    assert ask(account, 'SELECT "FORESQL"."SERVING"."PREDICT_DELAY"(9::FLOAT)') == [(2.0,)]


def test_a_version_without_an_alias(account):
    release = version(1)
    deploy(account, release, built(release), alias=None)
    assert {key[2] for key in account.functions} == {"PREDICT_DELAY_V1", "EXPLAIN_DELAY_V1"}
    assert ask(account, 'SELECT "ALIAS" FROM "FORESQL"."MODELS"."DEPLOYMENTS"') == [(None,)]


def test_what_cannot_be_planned():
    release = version(1)
    artifact = artifact_of(release)
    with pytest.raises(ForesqlError, match="name one \\(--sample-from\\)"):
        plan_deploy(release, SETTINGS, artifact=artifact, options=Options(max_change=0.1))
    with pytest.raises(ForesqlError, match="is a bundle without a version"):
        plan_deploy(replace(release, version=None), SETTINGS, artifact=artifact)
    bare = opened(stump(["distance"]))
    with pytest.raises(ForesqlError, match="holds no golden rows"):
        plan_deploy(bare, SETTINGS, artifact=artifact)
    for wrong in (
        {"sample_rows": 0},
        {"sample_rows": 1_000_001},
        {"max_change": -1.0},
        {"sample_from": "a;b"},
    ):
        options = Options(**{"sample_from": "flights", **wrong})
        with pytest.raises(ForesqlError):
            plan_deploy(version(2), SETTINGS, previous=release, artifact=artifact, options=options)
