"""Publishing to a real Postgres: tables, functions, the catalogue, and what stands in the way."""

import json
import sys
import threading

import numpy as np
import pandas as pd
import psycopg
import pytest
from sklearn.linear_model import LinearRegression

import foresql
from foresql.errors import PublishingError, UnsupportedModelError
from foresql.publishing import Request, publish_postgres
from foresql.publishing.postgres import publishing

KEY = {"delay_predictions": ["flight_id"], "flight_features": ["flight_id"]}


@pytest.fixture
def publish(shop, postgres):
    def run(database=None, **options):
        names = ("schema", "keys", "grants", "overwrite")
        target = {name: options.pop(name) for name in names if name in options}
        request = Request(**{"registry": shop.registry} | options)
        return publish_postgres(database or shop.one, postgres.address, request, **target)

    return run


@pytest.fixture
def ask(postgres):
    """Ask the published database; each call in a transaction of its own."""
    with psycopg.connect(postgres.address, autocommit=True) as connection:
        yield lambda query, *values: connection.execute(query, values or None).fetchall()


def test_psql_calls_the_functions(publish, postgres):
    assert publish().functions == {"predict_delay": "delay:1"}
    joined = "FROM flight_features AS f JOIN delay_predictions AS p USING (flight_id)"
    by_row = postgres.psql(
        "SELECT count(*), count(*) FILTER (WHERE predict_delay(f) IS DISTINCT FROM late), "
        f"max(abs(predict_proba_delay(f) - probability)) < 1e-15, max(version_delay()) {joined}",
        "-At",
    )
    assert by_row == "300|0|t|1\n"
    by_values = postgres.psql(
        "SELECT count(*) FILTER (WHERE predict_delay(f) IS DISTINCT FROM predict_delay(hour => "
        f"hour, carrier => carrier, distance => distance)) {joined}",
        "-At",
    )
    assert by_values == "0\n"
    as_table = postgres.psql(
        "SELECT count(*), count(*) FILTER (WHERE s.prediction = late) "
        f"{joined} CROSS JOIN LATERAL score_delay(f) AS s",
        "-At",
    )
    assert as_table == "300|300\n"
    assert postgres.psql("SELECT predict_delay(NULL, 5, 'UA') IS NULL", "-At") == "f\n"


def test_tables_comments_and_catalogue(publish, ask):
    published = publish()
    assert [table.name for table in published.tables] == [
        "delay_predictions",
        "flight_features",
        "marts.by_carrier",
    ]
    assert ask("SELECT count(*) FROM marts.by_carrier") == [(3,)]
    assert ask("SELECT obj_description('flight_features'::regclass)") == [
        ("What is known; before departure",)
    ]
    assert ask("SELECT col_description('flight_features'::regclass, 3)") == [
        ("It's local: \\ 100 %",)
    ]
    assert ask("SELECT to_regclass('raw.flights'), to_regclass('stg_flights')") == [(None, None)]
    assert ask(
        "SELECT schema_name, table_name, row_count, model_versions, run_id "
        "FROM foresql.publications ORDER BY 1, 2"
    ) == [
        ("marts", "by_carrier", 3, None, "run-1"),
        ("public", "delay_predictions", 300, "delay:1", "run-1"),
        ("public", "flight_features", 300, None, "run-1"),
    ]
    assert ask("SELECT run_id FROM foresql.runs") == [("run-1",)]
    assert ask("SELECT count(*) > 5 FROM foresql.model_columns") == [(True,)]
    assert ask("SELECT reference FROM foresql.models ORDER BY 1") == [
        ("delay:1",),
        ("delay:2",),
        ("kind:1",),
    ]
    assert ask("SELECT obj_description('foresql.models'::regclass)")[0][0]


def test_several_classes(publish, ask, shop):
    publish(models=["kind@champion", "delay:1"])
    with foresql.connect(registry=shop.registry) as connection:
        foresql.register(connection, "kind@champion")
        query = "SELECT predict_kind(n), predict_proba_kind(n) FROM (SELECT 5 AS hour) AS n"
        label, probabilities = connection.sql(query).fetchall()[0]
    found = ask("SELECT predict_kind(hour => 5), predict_proba_kind(5)")[0]
    assert found[0] == label
    assert found[1] == pytest.approx(list(probabilities.values()), rel=1e-15)
    assert list(probabilities) == ["early", "late", "mid day"]


