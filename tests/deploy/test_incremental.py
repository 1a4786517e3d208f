"""Predictions that a task keeps: the production text on fakesnow, against the library's rescore."""

import itertools
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from snowflake_account import Account
from snowflake_streams import block_of, written
from snowflake_task import (
    CARRIERS,
    SOURCE,
    Predictions,
    deploy_versions,
    make_schemas,
    make_source,
    open_account,
    publish_versions,
)

from foresql.deploy.snowflake.incremental import (
    plan_backfill,
    plan_incremental,
    plan_incremental_upgrade,
)
from foresql.deploy.snowflake.transaction import run_plan
from foresql.errors import AccountError, DeploymentError

KILLED = str(Path(__file__).parents[1] / "support" / "snowflake_killed.py")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "registry"
    return path, publish_versions(path)


@pytest.fixture(scope="module")
def shared(registry):
    account = Account()
    make_schemas(account)
    deploy_versions(account, registry[0])
    yield account
    account.close()


@pytest.fixture
def account(shared):
    """Give the account, with nothing in it but the models' functions."""
    yield shared
    shared.duck.execute('DROP SCHEMA "FORESQL"."SERVING" CASCADE')
    shared.duck.execute('CREATE SCHEMA "FORESQL"."SERVING"')
    shared.duck.execute('DROP TABLE IF EXISTS "FORESQL"."PUBLIC"."STREAMS"')


@pytest.fixture
def make(account, registry):
    def made(key_type="NUMBER(38, 0)", **asked):
        path, models = registry
        found = Predictions(account, path, models, **asked)
        make_source(found, key_type)
        return found

    return made


@pytest.fixture
def predictions(make):
    found = make()
    found.insert((1, 50.0, "UA"), (2, 5.0, "UA"), (3, 5.0, "AA"), (4, None, "AA"))
    found.run_plan(plan_incremental(found.upkeep(1)))
    return found


def test_another_version_does_not_begin_where_one_is(predictions):
    """The task would go on with the old version, and a backfill write the new one's rows."""
    before = predictions.task
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    with pytest.raises(AccountError, match="by other versions or another query"):
        predictions.run_plan(plan_incremental(predictions.upkeep(2)))
    assert predictions.task == before
    predictions.check()


def test_rows_that_are_there_first_are_scored(predictions):
    assert set(predictions.stored()) == {1, 3, 4}
    predictions.check()


def test_a_row_that_leaves_the_condition_leaves_the_predictions(predictions):
    predictions.change('"DISTANCE" = 1 WHERE "FLIGHT_ID" = 1')
    predictions.run_task()
    assert set(predictions.stored()) == {3, 4}
    predictions.change('"DISTANCE" = 11 WHERE "FLIGHT_ID" IN (1, 2)')
    predictions.run_task()
    assert set(predictions.stored()) == {1, 2, 3, 4}
    predictions.check()


def test_keys_that_are_swapped_reused_or_changed(predictions):
    predictions.change('"FLIGHT_ID" = 4 - "FLIGHT_ID" WHERE "FLIGHT_ID" IN (1, 3)')
    predictions.delete(4)
    predictions.insert((4, 70.0, "DL"))
    predictions.change('"FLIGHT_ID" = 9 WHERE "FLIGHT_ID" = 2')
    predictions.run_task()
    predictions.check()


def test_what_came_and_went_between_two_runs_leaves_nothing(predictions):
    before = predictions.stored()
    predictions.insert((7, 70.0, "DL"))
    predictions.delete(7)
    predictions.run_task()
    assert predictions.stored() == before


def test_a_run_without_changes_is_not_started(predictions):
    before = predictions.stored()
    predictions.run_task()
    assert predictions.stored() == before


def random_change(predictions, chance):
    keys = [row[0] for row in predictions.rows()]
    free = [key for key in range(40) if key not in keys]
    new = (chance.choice([None, 5.0, 10.0, 40.0, 41.5, 80.0]), chance.choice([*CARRIERS, None]))
    kinds = ["insert"] * 3 + (["update", "delete", "rename", "again"] if keys else [])
    match chance.choice(kinds):
        case "insert":
            predictions.insert((chance.choice(free), *new))
        case "update":
            distance = "NULL" if new[0] is None else new[0]
            predictions.change(
                f'"DISTANCE" = {distance} WHERE "FLIGHT_ID" % 3 = {chance.choice(range(3))}'
            )
        case "delete":
            predictions.delete(chance.choice(keys))
        case "rename":
            predictions.change(
                f'"FLIGHT_ID" = {chance.choice(free)} WHERE "FLIGHT_ID" = {chance.choice(keys)}'
            )
        case _:
            key = chance.choice(keys)
            predictions.delete(key)
            predictions.insert((key, *new))


