"""kserve's clients: the one for REST, and the one for gRPC."""

import asyncio
import ssl

import grpc
import httpx
import numpy as np
import pytest

kserve = pytest.importorskip("kserve", reason="it has an environment of its own: make test-clients")

from kserve.inference_client import InferenceGRPCClient  # noqa: E402
from kserve.protocol.infer_type import RequestedOutput  # noqa: E402


def tensor(name, datatype, values, *, is_binary):
    array = np.array(values, object if datatype == "BYTES" else None)
    made = kserve.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=is_binary)
    return made


def of_late(rows, *, is_binary, count=None):
    kinds = {"distance": "FP64", "dep delay": "FP64", "carrier": "BYTES"}
    return [
        tensor(name, kind, rows[name][:count], is_binary=is_binary) for name, kind in kinds.items()
    ]


def without_nan(case):
    keep = [i for i, each in enumerate(case["rows"]["dep delay"]) if not np.isnan(each)]
    return (
        {name: [values[i] for i in keep] for name, values in case["rows"].items()},
        {name: [values[i] for i in keep] for name, values in case["answers"].items()},
    )


def found(response):
    """The outputs of a response, as lists."""
    outputs = {each.name: each.as_numpy().ravel().tolist() for each in response.outputs}
    texts = outputs.get("predict", [])
    outputs["predict"] = [each.decode() if isinstance(each, bytes) else each for each in texts]
    return outputs


@pytest.fixture(params=["plain", "secure"])
def rest(request, world):
    """Ask the REST client: address, headers, and a function that runs what it is given."""
    server = world[request.param]
    headers = {"authorization": f"Bearer {server['key']}"} if "key" in server else {}
    verify = True
    if "authority" in server:
        verify = ssl.create_default_context(cafile=server["authority"])

    def run(ask):
        async def whole():
            client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", verify=verify))
            try:
                return await ask(client, server["http"], dict(headers))
            finally:
                await client.close()

        return asyncio.run(whole())

    return run


def test_health(rest):
    async def ask(client, url, headers):
        return (
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, "late", headers=headers),
        )

    assert rest(ask) == (True, True, True)


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_thousand_rows(rest, world, is_binary):
    rows, answers = without_nan(world["late"])

    async def ask(client, url, headers):
        inputs = of_late(rows, is_binary=is_binary)
        request = kserve.InferRequest("late", inputs, request_id="a-7")
        return await client.infer(url, request, "late", headers=headers)

    response = rest(ask)
    assert response.id == "a-7"
    assert found(response) == answers


def test_binary_outputs_and_missing_values(rest, world):
    """NaN goes in as bytes; what comes back as bytes is what comes back as JSON."""
    rows, answers = world["late"]["rows"], world["late"]["answers"]
    wanted = [RequestedOutput("predict_proba", {"binary_data": True})]

    async def ask(client, url, headers):
        request = kserve.InferRequest("late", of_late(rows, is_binary=True), request_outputs=wanted)
        return await client.infer(url, request, "late@champion", headers=headers)

    assert found(rest(ask)) == {"predict": [], "predict_proba": answers["predict_proba"]}


@pytest.mark.parametrize("model", ["late/versions/2", "late@challenger", "late:2"])
def test_versions(rest, world, model):
    async def ask(client, url, headers):
        inputs = of_late(world["late"]["rows"], is_binary=True, count=3)[:2]
        return await client.infer(url, kserve.InferRequest(model, inputs), model, headers=headers)

    assert [each.datatype for each in rest(ask).outputs] == ["FP64"]


def test_datatypes(world):
    async def ask():
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        for datatype, case in world["narrow"].items():
            dtype = np.dtype(datatype.lower().replace("fp", "float"))
            for is_binary in (True, False):
                if datatype == "FP16" and not is_binary:
                    continue  # this client writes none into JSON
                inputs = [
                    tensor(
                        "distance", datatype, np.array(case["numbers"], dtype), is_binary=is_binary
                    ),
                    tensor("dep delay", "FP64", [4.0] * len(case["numbers"]), is_binary=is_binary),
                ]
                request = kserve.InferRequest("delay", inputs)
                response = await client.infer(world["plain"]["http"], request, "delay")
                assert found(response) == case["answers"], (datatype, is_binary)
        await client.close()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "none"}, 404, "There is no model 'none'"),
        ({"count": 0}, 400, "no rows"),
        ({"without": "carrier"}, 400, "'carrier' is missing"),
    ],
)
def test_errors(rest, world, change, status, words):
    async def ask(client, url, headers):
        count = change.get("count", 3)
        inputs = of_late(world["late"]["rows"], is_binary=False, count=count)
        inputs = [each for each in inputs if each.name != change.get("without")]
        model = change.get("model", "late")
        return await client.infer(url, kserve.InferRequest(model, inputs), model, headers=headers)

    with pytest.raises(httpx.HTTPStatusError, match=words) as caught:
        rest(ask)
    assert caught.value.response.status_code == status


def test_without_a_key(world):
    async def ask():
        verify = ssl.create_default_context(cafile=world["secure"]["authority"])
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", verify=verify))
        inputs = of_late(world["late"]["rows"], is_binary=False, count=2)
        url, request = world["secure"]["http"], kserve.InferRequest("late", inputs)
        try:
            assert not await client.is_model_ready(url, "late")
            await client.infer(url, request, "late")
        finally:
            await client.close()

    with pytest.raises(httpx.HTTPStatusError, match="no valid key"):
        asyncio.run(ask())


@pytest.mark.parametrize("place", ["plain", "secure"])
@pytest.mark.parametrize("is_raw", [True, False])
def test_grpc(world, place, is_raw):
    """Elements in the message, and as raw bytes; a message of elements has NaN, too."""
    server = world[place]
    rows, answers = world["late"]["rows"], world["late"]["answers"]

    async def ask():
        options = (
            {"use_ssl": True, "root_certificates": server["authority"]} if "key" in server else {}
        )
        client = InferenceGRPCClient(server["grpc"], **options)
        headers = (("authorization", f"Bearer {server.get('key', '')}"),)
        assert await client.is_server_live()
        assert await client.is_model_ready("late", headers=headers)
        request = kserve.InferRequest("late", of_late(rows, is_binary=is_raw))
        response = await client.infer(request, headers=headers)
        with pytest.raises(grpc.RpcError) as caught:
            await client.infer(kserve.InferRequest("none", request.inputs), headers=headers)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        await client.close()
        return response

    assert found(asyncio.run(ask())) == answers