def test_only_changed_rows_are_written(publish, shop, write, ask):
    first = publish(keys=KEY)
    assert [table.rows_written for table in first.tables] == [300, 300, 3]
    assert [table.rows_written for table in publish(keys=KEY).tables][:2] == [0, 0]
    kept = "SELECT xmin::text FROM flight_features WHERE flight_id = 7"
    before = ask(kept)
    write(
        shop.one,
        "UPDATE flight_features SET distance = '-0.0' WHERE flight_id = 1",
        "DELETE FROM flight_features WHERE flight_id = 2",
        "INSERT INTO flight_features BY NAME SELECT 1000 AS flight_id, 0.0 AS distance, 4 AS hour",
    )
    assert publish(keys=KEY).tables[1].rows_written == 3
    # Zero equals minus zero, and is another number all the same.
    write(
        shop.one,
        "UPDATE flight_features SET distance = 1 WHERE flight_id = 1",
        "UPDATE flight_features SET distance = 0 WHERE flight_id = 1",
    )
    assert publish(keys=KEY).tables[1].rows_written == 1
    assert ask("SELECT distance::text FROM flight_features WHERE flight_id = 1") == [("0",)]
    assert ask("SELECT count(*), max(flight_id) FROM flight_features") == [(300, 1000)]
    assert ask(kept) == before


def test_a_key_that_is_none_is_refused(publish, ask):
    with pytest.raises(PublishingError, match=r"is duplicated|already exists"):
        publish(keys={"flight_features": ["carrier"]})
    with pytest.raises(PublishingError, match="null value"):
        publish(keys={"flight_features": ["distance", "flight_id"]})
    with pytest.raises(PublishingError, match=r"has no column 'nope'\. It has: flight_id"):
        publish(keys={"flight_features": ["nope"]})
    with pytest.raises(PublishingError, match=r"--key names 'nope'.*These are: delay_predictions"):
        publish(keys={"nope": ["flight_id"]})
    assert ask("SELECT to_regclass('flight_features'), to_regnamespace('foresql')") == [
        (None, None)
    ]


def test_a_key_may_come_later(publish, shop, write, ask):
    publish()
    write(shop.one, "INSERT INTO flight_features FROM flight_features LIMIT 1")
    publish()
    write(shop.one, "DELETE FROM flight_features WHERE rowid >= 300")
    assert publish(keys=KEY).tables[1].rows_written == 301
    assert publish(keys=KEY).tables[1].rows_written == 0
    assert ask("SELECT count(*) FROM flight_features") == [(300,)]


def test_runs_of_others_stay_in_the_log(publish, shop, ask):
    publish()
    ask("INSERT INTO foresql.runs VALUES ('of dbt in postgres', now()) RETURNING run_id")
    publish(shop.two)
    publish(shop.two)
    assert ask("SELECT run_id FROM foresql.runs ORDER BY 1") == [
        ("of dbt in postgres",),
        ("run-1",),
        ("run-2",),
    ]


def test_the_log_that_dbt_keeps_there_is_not_written_over(publish, ask, postgres):
    postgres.psql("CREATE SCHEMA foresql")
    postgres.psql("CREATE TABLE foresql.runs AS SELECT varchar 'of dbt' AS run_id")
    with pytest.raises(PublishingError, match=r"foresql\.runs is there.*dbt keeps its run log"):
        publish()
    assert ask("SELECT run_id FROM foresql.runs") == [("of dbt",)]
    assert ask("SELECT to_regclass('delay_predictions')") == [(None,)]
    assert publish(overwrite=True).tables


def test_a_new_version_replaces_functions(publish, shop, ask):
    publish()
    publish(shop.two)
    assert ask("SELECT DISTINCT model_version, version_delay() FROM delay_predictions") == [(2, 2)]
    agree = (
        "SELECT count(*) FILTER (WHERE abs(predict_proba_delay(f) - probability) < 1e-15) "
        "FROM flight_features AS f JOIN delay_predictions USING (flight_id)"
    )
    assert ask(agree) == [(300,)]
    names = "SELECT count(*) FROM pg_proc WHERE proname ~ 'delay_v[0-9]+$'"
    assert ask(names) == [(6,)]
    publish()
    publish()
    assert ask("SELECT DISTINCT model_version, version_delay() FROM delay_predictions") == [(1, 1)]
    assert ask(agree) == [(300,)]
    assert ask(names) == [(6,)]


