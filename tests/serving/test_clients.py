"""Triton's own clients, over HTTP and gRPC, against the command as a process."""

import contextlib
import json
import signal
import socket
import threading
import time

import duckdb
import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from click.testing import CliRunner
from serving_process import Server, sha256
from serving_process import call as call_over
from tritonclient.utils import InferenceServerException

import foresql
from foresql.cli import main
from foresql.serving.grpc_messages import SERVICE, message_class

KINDS = {"http": triton_http, "grpc": triton_grpc}
DISTANCES, DELAYS = [100.0, 2000.5, np.inf], [np.nan, 90.0, -0.0]
CARRIERS = ["AA", "naïve ☃", "never seen"]


@pytest.fixture(scope="module")
def running(published):
    server = Server(published, "--grpc-port", "0")
    yield server
    assert server.stop() == 0


@pytest.fixture(params=[*KINDS])
def asked(request, running):
    """The module of a kind of client, and a client."""
    module = KINDS[request.param]
    address = (
        running.announced["grpc"] if request.param == "grpc" else running.url[len("http://") :]
    )
    with module.InferenceServerClient(address) as client:
        yield module, client


def tensors(module, distances=DISTANCES, delays=DELAYS, carriers=CARRIERS, dtype=np.float64):
    found = []
    for name, values in (("distance", distances), ("dep delay", delays)):
        kind = "FP64" if dtype is np.float64 else "FP32"
        tensor = module.InferInput(name, [len(values)], kind)
        tensor.set_data_from_numpy(np.array(values, dtype))
        found.append(tensor)
    carrier = module.InferInput("carrier", [len(carriers), 1], "BYTES")
    carrier.set_data_from_numpy(np.array([[each] for each in carriers], dtype=object))
    return [*found, carrier]


@pytest.fixture(scope="module")
def expected(published):
    rows = list(zip(DISTANCES, DELAYS, CARRIERS, strict=True))
    with duckdb.connect() as connection:
        foresql.register(connection, "late@champion", registry=published)
        connection.execute('create table f (distance double, "dep delay" double, carrier text)')
        connection.executemany("insert into f values (?, ?, ?)", rows)
        return connection.execute(
            "select predict_late(f), predict_proba_late(f) from f order by rowid"
        ).fetchall()


def test_metadata_and_health(asked):
    _, client = asked
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("late")
    assert client.is_model_ready("late", "1")
    for unknown in (("nothing",), ("late", "7")):
        with pytest.raises(InferenceServerException):
            client.get_model_metadata(*unknown)
    found = client.get_model_metadata("late")
    if not isinstance(found, dict):
        found = {
            "name": found.name,
            "versions": list(found.versions),
            "inputs": [
                {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
                for each in found.inputs
            ],
        }
    assert (found["name"], found["versions"]) == ("late", ["1"])
    assert found["inputs"] == [
        {"name": "distance", "datatype": "FP64", "shape": [-1]},
        {"name": "dep delay", "datatype": "FP64", "shape": [-1]},
        {"name": "carrier", "datatype": "BYTES", "shape": [-1]},
    ]


@pytest.mark.parametrize("version", ["", "1"])
def test_answers_are_those_of_duckdb(asked, expected, version):
    module, client = asked
    result = client.infer("late", tensors(module), version, request_id="r7")
    labels = [each.decode() for each in result.as_numpy("predict").ravel()]
    assert labels == [label for label, _ in expected]
    assert result.as_numpy("predict_proba").tolist() == [share for _, share in expected]
    response = result.get_response()
    identity = response["id"] if isinstance(response, dict) else response.id
    assert identity == "r7"


def test_one_output_and_a_thousand_rows(asked):
    module, client = asked
    rng = np.random.default_rng(7)
    columns = (rng.gamma(2, 400, 1000), rng.normal(0, 20, 1000), rng.choice(CARRIERS, 1000))
    wanted = [module.InferRequestedOutput("predict_proba")]
    whole = client.infer("late", tensors(module, *columns), outputs=wanted)
    assert whole.as_numpy("predict") is None
    alone = [
        client.infer("late", tensors(module, *([c[i]] for c in columns)), outputs=wanted)
        .as_numpy("predict_proba")
        .item()
        for i in range(0, 1000, 100)
    ]
    assert whole.as_numpy("predict_proba")[::100].tolist() == alone


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda module: tensors(module)[:2], "'carrier' is missing"),
        (lambda module: [*tensors(module), tensors(module)[0]], "given twice"),
        (lambda module: tensors(module, DISTANCES[:2]), "rows"),
    ],
)
def test_requests_that_are_wrong(asked, change, words):
    module, client = asked
    with pytest.raises(InferenceServerException, match=words):
        client.infer("late", change(module))
    with pytest.raises(InferenceServerException, match="no output 'none'"):
        client.infer("late", tensors(module), outputs=[module.InferRequestedOutput("none")])
    assert client.is_server_live()


