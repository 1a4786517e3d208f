"""Events in JSON: what Python's own reader says is in them, or dead letters."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from broken_events import MINUTES, broken, decode, edits, open_events, reason, row
from hypothesis import example, given
from hypothesis import strategies as st

from foresql.errors import StreamError

COLUMNS = {
    "name": "VARCHAR",
    "at": "TIMESTAMP",
    "x": "DOUBLE",
    "n": "BIGINT",
    "small": "TINYINT",
    "ok": "BOOLEAN",
    "price": "DECIMAL(12, 2)",
    "day": "DATE",
    "parts": "STRUCT(v DOUBLE, label VARCHAR)[]",
}
EVENT = {
    "name": "pump:1",
    "at": "2024-01-01T00:00:00.123456",
    "x": 0.1,
    "n": 2**63 - 1,
    "small": -128,
    "ok": True,
    "price": 1.25,
    "day": "2024-02-29",
    "parts": [{"v": 1, "label": "a"}, None],
}
PIECES = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"null", b"NaN", b"1e400", b"-0", b"01"),
    *(
        b'"x":1,',
        b'"v":2,',
        b'"z":1,',
        b"\xff",
        b"\n",
        b"\\u003a",
        b"\\ud800",
        b"9223372036854775808",
    ),
    *(b"128", b"2024-02-30", b"Z", b"+01:00", b"\xc3\xa9", b"\\u00e9", b"-", b".5", b"e9", b"true"),
]


@pytest.fixture(scope="module")
def reader():
    """Read all types."""
    return open_events(columns=COLUMNS)


def payload_of(**changes) -> bytes:
    """Write an event."""
    return json.dumps(EVENT | changes).encode()


class Number(str):
    """A number's text."""

    __slots__ = ()


class NotReadableError(Exception):
    """The oracle does not read it."""


def plain(pairs):
    """Take an object, and keep whether a field is there twice."""
    found = dict(pairs)
    return {**found, ...: len(found) != len(pairs)}


def constant(_name):
    """Refuse what is no JSON."""
    raise NotReadableError


def oracle(payload: bytes) -> dict[str, object]:
    """Read an event slowly, by Python's own reader."""
    try:
        text = payload.decode()
        found = json.loads(
            text,
            object_pairs_hook=plain,
            parse_int=Number,
            parse_float=Number,
            parse_constant=constant,
        )
    except ValueError as error:
        raise NotReadableError from error
    if not isinstance(found, dict) or found[...] or any(name not in found for name in COLUMNS):
        raise NotReadableError
    if re.search("[\ud800-\udfff]", repr_of(found)):
        raise NotReadableError
    values = {name: value(found[name], type_) for name, type_ in COLUMNS.items() if name != "parts"}
    return values | {"parts": parts(found["parts"])}


def repr_of(value) -> str:
    """Give all texts of a value."""
    if isinstance(value, dict):
        return "".join(repr_of(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return "".join(map(repr_of, value))
    return value if isinstance(value, str) else ""


def parts(found):
    """Read the nested column."""
    if found is None:
        return None
    if not isinstance(found, list):
        raise NotReadableError
    rows = []
    for each in found:
        if each is None:
            rows.append(None)
            continue
        if not isinstance(each, dict) or each[...] or "v" not in each or "label" not in each:
            raise NotReadableError
        rows.append({"v": value(each["v"], "DOUBLE"), "label": value(each["label"], "VARCHAR")})
    return rows


def value(found, type_):  # noqa: PLR0911 - one a type
    """Read one value."""
    if found is None:
        return None
    is_number = isinstance(found, Number)
    match type_:
        case "VARCHAR" if isinstance(found, str) and not is_number:
            return found
        case "BOOLEAN" if isinstance(found, bool):
            return found
        case "DOUBLE" if is_number:
            number = float(found)
            is_whole = re.fullmatch(r"-?\d+", found)
            if abs(number) != float("inf") and (not is_whole or int(found) == number):
                return number
        case "BIGINT" | "TINYINT" if is_number and re.fullmatch(r"-?\d+", found):
            bits = 63 if type_ == "BIGINT" else 7
            if -(2**bits) <= int(found) < 2**bits:
                return int(found)
        case "DECIMAL(12, 2)" if isinstance(found, str) and not isinstance(found, bool):
            if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,5})?", found, re.ASCII):
                number = Decimal(found)
                if number == number.quantize(Decimal("0.01")) and abs(number) < 10**10:
                    return number
        case "TIMESTAMP" | "DATE" if isinstance(found, str) and not is_number:
            return time(found, type_)
    raise NotReadableError