def test_columns_of_other_names_or_order(publish, shop, postgres, ask):
    """Three versions whose columns have the same types: only names and places differ."""
    random = np.random.default_rng(1)
    for first, second in (("a", "b"), ("a", "c"), ("c", "a")):
        frame = pd.DataFrame(random.normal(size=(100, 2)), columns=[first, second])
        answer = 2 * frame[first] + 3 * frame[second]
        fitted = LinearRegression().fit(frame, answer)
        foresql.publish("sum", fitted, like=frame, registry=shop.registry, probe_rows=50)
    tables = ["flight_features"]
    publish(tables=tables, models=["sum:1"])
    with psycopg.connect(postgres.address) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert reader.execute("SELECT version_sum()").fetchall() == [(1,)]
        for version, names in ((2, ("a", "c")), (3, ("c", "a")), (2, ("a", "c"))):
            publish(tables=tables, models=[f"sum:{version}"])
            found = ask(
                f"SELECT version_sum(), predict_sum(1, 10), predict_sum({names[1]} => 10, "
                f"{names[0]} => 1), (SELECT prediction FROM score_sum(1, 10))"
            )
            assert found == [(version, *3 * [pytest.approx(32)])]
        # An old snapshot has no answer, rather than one of other columns.
        with pytest.raises(psycopg.Error, match="version 1 of predict_sum cannot be asked"):
            reader.execute("SELECT predict_sum(1, 10)")


def test_rows_of_tables_that_are_not_published_again(publish, ask):
    publish()
    publish(tables=["delay_predictions"])
    asked = "SELECT count(predict_delay(f)) FROM flight_features AS f"
    assert ask(asked) == [(300,)]
    publish(tables=["delay_predictions"])
    assert ask(asked) == [(300,)]


def test_a_quote_in_the_name_of_a_function(publish, ask):
    publish(models=["o'hara=delay:1"])
    assert ask("""SELECT count("o'hara"(f)) FROM flight_features AS f""") == [(300,)]


def test_functions_of_another_version_are_not_left_beside_tables(
    publish, shop, ask, monkeypatch, postgres
):
    publish()
    with pytest.raises(PublishingError, match=r"holds delay:2; predict_delay\(\) answers delay:1"):
        publish(shop.two, models=None)
    monkeypatch.setattr(publishing, "_models", lambda _: ([], {"predict_delay": "no SQL"}))
    with pytest.raises(PublishingError, match="DROP FUNCTION") as caught:
        publish(shop.two)
    assert ask("SELECT DISTINCT model_version, version_delay() FROM delay_predictions") == [(1, 1)]
    assert publish(shop.two, mixed_versions=True).warnings == (
        "delay_predictions holds delay:2; predict_delay() answers delay:1",
    )
    way_out = str(caught.value).partition("DROP FUNCTION ")[2].partition(";")[0]
    publish(shop.one)
    postgres.psql(f"DROP FUNCTION {way_out}")
    publish(shop.two)
    with pytest.raises(psycopg.Error, match="does not exist"):
        ask("SELECT predict_delay(f) FROM flight_features AS f")


def test_an_old_snapshot_keeps_its_version(publish, shop, postgres):
    publish(keys=KEY)
    with psycopg.connect(postgres.address) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        query = (
            "SELECT DISTINCT p.model_version, version_delay(), q.model_versions, "
            "bool_and(abs(predict_proba_delay(f) - probability) < 1e-15) "
            "FROM flight_features AS f JOIN delay_predictions AS p USING (flight_id) "
            "JOIN foresql.publications AS q ON q.table_name = 'delay_predictions' GROUP BY 1, 2, 3"
        )
        assert reader.execute(query).fetchall() == [(1, 1, "delay:1", True)]
        publish(shop.two, keys=KEY)
        assert reader.execute(query).fetchall() == [(1, 1, "delay:1", True)]
        reader.commit()
        assert reader.execute(query).fetchall() == [(2, 2, "delay:2", True)]