@pytest.mark.parametrize("seed", range(2))
def test_random_changes_upgrades_and_lost_runs(predictions, seed):
    chance = random.Random(seed)  # noqa: S311 - it repeats itself
    for _ in range(8):
        for _ in range(chance.randrange(4)):
            random_change(predictions, chance)
        match chance.randrange(5):
            case 0:
                predictions.version = 3 - predictions.version
                plan = plan_incremental_upgrade(predictions.upkeep(predictions.version))
                predictions.run_plan(plan)
            case 1:
                lose_run(predictions, chance.randrange(1, 4))
        predictions.run_task()
        predictions.check()


def lose_run(predictions, steps):
    """Start a run, and lose its session before its COMMIT."""
    before, run = predictions.stored(), predictions.steps()
    for _ in range(steps + 1):
        next(run)
    run.close()
    predictions.streams.run("ROLLBACK")
    assert predictions.stored() == before


def test_a_process_that_is_killed_leaves_a_batch_whole(registry, tmp_path):
    """A process is killed between the MERGE and its COMMIT, and in a backfill; others go on."""
    database = tmp_path / "account"
    database.mkdir()
    for work in ("merge", "backfill"):
        done = subprocess.run(
            [sys.executable, KILLED, str(registry[0]), str(database), work], check=False
        )
        assert done.returncode == -signal.SIGKILL
        with open_account(database, registry[0]) as account:
            found = Predictions(account, *registry)
            found.task = (database / "task.sql").read_text()
            before = found.stored()
            if work == "merge":
                assert set(before) == {0, 1, 2, 3}
                found.run_task()
            else:
                assert sorted(row[3] for row in before.values()).count("2") == 2
                found.version = 2
                found.run_plan(plan_incremental_upgrade(found.upkeep(2)))
            found.check()
            assert set(found.stored()) == {0, 1, 2, 3, 9}


def test_a_lost_run_is_run_again(predictions):
    predictions.insert((8, 70.0, "DL"))
    predictions.change('"DISTANCE" = 12 WHERE "FLIGHT_ID" = 2')
    for steps in (1, 2, 3):
        lose_run(predictions, steps)
    predictions.run_task()
    predictions.check()


def test_a_batch_that_comes_again_changes_nothing(predictions):
    predictions.change('"DISTANCE" = 12 WHERE "FLIGHT_ID" = 2')
    offset = predictions.streams.offset()
    predictions.run_task()
    before = {key: row[:-2] for key, row in predictions.stored().items()}
    predictions.streams.set_offset(offset)
    predictions.run_task()
    assert {key: row[:-2] for key, row in predictions.stored().items()} == before
    predictions.check()


@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_waited_for_a_backfill_loses_no_update(predictions, seed):
    chance = random.Random(seed)  # noqa: S311 - it repeats itself
    predictions.run_plan(plan_incremental_upgrade(predictions.upkeep(1)))
    predictions.version = 2
    upgrade = plan_incremental_upgrade(predictions.upkeep(2))
    without = [step for step in upgrade.steps if "REPEAT" not in step.sql]
    for step in without:
        if "MODIFY AS" in step.sql:
            predictions.task = block_of(step.sql)
        elif "CREATE OR REPLACE VIEW" in step.sql and "STALE" in step.sql:
            predictions.account.duck.execute(written(predictions.account, step.sql))
    for _ in range(3):
        for _ in range(3):
            random_change(predictions, chance)
        began = predictions.streams.begin_early()
        for _ in range(3):
            random_change(predictions, chance)
        predictions.run_plan(plan_backfill(predictions.upkeep(2), rows=2))
        for _ in range(2):
            random_change(predictions, chance)
        predictions.run_task(began)
        predictions.run_task()
        predictions.check()


