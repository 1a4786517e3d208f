"""What keeps a run from its work is said in a few lines, and what is stored stays as it was."""

import threading

import duckdb
import pytest
from small_dbt import make_small_project
from warm_dbt import WarmDbt

LOCKED = (
    'Could not set lock on file "',
    "What it means: another process has the database open, such as a run of dbt, a notebook",
    (
        "Nothing was changed. What to do: start again when it has ended; what it left stale is "
        "scored then. Or let dbt wait half a minute for it: `retries: {connect_attempts: 5}`"
    ),
)
TEXT = (
    'bid@champion cannot score "shop"."main"."features": price is VARCHAR, and the model takes a '
    "number. What to do: correct that table, or fit a model"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = make_small_project(tmp_path_factory.mktemp("locked"))
    shop.query("insert into raw.items values ('a-1', 'a', 1, 1.0, 2.0, 'book', now()::timestamp)")
    return shop


@pytest.fixture(scope="module")
def dbt(shop):
    with WarmDbt(shop.project, shop.environment) as dbt:
        first = dbt("run")
        assert first.success, first.printed
        yield dbt


def told(run):
    """Give what a run that failed printed, in one line and without times."""
    assert not run.success
    lines = [line[8:] if line[2:3] == ":" else line for line in run.printed.splitlines()]
    return " ".join(" ".join(lines).split())


def test_a_second_run_is_told_what_keeps_it_out(shop, dbt):
    with duckdb.connect(shop.database):
        run = dbt("run")
    said = told(run)
    assert [line for line in LOCKED if line not in said] == []
    assert "Traceback" not in said


def test_a_second_run_waits_where_the_profile_says_so(shop, dbt):
    profiles = shop.project / "profiles.yml"
    written = profiles.read_text()
    waits = "retries: {connect_attempts: 5}\n      threads: 1"
    profiles.write_text(written.replace("threads: 1", waits))
    holder = duckdb.connect(shop.database)
    # The run starts while the file is held; dbt tries again after 1, 3, 7 and 15 seconds.
    closing = threading.Timer(2, holder.close)
    closing.start()
    try:
        run = dbt("run")
    finally:
        closing.join()
        profiles.write_text(written)
    assert run.success, run.printed


def test_a_source_whose_type_changed_leaves_the_predictions_as_they_were(shop, dbt):
    before = shop.query("from bids")
    shop.query("alter table raw.items alter price type varchar")
    run = dbt("run")
    assert TEXT in told(run)
    assert shop.query("from bids") == before
    logged = shop.query(
        "select status, message from foresql.run_tables where run_id = ? order by node",
        run.invocation_id,
    )
    assert [status for status, _ in logged] == ["error", "error"]
    assert all("price is VARCHAR, and the model takes a number" in text for _, text in logged)
    shop.query("alter table raw.items alter price type double")
    assert dbt("run").success
    assert shop.query("from bids") == before
