"""The same project on Snowflake: dbt-snowflake against the fake account, with deployed models.

The flights are those of three days in January, which the demo's DuckDB target has scored too.
Golden SQL: ``FORESQL_GOLDEN=write pytest tests/dbt_project/test_snowflake.py``, and read the diff.
"""

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from snowflake_account import Account, check_syntax
from snowflake_dbt import DbtOnSnowflake, Invocation

import foresql
from foresql import Registry
from foresql.demo.workspace import SHIPPED_PROJECT
from foresql.deploy.dbt_macros import dbt_macros
from foresql.deploy.plan import Phase
from foresql.deploy.snowflake.deployment import Options, plan_deploy
from foresql.deploy.snowflake.settings import Settings
from foresql.deploy.snowflake.setup import plan_setup
from foresql.deploy.snowflake.transaction import run_plan
from foresql.scoring import open_model

GOLDEN = Path(__file__).parent / "golden/snowflake"
TABLES = ("flights", "weather", "planes", "airports", "airlines")
PREDICTIONS = "FLIGHTS.DELAYS.delay_predictions"
FLIGHTS = 2_699
BROKEN = {
    "unknown_alias": (
        "select {{ foresql.predict('delay@nobody', 'f') }} as p from {{ ref('stg_flights') }} f"
    ),
    "missing_column": (
        "select {{ foresql.predict('delay@champion', 'f', ref('stg_flights')) }} as p "
        "from {{ ref('stg_flights') }} f"
    ),
    "text_for_number": (
        "{% set wrong = api.Relation.create('FLIGHTS', 'DELAYS', 'WRONG') %}"
        "select {{ foresql.predict('delay@champion', 'f', wrong) }} as p from {{ wrong }} f"
    ),
    "not_deployed": "select {{ foresql.model_version('delay@shadow') }} as version",
    "unknown_version": "select {{ foresql.model_version('delay@challenger') }} as version",
}


TOLD = (
    "macros/foresql_models.sql does not know delay@nobody. It knows: delay@champion, ",
    "What to do: foresql dbt-macros delay@champion delay@challenger delay@shadow delay@nobody ",
    "delay@champion cannot score FLIGHTS.DELAYS.stg_flights: it lacks DAY_OF_WEEK, IS_WEEKEND, ",
    "DELAYS.WRONG: DISTANCE is VARCHAR, and the model takes FLOAT. What to do: correct that table",
    'delay@shadow is not deployed: "FORESQL"."SERVING" has no function VERSION_DELAY_SHADOW that ',
    "the role FORESQL_DBT may use. What to do: foresql deploy delay@shadow --to snowflake, ",
    'Version 2 answers for delay@challenger in "FORESQL"."SERVING", and macros/foresql_models.sql ',
    "does not know which columns it takes. It knows version 9. What to do: foresql dbt-macros ",
)


@dataclass(frozen=True)
class Built:
    snowflake: DbtOnSnowflake
    registry: Path
    first: Invocation
    again: Invocation


@pytest.fixture(scope="module")
def built(demo_run, tmp_path_factory):
    """Deploy the demo's models, load the flights, build the project, and run it again."""
    folder = tmp_path_factory.mktemp("snowflake")
    registry = shutil.copytree(demo_run.workspace.registry, folder / "registry")
    Registry.open(registry).move_alias("delay", "shadow", 2, expected=None)
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
    project = shutil.copytree(SHIPPED_PROJECT, folder / "dbt_project", ignore=ignored)
    references = ("delay@champion", "delay@challenger", "delay@shadow")
    (project / "macros/foresql_models.sql").write_text(dbt_macros(references, registry))
    with contextlib.closing(Account()) as account:
        snowflake = DbtOnSnowflake(project, account)
        run_plan(account.session, plan_setup(Settings()))
        run_plan(account.session, plan(registry, 1, "champion"))
        run_plan(account.session, plan(registry, 2, "challenger"))
        load(snowflake, demo_run.workspace.database, folder)
        assert snowflake.dbt("deps").success
        first = snowflake.dbt("build", "--warn-error")
        assert first.success, first.printed
        again = snowflake.dbt("run")
        assert again.success, again.printed
        yield Built(snowflake, registry, first, again)


@pytest.fixture
def snowflake(built):
    return built.snowflake


def plan(registry, version, alias):
    opened = open_model(f"delay:{version}", registry)
    return plan_deploy(opened, Settings(), alias=alias, options=Options(golden_rows=5))


