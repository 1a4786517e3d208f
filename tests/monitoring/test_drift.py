"""Drift against a reference in numpy, and where its figures end."""

import math

import duckdb
import numpy as np
import pandas as pd
import pytest

from foresql.monitoring import Limits, MonitoringError, drift
from foresql.monitoring.stability import chance_index, stability_index

NAN, INF = float("nan"), float("inf")


def index_in_numpy(before: np.ndarray, after: np.ndarray) -> float:
    """The same definition, written by other means: tenths, or a bin for each of 20 values."""
    before, after = np.asarray(before, float), np.asarray(after, float)
    finite = np.sort(before[np.isfinite(before)])
    values = np.unique(finite)
    if len(values) <= 20:

        def bin_of(x: np.ndarray) -> np.ndarray:
            found = np.full(len(x), len(values))
            for number, value in enumerate(values):
                found[x == value] = number
            return found
    else:
        ranks = [math.ceil(len(finite) * tenth / 10) - 1 for tenth in range(1, 10)]
        edges = np.unique(finite[ranks])

        def bin_of(x: np.ndarray) -> np.ndarray:
            return np.searchsorted(edges, x, side="left")

    def shares(x: np.ndarray) -> np.ndarray:
        missing = np.isnan(x)
        counts = np.bincount(bin_of(x[~missing]), minlength=30)
        return np.concatenate([[missing.sum()], counts]) / len(x)

    q, p = shares(before), shares(after)
    filled = (p > 0) | (q > 0)
    q, p = np.maximum(q[filled], 1e-4), np.maximum(p[filled], 1e-4)
    return float(((p - q) * np.log(p / q)).sum())


def compare(before: object, after: object, **options: object) -> dict[str, object]:
    table = pd.DataFrame(
        {"x": [*before, *after], "old": [True] * len(before) + [False] * len(after)}
    )
    with duckdb.connect() as connection:
        connection.register("frame", table)
        connection.execute("CREATE TABLE t AS FROM frame")
        return drift(connection, "t", reference="old", columns=["x"], **options).to_pylist()[0]


RNG = np.random.default_rng(3)
NUMBERS = {
    "the same": (RNG.normal(0, 1, 4000), RNG.normal(0, 1, 3000)),
    "moved": (RNG.normal(0, 1, 4000), RNG.normal(0.4, 1, 3000)),
    "wider": (RNG.normal(0, 1, 4000), RNG.normal(0, 3, 3000)),
    "gone": (RNG.normal(0, 1, 400), RNG.normal(90, 1, 300)),
    "constant": (np.full(500, 3.0), np.full(400, 3.0)),
    "constant no more": (np.full(500, 3.0), RNG.choice([2.0, 3.0, 4.0], 400)),
    "few values": (RNG.integers(0, 12, 2000), RNG.integers(2, 15, 2000)),
    "20 and 21 values": (np.arange(2000) % 21, np.arange(2000) % 20),
    "mostly zero": (np.where(np.arange(900) % 10 > 8, RNG.random(900), 0.0), RNG.random(700)),
    "missing": (np.where(np.arange(900) % 9 == 0, NAN, RNG.random(900)), RNG.random(700)),
    "infinite": ([*RNG.random(500), INF, -INF], [*RNG.random(400), INF, INF, -INF]),
    "only missing": (np.full(300, NAN), RNG.random(200)),
    "tiny": ([1.0, 2.0, 3.0], [2.0]),
    "huge": (RNG.random(900) * 1e308, RNG.random(800) * 1e-308),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_index_is_that_of_numpy(name):
    before, after = NUMBERS[name]
    found = compare(before, after)
    assert found["psi"] == pytest.approx(index_in_numpy(before, after), rel=1e-9, abs=1e-12)
    assert found["rows_reference"] == len(before)
    assert found["missing_now"] == np.isnan(np.asarray(after, float)).mean()


def test_statuses_follow_the_limits():
    assert compare(*NUMBERS["the same"])["status"] == "steady"
    assert compare(*NUMBERS["moved"])["status"] == "moved"
    assert compare(*NUMBERS["moved"], limits=Limits(0.05, 0.12))["status"] == "shifted"
    assert compare(*NUMBERS["gone"])["status"] == "shifted"
    assert compare(*NUMBERS["constant"])["psi"] == 0
    assert compare(*NUMBERS["constant no more"])["status"] == "shifted"


def test_null_and_nan_are_missing_alike():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT range < 500 AS old, CASE WHEN range % 2 = 0 "
            "THEN NULL WHEN range % 3 = 0 THEN 'nan'::DOUBLE ELSE range END AS x FROM range(1000)"
        )
        (found,) = drift(connection, "t", reference="old", columns=["x"]).to_pylist()
    assert found["missing_reference"] == pytest.approx(2 / 3, abs=0.01)
    assert found["mean_reference"] is not None
    assert math.isfinite(found["mean_reference"])