def test_columns_may_change(publish, shop, write, ask, postgres):
    publish(keys=KEY)
    postgres.psql("CREATE ROLE analyst; GRANT SELECT ON flight_features TO analyst")
    write(
        shop.one,
        "ALTER TABLE flight_features ALTER hour TYPE DOUBLE",
        "ALTER TABLE flight_features ADD COLUMN \"is new\" VARCHAR DEFAULT 'x'",
    )
    publish(keys=KEY)
    assert ask(
        'SELECT pg_typeof(hour)::text, "is new", count(*) FROM flight_features GROUP BY 1, 2'
    ) == [("double precision", "x", 300)]
    assert ask("SELECT has_table_privilege('analyst', 'flight_features', 'SELECT')") == [(True,)]
    postgres.psql('CREATE VIEW mine AS SELECT "is new" FROM flight_features')
    write(shop.one, 'ALTER TABLE flight_features DROP COLUMN "is new"')
    with pytest.raises(
        PublishingError, match=r"(?s)view public.mine depends on column.*drop it, publish"
    ):
        publish(keys=KEY)
    assert ask("SELECT count(*) FROM mine") == [(300,)]
    postgres.psql("DROP VIEW mine; DROP OWNED BY analyst; DROP ROLE analyst")
    publish(keys=KEY)
    assert len(ask("SELECT * FROM flight_features LIMIT 1")[0]) == 4


def test_what_others_made_is_not_touched(publish, postgres, ask):
    postgres.psql("CREATE TABLE flight_features AS SELECT 1 AS mine")
    with pytest.raises(PublishingError, match=r"public.flight_features is there, and was not"):
        publish()
    assert ask("SELECT to_regclass('delay_predictions'), mine FROM flight_features") == [(None, 1)]
    publish(overwrite=True)
    assert ask("SELECT count(*) FROM flight_features") == [(300,)]
    postgres.psql("DROP TABLE flight_features CASCADE; CREATE VIEW flight_features AS SELECT 1")
    with pytest.raises(PublishingError, match="is no table there"):
        publish(overwrite=True)


def test_a_function_that_others_made_is_not_touched(publish, postgres, ask):
    postgres.psql(
        "CREATE FUNCTION predict_delay(float8, int8, text) RETURNS text LANGUAGE sql AS $$ "
        "SELECT 'mine' $$"
    )
    with pytest.raises(PublishingError, match=r"predict_delay.* is there, and was not published"):
        publish()
    assert ask("SELECT predict_delay(1, 2, 'UA'), to_regclass('flight_features')") == [
        ("mine", None)
    ]


def test_one_schema_for_all(publish, ask):
    publish(schema='my "schema"')
    assert ask(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'my \"schema\"' "
        "ORDER BY 1"
    ) == [("by_carrier",), ("delay_predictions",), ("flight_features",)]
    assert ask(
        'SELECT count("my ""schema""".predict_delay(f)) FROM "my ""schema""".flight_features AS f'
    ) == [(300,)]


def test_tables_that_meet_in_one_schema_are_refused(publish, shop, write):
    write(shop.one, "CREATE TABLE marts.delay_predictions AS SELECT 1 AS other")
    with pytest.raises(PublishingError, match=r"would both be bi.delay_predictions"):
        publish(schema="bi")


def test_roles_are_granted(publish, postgres):
    postgres.psql("CREATE ROLE readers")
    publish(grants=["readers"])
    asked = (
        "SET ROLE readers; SELECT count(predict_proba_delay(f)), max(version_delay()), "
        "count(q.*) FROM flight_features AS f CROSS JOIN foresql.publications AS q"
    )
    assert postgres.psql(asked, "-At").splitlines()[-1] == "900|1|900"
    postgres.psql("DROP OWNED BY readers; DROP ROLE readers")


def test_a_model_that_postgres_cannot_express(publish, monkeypatch, ask):
    def refuse(served):
        raise UnsupportedModelError(served.title, "Postgres has no remainder.", "leave it out.")

    monkeypatch.setattr(publishing, "compile_functions", refuse)
    with pytest.raises(UnsupportedModelError, match="no remainder"):
        publish(models=["delay:1"])
    assert ask("SELECT to_regclass('flight_features')") == [(None,)]
    published = publish()
    assert published.functions == {}
    assert "no remainder" in published.omitted["predict_delay"]


def test_a_view_whose_rows_cannot_be_read_is_named(publish, shop, write, ask):
    write(shop.one, "CREATE VIEW broken AS SELECT CAST(carrier AS INTEGER) FROM flight_features")
    with pytest.raises(PublishingError, match="rows of broken cannot be read: Conversion Error"):
        publish()
    assert ask("SELECT to_regclass('flight_features')") == [(None,)]


def test_a_failure_leaves_everything(publish, shop, ask, monkeypatch):
    publish()

    def fail(*_):
        message = "the disk is full"
        raise PublishingError(message)

    monkeypatch.setattr(publishing, "prove", fail)
    with pytest.raises(PublishingError, match="disk is full"):
        publish(shop.two)
    assert ask("SELECT DISTINCT model_version, version_delay() FROM delay_predictions") == [(1, 1)]
    assert ask("SELECT DISTINCT model_versions FROM foresql.publications") == [
        (None,),
        ("delay:1",),
    ]
    monkeypatch.undo()
    publish(shop.two)
    assert ask("SELECT DISTINCT model_version, version_delay() FROM delay_predictions") == [(2, 2)]