def test_a_backfill_that_was_ended_goes_on(predictions):
    predictions.insert(*((key, float(key), "DL") for key in range(10, 30)))
    predictions.run_task()
    predictions.version = 2
    upkeep = predictions.upkeep(2)
    [_, step] = plan_backfill(upkeep, rows=4).steps
    run = predictions.steps(block_of(step.sql))
    for _ in range(4 * 2 + 3):
        next(run)
    run.close()
    predictions.streams.run("ROLLBACK")
    versions = [row[3] for row in predictions.stored().values()]
    assert sorted(set(versions)) == ["1", "2"]
    assert versions.count("2") == 8
    predictions.run_plan(plan_backfill(upkeep, rows=4))
    assert {row[3] for row in predictions.stored().values()} == {"2"}
    predictions.task = None
    predictions.run_plan(plan_incremental_upgrade(upkeep))
    predictions.check()


def test_an_upgrade_and_its_rollback(predictions):
    for version in (2, 1):
        predictions.version = version
        previous = predictions.upkeep(3 - version)
        upkeep = predictions.upkeep(version)
        predictions.run_plan(plan_incremental_upgrade(upkeep, previous=previous))
        predictions.insert((10 * version, 70.0, "DL"))
        predictions.run_task()
        predictions.check()


def test_a_key_that_repeats_stops_the_run(predictions):
    predictions.insert((20, 50.0, "UA"), (20, 60.0, "UA"))
    before = predictions.stored()
    with pytest.raises(
        duckdb.ConversionException, match=r"several rows of the table have one key.*: 20"
    ):
        predictions.run_task()
    assert predictions.stored() == before
    predictions.query(f'DELETE FROM {SOURCE} WHERE "FLIGHT_ID" = 20 AND "DISTANCE" = 60')
    predictions.run_task()
    predictions.check()


def test_a_key_that_repeats_stops_the_deployment(make):
    predictions = make()
    predictions.insert((20, 50.0, "UA"), (20, 60.0, "UA"))
    with pytest.raises(AccountError, match="several rows of the table have one key"):
        predictions.run_plan(plan_incremental(predictions.upkeep(1)))


def test_null_is_a_key(make):
    predictions = make()
    predictions.insert((None, 50.0, "UA"), (2, 50.0, "DL"))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    predictions.check()
    predictions.change('"DISTANCE" = 12 WHERE "FLIGHT_ID" IS NULL')
    predictions.run_task()
    predictions.check()
    predictions.delete(None)
    predictions.run_task()
    predictions.check()
    assert set(predictions.stored()) == {2}


def test_keys_are_texts(make):
    predictions = make("VARCHAR")
    predictions.insert(("a'b", 50.0, "UA"), ("A'B", 50.0, "DL"), ("", 50.0, "DL"))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    predictions.delete("")
    predictions.run_task()
    assert set(predictions.stored()) == {"a'b", "A'B"}
    predictions.check()


def test_a_key_of_two_columns(make):
    query = "SELECT flight_id, carrier, predict_delay(f) AS late FROM flight_features f"
    predictions = make(query=query, key=["flight_id", "carrier"])
    predictions.insert((1, 50.0, "UA"), (1, 50.0, "DL"), (2, 5.0, None), (None, 5.0, None))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    predictions.change('"CARRIER" = \'AA\' WHERE "CARRIER" IS NULL AND "FLIGHT_ID" = 2')
    predictions.delete(None)
    predictions.run_task()
    rows = predictions.query(
        'SELECT "FLIGHT_ID", "CARRIER" FROM "FORESQL"."SERVING"."PREDICTIONS" ORDER BY 1, 2'
    )
    assert rows == [(1, "DL"), (1, "UA"), (2, "AA")]
    assert predictions.stale() == []


def test_the_newest_of_rows_with_one_key_counts(make):
    predictions = make(latest_by="distance")
    predictions.insert((1, 50.0, "UA"), (1, 20.0, "DL"), (2, 50.0, "UA"))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    predictions.check_newest()
    predictions.insert((1, 40.0, "AA"), (2, 60.0, "AA"))
    predictions.run_task()
    predictions.check_newest()
    predictions.query(f'DELETE FROM {SOURCE} WHERE "DISTANCE" >= 50')
    predictions.run_task()
    predictions.check_newest()
    predictions.insert((1, 40.0, "UA"))
    with pytest.raises(
        duckdb.ConversionException, match=r"several rows of one key are the newest.*: 1"
    ):
        predictions.run_task()


