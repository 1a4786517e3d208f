"""What a run of a task does: changes, versions, failures, and what it keeps of them."""

import random

import duckdb
import pytest
from changing_flights import QUERY, change, predicted, promote, rescored

import foresql
from foresql import streams
from foresql.errors import StreamError, UnsupportedModelError
from foresql.scoring import pinning


def run(con, registry, **options):
    return streams.run_task(con, "scoring", registry=registry, **options)


def check(con, registry):
    assert predicted(con) == rescored(con, registry)


def test_the_first_run_scores_all_rows(flights, registry):
    done = run(flights, registry)
    assert (done.state, done.scored, done.model_version) == ("SUCCEEDED", "all", "2")
    assert done.rows_scored == len(predicted(flights)) > 30
    check(flights, registry)


def test_only_changes_are_scored(flights, registry):
    first = run(flights, registry)
    flights.execute("UPDATE flight_features SET distance = 0 WHERE flight_id IN (9, 10)")
    flights.execute("DELETE FROM flight_features WHERE flight_id = 20")
    flights.execute("INSERT INTO flight_features VALUES (99, 50, NULL), (98, 1, NULL)")
    done = run(flights, registry)
    assert (done.rows_inserted, done.rows_updated, done.rows_deleted) == (2, 2, 1)
    assert (done.scored, done.rows_scored) == ("changes", 1)
    check(flights, registry)
    counts = "SELECT run_id, count(*) FROM predictions GROUP BY ALL ORDER BY 2"
    assert flights.execute(counts).fetchall()[0] == (done.run_id, 1)
    assert flights.execute(counts).fetchall()[1][0] == first.run_id
    assert run(flights, registry).state == "SKIPPED"


def test_stamps(flights, registry):
    done = run(flights, registry)
    stamps = "model_name, model_version, run_id, scored_at"
    assert flights.execute(f"SELECT DISTINCT {stamps} FROM predictions").fetchall() == [
        ("delay", "2", done.run_id, done.query_start_time)
    ]


def test_functions_that_somebody_replaced_are_not_scored_by(flights, registry):
    run(flights, registry)
    flights.execute("UPDATE flight_features SET distance = distance + 1")
    foresql.register(flights, "delay:1", name="predict_delay", registry=registry, temporary=True)
    assert run(flights, registry).model_version == "2"
    check(flights, registry)
    flights.execute("UPDATE flight_features SET distance = distance + 1")
    flights.execute("DROP MACRO temp.predict_proba_delay")
    assert run(flights, registry).scored == "changes"
    check(flights, registry)
    flights.execute("UPDATE flight_features SET distance = distance + 1")
    flights.execute('CREATE OR REPLACE TEMP MACRO predict_delay("row") AS 1.0')
    assert "function already" in (run(flights, registry).error_message or "")


def test_functions_of_the_last_run_are_used_again(flights, registry, monkeypatch):
    run(flights, registry)
    flights.execute("UPDATE flight_features SET distance = distance + 1")
    monkeypatch.setattr(pinning, "register", None)
    assert run(flights, registry).state == "SUCCEEDED"
    monkeypatch.undo()
    check(flights, registry)


def test_a_moved_alias_rescores_everything(flights, registry):
    run(flights, registry)
    promote(registry, 1)
    flights.execute("DELETE FROM flight_features WHERE flight_id = 20")
    done = run(flights, registry)
    assert (done.scored, done.model_version) == ("all", "1")
    check(flights, registry)
    assert run(flights, registry).state == "SKIPPED"
    promote(registry, 2)
    assert run(flights, registry).scored == "all"
    check(flights, registry)


@pytest.mark.parametrize("seed", range(2))
def test_any_changes_and_versions_give_a_full_rescore(flights, registry, seed):
    dice = random.Random(seed)  # noqa: S311
    for _ in range(16):
        for _ in range(dice.randrange(4)):
            change(flights, dice)
        if dice.random() < 0.15:
            promote(registry, dice.choice((1, 2)))
        done = run(flights, registry)
        assert done.state != "FAILED", done.error_message
        check(flights, registry)