def time(found, type_):
    """Read a time or a date."""
    clock = r"([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?(Z|\+00:00)?)?" if type_ == "TIMESTAMP" else ""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d" + clock, found, re.ASCII):
        raise NotReadableError
    try:
        if type_ == "DATE":
            return date.fromisoformat(found)
        return datetime.fromisoformat(found).replace(tzinfo=None)
    except ValueError as error:
        raise NotReadableError from error


def test_all_types(reader):
    """Each value arrives as its text says."""
    assert row(reader, payload_of()) == {
        "name": "pump:1",
        "at": datetime(2024, 1, 1, 0, 0, 0, 123456),  # noqa: DTZ001 - the column has no zone
        "x": 0.1,
        "n": 2**63 - 1,
        "small": -128,
        "ok": True,
        "price": Decimal("1.25"),
        "day": date(2024, 2, 29),
        "parts": [{"v": 1.0, "label": "a"}, None],
    }
    assert set(row(reader, payload_of(**dict.fromkeys(COLUMNS))).values()) == {None}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(),
            "x": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
            "n": st.integers(-(2**64), 2**64),
            "price": st.decimals(-100, 100, places=3).map(str),
            "at": st.datetimes().map(datetime.isoformat),
            "other": st.dictionaries(st.text(max_size=3), st.text(max_size=3))
            | st.text(max_size=3),
        },
    ),
    edits(PIECES),
    st.sampled_from([None, 1]),
    st.booleans(),
)
@example({"x": 2**53 + 1}, [], None, False)
def test_what_python_reads_is_a_row_and_nothing_else_is(reader, changes, edited, indent, ascii_):
    """A payload is read as the slow reader reads it, alone and beside others."""
    text = json.dumps(EVENT | changes, indent=indent, ensure_ascii=ascii_)
    payload = broken(text.encode("utf-8", "surrogatepass"), edited)
    try:
        expected = [oracle(payload)]
    except NotReadableError:
        expected = []
    assert decode(reader, [payload]).rows.to_pylist() == expected
    together = decode(reader, [payload_of(), payload, payload_of(z={"a:b": [1, "c:d"]})])
    assert together.rows.to_pylist()[1:-1] == expected


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"x": 0.1', '"x": NaN', "no JSON"),
        ('"x": 0.1', '"x": 1e400', "x: Number out of range"),
        ('"x": 0.1', '"x": "1"', "x: Expected `int | float | null`, got `str`"),
        ('"x": 0.1', '"x": true', "x: Expected"),
        ('"x": 0.1', '"x": 9007199254740993', "x does not fit DOUBLE"),
        ('"x": 0.1', '"x": 1, "x": 1', "a field twice"),
        ('"x": 0.1', '"y": 1', "missing required field `x`"),
        ('"n": 9223372036854775807', '"n": 9223372036854775808', "n does not fit BIGINT"),
        ('"n": 9223372036854775807', '"n": 1.0', "n: Expected `int | null`, got `float`"),
        ('"n": 9223372036854775807', '"n": ' + "9" * 5000, "n: "),
        ('"small": -128', '"small": 128', "small does not fit TINYINT"),
        ('"price": 1.25', '"price": 1.255', "price does not fit DECIMAL"),
        ('"price": 1.25', '"price": "NaN"', "price does not fit DECIMAL"),
        ('"price": 1.25', '"price": " 1"', "price does not fit DECIMAL"),
        ('"price": 1.25', '"price": 1e99999', "price does not fit DECIMAL"),
        ('"price": 1.25', '"price": {"a": 1, "a": 2}', "price does not fit DECIMAL"),
        (".123456", ".1234567", "at does not fit TIMESTAMP"),
        (".123456", "+01:00", "at does not fit TIMESTAMP"),
        ("2024-01-01T", "0000-01-01T", "at does not fit TIMESTAMP"),
        ("2024-02-29", "2023-02-29", "day does not fit DATE"),
        ('"v": 1', '"v": 1, "v": 2', "parts[] has a field twice"),
        ('"v": 1', '"v": "1"', "parts[0].v: Expected"),
        ("pump:1", r"\ud800", "no JSON"),
        ('{"name"', '[{"name"', "Expected `object`"),
        ("null]}", "null]} {}", "trailing characters"),
        ('"ok": true', '"z": ' + "[" * 100_000 + "]" * 100_000 + ', "ok": true', "too deeply"),
    ],
)
def test_dead_letters_say_why(reader, old, new, why):
    """What is wrong is said, by the name of its field."""
    payload = payload_of().decode()
    assert old in payload
    assert why in reason(reader, payload.replace(old, new, 1).encode())


