"""Functions of Spark SQL give the library's answers, and say what is wrong with a call."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException

import foresql
from foresql import RegistrationError, RegistryError, SignatureError
from foresql.udfs.spark import worker


def ask(spark, query):
    return spark.sql(query).toArrow()


@pytest.mark.parametrize(
    "arguments",
    [
        "struct(*)",
        "struct(flights.*)",
        "distance, carrier, `Hour of day`",
        "carrier => carrier, `Hour of day` => `Hour of day`, distance => distance",
        "distance, `Hour of day` => `Hour of day`, carrier => carrier",
        "named_struct('DISTANCE', distance, 'Carrier', carrier, 'hour of day', `Hour of day`)",
    ],
)
def test_columns_by_row_place_and_name(spark, frame, late, arguments):
    table = ask(spark, f"SELECT id, predict_proba_delay({arguments}) AS p FROM flights ORDER BY id")
    assert (table["p"].to_numpy() == late.predict_proba(frame)[:, 1]).all()


def test_every_kind_of_function(spark, frame, late):
    table = ask(
        spark,
        "SELECT predict_delay(struct(*)) AS label, predict_part(struct(*)) AS part, "
        "predict_proba_part(struct(*)) AS parts, explain_delay(struct(*)) AS why, "
        "version_delay() AS version, version_part() AS other FROM flights ORDER BY id",
    )
    assert table["label"].to_pylist() == late.predict(frame).tolist()
    assert set(table["part"].to_pylist()) == {"early", "noon", "late"}
    assert sum(table["parts"][0].as_py().values()) == pytest.approx(1)
    assert table["version"][0].as_py() == 1
    assert table["other"][0].as_py() == 2
    why = table["why"].to_pylist()
    sums = [each["base_value"] + sum(each["contributions"].values()) for each in why]
    assert np.allclose(sums, late.predict(frame, raw_score=True), rtol=0, atol=1e-9)


@pytest.mark.parametrize("level", ["0.9", "level => 0.9", "cast(0.9 AS DOUBLE)"])
def test_intervals_take_a_level(spark, level):
    query = f"SELECT interval_minutes(struct(*), {level}) AS i, predict_minutes(struct(*)) AS p"
    row = ask(spark, f"{query} FROM flights").to_pylist()[0]
    assert row["i"]["low"] < row["p"] < row["i"]["high"]


def test_in_where_group_and_join(spark, frame, late):
    query = (
        "SELECT f.carrier, count(*) AS n FROM flights f JOIN flights g ON f.id = g.id "
        "WHERE predict_delay(f.distance, f.carrier, g.`Hour of day`) GROUP BY ALL"
    )
    counts = {row["carrier"]: row["n"] for row in ask(spark, query).to_pylist()}
    is_late = late.predict(frame)
    assert sum(counts.values()) == is_late.sum()
    assert counts["AA"] == (is_late & (frame["carrier"] == "AA")).sum()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("predict_delay(struct(distance, carrier))", "Column 'Hour of day' is missing"),
        ("predict_delay(carrier, carrier, `Hour of day`)", "'distance' is string"),
        ("interval_minutes(struct(*))", "needs its level"),
    ],
)
def test_calls_that_are_wrong(spark, call, message):
    with pytest.raises(PySparkException, match=message):
        spark.sql(f"SELECT {call} FROM flights").collect()


A, B = pa.array([1.0]), pa.array([2.0])


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ([A], {}, "reads 2 columns, and 1 are given. It reads, in this order: a, b"),
        ([A, B, A], {}, "reads 2 columns, and 3 are given"),
        ([A], {"c": B}, "'b' is missing. There are: c"),
        ([], {"a": A, "A": B}, "'b' is missing. There are: a, A"),
        ([pa.StructArray.from_arrays([A, B, A], ["A", "b", "a"])], {}, None),
        ([pa.StructArray.from_arrays([A, B, A], ["a", "B", "c"])], {}, None),
        ([pa.StructArray.from_arrays([A, A, B, B], ["A", "a", "B", "b"])], {}, None),
    ],
)
def test_columns_are_found_exactly_or_not_at_all(arguments, named, message):
    if message is None:
        found = worker.rows_of(("a", "b"), arguments, named)
        assert found.field("b").equals(B)
        return
    with pytest.raises(SignatureError, match=message):
        worker.rows_of(("a", "b"), arguments, named)


def test_names_that_differ_in_case_only_are_ambiguous():
    rows = pa.StructArray.from_arrays([A, B], ["AB", "ab"])
    with pytest.raises(SignatureError, match="'Ab' may be AB or ab"):
        worker.rows_of(("Ab",), [rows], {})


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")
def test_nothing_of_training_is_loaded_where_rows_are_scored(spark):
    from pyspark.sql.functions import udf

    trained = ("lightgbm", "sklearn", "xgboost", "catboost", "pandas")
    spark.udf.register(
        "loaded", udf(lambda _: ",".join(n for n in trained if n in __import__("sys").modules))
    )
    query = "SELECT loaded(id) AS names, predict_delay(struct(*)) FROM flights"
    # Spark itself may load pandas; it loads no library of models.
    assert set(ask(spark, query)["names"].to_pylist()) <= {"", "pandas"}


def test_a_name_that_cannot_be_one(session, registry):
    with pytest.raises(RegistrationError, match="function's name in Spark"):
        foresql.spark.register(session, "delay:1", name="a; DROP", registry=registry)


def test_a_model_that_is_not_there(session, registry):
    with pytest.raises(RegistryError, match="none"):
        foresql.spark.register(session, "none@champion", registry=registry)


def test_what_a_model_lacks_is_said(session, registry):
    made = foresql.spark.register(session, "minutes:1", registry=registry)
    assert "probabilities" in made.omitted["predict_proba"]
    assert made.functions["interval"] == "interval_minutes"


def test_a_name_answers_for_one_model_alone(session, registry):
    foresql.spark.register(session, "minutes:1", name="answer", registry=registry)
    foresql.spark.register(session, "delay:1", name="answer", registry=registry)
    with pytest.raises(Exception, match=r"UNRESOLVED_ROUTINE.*interval_answer"):
        session.sql("SELECT interval_answer(1.0D, 0.9D)").collect()


def test_what_is_no_session_and_no_frame(frame, registry):
    with pytest.raises(RegistrationError, match="takes a SparkSession, not str"):
        foresql.spark.register("delay", "delay@champion", registry=registry)
    with pytest.raises(SignatureError, match="a data frame of Spark, not DataFrame"):
        foresql.spark.score(frame, "delay@champion", registry=registry)
