"""The description is whole: every route is in it, and every reference leads somewhere."""

import re

from serving_process import of, sha256

from foresql.serving.routes import ROUTES


def test_every_route_is_described(shared):
    found = shared.get("/openapi.json").json()
    assert found["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = found["paths"][route.path][route.method.lower()]
        assert operation["summary"].endswith(".")
        names = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        [answer, *_] = operation["responses"]["200"]["content"].values()
        is_open = route.path == "/openapi.json"  # it is described by OpenAPI itself
        assert (answer["schema"] == {"type": "object"}) == is_open, route.path
        assert names == re.findall(r"{(\w+)}", route.path)
        assert ("requestBody" in operation) == (route.method == "POST")
    identifiers = [o["operationId"] for path in found["paths"].values() for o in path.values()]
    assert len(identifiers) == len(set(identifiers))


def test_references_lead_somewhere(shared):
    response = shared.get("/openapi.json")
    schemas = response.json()["components"]["schemas"]
    found = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert found == set(schemas)


def test_every_refusal_is_described(shared, start, published, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[one]\nsha256 = "{sha256("key")}"\n')
    with_keys = start(published, keys=keys).get("/openapi.json", headers=of("key")).json()
    assert with_keys["security"] == [{"bearer": []}]
    assert [*with_keys["components"]["securitySchemes"]] == ["bearer"]
    for found, refused in ((with_keys, "401"), (shared.get("/openapi.json").json(), "403")):
        for path, operations in found["paths"].items():
            for operation in operations.values():
                responses = operation["responses"]
                named = {
                    each["$ref"].rpartition("/")[2] for each in responses.values() if "$ref" in each
                }
                assert named <= set(found["components"]["responses"])
                assert (refused in responses) == (operation.get("security") != [])
                assert ("404" in responses) == ("{model}" in path or "/predict/" in path)
                assert ("413" in responses) == ("requestBody" in operation)


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