def call(running, method, metadata=(), **fields):
    with grpc.insecure_channel(running.announced["grpc"]) as channel:
        return call_over(channel, method, metadata, **fields)


def elements(carriers=(b"AA", b"UA")):
    return [
        {
            "name": "distance",
            "datatype": "FP64",
            "shape": [2],
            "contents": {"fp64_contents": [1, 2]},
        },
        {
            "name": "dep delay",
            "datatype": "INT16",
            "shape": [2, 1],
            "contents": {"int_contents": [-3, 4]},
        },
        {
            "name": "carrier",
            "datatype": "BYTES",
            "shape": [2],
            "contents": {"bytes_contents": list(carriers)},
        },
    ]


def test_elements_instead_of_raw_contents(running):
    answer = call(running, "ModelInfer", model_name="late", inputs=elements())
    raw = [np.array(each, "<f8").tobytes() for each in ([1, 2], [-3, 4])]
    raw.append(b"".join(len(each).to_bytes(4, "little") + each for each in (b"AA", b"UA")))
    inputs = [{k: v for k, v in each.items() if k != "contents"} for each in elements()]
    inputs[1]["datatype"] = "FP64"
    same = call(running, "ModelInfer", model_name="late", inputs=inputs, raw_input_contents=raw)
    assert list(answer.raw_output_contents) == list(same.raw_output_contents)
    assert answer.model_version == "1"


def test_calls_that_are_wrong(running):
    def refused(code, words, **fields):
        with pytest.raises(grpc.RpcError) as caught:
            call(running, "ModelInfer", **({"model_name": "late"} | fields))
        assert caught.value.code() is code, caught.value
        assert words in caught.value.details()

    wrong = grpc.StatusCode.INVALID_ARGUMENT
    refused(wrong, "is missing")
    refused(wrong, "UTF-8", inputs=elements((b"\xff", b"UA")))
    refused(wrong, "Send one for each", inputs=elements(), raw_input_contents=[b""])
    refused(wrong, "Send one of them", inputs=elements(), raw_input_contents=[b"", b"", b""])
    half = elements()
    half[0]["datatype"] = "FP16"
    refused(wrong, "raw_input_contents", inputs=half)
    huge = elements()
    huge[0]["shape"] = [2**62]
    refused(wrong, "elements, not the", inputs=huge)
    refused(grpc.StatusCode.NOT_FOUND, "no model 'none'", model_name="none")
    refused(grpc.StatusCode.NOT_FOUND, "no model", model_version="9")
    refused(grpc.StatusCode.NOT_FOUND, "no model ''", model_name="")
    large = [bytes(9 * 2**20)] * 3
    inputs = [{k: v for k, v in each.items() if k != "contents"} for each in elements()]
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "", inputs=inputs, raw_input_contents=large)
    assert call(running, "ServerLive").live


def test_keys(serve, published, tmp_path):
    keys, log = tmp_path / "keys.toml", tmp_path / "audit.jsonl"
    keys.write_text(
        f'[caller]\nsha256 = "{sha256("secret")}"\nmodels = {{ late = ["predict"] }}\n'
        "requests_per_second = 0.001\nburst = 2\n"
    )
    server = serve(published, "--grpc-port", "0", "--keys", keys, "--audit-log", log)
    assert call(server, "ServerReady").ready
    codes = []
    for metadata, method, fields in (
        ((), "ModelInfer", {"model_name": "late", "inputs": elements()}),
        ((("authorization", "Bearer wrong"),), "ServerMetadata", {}),
        (
            (("authorization", "Bearer secret"),),
            "ModelInfer",
            {"model_name": "late", "inputs": elements()},
        ),
        ((("authorization", "Bearer secret"),), "ModelMetadata", {"name": "late"}),
        ((("authorization", "Bearer secret"),), "ServerMetadata", {}),
    ):
        try:
            call(server, method, metadata, **fields)
            codes.append("OK")
        except grpc.RpcError as error:
            codes.append(error.code().name)
            if codes[-1] == "RESOURCE_EXHAUSTED":
                trailing = dict(error.trailing_metadata())
    assert codes == ["UNAUTHENTICATED", "UNAUTHENTICATED", "OK", "NOT_FOUND", "RESOURCE_EXHAUSTED"]
    assert int(trailing["retry-after"]) > 900
    noted = log.read_text().splitlines()
    assert len(noted) == 5
    assert "secret" not in log.read_text()


