"""The same rows in every form are read as the same, and no edit of a request breaks a reader.

`make fuzz TARGETS=tensors` goes on from here, for as long as it is told.
"""

import math
import struct
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensor_bytes import message, rows, rows_of, tensors

NAMES = ("x", "n", "s", "ok", "t")
DATATYPES = {"x": "FP64", "n": "INT64", "s": "BYTES", "ok": "BOOL", "t": "BYTES"}
CONTENTS = {"FP64": "fp64", "INT64": "int64", "BYTES": "bytes", "BOOL": "bool"}
TIMES = st.datetimes(min_value=datetime(1000, 1, 1)).map(datetime.isoformat)  # noqa: DTZ001
ROW = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8")),
    st.booleans(),
    TIMES,
)


def blob(datatype, values) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(e.encode())) + e.encode() for e in values)
    return np.array(values, datatype.lower().replace("fp", "float")).tobytes()


def in_every_form(table) -> list[bytes]:
    columns = dict(zip(NAMES, map(list, zip(*table, strict=True)), strict=True))
    bare = [{"name": n, "shape": [len(table)], "datatype": DATATYPES[n]} for n in NAMES]
    blobs = [blob(DATATYPES[n], columns[n]) for n in NAMES]
    sized = [
        each | {"parameters": {"binary_data_size": len(b)}}
        for each, b in zip(bare, blobs, strict=True)
    ]
    contents = []
    for each in bare:
        kind, values = each["datatype"], columns[each["name"]]
        values = [e.encode() for e in values] if kind == "BYTES" else values
        contents.append(each | {"contents": {f"{CONTENTS[kind]}_contents": values}})
    by_row = [dict(zip(NAMES, row, strict=True)) for row in table]
    return [
        tensors(b"0", [each | {"data": columns[each["name"]]} for each in bare]),
        tensors(b"0", sized, blobs),
        tensors(b"0", [sized[0], *(e | {"data": columns[e["name"]]} for e in bare[1:])], blobs[:1]),
        message(b"0", contents),
        message(b"0", bare, blobs),
        rows(b"0", by_row),
        rows(b"0", by_row, packed=True),
    ]


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_every_form_says_the_same(table):
    found = [rows_of(content) for content in in_every_form(table)]
    assert found[0] is not None
    assert all(repr(each) == repr(found[0]) for each in found)
    assert [row[:4] for row in found[0]] == [row[:4] for row in table]


FORMS = in_every_form([(0.5, -7, "é", True, "2013-01-31"), (1e300, 2**62, "", False, "2013-02-01")])


@settings(deadline=None)
@given(st.data())
def test_edits_are_read_or_refused(data):
    """Whatever is neither raises: another error than a refusal, or rows that differ as a batch."""
    content = bytearray(data.draw(st.sampled_from(FORMS)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(2, max(2, len(content) - 1)))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    rows_of(bytes(content))


@settings(deadline=None)
@given(st.sampled_from([b"t", b"g", b"r", b"z"]), st.sampled_from([b"0", b"1", b"2"]), st.binary())
def test_any_bytes_are_read_or_refused(form, model, content):
    rows_of(form + model + content)


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_elements_of_grpc_may_be_nan_and_infinite(datatype):
    """As in raw contents; in JSON neither can be written."""
    numbers = [math.nan, math.inf, -math.inf, 0.1]
    field = f"{datatype.lower()}_contents"
    inputs = [
        {"name": name, "shape": [4], "datatype": datatype, "contents": {field: numbers}}
        for name in "xy"
    ]
    raw = [{k: v for k, v in each.items() if k != "contents"} for each in inputs]
    found = rows_of(message(b"1", inputs))
    assert repr(found) == repr(rows_of(message(b"1", raw, [blob(datatype, numbers)] * 2)))
    assert math.isnan(found[0][0])
    assert found[1][0] == math.inf
    largest = {"name": "x", "shape": [1], "datatype": "FP32"}
    beyond = tensors(b"1", [largest | {"data": [1e39]}, largest | {"name": "y", "data": [1]}])
    assert rows_of(beyond) is None


@pytest.mark.parametrize("size", [2**31, 2**32 - 1, 2**63 - 1, 10**4_299])
def test_sizes_that_overflow(size):
    """In a shape, in a tensor's size, and in the length of a text."""
    one = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}
    other = {"name": "y", "datatype": "FP64", "shape": [size]}
    assert rows_of(tensors(b"1", [one, other | {"data": [1.0]}])) is None
    sized = other | {"parameters": {"binary_data_size": 8}}
    assert rows_of(tensors(b"1", [sized], [bytes(8)])) is None
    claims = {"name": "x", "datatype": "FP64", "shape": [1]}
    claims["parameters"] = {"binary_data_size": size}
    assert rows_of(tensors(b"1", [claims], [bytes(8)])) is None
    length = struct.pack("<I", min(size, 2**32 - 1))
    text = {"name": "s", "datatype": "BYTES", "shape": [1]}
    text["parameters"] = {"binary_data_size": 5}
    assert rows_of(tensors(b"0", [text], [length + b"a"])) is None
