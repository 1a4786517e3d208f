"""Formats in, formats out: equal answers, and what becomes of all other columns."""

import csv

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from foresql import ScoringError
from foresql.scoring import files

FORMATS = ["parquet", "csv", "arrow"]
PAIRS = [(source, output) for source in FORMATS for output in FORMATS]
PAIRS += [("pq", "ipc"), ("feather", "pq"), ("ipc", "feather")]
ADDED = ["prediction", "model_name", "model_version", "scored_at"]


def write(frame, path):
    match path.suffix:
        case ".parquet" | ".pq":
            frame.to_parquet(path)
        case ".csv":
            frame.to_csv(path, index=False)
        case _:
            frame.to_feather(path)


def read(path) -> pa.Table:
    match path.suffix:
        case ".parquet" | ".pq":
            return pq.read_table(path)
        case ".csv":
            with duckdb.connect() as con:
                return con.read_csv(str(path), dtype={"zip": "VARCHAR"}).to_arrow_table()
        case _:
            return pa.feather.read_table(path)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_pair_of_formats(score, orders, estimators, tmp_path, pair):
    source, output = pair
    write(orders, tmp_path / f"in.{source}")
    scored = score("large", f"in.{source}", f"out.{output}")
    found = read(tmp_path / f"out.{output}")
    assert (scored.rows, scored.model, scored.version) == (len(orders), "large", 1)
    assert scored.output == tmp_path / f"out.{output}"
    assert found.column_names == [*orders.columns, "prediction", "probability", *ADDED[1:]]
    assert found["prediction"].to_pylist() == estimators["large"].predict(orders).tolist()
    expected = estimators["large"].predict_proba(orders)[:, 1]
    assert np.allclose(found["probability"].to_pylist(), expected, rtol=1e-15, atol=0)
    assert set(found["model_name"].to_pylist()) == {"large"}
    assert set(found["model_version"].to_pylist()) == {1}
    for name in orders.columns:
        missing_as_none = orders[name].astype(object).where(orders[name].notna(), None)
        assert found[name].to_pylist() == missing_as_none.tolist()


def test_raw_scores_survive_a_csv_bit_by_bit(score, orders, estimators, tmp_path):
    write(orders, tmp_path / "in.csv")
    score("amount", "in.csv", "out.csv")
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [*orders.columns, *ADDED]
    found = [float(row["prediction"]) for row in rows]
    assert found == estimators["amount"].predict(orders).tolist()


