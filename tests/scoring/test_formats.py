"""Formats in, formats out: equal answers, and what becomes of all other columns."""

import csv

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from foresql import ScoringError
from foresql.scoring import parquet

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


def test_more_rows_than_a_batch(score, orders, estimators, tmp_path):
    many = orders.sample(9_137, replace=True, random_state=1).reset_index(drop=True)
    many["id"] = many.index
    write(many, tmp_path / "in.parquet")
    seen = []
    scored = score(
        "amount",
        "in.parquet",
        "out.parquet",
        batch_rows=1000,
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


@pytest.fixture
def parts(orders, estimators, tmp_path):
    """Write five files that belong together, and give all their rows."""
    many = orders.sample(6_000, replace=True, random_state=2).reset_index(drop=True)
    many["id"] = many.index
    (tmp_path / "days").mkdir()

    def make(ending):
        for index in range(5):
            part = many[index * 1200 : (index + 1) * 1200]
            path = tmp_path / "days" / f"day-{index}.{ending}"
            if ending == "parquet":
                part.to_parquet(path, row_group_size=170, index=False)
            else:
                write(part.reset_index(drop=True), path)
        return many, estimators["amount"].predict(many[orders.columns]).tolist()

    return make


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("source", ["days", "days/*.{}", "days/day-[0-4].*"])
def test_several_files_are_read_in_the_order_of_their_names(score, parts, tmp_path, ending, source):
    many, predictions = parts(ending)
    for other in ("_SUCCESS", "notes.txt", f".day-9.{ending}", f"_day.{ending}"):
        (tmp_path / "days" / other).write_text("no data")
    seen = []
    scored = score(
        "amount",
        source.format(ending),
        "out.parquet",
        columns=["id"],
        batch_rows=500,
        threads=3,
        progress=lambda *call: seen.append(call),
    )
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["id", *ADDED]
    assert found["id"].to_pylist() == list(range(6_000))
    assert found["prediction"].to_pylist() == predictions
    assert scored.rows == len(many)
    assert seen[-1] == (6_000, 6_000)
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda days: (days / "day-7.csv").write_text("a\n1\n"), "all be Parquet, or all Arrow"),
        (
            lambda days: pq.write_table(pa.table({"id": [1]}), days / "day-7.parquet"),
            r"day-7\.parquet has other columns than .*day-0\.parquet",
        ),
        (lambda days: (days / "day-3.parquet").write_bytes(b"PAR1"), "cannot be read"),
    ],
)
def test_files_that_do_not_belong_together(score, parts, tmp_path, change, message):
    parts("parquet")
    change(tmp_path / "days")
    with pytest.raises(ScoringError, match=message):
        score("amount", "days", "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_no_file_matches(score, tmp_path):
    with pytest.raises(ScoringError, match=r"none\*\.parquet cannot be read: there is no file"):
        score("amount", "none*.parquet", "out.parquet")
    assert not list(tmp_path.iterdir())


def test_the_output_is_none_of_the_inputs(score, parts):
    parts("parquet")
    with pytest.raises(ScoringError, match="exists"):
        score("amount", "days", "days/day-2.parquet", overwrite=True)


@pytest.fixture(params=[1, 10**9])
def part_bytes(request, monkeypatch):
    """Read row groups in turn, a batch at a time, or each as a part."""
    monkeypatch.setattr(parquet, "PART_BYTES", request.param)


@pytest.mark.usefixtures("part_bytes")
@pytest.mark.parametrize("rows_in_a_group", [100, 2_500, 10_000])
def test_row_groups_of_any_size(score, parts, tmp_path, rows_in_a_group):
    many, predictions = parts("parquet")
    many.to_parquet(tmp_path / "in.parquet", row_group_size=rows_in_a_group)
    score("amount", "in.parquet", "out.parquet", batch_rows=700, threads=3)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["id"].to_pylist() == list(range(6_000))
    assert found["prediction"].to_pylist() == predictions
    assert (
        found["zip"].to_pylist()
        == many["zip"].astype(object).where(many["zip"].notna(), None).tolist()
    )


KINDS = {
    "int8": ("items", pa.int8()),
    "uint64": ("items", pa.uint64()),
    "float32": ("total", pa.float32()),
    "decimal": ("total", pa.decimal128(20, 6)),
    "text": ("zip", pa.string()),
    "large text": ("zip", pa.large_string()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_of_reading_agree(score, orders, tmp_path, monkeypatch, kind):
    name, arrow_type = KINDS[kind]
    table = pa.Table.from_pandas(orders, preserve_index=False)
    at = table.column_names.index(name)
    table = table.set_column(at, name, table[name].cast(arrow_type, safe=False))
    pq.write_table(table, tmp_path / "in.parquet")
    score("amount", "in.parquet", "direct.parquet")
    monkeypatch.setattr("foresql.scoring.sources.is_direct", lambda *_: False)
    score("amount", "in.parquet", "duckdb.parquet")
    direct, through = (pq.read_table(tmp_path / f"{way}.parquet") for way in ("direct", "duckdb"))
    assert direct.column_names == through.column_names
    for column in ("prediction", "zip", "total", "items", "express"):
        assert direct[column].to_pylist() == through[column].to_pylist()


def test_text_that_is_no_text_is_refused(score, orders, tmp_path):
    """Bytes that are no UTF-8: DuckDB refuses them, and so does the direct way."""
    table = pa.Table.from_pandas(orders, preserve_index=False)
    broken = pa.array([b"\xff\xfe"] * len(orders)).view(pa.string())
    pq.write_table(table.set_column(0, "zip", broken), tmp_path / "in.parquet")
    with pytest.raises(ScoringError, match="cannot be read"):
        score("amount", "in.parquet", "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