def test_an_append_only_stream_is_scored(con, registry):
    make = {"on": "flight_features", "key": ["flight_id"], "append_only": True}
    streams.create_stream(con, "flight_changes", **make)
    streams.create_task(
        con, "scoring", stream="flight_changes", query=QUERY, into="predictions", registry=registry
    )
    run(con, registry)
    for key in range(100, 110, 2):
        con.execute(f"INSERT INTO flight_features VALUES ({key}, 50, 'AA'), ({key + 1}, 1, NULL)")
        assert run(con, registry).rows_scored == 1
        check(con, registry)


def test_windows_in_a_view_reach_the_rows_that_they_change(con, registry):
    """A query may not have them, and a view may: what they change is compared."""
    con.execute(
        "CREATE VIEW smoothed AS SELECT flight_id, carrier, avg(distance) OVER (PARTITION BY "
        "carrier) AS distance FROM flight_features"
    )
    streams.create_stream(con, "flight_changes", on="smoothed", key=["flight_id"])
    streams.create_task(
        con,
        "scoring",
        stream="flight_changes",
        query=QUERY.replace("flight_features", "smoothed"),
        into="predictions",
        registry=registry,
    )
    run(con, registry)
    con.execute("UPDATE flight_features SET distance = 1000 WHERE flight_id = 0")
    assert run(con, registry).rows_updated == 10
    assert predicted(con) == rescored(con, registry, "smoothed")


def test_what_somebody_else_consumed_is_scored_all_the_same(flights, registry):
    run(flights, registry)
    flights.execute("DELETE FROM flight_features WHERE flight_id = 20")
    with streams.consume(flights, "flight_changes"):
        pass
    assert run(flights, registry).scored == "all"
    check(flights, registry)


def test_a_stale_stream_fails_and_a_new_one_scores_all_rows(flights, registry):
    run(flights, registry)
    flights.execute("ALTER TABLE flight_features ADD COLUMN wind DOUBLE")
    flights.execute("DELETE FROM flight_features WHERE flight_id = 20")
    done = run(flights, registry)
    assert done.state == "FAILED"
    assert "column wind is new" in done.error_message
    assert "--replace" in done.error_message
    make = {"on": "flight_features", "key": ["flight_id"], "replace": True}
    streams.create_stream(flights, "flight_changes", **make)
    assert run(flights, registry).scored == "all"
    check(flights, registry)


def test_full_scores_all_rows(flights, registry):
    run(flights, registry)
    flights.execute("DELETE FROM predictions WHERE flight_id = 20")
    assert run(flights, registry).state == "SKIPPED"
    assert run(flights, registry, full=True).scored == "all"
    check(flights, registry)


def test_a_failed_run_leaves_everything_and_is_kept(flights, registry):
    run(flights, registry)
    before = predicted(flights)
    flights.execute("INSERT INTO flight_features VALUES (20, 1, 'AA')")  # a key twice
    for failures in (1, 2, 3):
        done = run(flights, registry)
        assert done.state == "FAILED"
        assert "Several rows of flight_features have one key" in done.error_message
        assert streams.show_task(flights, "scoring")["failures"] == failures
    assert predicted(flights) == before
    shown = streams.show_task(flights, "scoring")
    assert (shown["state"], shown["last_suspended_reason"]) == ("suspended", "3 failures in a row")
    history = streams.task_history(flights, "SCORING")
    assert [each["state"] for each in history] == ["FAILED"] * 3 + ["SUCCEEDED"]
    assert history == streams.task_history(flights)
    states = "SELECT state, count(*) FROM foresql.task_history GROUP BY ALL ORDER BY 2"
    assert flights.execute(states).fetchall() == [("SUCCEEDED", 1), ("FAILED", 3)]
    flights.execute("DELETE FROM flight_features WHERE flight_id = 20")
    assert streams.resume_task(flights, "scoring").state == "started"
    assert run(flights, registry).state == "SUCCEEDED"
    assert streams.show_task(flights, "scoring")["failures"] == 0
    check(flights, registry)


def test_a_task_may_never_suspend_itself(con, registry):
    streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
    options = {"stream": "flight_changes", "query": QUERY, "into": "predictions"}
    streams.create_task(
        con, "scoring", **options, suspend_task_after_num_failures=0, registry=registry
    )
    streams.resume_task(con, "scoring")
    con.execute("DROP TABLE predictions")
    for _ in range(4):
        assert "where predictions go, is gone" in run(con, registry).error_message
    assert streams.show_task(con, "scoring")["state"] == "started"
    assert streams.suspend_task(con, "scoring").last_suspended_reason == "by hand"


