"""`foresql.scored` and the calls: the library's answers, for what is stale and nothing else."""

import threading
import time

import numpy as np
import pytest

from foresql import Registry

PREDICTIONS = (
    'select id, is_late, probability, carrier, "Part Of", model_version, features_hash '
    "from predictions order by id"
)
EVERY_ROW = list(range(1, 501))
REFERENCES = ("late@champion", "late@challenger", "kind@champion", "value@champion")
SCORING = ("--select", "features", "predictions")


def scored_in(shop, run):
    query = f"select id from predictions where run_id = '{run.invocation_id}' order by id"
    return [row for (row,) in shop.sql(query)]


def test_every_answer_is_the_librarys(shop, models):
    shop.run("run")
    expected = models.answers(shop)
    scored = shop.sql(PREDICTIONS)
    assert [row[1] for row in scored] == expected["is_late"].tolist()
    near([row[2] for row in scored], expected["probability"])
    kinds = shop.sql('select "Kind Of", kinds from kinds order by id')
    assert [label for label, _ in kinds] == expected["kind"].tolist()
    for label in models.kind.classes_:
        assert [each[label] for _, each in kinds] == expected[label].tolist()
    calls = shop.sql("select value, version from calls order by id")
    assert [value for value, _ in calls] == expected["value"].tolist()
    assert {version for _, version in calls} == {2}
    the_manifest_says_which_versions_were_compiled(shop)


def near(given, expected):
    np.testing.assert_array_max_ulp(np.array(given), expected.to_numpy(), maxulp=2)


def test_what_is_new_changed_or_gone_is_seen_and_nothing_else(shop):
    shop.run("run", *SCORING)
    assert scored_in(shop, shop.run("run", *SCORING)) == []
    shop.sql('update raw set "Two words" = "Two words" + 0.5 where id in (7, 8)')
    shop.sql("update raw set distance = null where id = 9")
    shop.sql("delete from raw where id = 10")
    shop.sql(
        'insert into raw select 1000, "Part Of", distance, "Two words", "select", carrier, '
        + braces()
        + " from raw where id = 7"
    )
    assert scored_in(shop, shop.run("run", *SCORING)) == [7, 8, 9, 1000]
    incremental = shop.sql(PREDICTIONS)
    assert [row[0] for row in incremental] == sorted({*EVERY_ROW, 1000} - {10})
    shop.run("run", "--full-refresh", *SCORING)
    assert shop.sql(PREDICTIONS) == incremental


def braces():
    return '"the ""select"" {{ x }} {% if %}"'


def test_another_version_scores_all_and_a_rollback_brings_its_answers_back(shop):
    shop.run("run", *SCORING)
    before = shop.sql(PREDICTIONS)
    registry = Registry(shop.registry)
    registry.move_alias("late", "champion", 2, expected=1)
    try:
        if shop.target == "postgres":
            # Nothing but the file says what answers there.
            assert scored_in(shop, shop.run("run", *SCORING)) == []
            shop.compile_step(*REFERENCES, to=("duckdb", "postgres"))
        assert scored_in(shop, shop.run("run", *SCORING)) == EVERY_ROW
        promoted = shop.sql(PREDICTIONS)
        assert {row[5] for row in promoted} == {2}
        assert "-- foresql: late@champion is version 2." in shop.compiled("predictions")
    finally:
        registry.rollback("late", "champion")
        shop.compile_step(*REFERENCES, to=("duckdb", "postgres"))
    assert scored_in(shop, shop.run("run", *SCORING)) == EVERY_ROW
    assert shop.sql(PREDICTIONS) == before


def the_manifest_says_which_versions_were_compiled(shop):
    nodes = shop.manifest["nodes"]
    digest = Registry(shop.registry).resolve("late@champion").digest
    meta = nodes["model.shop.predictions"]["config"]["meta"]["foresql"]
    assert meta["models"].keys() == {"late@champion"}
    assert meta.pop("models")["late@champion"]["version"] == 1
    assert meta.pop("certified_rows") > 100
    assert meta == {
        "scored": True,
        "reference": "late@champion",
        "version": 1,
        "sha256": digest,
        "key": ["id"],
        "features": "features",
        "hash": "features_hash",
        "outputs": {"predict": "is_late", "predict_proba": "probability"},
    }
    calls = nodes["model.shop.calls"]["config"]["meta"]["foresql"]
    assert calls["reference"] == "value@champion"
    assert {name: each["version"] for name, each in calls["models"].items()} == {
        "value@champion": 1,
        "late@challenger": 2,
    }
    assert "/* foresql: value@champion is version 1 */" in shop.compiled("calls")


def test_a_new_column_is_filled_for_every_row(shop):
    shop.write(models__growing=GROWING.format(keep=""))
    try:
        shop.run("run", "--select", "features", "growing")
        shop.write(models__growing=GROWING.format(keep=", keep='carrier', predict='is_late'"))
        shop.run("run", "--select", "growing")
        ((rows, late),) = shop.sql("select count(*), count(is_late) from growing")
        assert rows == late == 500
    finally:
        (shop.folder / "models/growing.sql").unlink()
        shop.sql("drop table if exists growing")


GROWING = """{{{{ foresql.scored(
    'late@champion', ref('features'), key='id', predict_proba='probability'{keep}) }}}}"""


