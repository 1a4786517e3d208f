"""The description is whole: every route is in it, and every reference leads somewhere."""

import re

from foresql.serving.routes import ROUTES


def test_every_route_is_described(shared):
    found = shared.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = found["paths"][route.path][route.method.lower()]
        assert operation["summary"].endswith(".")
        names = [each["name"] for each in operation["parameters"]]
        assert names == re.findall(r"{(\w+)}", route.path)
        assert ("requestBody" in operation) == (route.method == "POST")
    identifiers = [o["operationId"] for path in found["paths"].values() for o in path.values()]
    assert len(identifiers) == len(set(identifiers))


def test_references_lead_somewhere(shared):
    response = shared.get("/openapi.json")
    schemas = response.json()["components"]["schemas"]
    found = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert found == set(schemas)


def test_rows_of_a_model_are_described(shared):
    operation = shared.get("/openapi.json").json()["paths"]["/predict/kinds"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    row = body["properties"]["rows"]["items"]
    assert row["required"] == ['the "hour"', "carrier", "weekend", "at"]
    assert [each["type"] for each in row["properties"].values()] == [
        ["integer", "null"],
        ["string", "null"],
        ["boolean", "null"],
        ["string", "null"],
    ]
    assert row["additionalProperties"] is False


def test_a_card(shared):
    card = shared.get("/models/delay").json()
    assert (card["name"], card["version"], card["aliases"]) == ("delay", 1, ["champion"])
    assert [column["name"] for column in card["columns"]] == ["distance", "dep delay"]
    assert (card["explain"], card["interval"]) == (True, True)
    assert "golden" not in card
    assert shared.get("/models/delay/versions/1").json() == card
