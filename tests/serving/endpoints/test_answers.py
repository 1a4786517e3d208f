"""What an endpoint answers: boundary values, joins of missing entities, tensors, chained models."""

import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from endpoint_shop import JOINED, SAME, TYPES, as_text

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
BOUNDARY = [
    [
        2**53 + 1,
        -128,
        0.1,
        0.1,
        "19.90",
        "naïve ☃",
        True,
        "2013-12-31",
        "2013-12-31T23:59:59.000001",
    ],
    [-(2**63), 127, -0.0, -0.0, "-0.01", "", False, "0001-01-01", "0001-01-01T00:00:00"],
    [2**62, 0, 3.4028234663852886e38, 5e-324, "9999999999999999.99", "'; --", None, None, None],
    [0, None, None, None, None, None, None, None, None],
]


def test_boundary_values_of_every_type(shop, start):
    shop.write(SAME)
    for row in BOUNDARY:
        with duckdb.connect(shop.database) as connection:
            marks = ", ".join(f"CAST(? AS {type_})" for type_ in TYPES.values())
            connection.execute(f"INSERT INTO flights VALUES ({marks})", row)
    client = start(shop.registry, endpoints=shop.settings())
    rows = [dict(zip(TYPES, row, strict=True)) for row in BOUNDARY]
    response = client.post("/predict/late_flight", {"rows": rows})
    assert response.status_code == 200, response.text
    expected = shop.batch(SAME)
    assert as_text(response.json()["answers"]) == as_text(expected)
    assert response.json()["rows"] == [0, 1, 2, 3]


def test_what_json_lacks_comes_and_goes_in_bytes(shop, start):
    """NaN is no NULL in DuckDB; infinities, -0.0 and 2^53 + 1 keep their bits."""
    sql = "SELECT wide, wide IS NULL AS lacks, isnan(wide) AS odd, id, -wide AS turned FROM flights"
    shop.write(sql)
    numbers = np.array([np.nan, np.inf, -np.inf, -0.0, 2.0**53 + 2, 5e-324])
    ids = np.arange(2**53 + 1, 2**53 + 7)
    client = start(shop.registry, endpoints=shop.settings())
    blobs = {"wide": (numbers, "FP64"), "id": (ids, "INT64")}
    outputs = ("wide", "lacks", "odd", "id", "turned")
    found = infer(client, blobs, outputs)
    table = pa.table({"wide": numbers, "id": ids})
    with duckdb.connect() as connection:
        connection.register("flights", table)
        expected = connection.sql(sql).to_arrow_table()
    for name in outputs:
        wanted = expected[name].to_numpy()
        assert found[name] == wanted.tobytes(), name
    refused = client.post("/predict/late_flight", {"rows": [{"id": 1, "wide": 1e308}]})
    assert refused.status_code == 200


