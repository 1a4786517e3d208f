"""What an endpoint answers: boundary values, joins of missing entities, tensors, errors, grants."""

import json
import struct
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import foresql
from foresql.errors import EndpointError, UnsupportedModelError
from foresql.online import Wanted, materialize, open_online
from foresql.serving import Endpoints
from foresql.serving.endpoints.definition import read_definition
from foresql.serving.endpoints.query import Surroundings, compile_query

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
TYPES = {
    "id": "BIGINT",
    "small": "TINYINT",
    "narrow": "FLOAT",
    "wide": "DOUBLE",
    "money": "DECIMAL(18,2)",
    "word": "VARCHAR",
    "flag": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMP",
}
SAME = f"SELECT {', '.join(TYPES)}, wide + 0 AS sum, id + 1 AS next FROM flights"
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


@pytest.fixture
def shop(tmp_path, published):
    """Make endpoints of queries, over a warehouse with flights and weather."""

    class Shop:
        folder = tmp_path / "serving"
        database = tmp_path / "warehouse.duckdb"
        online = str(tmp_path / "online")
        registry = published

        def run(self, sql):
            with duckdb.connect(self.database) as connection:
                return connection.execute(sql).fetchall()

        def write(self, sql, toml="", name="late_flight"):
            self.folder.mkdir(exist_ok=True)
            (self.folder / f"{name}.sql").write_text(sql)
            if toml:
                (self.folder / f"{name}.toml").write_text(toml)

        def materialize(self, missing="error", **defaults):
            wanted = Wanted(name="weather", keys=("origin",), missing=missing, defaults=defaults)
            [done] = materialize([wanted], self.online, database=self.database)
            assert done.problem is None

        def settings(self):
            return Endpoints(self.folder, online=self.online, database=self.database)

        def refused(self, sql, toml=""):
            """Give why a query is not served."""
            self.write(sql, toml)
            with open_online(self.online) as store:
                around = Surroundings(self.registry, store, self.database)
                with pytest.raises((UnsupportedModelError, EndpointError)) as refused:
                    compile_query(read_definition(self.folder / "late_flight.sql"), around)
            return str(refused.value)

        def batch(self, sql):
            with foresql.connect(self.database, read_only=True) as connection:
                found = foresql.run_query(connection, sql, registry=self.registry)
                return found.to_arrow_table().to_pylist()

    made = Shop()
    columns = ", ".join(f"{name} {type_}" for name, type_ in TYPES.items())
    made.run(f"CREATE TABLE flights ({columns})")
    made.run("CREATE TABLE trips (origin VARCHAR, distance DOUBLE)")
    made.run("CREATE TABLE weather (origin VARCHAR, delay DOUBLE)")
    made.run("INSERT INTO weather VALUES ('JFK', 7.5), ('EWR', NULL)")
    made.materialize()
    return made


def plain(value):
    """A value as JSON has it."""
    match value:
        case Decimal():
            return str(value)
        case date() | datetime():
            return value.isoformat()
        case _:
            return value


