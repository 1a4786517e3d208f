"""Forests as lookups in DuckDB: the kernel's bits, at the edges of bins, words and batches."""

import re

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from foresql import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.models_sql import compile_query, target_of

ROWS = 2_049


@pytest.fixture(scope="module")
def frame():
    """Make columns that are even, uneven, constant, missing here and there, and categories."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 4)), columns=["a", "b", "c", "d"])
    frame["b"] = np.exp(4 * frame["b"])
    frame.loc[::7, "c"] = np.nan
    frame["d"] = np.where(frame["d"] > 0, np.inf, frame["d"])
    frame["key"] = pd.Categorical(rng.choice(["x", "y", "z", "ü"], ROWS))
    return frame


@pytest.fixture(scope="module")
def target(frame):
    return frame["a"] * np.log(frame["b"]) + frame["key"].cat.codes * frame["c"].fillna(2.0)


@pytest.mark.parametrize("leaves", [2, 31, 127])
def test_words_of_every_width(frame, target, agrees, leaves):
    model = lgb.LGBMRegressor(n_estimators=5, num_leaves=leaves, min_child_samples=2, verbose=-1)
    check_in_duckdb(agrees, model.fit(frame, target), frame)


@pytest.mark.parametrize("strategy", ["mask", "auto"])
def test_trees_that_are_leaves(frame, agrees, strategy):
    model = lgb.LGBMRegressor(n_estimators=3, verbose=-1).fit(frame, np.ones(ROWS))
    check_in_duckdb(agrees, model, frame, strategy)


def test_inputs_that_share_a_lookup(frame, agrees):
    even = frame[["a", "c"]].assign(e=frame["b"] > 1, f=frame["d"].round())
    model = lgb.LGBMRegressor(n_estimators=9, num_leaves=4, verbose=-1)
    model.fit(even, even["a"] * (even["e"] + 1) + even["f"].clip(-9, 9) * even["c"].fillna(3.0))
    text = written(model, even, "duckdb", strategy="mask").text
    assert re.search(r"AS p\d+, .* AS p\d+ FROM", text)
    check_in_duckdb(agrees, model, even)


def test_no_word_has_as_many_bits(frame, target):
    model = lgb.LGBMRegressor(n_estimators=1, num_leaves=128, min_child_samples=2, verbose=-1)
    model.fit(frame, target)
    with pytest.raises(UnsupportedModelError, match="128 leaves"):
        written(model, frame, "duckdb", strategy="mask")


def test_targets_without_lists_are_named(frame, target):
    model = lgb.LGBMRegressor(n_estimators=1, verbose=-1).fit(frame, target)
    with pytest.raises(UnsupportedModelError, match="SQLite"):
        written(model, frame, "sqlite", strategy="mask")


@pytest.mark.parametrize("rows", [0, 1, 2_047, 2_049])
def test_rows_in_bigger_queries(frame, target, rows):
    model = lgb.LGBMRegressor(n_estimators=8, num_leaves=60, min_child_samples=2, verbose=-1)
    model.fit(frame, target)
    given = frame.head(rows).assign(id=range(rows))
    expected = model.predict(frame)[:rows]
    with duckdb.connect() as con:
        con.register("given", given)
        con.execute("CREATE TABLE flights AS FROM given")
        query = written(model, frame, "duckdb", strategy="mask")
        con.execute(f"CREATE VIEW scored AS {query.text}")
        found = con.sql(
            "SELECT s.id, s.prediction FROM scored s JOIN flights f ON f.id = s.id "
            "WHERE s.prediction > -1e300 ORDER BY s.id LIMIT 3000"
        ).fetchall()
    assert found == list(enumerate(expected.tolist()))


def written(model, frame, target, **options):
    converted = convert(model, Training.of(frame, model))
    return compile_query(converted, target_of(target), "flights", keep=("id",), **options)


def check_in_duckdb(agrees, model, frame, strategy="mask"):
    from engines import DuckDB

    agrees(DuckDB(), model, frame, strategy=strategy)


def test_the_rule_takes_what_is_quicker(frame, target):
    for trees, leaves, expected in ((3, 8, "case"), (50, 60, "mask")):
        model = lgb.LGBMRegressor(
            n_estimators=trees, num_leaves=leaves, min_child_samples=2, verbose=-1
        ).fit(frame, target)
        assert written(model, frame, "duckdb").strategies == (expected,)