def infer(client, columns, outputs):
    inputs, content = [], b""
    for name, (values, datatype) in columns.items():
        blob = values.tobytes()
        content += blob
        inputs.append(
            {
                "name": name,
                "shape": [len(values)],
                "datatype": datatype,
                "parameters": {"binary_data_size": len(blob)},
            }
        )
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    text = json.dumps({"inputs": inputs, "outputs": wanted}).encode()
    headers = {"inference-header-content-length": str(len(text))}
    response = client.post("/v2/models/late_flight/infer", text + content, headers=headers)
    assert response.status_code == 200, response.text
    end = int(response.headers["inference-header-content-length"])
    head, body = json.loads(response.content[:end]), response.content[end:]
    found = {}
    for tensor in head["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        found[tensor["name"]], body = body[:size], body[size:]
    return found


@pytest.mark.parametrize(
    ("row", "status", "says"),
    [
        ({"small": 128}, 400, "column 'small' is TINYINT, and 128 is beyond it"),
        ({"narrow": 1e39}, 400, "column 'narrow' is FLOAT"),
        ({"money": "1.234"}, 400, "has more digits"),
        ({"money": 1.5}, 400, "'money' must be text"),
        ({"day": "2013-02-30"}, 400, "is no day"),
        ({"moment": "now"}, 400, "is no time"),
        ({"id": 2**63}, 400, "'id' must be an integer of 64 bits"),
        ({"word": 1}, 400, "'word' must be text"),
        ({"other": 1}, 400, "no such feature: `other`"),
    ],
)
def test_values_of_other_types(shop, start, row, status, says):
    shop.write(SAME)
    client = start(shop.registry, endpoints=shop.settings())
    whole = dict.fromkeys(TYPES) | row
    response = client.post("/predict/late_flight", {"rows": [dict.fromkeys(TYPES), whole]})
    assert response.status_code == status
    assert says in response.json()["error"]
    assert "Row 1" in response.json()["error"] or "moment" in row
    assert client.post("/predict/late_flight", {"rows": [{"id": 1}]}).status_code == 400


@pytest.mark.parametrize("join", ["JOIN", "LEFT JOIN"])
def test_joins_of_missing_entities_are_those_of_the_batch(shop, start, join):
    """With missing = null, an entity that is not there is what the JOIN makes of it; so is NULL."""
    sql = JOINED.format(join=join)
    shop.materialize("null")
    shop.write(sql)
    shop.run(
        "INSERT INTO trips VALUES ('JFK', 700), ('XXX', 5), (NULL, 1), ('EWR', NULL), ('JFK', 9)"
    )
    client = start(shop.registry, endpoints=shop.settings())
    rows = [
        {"origin": origin, "distance": distance}
        for origin, distance in shop.run("SELECT origin, distance FROM trips ORDER BY rowid")
    ]
    found = client.post("/predict/late_flight", {"rows": rows}).json()
    expected = shop.batch(sql)
    assert sorted(map(repr, as_text(found["answers"]))) == sorted(map(repr, as_text(expected)))
    assert found["rows"] == ([0, 3, 4] if join == "JOIN" else [0, 1, 2, 3, 4])
    assert [rows[place]["origin"] for place in found["rows"]] == [
        answer["origin"] for answer in found["answers"]
    ]


def test_a_model_takes_what_another_makes_of_the_row(shop, start):
    first = 'SELECT distance, 1.5 AS "dep delay" FROM trips'
    nested = 'predict_delay(distance := predict_delay(n), "dep delay" := n.distance)'
    sql = f"SELECT n.distance, {nested} AS late FROM ({first}) AS n"
    shop.write(sql)
    shop.run("INSERT INTO trips VALUES ('JFK', 700), ('EWR', NULL), ('JFK', 9)")
    client = start(shop.registry, endpoints=shop.settings())
    rows = [{"distance": distance} for distance in (700.0, None, 9.0)]
    found = client.post("/predict/late_flight", {"rows": rows}).json()
    assert "error" not in found, found
    assert as_text(found["answers"]) == as_text(shop.batch(sql))


def test_a_missing_entity_is_an_error_or_the_declared_row(shop, start):
    shop.write(JOINED.format(join="LEFT JOIN"))
    client = start(shop.registry, endpoints=shop.settings())
    rows = {"rows": [{"origin": "XXX", "distance": 5.0}]}
    refused = client.post("/predict/late_flight", rows)
    assert refused.status_code == 422
    assert "weather has no row for origin = 'XXX'" in refused.json()["error"]
    before = client.post("/predict/late_flight", {"rows": [{"origin": "JFK", "distance": 5.0}]})
    shop.materialize("defaults", delay="3.5")
    client.service.endpoints.refresh()
    [answer] = client.post("/predict/late_flight", rows).json()["answers"]
    assert (answer["found"], answer["delay"]) == ("XXX", 3.5)
    after = client.post("/predict/late_flight", {"rows": [{"origin": "JFK", "distance": 5.0}]})
    assert before.json()["answers"] == after.json()["answers"]
    assert before.json()["as_of"]["weather"] < after.json()["as_of"]["weather"]


def test_a_refused_row_is_named(shop, start):
    shop.write("SELECT CAST(word AS INTEGER) AS number FROM flights")
    client = start(shop.registry, endpoints=shop.settings())
    words = [{"word": str(number)} for number in range(9)]
    assert client.post("/predict/late_flight", {"rows": words}).status_code == 200
    words[6] = {"word": "six"}
    refused = client.post("/predict/late_flight", {"rows": words})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("Row 6: Conversion Error")
    assert "six" not in refused.json()["error"]


def test_the_rows_beside_a_row_change_nothing(shop, start):
    """A chain of subqueries, CTEs, stars and names that only the warehouse's columns explain."""
    sql = """
        WITH near AS (SELECT * FROM trips AS t WHERE distance < 900),
        scored AS (
            SELECT n.*, predict_delay(distance := distance, "dep delay" := NULL) AS late FROM near n
        )
        SELECT s.* REPLACE (upper(s.origin) AS origin), w.delay, s.late * 2 AS twice
        FROM (SELECT * FROM scored) AS s LEFT JOIN weather AS w USING (origin)
    """
    shop.materialize("null")
    shop.write(sql)
    shop.run(
        "INSERT INTO trips SELECT ['JFK', 'EWR', 'x'][1 + i % 3], i * 37 FROM range(40) AS r(i)"
    )
    client = start(shop.registry, endpoints=shop.settings())
    rows = [{"origin": o, "distance": d} for o, d in shop.run("FROM trips")]
    together = client.post("/predict/late_flight", {"rows": rows}).json()
    alone = [client.post("/predict/late_flight", {"rows": [row]}).json()["answers"] for row in rows]
    assert together["answers"] == [answer for answers in alone for answer in answers]
    expected = shop.batch(sql)
    assert sorted(map(repr, as_text(together["answers"]))) == sorted(map(repr, as_text(expected)))
    assert 0 < len(expected) < len(rows)
