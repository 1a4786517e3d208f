"""schemathesis asks what the OpenAPI document allows, and what not; every answer fits it."""

import shutil

import httpx
import pytest
import schemathesis
from children import PATIENCE
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from serving_process import Server, of, sha256

from foresql.serving.routes import ROUTES

KEY = "the-key-of-schemathesis"
EXAMPLES, FEW = 5, 3
MODELS = ("delay", "late@champion", "kinds", "pair:1")
QUERY = """
SELECT distance, predict_delay(distance := distance, "dep delay" := 1.0) AS late,
    explain_delay(distance := distance, "dep delay" := 1.0) AS why, [distance] AS listed
FROM trips
"""
CONFIG = {
    "auth": {"openapi": {"bearer": {"bearer": KEY}}},
    "generation": {"exclude-header-characters": "".join(map(chr, range(128, 256)))},
    "checks": {
        # The rest of what the protocol asks of tensors is no matter of a schema.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "413", "422"]},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
    },
}


@pytest.fixture(scope="module")
def plain(published, tmp_path_factory):
    """Serve models alone."""
    yield from started(published, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def with_traffic(published, publish_another, tmp_path_factory):
    """Serve models, one of which shares its rows with a challenger, and an endpoint."""
    folder = tmp_path_factory.mktemp("traffic")
    registry = shutil.copytree(published, folder / "registry")
    publish_another(registry)
    rules = folder / "traffic.toml"
    rules.write_text('[delay]\ncanary = { alias = "challenger", percent = 50, key = "distance" }\n')
    endpoints = folder / "serving"
    endpoints.mkdir()
    (endpoints / "trip.sql").write_text(QUERY)
    (endpoints / "trip.toml").write_text('[request]\ncolumns = { distance = "DOUBLE" }\n')
    yield from started(registry, folder, "--traffic", rules, "--endpoints", endpoints)


def started(registry, folder, *options):
    keys = folder / "keys.toml"
    keys.write_text(
        f'[one]\nsha256 = "{sha256(KEY)}"\nmodels = {{ "*" = ["read", "predict"] }}\n'
        'server = ["metrics"]\n'
    )
    server = Server(registry, "--keys", keys, *options)
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.errors


def document_of(server):
    config = SchemathesisConfig.from_dict(CONFIG)
    return schemathesis.openapi.from_url(
        f"{server.url}/openapi.json", headers=of(KEY), config=config
    )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_fits(plain, mode):
    check_answers(document_of(plain), mode, EXAMPLES, MODELS)


def test_every_answer_fits_with_traffic_and_an_endpoint(with_traffic):
    document = document_of(with_traffic)
    check_answers(document, GenerationMode.POSITIVE, FEW, ("delay", "trip"))
    rows = [{"distance": float(number), "dep delay": 1.0} for number in range(20)]
    tensor = {"name": "distance", "shape": [1], "datatype": "FP64", "data": [733.0]}
    for path, own, body in (
        ("/predict/{model}", "delay", {"rows": rows}),
        ("/predict/delay", None, {"rows": rows}),
        ("/predict/{model}", "trip", {"rows": [{"distance": 733.0}]}),
        ("/predict/trip", None, {"rows": [{"distance": 733.0}]}),
        ("/v2/models/{model}/infer", "trip", {"inputs": [tensor]}),
    ):
        url = with_traffic.url + path.format(model=own)
        response = httpx.post(url, json=body, headers=of(KEY), timeout=PATIENCE)
        assert response.status_code == 200, response.text
        if "delay" in url:
            assert response.json()["version"] is None  # rows went to both
        document[path]["POST"].validate_response(response)
    for path in ("/models/{model}", "/v2/models/{model}"):
        response = httpx.get(with_traffic.url + path.format(model="trip"), headers=of(KEY))
        assert response.status_code == 200
        document[path]["GET"].validate_response(response)


def check_answers(document, mode, examples, models) -> None:
    """Ask examples of all operations; of models, these."""
    statuses = set()
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) >= len(ROUTES)
    for operation in operations:
        try:
            ask(operation.as_strategy(generation_mode=mode), statuses, examples, models)
        except Unsatisfiable:  # nothing that it takes can be wrong
            assert mode is GenerationMode.NEGATIVE
            assert operation.method == "get"
    assert statuses >= ({200, 404} if mode is GenerationMode.POSITIVE else {400, 404})


def ask(strategy, statuses, examples, models) -> None:
    """Ask some examples of an operation."""

    @given(case=strategy)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    def one(case):
        place = case.path_parameters.get("model")
        if place is not None and len(place) % 3:  # most names are of no model
            case.path_parameters["model"] = models[len(place) % len(models)]
        statuses.add(case.call_and_validate().status_code)

    one()
