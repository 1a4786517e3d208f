"""Triton's clients, over HTTP and gRPC, in the clear and over TLS with a key."""

import gzip
import ssl

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

KINDS = {"http": triton_http, "grpc": triton_grpc}
CASES = [(kind, place) for kind in KINDS for place in ("plain", "secure")]


@pytest.fixture(params=CASES, ids="-".join)
def asked(request, world):
    """A kind of client's module, a client, and the headers of each request."""
    kind, place = request.param
    server = world[place]
    options = {}
    if kind == "http" and place == "secure":
        context = ssl.create_default_context(cafile=server["authority"])
        options = {"ssl": True, "ssl_context_factory": lambda: context}
    if kind == "grpc" and place == "secure":
        options = {"ssl": True, "root_certificates": server["authority"]}
    address = server[kind].rpartition("//")[2]
    headers = {"authorization": f"Bearer {server['key']}"} if "key" in server else {}
    with KINDS[kind].InferenceServerClient(address, **options) as client:
        yield KINDS[kind], client, headers


def tensor(module, name, datatype, values, **options):
    array = np.array(values)
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **options)
    return made


def of_late(module, rows, count=None, **options):
    numbers = ("distance", "dep delay")
    texts = np.array(rows["carrier"][:count], object)
    return [
        *(
            tensor(module, name, "FP64", np.array(rows[name][:count]), **options)
            for name in numbers
        ),
        tensor(module, "carrier", "BYTES", texts, **options),
    ]


def texts_of(array):
    return [each.decode() if isinstance(each, bytes) else each for each in array.ravel()]


def test_what_is_there(asked):
    _, client, headers = asked
    assert client.is_server_live()
    assert client.is_server_ready()
    for model, version in (("late", ""), ("late", "1"), ("late@challenger", ""), ("late:2", "")):
        assert client.is_model_ready(model, version, headers=headers)
        found = client.get_model_metadata(model, version, headers=headers)
        versions = found["versions"] if isinstance(found, dict) else [*found.versions]
        assert versions == ["1" if model == "late" else "2"]
    found = client.get_server_metadata(headers=headers)
    assert (found["name"] if isinstance(found, dict) else found.name) == "foresql"


@pytest.mark.parametrize("model", ["late", "late@champion", "late:1"])
def test_a_thousand_rows(asked, world, model):
    module, client, headers = asked
    rows, answers = world["late"]["rows"], world["late"]["answers"]
    result = client.infer(model, of_late(module, rows), headers=headers, request_id="a-7")
    assert texts_of(result.as_numpy("predict")) == answers["predict"]
    assert result.as_numpy("predict_proba").tolist() == answers["predict_proba"]


def test_versions_answer_for_themselves(asked, world):
    module, client, headers = asked
    inputs = of_late(module, world["late"]["rows"], 5)[:2]
    for model, version in (("late", "2"), ("late@challenger", ""), ("late:2", "")):
        result = client.infer(model, inputs, version, headers=headers)
        assert result.as_numpy("predict").dtype == np.float64
    for model, version in (("late", "7"), ("late@none", ""), ("none", ""), ("late:1", "1")):
        with pytest.raises(InferenceServerException) as caught:
            client.infer(model, inputs, version, headers=headers)
        assert "There is no model" in str(caught.value)
        assert caught.value.status() in {"404", "StatusCode.NOT_FOUND"}


def test_some_outputs(asked, world):
    module, client, headers = asked
    inputs = of_late(module, world["late"]["rows"], 3)
    wanted = [module.InferRequestedOutput("predict_proba")]
    result = client.infer("late", inputs, outputs=wanted, headers=headers)
    assert result.as_numpy("predict") is None
    assert (
        result.as_numpy("predict_proba").tolist() == world["late"]["answers"]["predict_proba"][:3]
    )


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip"])
def test_json_and_binary_and_gzip(world, is_binary, packing):
    """JSON has no NaN, so rows without; answers of a thousand rows are packed, too."""
    rows, answers = world["late"]["rows"], world["late"]["answers"]
    keep = [i for i, each in enumerate(rows["dep delay"]) if not np.isnan(each)]
    rows = {name: [values[i] for i in keep] for name, values in rows.items()}
    names = ("predict", "predict_proba")
    wanted = [triton_http.InferRequestedOutput(each, binary_data=is_binary) for each in names]
    with triton_http.InferenceServerClient(world["plain"]["http"].rpartition("//")[2]) as client:
        result = client.infer(
            "late",
            of_late(triton_http, rows, binary_data=is_binary),
            outputs=wanted,
            request_compression_algorithm=packing,
            response_compression_algorithm=packing,
        )
        assert texts_of(result.as_numpy("predict")) == [answers["predict"][i] for i in keep]
        expected = [answers["predict_proba"][i] for i in keep]
        assert result.as_numpy("predict_proba").tolist() == expected


