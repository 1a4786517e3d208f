"""The functions that the doctor runs in Snowflake, called with the frames that it may hand over."""

import json
import struct
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from foresql.deploy.snowflake.doctor import probe_handler as handler
from foresql.deploy.snowflake.doctor.scratch import HANDLER
from foresql.udfs.snowflake.names import dollar_quoted

NUMBERS = [0.1, -0.0, 5e-324, 1.7976931348623157e308, np.inf, 2.0**53 + 2]


def frame(*columns):
    return pd.DataFrame({place: pd.Series(column) for place, column in enumerate(columns)})


def test_bits_there_and_back():
    digits = [struct.pack(">d", number).hex() for number in NUMBERS]
    assert handler.bits(frame(NUMBERS)) == digits
    assert handler.from_bits(frame(digits)).tolist() == NUMBERS
    assert handler.bits(frame([np.nan, None])) == ["missing", "missing"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.array([7, None], "Int64"), [["Int64", "int", "7"], ["Int64", "NAType", None]]),
        ([Decimal(7), None], [["object", "Decimal", "7"], ["object", "NoneType", None]]),
        (pd.array([True, None], "boolean"), [["boolean", "bool", "True"], [..., ..., None]]),
        (pd.array(["ü", None], "string"), [["string", "str", "ü"], [..., ..., None]]),
        ([1.5, np.nan], [["float64", "float", "3ff8000000000000"], ["float64", "float", None]]),
        (
            pd.to_datetime(["2013-01-01 05:15:00.000001", None]),
            [[..., "Timestamp", "2013-01-01 05:15:00.000001"], [..., "NaTType", None]],
        ),
        (pd.array([None, None], "Int64"), [["Int64", "NAType", None]] * 2),
        ([None, None], [["object", "NoneType", None]] * 2),
    ],
)
def test_kinds_of_arguments(column, expected):
    given = pd.DataFrame({0: pd.Series(column, dtype=getattr(column, "dtype", object))})
    if isinstance(column, list) and isinstance(column[0], float):
        given = frame(column)
    found = [json.loads(text) for text in handler.kinds(given)]
    for one, other in zip(found, expected, strict=True):
        assert all(b is ... or a == b for a, b in zip(one, other, strict=True)), (one, other)


def test_functions_by_their_names():
    names = ["exp", "log", "numpy.exp"]
    digits = handler.bits_of([1.0, 2.0, 0.0])
    found = handler.floats_of(handler.functions(frame(names, digits)))
    assert found.tolist() == [np.e, np.log(2.0), 1.0]


def test_objects():
    given = pd.DataFrame({0: [{"a": 0.1, "b": None, "c": "x", "d": True, "e": 3}]})
    (found,) = map(json.loads, handler.packed(given))
    assert found["a"] == ["float", "3fb999999999999a"]
    assert found["b"][1] is None
    assert [found[key] for key in "cde"] == [["str", "x"], ["bool", "True"], ["int", "3"]]
    (answer,) = handler.unpacked(frame([0.1]))
    assert (answer["number"], answer["missing"], answer["text"]) == (0.1, None, "ü'\\")


def test_arguments_keep_their_places():
    assert handler.difference(frame([1.0], [2.0], [4.0])).tolist() == [124.0]
    assert handler.width(frame([1.0], [1.0])).tolist() == [2002.0]
    assert handler.scaled(frame([2.0, None])).tolist() == [4.0, -1.0]


def test_all_functions_are_vectorised_and_answer_empty_batches():
    made = [each for each in vars(handler).values() if hasattr(each, "_sf_vectorized_input")]
    assert len(made) == 16
    for function in made:
        if function not in (handler.slow, handler.difference):
            assert len(function(frame([], []).astype(float))) == 0


def test_file_is_a_function_s_body():
    dollar_quoted(HANDLER.read_text("utf-8"))
