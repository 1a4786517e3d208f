"""Which version answers which rows."""

import threading

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from serving_process import call

import foresql
from foresql.serving.grpc_server import GrpcServer
from foresql.serving.traffic.assignment import limit_of, place_of


def canary(percent, key="customer", more=""):
    return f'canary = {{ alias = "challenger", percent = {percent}, key = "{key}"{more} }}'


def row(customer, distance=733.0):
    return {"distance": distance, "dep delay": 4.0, "customer": customer}


def expected(customer, percent, salt=""):
    return 2 if place_of("delay", salt, str(customer)) < limit_of(percent) else 1


def rows_of(client):
    text = client.get("/metrics").text
    return {
        (sample.labels["role"], sample.labels["version"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "foresql_traffic_rows_total"
    }


def test_rows_go_where_their_keys_go_and_say_so(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(30)))
    body = {"rows": [row(c) for c in range(60)], "interval": 0.5, "explain": True}
    found = client.post("/predict/delay", body).json()
    versions = [answer.pop("version") for answer in found["answers"]]
    assert versions == [expected(c, 30) for c in range(60)]
    assert found["version"] is None
    asked = {n: client.post(f"/predict/delay:{n}", body).json() for n in (1, 2)}
    for place, version in enumerate(versions):
        assert found["answers"][place] == asked[version]["answers"][place]
    counted = rows_of(client)
    assert counted["champion", "1"] == versions.count(1)
    assert counted["canary", "2"] == versions.count(2)
    assert counted["direct", "1"] == counted["direct", "2"] == 60


def test_requests_of_one_row(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(50)))
    for customer in range(20):
        found = client.post("/predict/delay@champion", {"rows": [row(customer)]}).json()
        assert found["version"] == found["answers"][0]["version"] == expected(customer, 50)


def test_who_names_a_version_gets_it(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(100)))
    assert client.post("/predict/delay", {"rows": [row(1)]}).json()["version"] == 2
    for path, version in (
        ("/predict/delay:1", 1),
        ("/predict/delay/versions/1", 1),
        ("/predict/delay@challenger", 2),
    ):
        found = client.post(path, {"rows": [row(1)]}).json()
        assert found["version"] == version
        assert "version" not in found["answers"][0]


def test_a_missing_key_is_the_champion_s(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(100)))
    found = client.post("/predict/delay", {"rows": [row(None), row(1)]}).json()
    assert [answer["version"] for answer in found["answers"]] == [1, 2]


def test_the_request_names_its_entity(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(50, "foresql-entity", ', salt = "s"')))
    for entity in ("7", "naïve ☃", "9"):
        headers = {"foresql-entity": entity.encode()}
        found = client.post("/predict/delay", {"rows": [row(1), row(2)]}, headers=headers).json()
        assert found["version"] == expected(entity, 50, "s")
    assert client.post("/predict/delay", {"rows": [row(1)]}).json()["version"] == 1
    for wrong in (b"\xff", b"x" * 257):
        refused = client.post(
            "/predict/delay", {"rows": [row(1)]}, headers={"foresql-entity": wrong}
        )
        assert refused.status_code == 400
        assert "foresql-entity" in refused.json()["error"]


def tensors(customers):
    columns = {
        "distance": [733.0] * len(customers),
        "dep delay": [4.0] * len(customers),
        "customer": [float(c) for c in customers],
    }
    return [
        {"name": name, "shape": [len(values)], "datatype": "FP64", "data": values}
        for name, values in columns.items()
    ]


def test_an_answer_of_the_protocol_has_one_version(start, two_versions, rules):
    client = start(two_versions, traffic=rules(canary(50)))
    taken = [c for c in range(50) if expected(c, 50) == 2]
    kept = [c for c in range(50) if expected(c, 50) == 1]

    def version(customers, **parameters):
        body = {"inputs": tensors(customers), "parameters": parameters}
        return int(client.post("/v2/models/delay/infer", body).json()["model_version"])

    assert version(taken) == 2
    assert version(kept) == 1
    assert version(taken + kept) == 1
    for entity in (taken[0], str(taken[0])):
        assert version(kept, **{"foresql-entity": entity}) == 2
    assert version(taken, **{"foresql-entity": kept[0]}) == 1
    assert client.service.traffic.divider.mixed == {"delay": 1}
    refused = client.post(
        "/v2/models/delay/infer",
        {"inputs": tensors([1]), "parameters": {"foresql-entity": 2.5}},
    )
    assert refused.status_code == 400


def test_over_grpc(start, two_versions, rules):
    import grpc

    client = start(two_versions, traffic=rules(canary(50, "foresql-entity")))

    async def ask():
        server = GrpcServer(client.service, "127.0.0.1", 0)
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            found = [await _ask(channel, entity) for entity in range(12)]
        await server.stop(None)
        return found

    for entity, (version, request_id) in enumerate(client.run(ask())):
        assert version == str(expected(entity, 50))
        assert request_id.startswith(client.service.traffic.new_id().partition("-")[0])


async def _ask(channel, entity):
    values = {"distance": 733.0, "dep delay": 4.0, "customer": 1.0}
    inputs = [
        {"name": n, "datatype": "FP64", "shape": [1], "contents": {"fp64_contents": [v]}}
        for n, v in values.items()
    ]
    kind = "int64_param" if entity % 2 else "string_param"
    parameter = {kind: entity if entity % 2 else str(entity)}
    answer = await call(
        channel,
        "ModelInfer",
        model_name="delay",
        inputs=inputs,
        parameters={"foresql-entity": parameter},
    )
    return answer.model_version, answer.parameters["foresql-request-id"].string_param