def test_a_lost_model_fails_the_run(flights, registry, tmp_path):
    run(flights, registry)
    done = run(flights, tmp_path)
    assert done.state == "FAILED"
    check(flights, registry)


def test_nothing_runs_inside_of_a_transaction(flights, registry):
    flights.begin()
    flights.execute("DELETE FROM flight_features")
    with pytest.raises(StreamError, match="in a transaction already"):
        run(flights, registry)
    flights.rollback()
    assert run(flights, registry).rows_scored > 30


REFUSED = {
    "sum(predict_delay(f)) AS s": "sum: it reads many rows",
    "max(f.distance) OVER () AS s": "max OVER in the query: it reads other rows",
    "lag(f.distance) OVER (ORDER BY f.flight_id) AS s": "lag OVER",
    "(SELECT max(distance) FROM flight_features) AS s": "a subquery in the query",
    "random() AS s": "random: it is not certain",
    "now() AS s": "now: it is not certain",
    "current_date AS s": "current_date: it is no column",
    "age(TIMESTAMP '2020-01-01') AS s": "age: it gives another value as time goes by",
    "year(current_localtimestamp()) AS s": "current_localtimestamp: it gives another value",
    "how_old(TIMESTAMP '2020-01-01') AS s": "age: it gives another value as time goes by",
    "nextval('s') AS s": "nextval: it is not certain",
    "getvariable('s') AS s": "getvariable: it is not certain",
    "f.flight_id - ago(INTERVAL 1 DAY) AS s": "current_timestamp: it is no column",
    "predict_other(f) AS s": "predict_other: the registry has no model",
    "predict('delay@champion', f) AS s": "predict: the registry has no model",
    "mean_of_all() AS s": "a subquery in the query",
    "seen(f.distance) AS s": "random: it is not certain",
    "nothing(1) AS s": "nothing: it is not certain",
    "#1 AS s": "positional reference",
    "COLUMNS('dis.*') AS s": "star in the query",
    "g.x AS s": "g: it is no column",
    "f.*": r"\*: which columns it means",
    "1": "1: the column has no name",
    "f.distance AS model_version": "'model_version': each stored prediction",
    "f.distance AS foresql_x": "'foresql_x': each stored prediction",
    "f.distance AS FLIGHT_ID": "gives them twice",
    "f.nothing AS s": "The query cannot be run",
}


@pytest.mark.parametrize("item", REFUSED)
def test_what_no_task_is_made_of(con, registry, item):
    con.execute("CREATE MACRO mean_of_all() AS (SELECT avg(distance) FROM flight_features)")
    con.execute("CREATE MACRO seen(x) AS x + random()")
    con.execute("CREATE MACRO how_old(x) AS age(x)")
    streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
    query = f"SELECT f.flight_id, predict_delay(f) AS late, {item} FROM flight_features f"
    kind = StreamError if "cannot be run" in REFUSED[item] else UnsupportedModelError
    with pytest.raises(kind, match=REFUSED[item]) as caught:
        create(con, registry, query)
    assert "What to do: " in str(caught.value)
    assert streams.list_tasks(con) == []


def create(con, registry, query, name="scoring", **options):
    given = {"stream": "flight_changes", "into": "predictions", "registry": registry}
    return streams.create_task(con, name, query=query, **given | options)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT flight_id, predict_delay(f) AS p FROM flight_features f LIMIT 3", "LIMIT"),
        ("SELECT DISTINCT flight_id, predict_delay(f) AS p FROM flight_features f", "DISTINCT"),
        (
            "SELECT flight_id, predict_delay(f) AS p FROM flight_features f, flight_features g",
            "JOIN",
        ),
        ("SELECT flight_id, predict_delay(f) AS p FROM flight_features f ORDER BY 1", "no order"),
        ("SELECT flight_id, predict_delay(f) AS p FROM flight_features f TABLESAMPLE 3", "FROM"),
        ("SELECT flight_id, predict_delay(f) AS p FROM other f", "FROM other: the stream"),
        ("SELECT flight_id, predict_delay(f) AS p FROM x.flight_features f", "FROM x.flight"),
        ("SELECT predict_delay(f) AS p FROM flight_features f", "the key 'flight_id'"),
        ("SELECT flight_id + 0 AS flight_id, predict_delay(f) AS p FROM flight_features f", "key"),
        ("SELECT flight_id FROM flight_features", "it calls no model"),
        ("SELECT flight_id, predict_delay(f) p FROM 'f.parquet' f", "the stream flight_changes"),
        ("DELETE FROM flight_features", "it is not one SELECT"),
        ("SELECT 1; SELECT 2", "it is not one SELECT"),
        ("SELECT flight_id FROM", "cannot be parsed"),
    ],
)
def test_queries_that_are_not_row_by_row(con, registry, query, reason):
    streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
    with pytest.raises(UnsupportedModelError, match=reason):
        create(con, registry, query)


