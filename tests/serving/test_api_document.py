"""schemathesis asks what the OpenAPI document allows, and what not; every answer fits it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from serving_process import Server, of, sha256

from foresql.serving.routes import ROUTES

KEY = "the-key-of-schemathesis"
EXAMPLES = 5
MODELS = ("delay", "late@champion", "kinds", "pair:1")
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
def server(published, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(
        f'[one]\nsha256 = "{sha256(KEY)}"\nmodels = {{ "*" = ["read", "predict"] }}\n'
        'server = ["metrics"]\n'
    )
    server = Server(published, "--keys", keys)
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.errors


@pytest.fixture(scope="module")
def document(server):
    config = SchemathesisConfig.from_dict(CONFIG)
    return schemathesis.openapi.from_url(
        f"{server.url}/openapi.json", headers=of(KEY), config=config
    )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_fits(document, mode):
    statuses = set()
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) >= len(ROUTES)
    for operation in operations:
        try:
            ask(operation.as_strategy(generation_mode=mode), statuses)
        except Unsatisfiable:  # nothing that it takes can be wrong
            assert mode is GenerationMode.NEGATIVE
            assert operation.method == "get"
    assert statuses >= ({200, 404} if mode is GenerationMode.POSITIVE else {400, 404})


def ask(strategy, statuses) -> None:
    """Ask some examples of an operation."""

    @given(case=strategy)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[*HealthCheck]
    )
    def one(case):
        place = case.path_parameters.get("model")
        if place is not None and len(place) % 3:  # most names are of no model
            case.path_parameters["model"] = MODELS[len(place) % len(MODELS)]
        statuses.add(case.call_and_validate().status_code)

    one()