def test_the_file_is_read_again_and_a_broken_one_is_not(start, two_versions, rules, caplog):
    client = start(two_versions, traffic=rules(canary(0)))
    look = client.service.traffic.look

    def versions():
        body = {"rows": [row(c) for c in range(40)]}
        return [a["version"] for a in client.post("/predict/delay", body).json()["answers"]]

    assert set(versions()) == {1}
    rules(canary(20))
    look()
    some = versions()
    rules(canary(60))
    look()
    more = versions()
    assert 0 < some.count(2) < more.count(2) < 40
    assert all(after >= before for before, after in zip(some, more, strict=True))
    path = rules("canary = broken")
    look()
    assert versions() == more
    assert "foresql_traffic_is_current 0.0" in client.get("/metrics").text
    assert "stay as they were" in caplog.text
    path.unlink()
    look()
    assert versions() == more
    rules("")
    look()
    answer = client.post("/predict/delay", {"rows": [row(1)]}).json()
    assert answer["version"] == 1
    assert "version" not in answer["answers"][0]


def test_a_challenger_is_promoted_in_mid_traffic(start, registry, rules, log):
    client = start(registry, traffic=rules(canary(50)), prediction_log=log)
    store, shelf = foresql.Registry.open(registry), client.service.shelf
    body = {"rows": [row(c) for c in range(20)]}
    values = {
        version: [
            a["value"] for a in client.post(f"/predict/delay:{version}", body).json()["answers"]
        ]
        for version in (1, 2)
    }
    asked = client.together([("/predict/delay", body)] * 5)
    store.move_alias("delay", "champion", 2, expected=1)
    moving = threading.Thread(target=shelf.refresh)
    moving.start()
    while moving.is_alive():
        asked += client.together([("/predict/delay", body)] * 5)
    asked += client.together([("/predict/delay", body)] * 5)
    for response in asked:
        answers = response.json()["answers"]
        versions = [answer.get("version", 2) for answer in answers]
        assert versions in ([expected(c, 50) for c in range(20)], [2] * 20)
        assert [answer["value"] for answer in answers] == [
            values[version][place] for place, version in enumerate(versions)
        ]
    # Both aliases are one version now: it answers all, and as the champion.
    assert asked[0].json()["version"] is None
    assert asked[-1].json()["version"] == 2
    assert rows_of(client)["champion", "2"] >= 100
    assert client.service.traffic.problems == []


def test_rules_that_cannot_hold_leave_the_champion(start, published, registry, rules, caplog):
    for key, alias, words in (
        ("customer", "nobody", "no version is served as @nobody"),
        ("custmer", "challenger", "the key 'custmer' is no feature of delay:1"),
    ):
        client = start(registry, traffic=rules(canary(100, key).replace("challenger", alias)))
        assert client.post("/predict/delay", {"rows": [row(1)]}).json()["version"] == 1
        assert words in caplog.text
        assert 'foresql_traffic_rules_hold{model="delay"} 0.0' in client.get("/metrics").text
    store, other = foresql.Registry.open(registry), foresql.Registry.open(published)
    for name in ("late", "pair"):
        bundle = other.load(other.resolve(f"{name}:1"))
        added = store.add_version("delay", bundle)
        store.move_alias("delay", f"as_{name}", added.version, expected=None)
    for alias, words in (
        ("as_late", "reads 'carrier', and delay:1 does not"),
        ("as_pair", "answers in another form than delay:1"),
    ):
        client = start(registry, traffic=rules(canary(100).replace("challenger", alias)))
        assert client.post("/predict/delay", {"rows": [row(1)]}).json()["version"] == 1
        assert words in client.service.traffic.problems[0]


def test_a_batch_of_many_rows_is_divided(start, two_versions, rules):
    """Those that go through the threads are answered to the same bits."""
    client = start(two_versions, traffic=rules(canary(40)))
    rng = np.random.default_rng(5)
    distances = rng.gamma(2, 400, 3000).tolist()
    rows = [row(int(rng.integers(99)), distance) for distance in distances]
    found = client.post("/predict/delay", {"rows": rows}).json()["answers"]
    alone = [client.post("/predict/delay", {"rows": [each]}) for each in rows[::100]]
    assert found[::100] == [response.json()["answers"][0] for response in alone]


def test_the_command(serve, two_versions, rules, tmp_path):
    options = ["--traffic", rules(canary(50)), "--prediction-log", tmp_path / "log"]
    server = serve(two_versions, *options)
    answer = httpx.post(server.url + "/predict/delay", json={"rows": [row(3)]})
    assert answer.json()["version"] == expected(3, 50)
    assert "foresql-request-id" in answer.headers
    assert server.stop() == 0


def test_the_plain_server_has_none_of_it(start, two_versions):
    client = start(two_versions)
    assert client.service.traffic is None
    assert client.service.tracing is None
    assert "traffic" not in client.get("/metrics").text
    answer = client.post("/predict/delay", {"rows": [row(3)]}, headers={"foresql-entity": b"\xff"})
    assert answer.status_code == 200
    assert "foresql-request-id" not in answer.headers