def test_a_column_of_another_type_or_that_is_taken_away_ends_the_run(shop):
    """A table that is there would round numbers, and keep what nobody scores any more."""
    whole = GROWING.format(keep=", keep=['part', 'carrier']")
    shop.write(models__parts=PARTS.format("id % 3"), models__growing=whole.replace(*PARTED))
    try:
        shop.run("run", "--select", "features", "parts", "growing")
        before = shop.sql("select * from growing order by id")
        shop.write(models__parts=PARTS.format("cast(id as double precision) / 4"))
        less = GROWING.format(keep=", keep='part'")
        shop.write(models__growing=less.replace(*PARTED))
        message = shop.fail("run", "--select", "parts", "growing")
        assert "cannot take what late@champion gives: part is " in message
        assert "carrier is there, and foresql.scored does not give it any more." in message
        assert "What to do: dbt run --full-refresh --select growing" in message
        assert shop.sql("select * from growing order by id") == before
        shop.run("run", "--full-refresh", "--select", "growing")
        assert shop.sql("select part from growing where id = 3") == [(0.75,)]
    finally:
        remove(shop, "growing", "parts")


def test_a_key_may_be_called_as_postgres_calls_who_is_connected(shop):
    called = PARTS.replace("id, {} as part", "id as {}").format('"user"')
    whole = GROWING.format(keep="").replace(*PARTED).replace("key='id'", "key='user'")
    shop.write(models__parts=called, models__growing=whole)
    try:
        shop.run("run", "--select", "features", "parts", "growing")
        shop.sql("update raw set distance = 3 where id = 7")
        run = shop.run("run", "--select", "features", "parts", "growing")
        assert shop.sql("select count(*) from growing") == [(500,)]
        scored = f"select \"user\" from growing where run_id = '{run.invocation_id}'"
        assert shop.sql(scored) == [(7,)]
    finally:
        remove(shop, "growing", "parts")


def test_features_that_are_not_the_last_ref_end_the_run(shop):
    """The keys of that one would decide which predictions are deleted."""
    mistaken = "{% set f = ref('features') %}{% set kinds = ref('kinds') %}" + GROWING.format(
        keep=""
    )
    shop.write(models__growing=mistaken.replace("ref('features'), key", "f, key"))
    try:
        message = shop.fail("run", "--select", "growing")
        assert "and its last ref() is " in message
        assert "What to do: write the ref() of the features into the call" in message
    finally:
        remove(shop, "growing")


def test_a_sample_of_the_features_deletes_nothing(shop):
    parts = PARTS.replace("config(", "config(event_time='part', ").format("{{ days() }}")
    shop.write(
        macros__days="{% macro days() %}cast('2020-01-01' as timestamp) + id * interval '1 day'"
        "{% endmacro %}",
        models__parts=parts,
        models__growing=GROWING.format(keep="").replace(*PARTED),
    )
    selected = ("run", "--select", "parts", "growing")
    try:
        shop.run("run", "--select", "features", "parts", "growing")
        shop.run(*selected, "--sample", "{'start': '2020-01-05', 'end': '2020-01-08'}")
        assert shop.sql("select count(*) from growing") == [(500,)]
    finally:
        remove(shop, "growing", "parts")
        (shop.folder / "macros/days.sql").unlink()


def test_a_second_run_waits_for_the_first_one_in_postgres(shop):
    """Else both would insert the predictions of a new key."""
    if shop.target != "postgres":
        pytest.skip("one process alone writes to the file")
    shop.run("run", *SCORING)
    shop.sql("insert into raw select 1000, " + REST + braces() + " from raw where id = 7")
    columns = shop.sql(
        "select string_agg(quote_ident(column_name), ', ' order by "
        "ordinal_position) from information_schema.columns where table_name = 'predictions' "
        "and column_name <> 'id'"
    )[0][0]
    first = shop.connect(autocommit=False)
    first.execute(
        f"insert into predictions (id, {columns}) select 1000, {columns} from predictions "
        "where id = 7"
    )
    ending = threading.Thread(target=end_when_waited_for, args=(shop, first))
    ending.start()
    try:
        shop.run("run", *SCORING)
    finally:
        ending.join()
    assert shop.sql("select count(*) from predictions where id = 1000") == [(1,)]


def end_when_waited_for(shop, connection):
    waits = "select count(*) from pg_locks where not granted"
    until = time.monotonic() + 20
    while shop.sql(waits) == [(0,)] and time.monotonic() < until:
        time.sleep(0.1)
    connection.commit()
    connection.close()


REST = '"Part Of", distance, "Two words", "select", carrier, '


def remove(shop, *names):
    for name in names:
        (shop.folder / f"models/{name}.sql").unlink()
        shop.sql(f"drop table if exists {name}")


PARTED = ("ref('features')", "ref('parts')")
PARTS = """{{{{ config(materialized='table') }}}}
    select distance, "Two words", "select", carrier, id, {} as part,
        {{{{ foresql.features_hash('f') }}}} as features_hash
    from {{{{ ref('features') }}}} as f"""


def test_no_rows_and_rows_without_a_key_of_their_own(shop):
    shop.run("run", *SCORING)
    before = shop.sql(PREDICTIONS)
    for change, told in (
        ("insert into raw select * from raw where id = 5", "id = 5 (2 rows)"),
        ("update raw set id = null where id = 6", "id = NULL (1 row)"),
    ):
        shop.sql(change)
        message = shop.fail("run", *SCORING)
        assert told in message
        assert "is as it was. What to do: correct the features" in message
        assert shop.sql(PREDICTIONS) == before
        shop.reset()
    shop.run("run", "--empty", *SCORING)
    assert shop.sql(PREDICTIONS) == before
    shop.sql("delete from raw")
    shop.run("run", *SCORING)
    assert shop.sql(PREDICTIONS) == []