def test_values_beyond_the_reference_are_counted():
    found = compare(np.linspace(0, 1, 1000), [*RNG.random(900), *[7.0] * 30, *[-INF] * 70])
    assert found["outside_share"] == 0.1
    assert found["status"] == "moved"
    assert "10.0% lie outside" in found["reason"]
    assert (found["low"], found["high"]) == pytest.approx((0, 1), abs=0.01)


@pytest.mark.parametrize(
    ("rows", "status"), [((8, 5), "too few rows"), ((20_000, 20_000), "steady")]
)
def test_few_rows_are_not_judged(rows, status):
    before, after = (RNG.normal(0, 1, size) for size in rows)
    assert compare(before, after)["status"] == status


def test_an_empty_side_is_said():
    found = compare([1.0, 2.0], [])
    assert (found["psi"], found["status"], found["reason"]) == (
        None,
        "too few rows",
        "one side has no rows",
    )


def test_categories():
    before = ["a"] * 600 + ["b"] * 300 + [None] * 100
    after = ["a"] * 500 + ["b"] * 300 + ["c"] * 150 + [None] * 50
    found = compare(before, after)
    q = np.array([0.6, 0.3, 0.1, 1e-4])
    p = np.array([0.5, 0.3, 0.05, 0.15])
    assert found["psi"] == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-12)
    assert (found["new_share"], found["new_values"]) == (0.15, "c")
    assert compare(before, after, known={"x": ["a", "b", "c"]})["new_share"] == 0


def test_all_categories_are_new():
    found = compare(["a", "b"] * 200, ["it's", 'quo"ted', "</script>"] * 100)
    assert (found["new_share"], found["status"]) == (1, "shifted")
    assert found["psi"] > 5


def test_a_rare_category_is_not_named():
    found = compare(["a"] * 500, ["a"] * 480 + ["Jane Doe"] * 4 + ["b"] * 16)
    assert (found["new_share"], found["new_values"]) == (0.04, "b")


def test_more_categories_than_bins():
    before = [f"k{number % 400}" for number in range(8000)]
    found = compare(before, before[:4000])
    assert (found["psi"], found["new_share"]) == (0, 0)


def test_types_and_names_of_all_kinds():
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE "od""d" AS SELECT range < 600 AS old, range::DECIMAL(9,2) AS "de\'c", '
            'DATE \'2025-01-01\' + range::INTEGER AS "da""y", range % 2 = 0 AS flag, '
            "TIMESTAMPTZ '2025-01-01 00:00+00' AS at, 'infinity'::DATE AS never, "
            "['x'] AS list, (range % 3)::UTINYINT AS small, "
            "(range % 2)::VARCHAR::ENUM('0', '1') AS e FROM range(1000)"
        )
        found = drift(connection, 'od"d', reference="old IS TRUE")
    by_name = {each["column_name"]: each for each in found.to_pylist()}
    assert "list" not in by_name
    assert by_name['da"y']["status"] == "shifted"
    assert by_name["flag"]["psi"] == pytest.approx(0, abs=1e-6)
    assert by_name["de'c"]["high"] == 599


def test_rows_on_neither_side_are_left_out():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT CASE WHEN range < 30 THEN NULL ELSE range < 600 END AS old, "
            "range AS x FROM range(1000)"
        )
        (found,) = drift(connection, "t", reference="old", columns=["x"]).to_pylist()
    assert (found["rows_reference"], found["rows_now"]) == (570, 400)


@pytest.mark.parametrize(
    "text", ["x < 1) OR (1 = 1", "x; DROP TABLE t", "SELECT 1", "", "x IN (SELECT 1)", "x AS y"]
)
def test_a_reference_is_one_condition(text):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS x")
        with pytest.raises(MonitoringError, match="is no condition"):
            drift(connection, "t", reference=text)
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(1,)]


def test_a_comment_does_not_end_a_condition():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS x FROM range(10)")
        (found,) = drift(connection, "t", reference="x < 5 -- the first").to_pylist()
    assert found["rows_reference"] == 5


def test_chance_reaches_its_index_in_one_of_a_hundred():
    rng = np.random.default_rng(11)
    shares = np.full(10, 0.1)
    limit = chance_index(10, 800, 500)
    above = [
        stability_index(rng.multinomial(800, shares), rng.multinomial(500, shares)) > limit
        for _ in range(4000)
    ]
    assert 0.005 < np.mean(above) < 0.02