def test_rows_that_are_only_added(make):
    predictions = make(append_only=True)
    predictions.insert((1, 50.0, "UA"))
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    predictions.insert((2, 60.0, "UA"), (3, 1.0, "UA"))
    predictions.run_task()
    predictions.check()


def test_a_condition_by_the_model_is_new_with_each_version(make, registry):
    rows = [(key, float(key * 3), carrier) for key, carrier in enumerate(CARRIERS * 9)]
    scored = [Predictions.library(registry[1], rows, version) for version in (1, 2)]
    low, high = bounds_that_move(*scored)
    query = f"""
    SELECT flight_id, predict_proba_delay(distance := f.distance, carrier := f.carrier) AS p
    FROM flight_features f WHERE predict_proba_delay(f) BETWEEN {low} AND {high}
    """
    predictions = make(query=query)
    predictions.insert(*rows)
    predictions.run_plan(plan_incremental(predictions.upkeep(1)))
    for version, answers in enumerate(scored, 1):
        if version == 2:
            predictions.run_plan(plan_incremental_upgrade(predictions.upkeep(2)))
        expected = {key: p for key, (_, p) in answers.items() if low <= p <= high}
        stored = {key: row[0] for key, row in predictions.stored('"P"').items()}
        assert stored == pytest.approx(expected, rel=0, abs=2e-16)
        assert predictions.stale() == []


def bounds_that_move(*scored):
    """Find bounds between which one version has rows that the other has not, both ways."""
    places = sorted({round(p + 1e-4, 6) for each in scored for _, p in each.values()})
    for low, high in itertools.combinations(places, 2):
        one, other = ({key for key, (_, p) in each.items() if low <= p <= high} for each in scored)
        if one - other and other - one and one & other:
            return low, high
    message = "the versions are too much alike"
    raise AssertionError(message)


def test_what_changed_while_no_stream_was_there_is_found(predictions):
    predictions.streams.lose()
    predictions.change('"DISTANCE" = 12 WHERE "FLIGHT_ID" = 2')
    predictions.change('"DISTANCE" = 90 WHERE "FLIGHT_ID" = 1')
    predictions.delete(3)
    predictions.run_task()
    assert {tuple(row) for row in predictions.stale()} == {
        (1, "features"),
        (2, "missing"),
        (3, "gone"),
    }
    predictions.run_plan(plan_backfill(predictions.upkeep(1), reconcile=True))
    predictions.check()


def test_the_types_of_columns_are_checked(make):
    predictions = make()
    [_, check, *_] = plan_incremental(predictions.upkeep(1)).steps
    assert predictions.account.session.run(check.sql) == [(0,)]
    predictions.query(f'ALTER TABLE {SOURCE} ALTER "DISTANCE" TYPE VARCHAR')
    with pytest.raises(AccountError, match="reads column DISTANCE as FLOAT"):
        predictions.account.session.run(check.sql)
    predictions.query(f'ALTER TABLE {SOURCE} ALTER "DISTANCE" TYPE DOUBLE')
    predictions.query(f'ALTER TABLE {SOURCE} ADD COLUMN "F" DOUBLE')
    with pytest.raises(AccountError, match="passes its row by f"):
        predictions.account.session.run(check.sql)


def test_an_upgrade_that_fails_is_taken_back(predictions):
    plan = plan_incremental_upgrade(predictions.upkeep(2), previous=predictions.upkeep(1))
    steps = [step for step in plan.steps if not step.sql.startswith("EXECUTE IMMEDIATE")]
    account = predictions.account
    account.recorded.clear()
    account.fail_on("ALTER TASK .* MODIFY AS.*V2", "refused")
    try:
        with pytest.raises(DeploymentError, match="everything that callers see is as before"):
            run_plan(account.session, replace(plan, steps=tuple(steps)))
    finally:
        account.failures.clear()
    done = [sql.split("\n")[0] for sql in account.recorded]
    assert [sql.rsplit(maxsplit=1)[-1] for sql in done] == ["SUSPEND", "RESUME"]
    assert account.role == "FORESQL_DEPLOYER"
    predictions.check()