@pytest.mark.parametrize("output", ["parquet", "arrow"])
def test_several_classes_are_a_struct(score, orders, estimators, tmp_path, output):
    write(orders, tmp_path / "in.parquet")
    score("class", "in.parquet", f"out.{output}")
    found = read(tmp_path / f"out.{output}")
    assert found["prediction"].to_pylist() == estimators["class"].predict(orders).tolist()
    rows = found["probability"].to_pylist()
    assert list(rows[0]) == estimators["class"].classes_.tolist()
    expected = estimators["class"].predict_proba(orders)
    assert np.allclose([list(row.values()) for row in rows], expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("output", ["parquet", "arrow"])
def test_several_outputs_are_a_vector(score, orders, estimators, tmp_path, output):
    write(orders, tmp_path / "in.parquet")
    score("both", "in.parquet", f"out.{output}")
    expected = estimators["both"].predict(orders[["items", "express"]])
    found = read(tmp_path / f"out.{output}")["prediction"].to_pylist()
    assert np.allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize(("model", "column"), [("class", "probability"), ("both", "prediction")])
def test_what_a_csv_cannot_hold_is_named(score, orders, tmp_path, model, column):
    write(orders, tmp_path / "in.parquet")
    with pytest.raises(ScoringError, match=rf"\.csv file cannot hold the columns \['{column}'\]"):
        score(model, "in.parquet", "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_more_rows_than_a_batch(score, orders, estimators, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BATCH_ROWS", 1000)
    many = orders.sample(9_137, replace=True, random_state=1).reset_index(drop=True)
    many["id"] = many.index
    write(many, tmp_path / "in.parquet")
    seen = []
    scored = score(
        "amount",
        "in.parquet",
        "out.parquet",
        progress=lambda done, total: seen.append((done, total)),
    )
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["id"].to_pylist() == list(range(9_137))
    expected = estimators["amount"].predict(many[orders.columns])
    assert found["prediction"].to_pylist() == expected.tolist()
    assert scored.rows == 9_137
    assert len(seen) > 4
    assert seen[-1] == (9_137, 9_137)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(("ending", "known"), [("csv", False), ("arrow", True)])
def test_progress_knows_the_rows_where_the_file_says_them(score, orders, tmp_path, ending, known):
    write(orders, tmp_path / f"in.{ending}")
    seen = []
    score("amount", f"in.{ending}", "out.arrow", progress=lambda *call: seen.append(call))
    assert seen[-1] == (len(orders), len(orders) if known else None)


PASSED = {
    "exact": "1.50::DECIMAL(9, 2)",
    "wide": "12345678901234567890.123::DECIMAL(38, 3)",
    "day": "DATE '2020-02-29'",
    "moment": "TIMESTAMP '2020-01-01 01:02:03.456789'",
    "zoned": "TIMESTAMPTZ '2020-01-01 00:00:00+00'",
    "hour": "TIME '01:02:03'",
    "unsigned": "18446744073709551615::UBIGINT",
    "tiny": "1::TINYINT",
    "single": "0.1::FLOAT",
    "kind": "'y'::ENUM('x', 'y')",
    "quotes": "'a,\"b\"' || chr(10)",
    "empty": "''",
    "nothing": "NULL::VARCHAR",
}
NESTED = {"list": "[1, 2]", "record": "{a: 1, b: 'x'}", "map": "MAP {'a': 1}", "bytes": "'a'::BLOB"}


@pytest.fixture
def passed(orders, tmp_path):
    """Write a file with these columns beside the model's; give the first row of each."""

    def make(columns, name="in.parquet"):
        with duckdb.connect() as con:
            con.register("orders", orders)
            text = ", ".join(f"{value} AS {column}" for column, value in columns.items())
            con.execute(f"COPY (SELECT *, {text} FROM orders) TO '{tmp_path / name}'")
            row = con.execute(f"SELECT {', '.join(columns)} FROM '{tmp_path / name}'").fetchone()
            return dict(zip(columns, row, strict=True))

    return make


@pytest.mark.parametrize("output", ["parquet", "arrow"])
def test_further_columns_are_passed_through(score, passed, tmp_path, output):
    expected = passed(PASSED | NESTED)
    score("amount", "in.parquet", f"out.{output}")
    with duckdb.connect() as con:
        con.register("scored", read(tmp_path / f"out.{output}"))
        names = ", ".join(expected)
        assert con.execute(f"SELECT {names} FROM scored").fetchone() == tuple(expected.values())


def test_further_columns_are_written_to_csv(score, passed, tmp_path):
    expected = passed(PASSED)
    score("amount", "in.parquet", "out.csv")
    with (tmp_path / "out.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert list(row) == ["zip", "total", "items", "express", *PASSED, *ADDED]
    assert row["exact"] == "1.50"
    assert row["wide"] == "12345678901234567890.123"
    assert row["day"] == "2020-02-29"
    assert row["moment"].startswith("2020-01-01 01:02:03.456789")
    assert row["unsigned"] == str(expected["unsigned"])
    assert row["quotes"] == expected["quotes"]


def test_an_interval_column_is_refused_by_name(score, passed, tmp_path):
    passed({"pause": "INTERVAL 3 DAY"})
    with pytest.raises(ScoringError, match="pause"):
        score("amount", "in.parquet", "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_columns_in_other_case_and_order(score, orders, estimators, tmp_path):
    other = orders[["express", "total", "zip", "items"]].rename(columns=str.upper)
    write(other, tmp_path / "in.parquet")
    score("amount", "in.parquet", "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["EXPRESS", "TOTAL", "ZIP", "ITEMS", *ADDED]
    assert found["prediction"].to_pylist() == estimators["amount"].predict(orders).tolist()


def test_a_column_with_the_name_of_the_whole_row(score, orders, estimators, tmp_path):
    write(orders.assign(source_row="text"), tmp_path / "in.parquet")
    score("amount", "in.parquet", "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["prediction"].to_pylist() == estimators["amount"].predict(orders).tolist()
    assert set(found["source_row"].to_pylist()) == {"text"}


@pytest.mark.parametrize("pair", PAIRS[:9], ids="-".join)
def test_no_rows(score, orders, tmp_path, pair):
    source, output = pair
    write(orders[:0], tmp_path / f"in.{source}")
    scored = score("large", f"in.{source}", f"out.{output}")
    found = read(tmp_path / f"out.{output}")
    assert scored.rows == len(found) == 0
    assert found.column_names == [*orders.columns, "prediction", "probability", *ADDED[1:]]


def test_csv_columns_without_a_value(score, orders, estimators, tmp_path):
    nothing = orders.assign(total=np.nan, zip=orders["zip"].where([False] * len(orders)))
    write(nothing, tmp_path / "in.csv")
    score("amount", "in.csv", "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")["prediction"]
    assert found.to_pylist() == estimators["amount"].predict(nothing).tolist()


def test_csv_flags_of_digits(score, orders, estimators, tmp_path):
    frame = orders.assign(zip=orders["zip"].astype(object))
    write(frame.assign(express=frame["express"].astype(int)), tmp_path / "in.csv")
    score("amount", "in.csv", "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")["prediction"]
    assert found.to_pylist() == estimators["amount"].predict(orders).tolist()


def test_csv_flags_that_are_none(score, orders, tmp_path):
    frame = orders.assign(zip=orders["zip"].astype(object), express=2)
    write(frame, tmp_path / "in.csv")
    with pytest.raises(ScoringError, match="cannot be read"):
        score("amount", "in.csv", "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