def test_an_answer_is_packed(world):
    """Triton's client would take one that is not, so it is looked at here."""
    body, length = triton_http.InferenceServerClient.generate_request_body(
        of_late(triton_http, world["late"]["rows"])
    )
    with triton_http.InferenceServerClient(world["plain"]["http"].rpartition("//")[2]) as client:
        headers = {"accept-encoding": "gzip", "inference-header-content-length": str(length)}
        answer = client._post("v2/models/late/infer", body, headers, None)
        assert answer.get("content-encoding") == "gzip"
        assert gzip.decompress(answer.read()).startswith(b'{"model_name":"late"')


@pytest.mark.parametrize("is_binary", [True, False])
def test_datatypes_of_numbers(world, is_binary):
    """JSON by HTTP, raw contents by gRPC; the server gives the bits of DuckDB for all of them."""
    for kind, module in KINDS.items():
        if kind == "grpc" and not is_binary:
            continue
        options = {"binary_data": is_binary} if kind == "http" else {}
        address = world["plain"][kind].rpartition("//")[2]
        with module.InferenceServerClient(address) as client:
            for datatype, case in world["narrow"].items():
                if datatype == "FP16" and not is_binary:
                    continue  # Triton's client writes none into JSON
                dtype = np.dtype(datatype.lower().replace("fp", "float"))
                numbers = np.array(case["numbers"], dtype)
                inputs = [
                    tensor(module, "distance", datatype, numbers, **options),
                    tensor(module, "dep delay", "FP32", np.full(len(numbers), 4, "f4"), **options),
                ]
                result = client.infer("delay", inputs)
                assert result.as_numpy("predict").tolist() == case["answers"]["predict"], datatype


def test_integers_that_are_keys_booleans_texts_and_times(world):
    rows, answers = world["kinds"]["rows"], world["kinds"]["answers"]
    for kind, module in KINDS.items():
        inputs = [
            tensor(module, 'the "hour"', "INT64", np.array(rows['the "hour"'])),
            tensor(module, "carrier", "BYTES", np.array(rows["carrier"], object)),
            tensor(module, "weekend", "BOOL", np.array(rows["weekend"])),
            tensor(module, "at", "BYTES", np.array(rows["at"], object)),
        ]
        with module.InferenceServerClient(world["plain"][kind].rpartition("//")[2]) as client:
            result = client.infer("kinds", inputs)
            assert result.as_numpy("predict").tolist() == answers["predict"]
            assert result.as_numpy("predict_proba").tolist() == answers["predict_proba"]


def test_errors(asked, world):
    module, client, headers = asked
    inputs = of_late(module, world["late"]["rows"], 3)
    wrong = {"400", "StatusCode.INVALID_ARGUMENT"}
    large = {"413", "StatusCode.RESOURCE_EXHAUSTED"}
    many = [tensor(module, name, "FP64", np.zeros(10_001)) for name in ("distance", "dep delay")]
    many.append(tensor(module, "carrier", "BYTES", np.array(["AA"] * 10_001, object)))
    for given, statuses, words in (
        (inputs[:2], wrong, "'carrier' is missing"),
        ([*inputs, inputs[0]], wrong, "given twice"),
        ([*inputs[:2], tensor(module, "x", "FP64", np.zeros(3))], wrong, "no input 'x'"),
        ([tensor(module, "distance", "BOOL", np.zeros(3, bool)), *inputs[1:]], wrong, "send FP64"),
        ([tensor(module, "distance", "FP64", np.zeros((3, 2))), *inputs[1:]], wrong, "shape"),
        ([tensor(module, "distance", "FP64", np.zeros(2)), *inputs[1:]], wrong, "rows"),
        (many, large, "10,001 rows"),
    ):
        with pytest.raises(InferenceServerException) as caught:
            client.infer("late", given, headers=headers)
        assert caught.value.status() in statuses
        assert words in str(caught.value)
    assert client.is_server_ready()


def test_keys(world):
    """Without one, with another one, and for a model that was not granted."""
    server = world["secure"]
    context = ssl.create_default_context(cafile=server["authority"])
    clients = {
        "http": {"ssl": True, "ssl_context_factory": lambda: context},
        "grpc": {"ssl": True, "root_certificates": server["authority"]},
    }
    key = {"authorization": f"Bearer {server['key']}"}
    for kind, options in clients.items():
        with KINDS[kind].InferenceServerClient(
            server[kind].rpartition("//")[2], **options
        ) as client:
            assert client.is_server_live()
            for model, headers, statuses in (
                ("late", {}, {"401", "StatusCode.UNAUTHENTICATED"}),
                ("late", {"authorization": "Bearer x"}, {"401", "StatusCode.UNAUTHENTICATED"}),
                ("delay", key, {"404", "StatusCode.NOT_FOUND"}),
            ):
                with pytest.raises(InferenceServerException) as caught:
                    client.get_model_metadata(model, headers=headers)
                assert caught.value.status() in statuses
            assert client.get_model_metadata("late", headers=key)
