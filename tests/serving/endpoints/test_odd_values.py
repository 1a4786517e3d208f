"""Times beyond Python's, columns with odd names, and answers without rows or values."""

import json
import re

import duckdb
import pytest
from click.testing import CliRunner

from foresql.cli import main
from foresql.online import Wanted, materialize
from foresql.serving import Endpoints

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
TYPES = 'day = "DATE", moment = "TIMESTAMP", more = "INTEGER", word = "VARCHAR"'
DAYS = f"[request]\ncolumns = {{ {TYPES} }}\n"
ROUTES = ["row by row", "DuckDB"]


@pytest.fixture
def ask(published, tmp_path, start, monkeypatch):
    """Serve a query, and post rows to it on one of the ways, if it has both."""
    folder = tmp_path / "serving"
    folder.mkdir()

    def serve(sql, toml, **options):
        (folder / "odd.sql").write_text(sql)
        (folder / "odd.toml").write_text(toml)
        client = start(published, endpoints=Endpoints(folder, **options))
        served = client.service.endpoints.find("odd")

        def post(rows, route="DuckDB"):
            few = 0 if route == "DuckDB" else 99
            monkeypatch.setattr(served, "in_place_rows", few)
            monkeypatch.setattr(served, "few_rows", few)
            return client.post("/predict/odd", {"rows": rows})

        return client, post

    return serve


@pytest.mark.parametrize(
    "expression",
    [
        "day + more AS then",
        "moment + more * INTERVAL 1 DAY AS then",
        "CASE WHEN more > 0 THEN CAST(word AS DATE) END AS then",
        "CASE WHEN more > 0 THEN CAST('-' || word AS TIMESTAMP) END AS then",
        "{'inner': [day + more]} AS then",
        "CASE WHEN more > 0 THEN DATE '0001-01-01' - more END AS then",
    ],
)
@pytest.mark.parametrize("route", ROUTES)
def test_a_time_that_no_answer_can_say(ask, expression, route):
    """The row and the column are named, and other rows are answered."""
    client, post = ask(f"SELECT {expression} FROM trips", DAYS)
    last = {"day": "9999-12-31", "moment": "9999-12-31T23:59:59.999999"}
    rows = [last | {"more": more, "word": "infinity"} for more in (0, 0, 1, 0, 0)]
    refused = post(rows, route)
    assert refused.status_code == 422, refused.text
    if route == "DuckDB":
        assert refused.json()["error"].startswith("Row 2: the answer 'then' leaves the years")
    assert post(rows[:2], route).status_code == 200
    if "inner" not in expression:
        inputs = [
            {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
            for (name, datatype), value in zip(
                client.service.endpoints.find("odd").datatypes.items(),
                rows[2].values(),
                strict=True,
            )
        ]
        assert client.post("/v2/models/odd/infer", {"inputs": inputs}).status_code == 422


def test_a_key_that_no_view_can_have(ask, tmp_path):
    database, online = tmp_path / "w.duckdb", str(tmp_path / "online")
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE fees AS SELECT DATE '2013-01-31' AS day, 2.5 AS fee")
    [done] = materialize(
        [Wanted(name="fees", keys=("day",), missing="null")], online, database=database
    )
    assert done.problem is None
    sql = "SELECT f.fee FROM trips t LEFT JOIN fees f ON f.day = t.day + t.more"
    _, post = ask(
        sql, '[request]\ntable = "trips"\n' + DAYS.replace("[request]\n", ""), online=online
    )
    rows = [{"day": "2013-01-30", "more": 1}, {"day": "9999-12-31", "more": 1}]
    rows = [row | {"moment": None, "word": None} for row in rows]
    assert post(rows[:1]).json()["answers"] == [{"fee": "2.5"}]
    refused = post(rows)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("Row 1: a key of fees leaves the years")


ODD = ['the "hour"', "naïve ☃", "a'b; --", "select", " ", "a.b", "</script>", "{x}"]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("route", ROUTES)
def test_columns_of_any_name(ask, tmp_path, published, route):
    """From check to the page: what comes by an odd name is answered by another one."""
    columns = ", ".join(f"{json.dumps(name, ensure_ascii=False)} = 'DOUBLE'" for name in ODD)
    outputs = ", ".join(f"{quoted(name)} + 1 AS {quoted(name + '☃')}" for name in ODD)
    sql = f"SELECT {outputs} FROM trips"
    client, post = ask(sql, f"[request]\ncolumns = {{ {columns} }}\n")
    row = {name: float(place) for place, name in enumerate(ODD)}
    expected = {f"{name}☃": value + 1 for name, value in row.items()}
    assert post([row], route).json()["answers"] == [expected]
    nothing = post([dict.fromkeys(ODD)], route).json()
    assert nothing["answers"] == [dict.fromkeys(expected)]
    document = client.get("/openapi.json").json()
    assert "/predict/odd" in document["paths"]
    assert [each["name"] for each in client.get("/models/odd").json()["columns"]] == ODD
    metadata = client.get("/v2/models/odd").json()
    assert [each["name"] for each in metadata["outputs"]] == list(expected)
    page = client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "{x}" not in re.sub(r"<script.*?</script>", "", page.text, flags=re.DOTALL)
    arguments = ["endpoint", "check", str(tmp_path / "serving"), "--registry", str(published)]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.output)[0]["columns"]) == ODD
    assert CliRunner().invoke(main, arguments).exit_code == 0


@pytest.mark.parametrize("route", ROUTES)
def test_no_row_is_answered(ask, route):
    """WHERE drops all rows: an answer without rows is one, a request without rows is none."""
    client, post = ask("SELECT day FROM trips WHERE more > 5", DAYS)
    rows = [{"day": None, "moment": None, "more": more, "word": None} for more in (1, None)]
    found = post(rows, route)
    assert found.status_code == 200, found.text
    assert (found.json()["rows"], found.json()["answers"]) == ([], [])
    assert post([], route).status_code == 400
    inputs = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [None]}
        for name, datatype in client.service.endpoints.find("odd").datatypes.items()
    ]
    answered = client.post("/v2/models/odd/infer", {"inputs": inputs})
    assert answered.status_code == 200, answered.text
    assert answered.json()["outputs"] == [
        {"name": "day", "datatype": "BYTES", "shape": [0], "data": []}
    ]


def test_a_text_that_is_no_time_is_named_by_row_and_column(ask):
    _, post = ask("SELECT moment FROM trips", DAYS)
    row = {"day": None, "moment": None, "more": None, "word": None}
    wrong = post([row, row | {"moment": "2013-01-31T24:00:00"}])
    assert wrong.status_code == 400
    assert wrong.json()["error"].startswith("Row 1: column 'moment': '2013-01-31T24:00:00' is no")


def test_the_schema_where_duckdb_looks_by_itself_changes_no_way(ask):
    """dbt writes it into each name."""
    client, post = ask("SELECT more + 1 AS next FROM Main.trips", DAYS)
    served = client.service.endpoints.find("odd")
    assert served.route == "row by row", served.why_duckdb
    row = {"day": None, "moment": None, "more": 7, "word": None}
    assert post([row], "row by row").json()["answers"] == [{"next": 8}]
