"""Rows by feature name: what is refused, and in which words."""

import pytest

GOOD = {"distance": 733.0, "dep delay": None}
KEYS = {'the "hour"': 7, "carrier": "AA", "weekend": True, "at": "2013-01-01"}


def error(response, status=400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    return response.json()["error"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"distance": 1.0}, "Row 0: feature is missing: `dep delay`"),
        (GOOD | {"x": 1}, "Row 0: the model has no such feature: `x`"),
        (GOOD | {"distance": "far"}, "feature 'distance' must be a number, or null. Expected"),
        (GOOD | {"distance": True}, "feature 'distance'"),
        (GOOD | {"dep delay": [1]}, "feature 'dep delay'"),
    ],
)
def test_a_wrong_row_names_the_column(shared, row, words):
    assert words in error(shared.post("/predict/delay", {"rows": [row]}))
    assert "Row 1" in error(shared.post("/predict/delay", {"rows": [GOOD, row]}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weekend": 1}, "feature 'weekend'"),
        ({'the "hour"': 7.5}, "feature 'the \"hour\"'"),
        ({'the "hour"': 2**63}, "feature 'the \"hour\"'"),
        ({"carrier": 1}, "feature 'carrier'"),
        ({"at": "2013-02-31"}, "column 'at': '2013-02-31' is no time"),
        ({"at": "2013-01-01T00:00:00Z"}, "column 'at'"),
        ({"at": "2013-01-01T00:00:00.1234567"}, "column 'at'"),
        ({"at": 7}, "feature 'at'"),
        ({"other": 7}, "'other' is no feature"),
    ],
)
def test_keys_of_every_type(shared, change, words):
    assert shared.post("/predict/kinds", {"rows": [KEYS]}).status_code == 200
    assert words in error(shared.post("/predict/kinds", {"rows": [KEYS | change]}))


def test_a_missing_key(shared):
    without = {name: value for name, value in KEYS.items() if name != "weekend"}
    message = error(shared.post("/predict/kinds", {"rows": [without]}))
    assert message == "Row 0: feature 'weekend' is missing."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"rows": []}',
        b'{"rows": [{"distance": NaN, "dep delay": 1}]}',
        b'{"rows": [{"distance": Infinity, "dep delay": 1}]}',
        b'{"rows": [{"distance": 1e999, "dep delay": 1}]}',
        b'{"rows": [{"distance": 1%s, "dep delay": 1}]}' % (b"0" * 6000),
        b'{"rows": [{"distance": 1, "dep delay": 1}]} x',
        b'{"rows": [{"distance": 1, "dep delay": 1}], "unknown": 1}',
        b'{"rows": [{"distance": 1, "dep delay": 1}], "interval": 1}',
        b'{"rows": [{"distance": 1, "dep delay": 1}], "interval": "0.9"}',
        b'{"rows": [{"distance": 1, "dep delay": 1}], "explain": 1}',
        b'{"rows": ' + b"[" * 200_000,
        b'{"rows": [' + b'{"a":' * 100_000,
        b'{"rows": [{"distance": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'\xff{"rows": []}',
        b'{"rows": [{"\xff": 1}]}',
    ],
    ids=range(19),
)
def test_bodies_that_are_not_asked_for(shared, body):
    assert error(shared.post("/predict/delay", body))


def test_json_that_nests_where_anything_may_stand(shared):
    """The decoder of a model with odd names takes any value first."""
    body = b'{"rows": [{"carrier": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
    assert "recursion" in error(shared.post("/predict/kinds", body))


def test_integers_beyond_float64_are_rounded_as_sql_does(shared, database):
    for number in (2**53 + 1, 2**63 - 1, 10**300):
        row = {"distance": number, "dep delay": 0}
        [answer] = shared.post("/predict/delay", {"rows": [row]}).json()["answers"]
        query = f'SELECT predict_delay(distance := {float(number)!r}, "dep delay" := 0)'
        assert answer["value"] == database.sql(query).fetchall()[0][0]


def test_what_a_model_cannot_give_is_said(shared):
    message = error(shared.post("/predict/kinds", {"rows": [KEYS], "interval": 0.9}))
    assert "kinds:1 gives no interval" in message
    message = error(shared.post("/predict/pair", {"rows": [{"distance": 1}], "interval": 0.9}))
    assert "pair:1 gives no interval" in message


def test_an_interval_that_calibration_does_not_bound(shared):
    body = {"rows": [GOOD], "interval": 0.9999}
    [answer] = shared.post("/predict/delay", body).json()["answers"]
    assert answer["interval"] == {"low": None, "high": None}


def test_infinity_is_refused_and_not_nulled(shared):
    assert "JSON cannot say" in error(
        shared.post("/predict/pair", {"rows": [{"distance": 1e9}]}), 422
    )


def test_the_answer_names_model_and_version(shared):
    for path in ("delay", "delay@champion", "delay:1", "delay/versions/1"):
        answer = shared.post(f"/predict/{path}", {"rows": [GOOD]}).json()
        assert (answer["model"], answer["version"]) == ("delay", 1)
        assert list(answer["answers"][0]) == ["value"]


@pytest.mark.parametrize(
    "path",
    [
        "nothing", "delay@nothing", "delay:2", "delay/versions/2", "delay@champion/versions/1",
        "delay:1/versions/1", "delay/versions/x", "DELAY", "delay%00", "..%2Fdelay", "%F0%9F%92%A9",
    ],
)  # fmt: skip
def test_other_references_are_not_found(shared, path):
    assert "There is no" in error(shared.post(f"/predict/{path}", {"rows": [GOOD]}), 404)


def test_other_methods_and_paths(shared):
    assert shared.get("/predict/delay").headers["allow"] == "POST"
    assert error(shared.get("/predict/delay"), 405)
    for path in ("/predict", "/predict/", "/predict/delay/", "//predict/delay", "/v3"):
        assert error(shared.post(path, {"rows": [GOOD]}), 404)
