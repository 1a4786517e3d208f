"""What is counted, as Prometheus reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from foresql.serving.metrics import Histogram, Metrics, samples

BODY = {"rows": [{"distance": 733.0, "dep delay": 4.0}]}


def read(text) -> dict:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape(start, published):
    client = start(published)
    for _ in range(3):
        client.post("/predict/delay", BODY)
    client.post("/predict/delay", {"rows": []})
    client.post("/predict/nothing", BODY)
    client.get("/nothing")
    found = read(client.get("/metrics").text)
    route, model = ("route", "/predict/{model}"), ("model", "delay")

    def requests(status, *labels):
        return found["foresql_requests_total", *sorted([*labels, ("status", status)])]

    assert requests("200", route, model, ("version", "1")) == 3
    assert requests("400", route, model, ("version", "1")) == 1
    assert requests("404", route, ("model", ""), ("version", "")) == 1
    assert requests("404", ("route", ""), ("model", ""), ("version", "")) == 1
    assert found["foresql_request_seconds_count", model, route] == 4
    assert 0 < found["foresql_request_seconds_sum", model, route] < 60
    assert found["foresql_model_version", ("alias", "champion"), model] == 1
    assert found["foresql_model_queue", model, ("version", "1")] == 0
    assert found["foresql_ready",] == 1
    assert found["foresql_requests_in_flight",] == 1
    assert found["foresql_buffered_bytes",] == 0
    client.service.stop()
    assert client.service.problem


def test_unknown_models_make_no_series(start, published):
    client = start(published)
    for index in range(20):
        client.post(f"/predict/made_up_{index}", BODY)
    assert len(client.service.metrics.requests) == 1


def test_buckets():
    histogram = Histogram((1.0, 4.0))
    for value in (0.5, 1.0, 1.5, 4.0, 5.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    metrics = Metrics()
    metrics.observe_batch("m", 3)
    found = read(metrics.text())
    assert found["foresql_batch_rows_bucket", ("le", "4.0"), ("model", "m")] == 1
    assert found["foresql_batch_rows_bucket", ("le", "+Inf"), ("model", "m")] == 1


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", "ü☃"])
def test_labels_are_escaped(value):
    text = samples("foresql_x", "gauge", "Means x.", {(("model", value),): 1})
    assert read(text) == {("foresql_x", ("model", value)): 1}