def switch(account, registry, version):
    """Let the champion's functions call a version that is in the account."""
    for step in plan(registry, version, "champion").steps:
        if step.phase is Phase.SWITCH:
            account.session.run(step.sql)


def load(snowflake, database, folder):
    """Load the flights as README.md says, by the scripts that are shipped."""
    with duckdb.connect(database, read_only=True) as connection:
        for table in TABLES:
            where = "month = 1" if table == "flights" else "true"
            path = folder / f"{table}.parquet"
            connection.execute(f"copy (from raw.{table} where {where}) to '{path}'")
    for statement in statements("setup"):
        snowflake.account.run(statement)
    for statement in statements("load_flights"):
        check_syntax(statement)
        snowflake.query(statement.replace("file://", f"file://{folder}/"))


def statements(script):
    text = (SHIPPED_PROJECT / f"snowflake/{script}.sql").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [each.strip() for each in "\n".join(lines).split(";") if each.strip()]


def scored_in(snowflake, run):
    ((count,),) = snowflake.query(
        f"select count(*) from {PREDICTIONS} where run_id = '{run.invocation_id}'"
    )
    return count


def predictions(snowflake):
    return snowflake.query(
        f"select flight_id, late_probability, predicted_late from {PREDICTIONS} order by flight_id"
    )


def on_duckdb(demo_run, sql):
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_first_build_scores_every_flight_and_passes_all_tests(built):
    assert f"delay_predictions: scored {FLIGHTS:,} of {FLIGHTS:,} rows" in built.first.printed
    assert "PASS=70 WARN=0 ERROR=0 SKIP=0" in built.first.printed


def test_the_catalogue_says_which_versions_answer_and_from_which_data(built):
    store = Registry.open(built.registry)
    rows = built.snowflake.query(
        "select reference, aliases, sha256, trained_on from FLIGHTS.FORESQL.MODELS order by 1"
    )
    expected = []
    for version, alias in ((1, "champion"), (2, "challenger")):
        record = store.version("delay", version)
        training = store.load(record).card["training"]
        said = f"{training['rows']:,} rows, sha256 {training['sha256'][:12]}"
        expected.append((f"delay:{version}", alias, record.digest, said))
    assert rows == expected
    columns = built.snowflake.query(
        "select role, count(*) from FLIGHTS.FORESQL.MODEL_COLUMNS "
        "where reference = 'delay:1' group by role order by role"
    )
    inputs = store.load(store.version("delay", 1)).model.signature.columns
    assert columns == [("input", len(inputs)), ("output", 2)]


def test_the_second_run_scores_nothing(built):
    assert scored_in(built.snowflake, built.again) == 0
    assert f"delay_predictions: scored 0 of {FLIGHTS:,} rows" in built.again.printed


def test_features_are_those_of_duckdb(snowflake, demo_run):
    columns = [name for (name, *_) in on_duckdb(demo_run, "describe flight_features")]
    columns.remove("features_hash")
    query = f"select {', '.join(columns)} from {{}} where month = 1 order by flight_id"
    found = snowflake.query(query.format("FLIGHTS.DELAYS.flight_features"))
    assert found == on_duckdb(demo_run, query.format("flight_features"))


def test_every_row_has_a_hash_of_its_own(snowflake):
    assert snowflake.query(
        "select count(distinct features_hash), min(length(features_hash)) "
        "from FLIGHTS.DELAYS.flight_features"
    ) == [(FLIGHTS, 32)]


def test_a_hash_tells_missing_empty_and_named_apart_and_any_two_doubles(built):
    text = built.first.compiled["flight_features"]
    made = text[text.index("md5(") : text.index(" as features_hash")]
    # Snowflake prints fewer digits of a FLOAT than fakesnow does.
    printed = "to_varchar(features.temperature)"
    made = made.replace(printed, f"left({printed}, 5)")
    rows = "(1, null), (1, ''), (1, 'NULL'), (1, 'undefined'), (0.3, ''), (0.1::double + 0.2, '')"
    assert built.snowflake.query(
        f"select count(distinct {made}) from ("
        "select f.* exclude (temperature, plane_manufacturer), v.temperature, v.plane_manufacturer "
        "from (select * from FLIGHTS.DELAYS.flight_features limit 1) as f "
        f"cross join (values {rows}) as v (temperature, plane_manufacturer)) as features"
    ) == [(6,)]