@pytest.mark.parametrize(
    "query",
    [
        "FROM flight_features AS f SELECT flight_id, predict_delay(f) AS late;",
        "SELECT predict_delay(distance, carrier) AS ü, flight_id AS k FROM flight_features -- ;",
        (
            "/* f */ SELECT f.flight_id, version_delay() AS v, predict_delay({'distance': "
            "abs(distance), 'carrier': carrier}) AS late FROM main.flight_features AS f WHERE "
            "predict_delay(f)"
        ),
        (
            "SELECT flight_id, list_sum([x + 1 FOR x IN [distance]]) AS s, predict_delay(f) AS p, "
            "p AS again, CASE WHEN carrier IN ('AA') THEN fdiv(distance, 3) END AS d, "
            "list_transform([1], lambda y: y + distance) AS l, twice(distance) AS t "
            'FROM flight_features "f"'
        ),
    ],
)
def test_queries_that_are_row_by_row(con, registry, query):
    con.execute("CREATE MACRO twice(x) AS 2 * x")
    streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
    key = create(con, registry, query).target_key[0]
    assert run(con, registry).scored == "all"
    con.execute("UPDATE flight_features SET distance = distance * 3 WHERE flight_id % 3 = 0")
    assert run(con, registry).scored == "changes"
    import foresql

    whole = foresql.run_query(con, query, registry=registry)
    found = con.sql(f"SELECT {', '.join(whole.columns)} FROM predictions ORDER BY {key}")
    assert repr(found.fetchall()) == repr(whole.order(key).fetchall())


def test_names_are_not_taken_twice(flights, registry):
    with pytest.raises(StreamError, match="a task scoring already"):
        create(flights, registry, QUERY)
    with pytest.raises(StreamError, match="scoring consumes the stream flight_changes"):
        create(flights, registry, QUERY, name="other")
    streams.create_stream(flights, "more", on="flight_features", key=["flight_id"])
    with pytest.raises(StreamError, match="a table predictions already"):
        create(flights, registry, QUERY, name="other", stream="more")
    with pytest.raises(StreamError, match="no name of a task"):
        create(flights, registry, QUERY, name="a b", stream="more", into="p")
    with pytest.raises(StreamError, match=r"no stream nothing. The database has: flight_changes"):
        create(flights, registry, QUERY, name="other", stream="nothing", into="p")


def test_a_dropped_task_leaves_its_predictions(flights, registry):
    run(flights, registry)
    streams.drop_task(flights, "scoring")
    with pytest.raises(StreamError, match=r"no task scoring. The database has: none"):
        run(flights, registry)
    assert len(predicted(flights)) > 30
    assert len(streams.task_history(flights)) == 1


def test_a_database_without_streams():
    with duckdb.connect() as con:
        assert (
            streams.list_tasks(con) == streams.task_history(con) == streams.list_streams(con) == []
        )


def test_a_stream_of_another_spelling_has_one_task_too(flights, registry):
    streams.create_stream(
        flights, "Flight_Changes", on="flight_features", key=["flight_id"], replace=True
    )
    with pytest.raises(StreamError, match="scoring consumes the stream Flight_Changes"):
        streams.create_task(
            flights,
            "again",
            stream="FLIGHT_CHANGES",
            query=QUERY,
            into="more",
            registry=registry,
        )
    assert run(flights, registry).scored == "all"
