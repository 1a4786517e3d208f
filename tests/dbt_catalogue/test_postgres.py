"""The catalogue and the data tests on a real Postgres, where models are SQL of the compile step."""

import os
import subprocess
import sys
import time

import psycopg
import pytest
from postgres_server import postgres_server
from scored_shop import Shop, make_shop

from foresql.deploy.dbt_macros import dbt_macros

DAMAGE = (
    "update shop.predictions set probability = 1.5 where id = 1",
    "update shop.predictions set probability = null where id in (2, 3)",
    "insert into shop.predictions select * from shop.predictions where id = 4",
    "delete from shop.predictions where id = 5",
    (
        "insert into shop.predictions select shop, 99, buys, probability, model_name, "
        "model_version, features_hash, scored_at, run_id from shop.predictions where id = 6"
    ),
    "update shop.predictions set features_hash = 'old' where id = 6",
)
FOUND = {
    "foresql_prediction_range": ("fail", "probability is 1.5, and not between 0 and 1"),
    "foresql_null_rate": ("warn", "probability is missing in 2 of 7 rows"),
    "foresql_unique_key": ("fail", "2 rows have one key: shop = north, id = 4"),
    "foresql_version_coverage": ("fail", "shop = north, id = 4 has 2 predictions"),
    "foresql_parity_with_certificate": ("fail", "bought@champion answers"),
}


@pytest.fixture(scope="module")
def server():
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, tmp_path_factory):
    """The project, built in Postgres."""
    made = make_shop(tmp_path_factory.mktemp("postgres_shop"))
    shop = Shop(made.folder, server.settings)
    shop.dbt("deps")
    write_macros(shop)
    built = shop.dbt("build", "--target", "postgres")
    assert built.result.success, built.printed
    assert {built.status(name) for name in FOUND} == {"pass"}
    return shop


def write_macros(shop, change=lambda text: text) -> None:
    text = dbt_macros(["bought@champion"], shop.folder / "registry", to=["postgres"])
    path = shop.folder / "macros/foresql_models.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(change(text))


@pytest.fixture
def ask(server):
    def ask(sql):
        with psycopg.connect(server.address) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    return ask


def test_the_catalogue_holds_what_the_compile_step_knows(shop, ask):
    version = shop.registry.version("bought", 1)
    published = version.created_at.replace(tzinfo=None)
    columns = "reference, aliases, sha256, description, training_rows, created_at, problem"
    assert ask(f"select {columns} from foresql.models") == [
        ("bought:1", "champion", version.digest, "Who buys", 80, published, None)
    ]
    rows = ask("select column_name, role, type from foresql.model_columns order by position")
    assert rows == [
        ("age", "input", "double"),
        ("income", "input", "double"),
        ("predict", "output", "bigint"),
        ("predict_proba", "output", "double"),
    ]
    comments = ask("select obj_description('foresql.models'::regclass)")
    assert comments[0][0].startswith("Every published version")


def test_runs_that_start_together_write_each_row_once(shop, server, ask):
    counted = (
        "select (select count(*) from foresql.models), (select count(*) from foresql.model_columns)"
    )
    before = ask(counted)
    ask("delete from foresql.models")
    ask("delete from foresql.model_columns")
    with psycopg.connect(server.address) as holder:
        # Whoever writes the catalogue waits for this lock, after it has looked what is missing.
        holder.execute("select pg_advisory_xact_lock(hashtext('foresql run log'))")
        runs = [start_run(shop, name) for name in ("one", "two")]
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        until = time.monotonic() + 120
        while ask(waiting) != [(2,)]:
            assert time.monotonic() < until, "the runs did not both come to write the catalogue"
            time.sleep(0.1)
    printed = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    assert ask(counted) == before


def start_run(shop, name):
    # Of tests no run is logged, and they make no table, of which dbt has but one name.
    command = [sys.executable, "-m", "dbt.cli.main", "test", "--target", "postgres"]
    command += ["--select", "predictions"]
    command += ["--project-dir", shop.folder, "--profiles-dir", shop.folder]
    command += ["--target-path", shop.folder / name, "--log-path", shop.folder / name]
    environment = {**os.environ, "SHOP": str(shop.folder), **shop.environment}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_each_says_what_is_wrong_and_versions_that_answered_stay(shop, ask):
    for statement in DAMAGE:
        ask(statement)

    def moved(text):
        # As if another version were deployed, whose certificate says something else.
        changed = text.replace("'bought:1'", "'bought:2'").replace("'version': 1", "'version': 2")
        changed = changed.replace("'model_version': 1", "'model_version': 2")
        first = changed.index("as golden_label")
        start = changed.rindex("cast(", 0, first)
        label = changed[start:first]
        return changed.replace(label, label.replace("(0 ", "(7 ").replace("(1 ", "(7 "), 1)

    write_macros(shop, moved)
    ran = shop.dbt("test", "--target", "postgres", "--select", "predictions")
    assert {name: ran.status(name) for name in FOUND} == {
        name: status for name, (status, _) in FOUND.items()
    }
    assert [text for _, text in FOUND.values() if text not in ran.printed] == []
    assert "for golden row" in ran.printed
    rows = ask("select reference, aliases from foresql.models order by 1")
    assert rows == [("bought:1", ""), ("bought:2", "champion")]
