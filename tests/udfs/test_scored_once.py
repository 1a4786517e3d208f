"""Each row of an expensive model is scored once, however often a query asks for its answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from foresql.udfs import recent

ROWS = 30_000  # over a dozen of DuckDB's batches of 2,048 rows

ONCE = {
    "plain": "SELECT predict_proba(t) FROM t",
    "filter and order": "SELECT predict_proba(t) AS p FROM t WHERE p > 0.5 ORDER BY p",
    "selective": "SELECT id, predict_proba(t) AS p FROM t WHERE p > 0.99 ORDER BY p",
    "between": "SELECT predict_proba(t) AS p FROM t WHERE p BETWEEN 0.4 AND 0.6",
    "top": "SELECT id, predict_proba(t) AS p FROM t ORDER BY p DESC LIMIT 10",
    "filter and top": "SELECT id, predict_proba(t) AS p FROM t WHERE p > 0.2 ORDER BY p LIMIT 5",
    "subquery": "SELECT p FROM (SELECT *, predict_proba(t) AS p FROM t) WHERE p > 0.5 ORDER BY p",
    "cte": "WITH s AS (SELECT *, predict_proba(t) AS p FROM t) SELECT p FROM s WHERE p > 0.5",
    "materialized cte": "WITH s AS MATERIALIZED (SELECT *, predict_proba(t) AS p FROM t) "
    "SELECT p FROM s WHERE p > 0.5 ORDER BY p",
    "view": "SELECT p FROM scored WHERE p > 0.5 ORDER BY p",
    "view of a view": "SELECT carrier, avg(p) FROM likely GROUP BY carrier",
    "label and probability": "SELECT predict(t), predict_proba(t) FROM t",
    "label filters": "SELECT predict(t) AS l, predict_proba(t) AS p FROM t WHERE l ORDER BY p",
    "row and position": "SELECT predict(t), predict_proba(distance, seats, rain, carrier) FROM t",
    "twice in one": "SELECT predict_proba(t) + 1, predict_proba(t) * 2 FROM t",
    "case": "SELECT CASE WHEN predict_proba(t) > 0.9 THEN 'high' "
    "WHEN predict_proba(t) > 0.5 THEN 'middle' ELSE 'low' END FROM t",
    "group": "SELECT carrier, avg(predict_proba(t)) AS p FROM t GROUP BY carrier ORDER BY p",
    "several aggregates": "SELECT carrier, min(predict_proba(t)), max(predict_proba(t)) FROM t "
    "GROUP BY carrier",
    "having": "SELECT carrier, avg(predict_proba(t)) AS p FROM t GROUP BY carrier HAVING p > 0.1",
    "group by prediction": "SELECT round(predict_proba(t), 1) AS p, count(*) FROM t GROUP BY p",
    "group by label": "SELECT predict(t) AS label, count(*) FROM t GROUP BY ALL",
    "filtered aggregates": "SELECT count(*) FILTER (predict_proba(t) > 0.5), "
    "count(*) FILTER (predict_proba(t) <= 0.5) FROM t",
    "qualify": "SELECT id, predict_proba(t) AS p FROM t "
    "QUALIFY row_number() OVER (PARTITION BY carrier ORDER BY p DESC) <= 3",
    "distinct": "SELECT DISTINCT predict_proba(t) AS p FROM t WHERE p > 0.5",
    "with other filters after": "SELECT predict_proba(t) AS p FROM t WHERE p > 0.5 OR id % 7 = 0",
    "create table": "CREATE TABLE out AS SELECT predict_proba(t) AS p FROM t WHERE p > 0",
    "union of one scan": "WITH s AS (SELECT predict_proba(t) AS p FROM t) "
    "SELECT p FROM s WHERE p > 0.9 UNION ALL SELECT p FROM s WHERE p < 0.1",
}
FEWER = {
    "count": ("SELECT count(*) FROM scored", 0),
    "other columns": ("SELECT max(id) FROM scored", 0),
    "cheap filter first": ("SELECT predict_proba(t) AS p FROM t WHERE id < 3000 AND p > 0.1", 3000),
    "cheap filter last": ("SELECT predict_proba(t) AS p FROM t WHERE p > 0.1 AND id < 3000", 3000),
    "constant": ("SELECT predict_proba(1.5, 2, true, 'AA') FROM t", 1),
}
AGAIN = {
    # A sort between two calls changes the order of the rows.
    "window": "SELECT id, predict_proba(t) AS p, rank() OVER (ORDER BY p) FROM t",
}
# With several threads the second scan is another thread's, which remembers nothing of the first.
TWO_SCANS = {
    "union of two scans": "SELECT id FROM t WHERE predict_proba(t) > 0.9 "
    "UNION ALL SELECT id FROM t WHERE predict_proba(t) < 0.1",
    "scalar subquery": "SELECT count(*) FROM t "
    "WHERE predict_proba(t) > (SELECT avg(predict_proba(t)) FROM t)",
}


@pytest.fixture(scope="module")
def many(binary):
    """Rows that all differ, so that no answer is remembered by accident."""
    frame = binary.frame.sample(ROWS, replace=True, random_state=1).reset_index(drop=True)
    frame["distance"] += frame.index / 1000
    frame["id"] = frame.index
    return frame


SAME_ROWS = {
    "plain": ONCE["plain"],
    "label and probability": ONCE["label and probability"],
    "row and position": ONCE["row and position"],
    "case": ONCE["case"],
    "group": ONCE["group"],
}


@pytest.fixture
def worth(monkeypatch):
    """How many times as long as remembering the scoring must take; 0 makes any model expensive."""
    monkeypatch.setattr(recent, "WORTH", 0.0)
    return lambda times: monkeypatch.setattr(recent, "WORTH", times)


@pytest.fixture
def table(add, binary, many, con, worth):  # noqa: ARG001 - it is set before any batch
    registration = add(binary)
    con.register("frame", many)
    con.execute(
        "CREATE OR REPLACE TABLE t AS SELECT * REPLACE (coalesce(distance, id) AS distance)"
        " FROM frame"
    )
    con.execute("CREATE VIEW scored AS SELECT *, predict_proba(t) AS p FROM t")
    con.execute("CREATE VIEW likely AS SELECT * FROM scored WHERE p > 0.5")
    return registration


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("pattern", ONCE)
def test_each_row_is_scored_once(table, con, pattern, threads):
    con.execute(f"SET threads = {threads}")
    con.execute("PRAGMA verify_parallelism")  # without it, a table this small has one thread
    con.execute(ONCE[pattern]).fetchall()
    # Of several threads, one may take over a few rows that another has scored.
    assert ROWS <= table.rows_scored <= (ROWS if threads == 1 else ROWS * 1.1)


@pytest.mark.parametrize("pattern", SAME_ROWS)
def test_a_cheap_model_scores_the_same_batch_once(table, con, worth, pattern):
    worth(float("inf"))
    con.execute("SET threads = 1")
    con.execute(SAME_ROWS[pattern]).fetchall()
    assert table.rows_scored == ROWS


def test_a_cheap_model_scores_again_what_passes_a_filter(table, con, worth):
    """The first batches are remembered, for it is not decided yet whether that pays."""
    worth(float("inf"))
    con.execute("SET threads = 1")
    found = con.execute("SELECT id, predict_proba(t) AS p FROM t WHERE p > 0.5").fetchall()
    again = table.rows_scored - ROWS
    assert 0 < again < len(found)
    every = con.execute("SELECT id, predict_proba(t) FROM t").fetchall()
    assert found == [row for row in every if row[1] > 0.5]


@pytest.mark.parametrize("pattern", FEWER)
def test_only_the_rows_that_matter_are_scored(table, con, pattern):
    query, rows = FEWER[pattern]
    con.execute("SET threads = 1")
    con.execute(query).fetchall()
    assert table.rows_scored == rows


@pytest.mark.parametrize("pattern", TWO_SCANS)
def test_two_scans_on_one_thread_are_scored_once(table, con, pattern):
    con.execute("SET threads = 1")
    con.execute(TWO_SCANS[pattern]).fetchall()
    assert table.rows_scored == ROWS


@pytest.mark.parametrize("pattern", AGAIN)
def test_what_is_scored_again_is_still_right(table, con, pattern):
    """Known patterns that score again: this test fails when one of them does so no longer."""
    con.execute("SET threads = 1")
    found = con.execute(AGAIN[pattern]).fetchall()
    assert ROWS < table.rows_scored <= 2 * ROWS
    expected = con.execute("SELECT id, predict_proba(t) FROM t ORDER BY id").fetchall()
    assert sorted(row[:2] for row in found) == expected


def test_the_same_query_again_finds_the_answers(table, con):
    con.execute("SET threads = 1")
    for _ in range(3):
        con.execute("SELECT predict_proba(t) FROM t").fetchall()
    assert table.rows_scored == ROWS


@pytest.mark.usefixtures("table")
def test_changed_rows_are_scored_anew(con, column):
    con.execute("SET threads = 1")
    before = column("SELECT predict_proba(t) FROM t ORDER BY id")
    con.execute("UPDATE t SET distance = 2 * distance WHERE id % 10 = 0")
    after = column("SELECT predict_proba(t) FROM t ORDER BY id")
    fresh = column("SELECT predict_proba(t) FROM t ORDER BY id DESC")
    assert after == fresh[::-1]
    assert before != after
    unchanged = [i for i in range(ROWS) if i % 10]
    assert [before[i] for i in unchanged] == [after[i] for i in unchanged]


def test_several_connections_at_once_are_counted_together(table, con):
    def count(_):
        with con.cursor() as cursor:
            return cursor.execute("SELECT sum(predict_proba(t)) FROM t").fetchall()

    con.execute("SET threads = 2")
    with ThreadPoolExecutor(4) as pool:
        sums = [rows[0][0] for rows in pool.map(count, range(8))]
    assert sums == pytest.approx([sums[0]] * 8, rel=1e-9)
    assert ROWS <= table.rows_scored <= 8 * ROWS
