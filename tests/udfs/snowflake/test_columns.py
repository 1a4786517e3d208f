"""Each dtype in which Snowflake may hand a column over: read exactly, or refused by name."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from snowflake_runtime import Call, Column, run_calls

from foresql.ir import Column as ModelColumn
from foresql.ir import ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle
from foresql.udfs.snowflake.artifact import build_artifact

DAY = 86_400_000_000
KEYS = {
    ColumnType.BIGINT: (3, -7),
    ColumnType.BOOLEAN: (True, False),
    ColumnType.VARCHAR: ("a", ""),
    ColumnType.TIMESTAMP: (0, DAY),
}
LARGE = (2**53, 2**62 + 1)


def key_model(column_type: ColumnType, keys: tuple) -> Model:
    """The place of a key from 0 on; -1 for NULL, and -2 for what is no key."""
    step = s.Lookup(("it",), ("out",), "test", keys, np.arange(float(len(keys))), -1.0, -2.0)
    return Model(Signature((ModelColumn("it", column_type),)), (step,), Outputs(("out",)))


def number_model() -> Model:
    step = s.Elementwise(("it",), ("out",), s.Function.NEGATIVE)
    return Model(Signature((ModelColumn("it", ColumnType.DOUBLE),)), (step,), Outputs(("out",)))


MODELS = {
    "number": number_model(),
    "large": key_model(ColumnType.BIGINT, LARGE),
    **{kind.value: key_model(kind, keys) for kind, keys in KEYS.items()},
}
NAN = float("nan")
B, V, T = "boolean", "varchar", "timestamp"
READ = [
    ("number", "float64", [1.5, None, np.inf], [-1.5, NAN, -np.inf]),
    ("number", "float32", [1.5, None], [-1.5, NAN]),
    ("number", "int64", [2**53 + 1, -5], [-(2.0**53), 5.0]),
    ("number", "Int64", [2**53 + 3, None], [-(2.0**53 + 4), NAN]),
    ("number", "Int8", [5, None], [-5.0, NAN]),
    ("number", "boolean", [True, None], [-1.0, NAN]),
    ("number", "bool", [True, False], [-1.0, -0.0]),
    ("number", "decimal", ["0.1", None, "1E-400", "12345678901234567890.5"],
     [-0.1, NAN, -0.0, -12345678901234567890.5]),
    ("number", "object", [1, None, 2.5, True, 2**70], [-1.0, NAN, -2.5, -1.0, -(2.0**70)]),
    ("number", "object NA", [None, 1], [NAN, -1.0]),
    ("bigint", "float64", [3.0, None, -7.0, 4.0, 2.0**60], [0, -1, 1, -2, -2]),
    ("bigint", "Int64", [3, None, 4], [0, -1, -2]),
    ("bigint", "int16", [3, -7, 4], [0, 1, -2]),
    ("bigint", "decimal", ["3", None, "-7.00", "99999999999999999999"], [0, -1, 1, -2]),
    ("bigint", "object", [3, None, -7.0, 2**80], [0, -1, 1, -2]),
    ("large", "Int64", [2**53, 2**53 + 1, 2**62 + 1, 2**62], [0, -2, 1, -2]),
    ("large", "decimal", [str(2**62 + 1), str(2**53), "1"], [1, 0, -2]),
    ("large", "float64", [1.0, None], [-2, -1]),
    (B, "boolean", [True, None, False], [0, -1, 1]),
    (B, "bool", [True, False], [0, 1]),
    (B, "object", [True, None, False], [0, -1, 1]),
    (V, "string", ["a", None, "", "A"], [0, -1, 1, -2]),
    (V, "object", ["a", None, "1"], [0, -1, -2]),
    (V, "object nan", ["a", None], [0, -1]),
    (V, "object NA", ["", None], [1, -1]),
    (V, "category", ["a", None, "b"], [0, -1, -2]),
    (T, "datetime64[ns]", [0, None, DAY, 1], [0, -1, 1, -2]),
    (T, "datetime64[us]", [0, None, DAY, 10**17], [0, -1, 1, -2]),
    (T, "datetime64[s]", [0, None, DAY], [0, -1, 1]),
    (T, "object", ["1970-01-02T00:00:00", None, "1970-01-01"], [1, -1, 0]),
    *((name, dtype, [None, None], [NAN if name == "number" else -1] * 2)
      for name in MODELS
      for dtype in ("float64", "object", "object NA", "Int64", B, "string", "datetime64[ns]")),
    *((name, dtype, [], []) for name in MODELS for dtype in ("float64", "object", "string")),
]  # fmt: skip
REFUSED = [
    ("number", "string", ["1.5"], "Column 'it' holds '1.5', and the model was trained on numbers."),
    ("number", "datetime64[ns]", [0], "trained on numbers"),
    ("number", "object", [1, {}], "Column 'it' holds {}"),
    ("bigint", "float64", [3.5], "Column 'it' holds 3.5, and the model was trained on integers."),
    ("bigint", "float64", [np.inf], "Column 'it' holds inf"),
    ("bigint", "decimal", ["3.5"], "trained on integers"),
    ("bigint", "string", ["3"], "Column 'it' holds '3', and the model was trained on integers."),
    ("bigint", "boolean", [True], "trained on integers"),
    ("large", "float64", [2.0**60], "trained on integers"),
    (B, "Int64", [1], "Column 'it' holds 1, and the model was trained on boolean."),
    (B, "string", ["true"], "trained on boolean"),
    (V, "Int64", [1], "Column 'it' holds 1, and the model was trained on varchar."),
    (V, "object", ["a", True], "Column 'it' holds True"),
    (T, "string", ["yesterday"], "Column 'it' holds 'yesterday'"),
    (T, "float64", [0.0], "timestamps without a time zone"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    shipped = {name: build_artifact(Bundle(model), name, 1) for name, model in MODELS.items()}
    calls = [
        Call(shipped[name], "predict", [Column(dtype, values)])
        for name, dtype, values, _ in (*READ, *REFUSED)
    ]
    return run_calls(calls, tmp_path_factory.mktemp("columns")).answers


def test_every_dtype_is_read_exactly(answers):
    for (name, dtype, values, wanted), said in zip(READ, answers, strict=False):
        found = np.array(said.get("values", [said]))
        expected = np.array(wanted, np.float64)
        same = found.shape == expected.shape and found.tobytes() == expected.tobytes()
        assert same or np.array_equal(found, expected, equal_nan=True), (name, dtype, values, said)


def test_what_is_not_exact_is_refused_by_name(answers):
    for (name, dtype, values, words), said in zip(REFUSED, answers[len(READ) :], strict=True):
        assert said.get("error", "").startswith("SignatureError: Column 'it' holds"), (name, said)
        assert words in said["error"], (dtype, values, said)


def test_nanoseconds_and_time_zones_are_refused():
    pandas = pytest.importorskip("pandas")
    from foresql.errors import SignatureError
    from foresql.kernels.frame import Reading
    from foresql.udfs.snowflake.handler.columns import read_codes

    vocabulary = Reading.of(MODELS["timestamp"]).vocabularies["it"]
    for column in (
        pandas.Series(np.array([1], "datetime64[ns]")),
        pandas.Series([pandas.Timestamp(1)], dtype=object),
        pandas.Series(["1970-01-01 00:00:00.000000001"], dtype=object),
    ):
        with pytest.raises(SignatureError, match="whole microseconds"):
            read_codes(column, vocabulary, "it")
    zeros = pandas.Series(["1970-01-01 00:00:00.000000000"], dtype=object)
    assert read_codes(zeros, vocabulary, "it").tolist() == [0]
    local = pandas.Series(pandas.to_datetime(["2020-01-01"], utc=True))
    with pytest.raises(SignatureError, match="without a time zone"):
        read_codes(local, vocabulary, "it")


@pytest.mark.parametrize("value", ["0.1", "1e-320", "123456789012345678901234567890.12345678"])
def test_decimals_round_as_arrow_texts_do(value):
    assert float(Decimal(value)) == pa.array([value]).cast(pa.float64())[0].as_py()