def as_text(rows):
    """Rows so that values that differ in any bit differ."""
    return [
        [struct.pack("<d", v) if isinstance(v, float) else plain(v) for v in row.values()]
        for row in rows
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


JOINED = """
SELECT t.origin, w.origin AS found, w.delay,
    predict_delay(distance := t.distance, "dep delay" := w.delay) AS late
FROM trips t {join} weather w ON w.origin = t.origin
"""


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


ONLY = "FROM trips t"
REFUSED = {
    f"SELECT sum(distance) AS s {ONLY}": "sum",
    f"SELECT avg(distance) OVER () AS s {ONLY}": "avg OVER",
    f"SELECT distance {ONLY} ORDER BY 1": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT distance {ONLY} LIMIT 1": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT DISTINCT distance {ONLY}": "ORDER BY, LIMIT or DISTINCT",
    f"SELECT origin, count(*) AS n {ONLY} GROUP BY origin": "GROUP BY",
    f"SELECT random() AS r {ONLY}": "random",
    f"SELECT now() AS r {ONLY}": "now",
    f"SELECT current_date AS r {ONLY}": "current_date",
    f"SELECT (SELECT 1) AS r {ONLY}": "a subquery",
    f"SELECT distance {ONLY} UNION ALL SELECT 1": "a set operation",
    f"SELECT hash(t) AS h {ONLY}": "t as one value",
    f"SELECT foresql_row {ONLY}": "begins with foresql_",
    f"SELECT origin COLLATE nocase AS o {ONLY}": "COLLATE",
    f"SELECT to_timestamp(distance) AS o {ONLY}": "to_timestamp",
    f"SELECT predict_nothing(t) AS p {ONLY}": "predict_nothing",
    f"SELECT unnest([1, 2]) AS o {ONLY}": "unnest",
    f"SELECT 1::HUGEINT AS big {ONLY}": "the output big",
    f"SELECT distance AS a, origin AS A {ONLY}": "the columns of the query",
    "SELECT t.origin FROM trips t JOIN weather w ON w.delay = t.distance": "the join of w",
    "SELECT t.origin FROM trips t JOIN weather w ON w.origin < t.origin": "the join of w",
    "SELECT t.origin FROM trips t JOIN weather w ON w.origin = t.distance": "the join of weather",
    "SELECT t.origin FROM trips t RIGHT JOIN weather w USING (origin)": "the join of w",
    "SELECT t.origin FROM trips t, weather w WHERE w.origin = t.origin": "the join of w",
    "SELECT t.origin FROM weather w JOIN trips t USING (origin)": "it is the request's rows",
    "SELECT t.origin FROM trips t JOIN trips u USING (origin)": "it is the request's rows",
    "SELECT t.origin FROM trips t JOIN planes p USING (origin)": "FROM in the query",
    "SELECT 1 AS one": "FROM in the query",
    "INSERT INTO trips VALUES (1)": "the query",
    "SELECT FROM": "cannot be parsed",
    "SELECT nothing FROM trips": "nothing",
}


def test_queries_that_are_refused(shop):
    """By the name of what is refused: the answer to a row must not depend on those beside it."""
    found = {sql: shop.refused(sql) for sql in REFUSED}
    assert {sql: why for sql, why in found.items() if REFUSED[sql] not in why} == {}


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


def test_what_a_caller_was_not_granted_looks_like_what_is_not_there(shop, start, tmp_path):
    shop.write(SAME)
    keys = tmp_path / "keys.toml"
    granted, other = (sha256(key.encode()).hexdigest() for key in ("granted", "other"))
    keys.write_text(
        f'[a]\nsha256 = "{granted}"\nmodels = {{ late_flight = ["predict", "read"] }}\n'
        f'[b]\nsha256 = "{other}"\nmodels = {{ delay = ["predict", "read"] }}\n'
    )
    client = start(shop.registry, endpoints=shop.settings(), keys=keys)
    body = {"rows": [dict.fromkeys(TYPES)]}

    def ask(path, key):
        headers = {"authorization": f"Bearer {key}"}
        if path.startswith("/predict"):
            return client.post(path, body, headers=headers)
        return client.get(path, headers=headers)

    for path in ("/predict/{}", "/models/{}", "/v2/models/{}", "/v2/models/{}/ready"):
        assert ask(path.format("late_flight"), "granted").status_code == 200
        hidden = ask(path.format("late_flight"), "other")
        unknown = ask(path.format("late_flighx"), "other")
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.text.replace("late_flight", "late_flighx") == unknown.text
    names = {
        key: [m["name"] for m in ask("/models", key).json()["models"]]
        for key in ("granted", "other")
    }
    assert names == {"granted": ["late_flight"], "other": ["delay"]}
    for key, sees in (("granted", True), ("other", False)):
        assert ("/predict/late_flight" in ask("/openapi.json", key).json()["paths"]) is sees


def test_metadata_and_card(shop, start):
    shop.materialize("null")
    shop.write(
        JOINED.format(join="JOIN"), '[request]\nkey = "origin"\n[answer]\ncolumns = ["late"]\n'
    )
    client = start(shop.registry, endpoints=shop.settings())
    metadata = client.get("/v2/models/late_flight").json()
    assert metadata["inputs"] == [
        {"name": "origin", "datatype": "BYTES", "shape": [-1]},
        {"name": "distance", "datatype": "FP64", "shape": [-1]},
    ]
    assert metadata["outputs"] == [{"name": "late", "datatype": "FP64", "shape": [-1]}]
    card = client.get("/models/late_flight").json()
    assert card["key"] == ["origin"]
    assert card["models"] == {"delay": 1}
    assert card["views"]["weather"]["key"] == ["origin"]
    assert client.service.endpoints.find("late_flight").key == ("origin",)
    version = metadata["versions"][0]
    rows = {"rows": [{"origin": "JFK", "distance": 4}]}
    answered = client.post(f"/predict/late_flight/versions/{version}", rows).json()
    assert answered["version"] == version
    assert [list(answer) for answer in answered["answers"]] == [["late"]]
    assert client.post("/predict/late_flight/versions/1", rows).status_code == 404
    assert client.post("/predict/late_flight", rows | {"explain": True}).status_code == 400


def test_an_endpoint_called_like_a_model_is_refused(shop, start):
    shop.write(SAME, name="delay")
    with pytest.raises(EndpointError, match="has the name of a model"):
        start(shop.registry, endpoints=shop.settings())


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[request]\ntabel = 'x'", "did you mean table"),
        ("[request]\ncolumns = { id = 'NUMBER' }", "is no type of DuckDB's"),
        ("[request]\ncolumns = { id = 'INTERVAL' }", "rows of a request cannot have"),
        ("[request]\nkey = 'nothing'", "no such column"),
        ("[request]\ntable = 'nothing'", "says that nothing is the request's rows"),
        ("[answer]\ncolumns = ['nothing']", "gives no such column"),
        ("[request", "is not TOML"),
        ("request = 1", "must be a table"),
    ],
)
def test_definitions_that_are_refused(shop, toml, says):
    assert says in shop.refused(SAME, toml)