def test_bytes_that_are_no_text(reader):
    """UTF-8 is checked also in what is ignored; the reason has none of the bytes."""
    assert reason(reader, payload_of(name="é").replace(rb"\u00e9", b"\xff")) == "It is not UTF-8."
    assert reason(reader, payload_of(z="é").replace(rb"\u00e9", b"\xff")) == "It is not UTF-8."
    assert "no JSON" in reason(reader, b"")
    assert "no JSON" in reason(reader, b"\xef\xbb\xbf" + payload_of())


def test_two_payloads_are_not_one():
    """The end of one and the beginning of the next make no character."""
    reader = open_events(columns={"a": "BIGINT"})
    letters = decode(reader, [b'{"a":1,"z":"\xc3"}', b'{"a":1,"z":"\xa9"}', b'{"a":1}']).dead
    assert [letter.record.offset for letter in letters] == [0, 1]


def test_a_field_twice_is_not_made_up_for():
    """A colon that is written as an escape hides no second field."""
    reader = open_events(columns={"a": "VARCHAR", "b": "BIGINT"})
    for colon in (b"\\u003a", b"\\u003A"):
        payload = b'{"a":"%s","b":1,"b":2}' % colon
        assert reason(reader, payload) == "It has a field twice."
        assert row(reader, b'{"a":"%s","b":1}' % colon) == {"a": ":", "b": 1}


def test_ignored_fields_are_learned():
    """Fields that are no columns are read over, however many kinds of them there are."""
    reader = open_events(columns={"a": "BIGINT"})
    payloads = [b'{"a":%d,"z%d":{"q:":[":"]}}' % (each, each % 100) for each in range(300)]
    assert decode(reader, payloads).rows["a"].to_pylist() == list(range(300))
    twice = [
        *payloads,
        b'{"a":1,"z1":1,"z1":2}',
        b'{"a":1,"a":2,"z1":1}',
        b'{"a":1,"z1":{"b":1,"b":2}}',
    ]
    assert [letter.record.offset for letter in decode(reader, twice).dead] == [300, 301]


def test_unknown_fields_can_be_refused():
    """They are named."""
    reader = open_events(columns={"a": "BIGINT"}, unknown="refuse")
    assert row(reader, b'{"a":1}') == {"a": 1}
    assert reason(reader, b'{"a":1,"b":2}') == "Object contains unknown field `b`."
    assert len(reason(reader, b'{"a":1,"%s":2}' % (b"b" * 1000))) < 100