def test_one_at_a_time(publish, postgres):
    lock = f"SELECT pg_advisory_lock({0x666F726573716C})"
    with psycopg.connect(postgres.address, autocommit=True) as other:
        other.execute(lock)
        with pytest.raises(
            PublishingError, match=r"(?s)is under way \(the server's process \d+, us"
        ):
            publish()
        threading.Timer(1, other.close).start()
        assert publish(wait=60).tables


def test_addresses(shop, tmp_path):
    request = Request(registry=shop.registry)
    for address in (
        "postgresql://me:hush@nowhere/db",
        "postgresql://nowhere/db?password=hush",
        "postgresql://nowhere/db?sslpassword=hush",
        "postgresql://nowhere/db?oauth_client_secret=hush",
    ):
        with pytest.raises(PublishingError, match="address holds a password") as caught:
            publish_postgres(shop.one, address, request)
        assert "hush" not in str(caught.value)
    with pytest.raises(PublishingError, match="cannot be reached"):
        publish_postgres(shop.one, f"postgresql://me@/db?host={tmp_path}", request)
    with pytest.raises(PublishingError, match="address of the server is none"):
        publish_postgres(shop.one, "postgresql://me@/db?hush=%zz", request)


def test_a_server_that_wants_a_password(postgres, monkeypatch, shop):
    """The password comes from the environment, and stands in no message."""
    monkeypatch.setenv("PGPASSWORD", "hush-hush")
    monkeypatch.setenv("PGUSER", "nobody_of_that_name")
    address = f"postgresql:///{postgres.database}?host={postgres.host}"
    with pytest.raises(PublishingError, match="nobody_of_that_name") as caught:
        publish_postgres(shop.one, address, Request(registry=shop.registry))
    assert "hush-hush" not in str(caught.value)


def test_sql_in_names_is_text(publish, shop, write, ask):
    odd = 'a"; DROP TABLE x; -- %s'
    quoted = odd.replace('"', '""')
    write(
        shop.one,
        f'CREATE TABLE "{quoted}" ("{quoted}" VARCHAR)',
        f"INSERT INTO \"{quoted}\" VALUES ('%s $1')",
        f"COMMENT ON COLUMN \"{quoted}\".\"{quoted}\" IS '%s '' $foresql0$'",
    )
    publish()
    publish()
    assert ask(f'SELECT "{quoted}" FROM "{quoted}"') == [("%s $1",)]


def test_psycopg_is_asked_for_by_name(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(PublishingError, match=r"pip install 'foresql\[postgres\]'"):
        publish_postgres(shop.one, "postgresql://", Request(registry=shop.registry))


def test_keys_and_descriptions_of_dbt(publish, ask, tmp_path):
    columns = {"late": {"description": "whether it was late"}, "distance": {"description": "no"}}
    nodes = {
        "by_meta": {
            "resource_type": "model",
            "schema": "main",
            "name": "x",
            "alias": "delay_predictions",
            "description": "One row a flight.",
            "columns": columns,
            "config": {"meta": {"foresql": {"key": ["flight_id"]}}},
        },
        "by_unique_key": {
            "resource_type": "model",
            "schema": "main",
            "name": "flight_features",
            "config": {"unique_key": "FLIGHT_ID"},
        },
        "by_expression": {
            "resource_type": "model",
            "schema": "marts",
            "name": "by_carrier",
            "config": {"unique_key": "carrier || flights"},
        },
        "test": {"resource_type": "test", "name": "t"},
    }
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"nodes": nodes}))
    keys = [table.key for table in publish(manifest=manifest).tables]
    assert keys == [("flight_id",), ("flight_id",), ()]
    assert [table.rows_written for table in publish(manifest=manifest).tables] == [0, 0, 3]
    assert ask("SELECT col_description('delay_predictions'::regclass, 2)") == [
        ("whether it was late",)
    ]
    assert ask("SELECT obj_description('flight_features'::regclass)") == [
        ("What is known; before departure",)
    ]
    manifest.write_text("[]")
    with pytest.raises(PublishingError, match="is no manifest of dbt"):
        publish(manifest=manifest)
