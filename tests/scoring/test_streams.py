"""Streams of record batches: equal answers in the same order, and what is refused."""

import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import foresql
from foresql import ScoringError, SignatureError
from foresql.scoring.pipeline import in_order


@pytest.fixture
def table(orders):
    """More rows than one batch, numbered."""
    frame = orders.sample(5_000, replace=True, random_state=1).reset_index(drop=True)
    frame["id"] = frame.index
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.fixture
def stream(registry):
    """Score batches, 700 rows at most at a time."""

    def run(model, batches, **options):
        options = {"batch_rows": 700, "threads": 3} | options
        return foresql.score_batches(f"{model}:1", batches, registry=registry, **options)

    return run


GIVEN = {
    "reader": lambda table: table.to_reader(max_chunksize=300),
    "table": lambda table: table,
    "list": lambda table: table.to_batches(max_chunksize=999),
    "generator": lambda table: (batch for batch in table.to_batches(max_chunksize=64)),
    "one batch": lambda table: table.combine_chunks().to_batches(),
    "texts": lambda table: table.set_column(0, "zip", table["zip"].cast(pa.string())),
    "large texts": lambda table: table.set_column(0, "zip", table["zip"].cast(pa.large_string())),
    "slices": lambda table: [batch.slice(3, 50) for batch in table.to_batches(max_chunksize=99)],
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("threads", [1, 4])
def test_rows_keep_their_order(stream, estimators, table, given, threads):
    found = stream("large", GIVEN[given](table), threads=threads).read_all()
    rows = pa.Table.from_batches(GIVEN[given](table)) if given == "slices" else table
    assert found.column_names == [*rows.column_names, "prediction", "probability"]
    assert found["id"].to_pylist() == rows["id"].to_pylist()
    assert found["zip"].to_pylist() == rows["zip"].to_pylist()
    frame = rows.drop_columns("id").to_pandas()
    assert found["prediction"].to_pylist() == estimators["large"].predict(frame).tolist()


def test_types_that_go_through_duckdb_give_the_same(stream, table):
    exact = table["total"].cast(pa.decimal128(20, 4), safe=False)
    through = stream("amount", table.set_column(1, "total", exact))
    direct = stream("amount", table.set_column(1, "total", exact.cast(pa.float64())))
    assert through.read_all()["prediction"].equals(direct.read_all()["prediction"])


def test_only_some_columns_are_carried_over(stream, table):
    assert stream("amount", table, columns=["ID", "zip"]).schema.names == [
        *("zip", "id", "prediction")
    ]
    assert stream("amount", table, columns=[]).read_all().column_names == ["prediction"]
    taken = table.append_column("prediction", table["id"])
    assert stream("amount", taken, columns=["id"]).read_all().column_names == ["id", "prediction"]
    with pytest.raises(SignatureError, match=r"output should have: \['day'\]"):
        stream("amount", table, columns=["id", "day"])
    with pytest.raises(SignatureError, match=r"already has columns \['prediction'\]"):
        stream("amount", taken)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("items", pa.array(["many"]), "Column 'items' must be a number"),
        ("express", pa.array([1]), "Column 'express' must be a boolean"),
        ("zip", pa.array([1067]), "Column 'zip' must be text"),
        ("total", pa.array([True]), "Column 'total' must be a number"),
    ],
)
def test_a_wrong_type_is_refused_before_a_row_is_read(stream, table, name, values, message):
    changed = table[:1].set_column(table.column_names.index(name), name, values)
    with pytest.raises(SignatureError, match=message):
        stream("amount", changed)


def test_a_row_that_the_library_refuses_ends_the_stream_there(stream, orders):
    frame = pd.concat([orders[["items"]]] * 10, ignore_index=True)
    frame.loc[2_000, "items"] = 77
    found = stream("strict", pa.Table.from_pandas(frame), batch_rows=500)
    assert sum(found.read_next_batch().num_rows for _ in range(4)) == 2_000
    with pytest.raises(ScoringError, match="'items' holds 77"):
        found.read_next_batch()


def test_batches_of_other_columns_are_refused(stream, table):
    batches = table.to_batches(max_chunksize=700)
    renamed = batches[1].rename_columns(["n" if c == "items" else c for c in table.column_names])
    with pytest.raises(ScoringError, match="Batch 1 has other columns than the first: items"):
        stream("amount", [batches[0], renamed]).read_all()
    turned = batches[1].select(table.column_names[::-1])
    with pytest.raises(ScoringError, match="in another order"):
        stream("amount", [batches[0], turned]).read_all()


def test_what_gives_no_batches_is_refused(stream, table):
    with pytest.raises(ScoringError, match="int gives no batches: give a"):
        stream("amount", 5)
    with pytest.raises(ScoringError, match="Batch 0 is a str: give a"):
        stream("amount", "rows")
    with pytest.raises(ScoringError, match="Batch 1 is a dict: give a"):
        stream("amount", [table.to_batches()[0], {"items": [1]}]).read_all()


def test_an_error_of_the_stream_comes_as_it_is(stream, table):
    def broken():
        yield from table.to_batches(max_chunksize=700)[:2]
        raise LookupError("the queue is gone")

    with pytest.raises(LookupError, match="the queue is gone"):
        stream("amount", broken()).read_all()


def test_memory_holds_a_few_batches(stream, table):
    """An endless stream is read no further than its answers are drawn."""
    drawn = []

    def endless():
        while True:
            drawn.append(1)
            yield table.to_batches()[0]

    found = stream("amount", endless(), threads=2)
    for _ in range(20):
        found.read_next_batch()
    assert len(drawn) < 20
    found.close()


@pytest.mark.parametrize("options", [{"threads": 0}, {"batch_rows": 0}, {"batch_rows": -5}])
def test_counts_that_are_none(stream, table, options):
    with pytest.raises(ScoringError, match="give 1 or more"):
        stream("amount", table, **options)


def test_no_batches(stream, table):
    with pytest.raises(ScoringError, match="no schema"):
        stream("amount", [])
    nothing = stream("amount", table[:0]).read_all()
    assert nothing.num_rows == 0
    assert nothing.column_names == [*table.column_names, "prediction"]


def test_an_open_model_is_scored_without_a_registry(registry, estimators, orders, table):
    opened = foresql.open_model("amount:1", registry)
    found = foresql.score_batches(opened, table, columns=["id"]).read_all()
    expected = estimators["amount"].predict(table.to_pandas()[orders.columns])
    assert np.array_equal(found["prediction"], expected)


def test_work_is_given_in_order_whoever_is_first():
    release = threading.Event()

    def work(part):
        if part == 0:
            release.wait(10)
        if part == 2:
            release.set()
        return [part, -part]

    assert list(in_order(iter(range(9)), work, 3)) == [x for p in range(9) for x in (p, -p)]


def test_work_that_has_not_begun_is_dropped():
    begun = []

    def work(part):
        begun.append(part)
        if part == 1:
            raise LookupError
        return [part]

    with pytest.raises(LookupError):
        list(in_order(iter(range(100)), work, 1))
    assert len(begun) < 6