def test_missing_fields_can_be_null():
    """A field that is not there is NULL where the definition says so; one that is there is not."""
    columns = {"a": "BIGINT", "s": "STRUCT(x DOUBLE, d DECIMAL(5, 1))"}
    reader = open_events(columns=columns, missing="null")
    assert row(reader, b"{}") == {"a": None, "s": None}
    assert row(reader, b'{"s":{"d":"1.5","q":1}}') == {
        "a": None,
        "s": {"x": None, "d": Decimal("1.5")},
    }
    assert reason(reader, b'{"s":{"d":1,"d":1}}') == "s has a field twice."
    assert reason(reader, b'{"b":1,"b":1}') == "It has a field twice."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", 0.10000000149011612),
        ("3.4028235e38", 3.4028234663852886e38),
        ("16777216", 16777216.0),
        ("-0.0", -0.0),
        ("null", None),
        ("16777217", ...),
        ("1.000000059604644775390625", ...),
        ("1.00000005960464477539062500000001", ...),
        ("3.4028236e38", ...),
        ("1e39", ...),
    ],
)
def test_floats_are_rounded_once(text, expected):
    """A number that a DOUBLE rounds to the middle of two FLOATs is refused."""
    reader = open_events(columns={"f": "FLOAT"})
    payload = b'{"f":%s}' % text.encode()
    if expected is ...:
        assert "f does not fit FLOAT" in reason(reader, payload)
    else:
        assert repr(row(reader, payload)["f"]) == repr(expected)


def test_times_with_zones():
    """TIMESTAMP takes UTC, TIMESTAMPTZ any zone, and both beside each other."""
    reader = open_events(columns={"t": "TIMESTAMP", "z": "TIMESTAMPTZ"})
    texts = ["2024-01-01T12:00:00Z", "2024-01-01 12:00", "2024-01-01T12:00:00+00:00"]
    payloads = [b'{"t":"%s","z":"2024-01-01T12:00:00+01:00"}' % each.encode() for each in texts]
    rows = decode(reader, payloads).rows.to_pylist()
    assert {each["t"].isoformat() for each in rows} == {"2024-01-01T12:00:00"}
    assert {each["z"].astimezone(UTC).hour for each in rows} == {11}
    assert "ZONE" in reason(reader, b'{"t":null,"z":"2024-01-01T12:00:00"}')


def test_ids_times_and_sizes():
    """What has no id or time, comes from the future or is too large is a dead letter."""
    columns = {"id": "VARCHAR", "t": "TIMESTAMP"}
    reader = open_events(columns=columns, id=("id",), time="t", future=MINUTES, most_bytes=80)
    texts = [
        *('{"id":"a","t":"2024-01-01T00:05:00"}', '{"id":"a","t":"2024-01-01T00:05:00.000001"}'),
        *('{"id":null,"t":"2023-01-01"}', '{"id":"a","t":null}', '{"id":"%s"}' % ("a" * 90)),
        '{"id":"a","t":"1970-01-01"}',
    ]
    decoded = decode(reader, [text.encode() for text in texts])
    assert decoded.places == [0, 5]
    assert [letter.step for letter in decoded.dead] == ["time", "decode", "time", "size"]
    assert "after it was published" in decoded.dead[0].reason


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"a": "BLOB"}, "JSON has no bytes"),
        ({"a": "STRUCT(b BLOB)[]"}, "JSON has no bytes"),
        ({"a": "MAP(VARCHAR, INT)"}, "no type of an event's column"),
        ({"a": "JSON"}, "no type of an event's column"),
        ({"a": "nonsense"}, "no type of an event's column"),
        ({"a": "DOUBLE); DROP TABLE t; --"}, "no type of an event's column"),
        ({'a"b': "DOUBLE"}, "without quotes"),
    ],
)
def test_columns_that_json_cannot_have(columns, why):
    """They are refused by name before the first event."""
    with pytest.raises(StreamError, match=re.escape(why)):
        open_events(columns=columns)


def test_columns_of_the_definition():
    """Its time must be a time, and its id a column."""
    with pytest.raises(StreamError, match="must be TIMESTAMP"):
        open_events(columns={"a": "DATE"}, time="a")
    with pytest.raises(StreamError, match="'b' is no column"):
        open_events(columns={"a": "DATE"}, id=("b",))


def test_large_batches_are_read_in_parts():
    """Many bytes are read as few are."""
    reader = open_events(columns={"a": "BIGINT", "b": "VARCHAR"}, most_bytes=2**22)
    payloads = [b'{"a":%d,"b":"%s"}' % (each, b"x" * 2**21) for each in range(10)]
    decoded = decode(reader, [*payloads, b"{", *payloads])
    assert decoded.rows["a"].to_pylist() == [*range(10), *range(10)]
    assert decoded.places == [*range(10), *range(11, 21)]
    assert decode(reader, []).rows.num_rows == 0
