"""What callers of an endpoint get to see: its metadata and card, and nothing without a grant."""

from hashlib import sha256

import pytest
from endpoint_shop import JOINED, SAME, TYPES

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")


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