def test_a_message_that_cannot_be_read(serve, published, tmp_path):
    """It is refused in words, and not read before anybody knows who sent it."""
    keys, log = tmp_path / "keys.toml", tmp_path / "audit.jsonl"
    keys.write_text(f'[caller]\nsha256 = "{sha256("secret")}"\nmodels = {{ late = ["predict"] }}\n')
    server = serve(published, "--grpc-port", "0", "--keys", keys, "--audit-log", log)
    found = []
    with grpc.insecure_channel(server.announced["grpc"]) as channel:
        for key in ("wrong", "secret"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{SERVICE}/ModelInfer")(
                    b"\xff", metadata=(("authorization", f"Bearer {key}"),), timeout=20
                )
            found.append((caught.value.code().name, caught.value.details()))
    assert found[0][0] == "UNAUTHENTICATED"
    assert found[1] == ("INVALID_ARGUMENT", "It is no message ModelInferRequest.")
    assert len(log.read_text().splitlines()) == 2


def is_listened_to(address):
    try:
        socket.create_connection(address, timeout=20).close()
    except ConnectionError:
        return False
    return True


def test_both_ends_take_nothing_new_while_a_call_is_under_way(serve, published):
    """HTTP does not go on until the last call of gRPC is answered, which still is."""
    server = serve(published, "--grpc-port", "0")
    message = message_class("ModelInferRequest")(model_name="late", inputs=elements())
    may_end = threading.Event()

    def sent():
        may_end.wait(60)
        yield message.SerializeToString()

    with grpc.insecure_channel(server.announced["grpc"]) as channel:
        assert call_over(channel, "ServerReady").ready
        answer = channel.stream_unary(f"/{SERVICE}/ModelInfer").future(sent(), timeout=60)
        # It is answered on the same connection, so that the call before it has begun.
        assert call_over(channel, "ServerReady").ready
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while is_listened_to(server.address):
            assert time.monotonic() < deadline
        assert not answer.done()
        may_end.set()
        found = message_class("ModelInferResponse").FromString(answer.result())
    assert found.model_version == "1"
    assert server.wait() == 0


def test_a_port_that_is_taken(published, running):
    port = running.announced["grpc"].rpartition(":")[2]
    command = ["serve", "--registry", str(published), "--port", "0", "--grpc-port", port]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert f"{port} cannot be listened to" in result.output


def test_a_call_that_is_given_up_is_noted(serve, published, tmp_path):
    """Its rows may have been scored, so that somebody asked is not lost."""
    log = tmp_path / "audit.jsonl"
    server = serve(published, "--grpc-port", "0", "--audit-log", log)
    rows = 10_000
    raw = [bytes(8 * rows), bytes(8 * rows), b"\2\0\0\0AA" * rows]
    kinds = (("distance", "FP64"), ("dep delay", "FP64"), ("carrier", "BYTES"))
    inputs = [{"name": name, "datatype": kind, "shape": [rows]} for name, kind in kinds]
    fields = {"model_name": "late", "inputs": inputs, "raw_input_contents": raw}
    call(server, "ModelInfer", **fields)
    asked = 1
    deadline = time.monotonic() + 20
    statuses = []
    while 499 not in statuses and time.monotonic() < deadline:
        with contextlib.suppress(grpc.RpcError):
            call(server, "ModelInfer", timeout=0.002 + 0.001 * (asked % 20), **fields)
        asked += 1
        call(server, "ServerMetadata")
        statuses = [json.loads(line)["status"] for line in log.read_text().splitlines()]
    assert 499 in statuses
    assert set(statuses) <= {200, 499}