def test_predictions_are_those_of_duckdb_bit_for_bit(snowflake, demo_run):
    expected = on_duckdb(
        demo_run,
        "select flight_id, late_probability, predicted_late from delay_predictions "
        "join flight_features using (flight_id) where month = 1 order by flight_id",
    )
    assert predictions(snowflake) == expected


def test_what_is_stale_is_scored_and_nothing_else(built, demo_run):
    snowflake, registry = built.snowflake, built.registry
    scoring = ("run", "--select", "flight_features", "delay_predictions")
    one = "update FLIGHTS.RAW.FLIGHTS set distance = distance {} 1 where flight = 1545 and day = 1"
    before = predictions(snowflake)

    snowflake.query(one.format("+"))
    assert scored_in(snowflake, snowflake.dbt(*scoring)) == 1
    snowflake.query(one.format("-"))

    switch(snowflake.account, registry, 2)
    assert scored_in(snowflake, snowflake.dbt(*scoring)) == FLIGHTS
    with duckdb.connect(demo_run.workspace.database, read_only=True) as connection:
        foresql.register(connection, "delay:2", registry=registry, temporary=True)
        expected = connection.execute(
            "select flight_id, predict_proba_delay(f), predict_delay(f) "
            "from flight_features f where month = 1 order by flight_id"
        ).fetchall()
    assert predictions(snowflake) == expected
    assert predictions(snowflake) != before

    switch(snowflake.account, registry, 1)
    assert scored_in(snowflake, snowflake.dbt(*scoring)) == FLIGHTS
    assert predictions(snowflake) == before


def test_what_cannot_be_called_is_said_in_words_of_the_project(built):
    snowflake = built.snowflake
    snowflake.query(
        "create table FLIGHTS.DELAYS.WRONG as "
        "select * exclude (distance), 'far' as distance from FLIGHTS.DELAYS.FLIGHT_FEATURES limit 1"
    )
    folder = snowflake.project / "models/broken"
    folder.mkdir()
    for name, sql in BROKEN.items():
        (folder / f"{name}.sql").write_text(sql)
    macros = snowflake.project / "macros/foresql_models.sql"
    written = macros.read_text()
    at = written.index("'delay@challenger': {")
    macros.write_text(
        written[:at] + written[at:].replace("'versions': [1, 2]", "'versions': [9]", 1)
    )
    try:
        run = snowflake.dbt("run", "--select", "models/broken")
    finally:
        macros.write_text(written)
        shutil.rmtree(folder)
    assert not run.success
    told = " ".join(run.printed.split())
    assert [message for message in TOLD if message not in told] == []


def test_many_columns_go_into_one_object(built):
    snowflake = built.snowflake
    macros = snowflake.project / "macros/foresql_models.sql"
    written = macros.read_text()
    packed = written.replace("'packed': false", "'packed': true")
    odd = r"'name': 'it\u0027s a \\ hour'"
    macros.write_text(packed.replace("'name': 'hour'", odd))
    try:
        query = "select {{ foresql.predict('delay@champion', 'f') }} from t as f"
        run = snowflake.dbt("compile", "--inline", query)
    finally:
        macros.write_text(written)
    assert run.success, run.printed
    told = " ".join(run.printed.split())
    assert (
        '"FORESQL"."SERVING"."PREDICT_DELAY"( object_construct_keep_null('
        "'day_of_week', cast(f.\"DAY_OF_WEEK\" as FLOAT), "
        "'is_weekend', cast(f.\"IS_WEEKEND\" as BOOLEAN), "
        r"'it''s a \\ hour', "
        'cast(f."HOUR" as FLOAT), '
    ) in told


def golden(name, text):
    """Compare compiled SQL with what was reviewed; what a run writes of itself has a name."""
    text = re.sub(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}'", "'<run_started_at>'", text)
    text = re.sub(r"'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'", "'<invocation_id>'", text)
    text = "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"
    path = GOLDEN / f"{name}.sql"
    if os.environ.get("FORESQL_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
    check_syntax(text.rstrip("\n"))


def test_compiled_sql_is_what_was_reviewed(built):
    assert len(built.first.compiled) == 13
    for name, text in built.first.compiled.items():
        golden(name, text)
    golden("delay_predictions.incremental", built.again.compiled["delay_predictions"])
    assert {path.stem for path in GOLDEN.iterdir()} == {
        *built.first.compiled,
        "delay_predictions.incremental",
    }
