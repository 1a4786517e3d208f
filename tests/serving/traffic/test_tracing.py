"""Spans as a collector of OpenTelemetry receives them, over OTLP."""

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from children import PATIENCE
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from serving_process import call

from foresql.errors import ForesqlError
from foresql.serving import App, Settings, tracing
from foresql.serving.grpc_server import GrpcServer
from foresql.serving.tracing import stages

ROW = {"distance": 73373373.0, "dep delay": 4.0, "customer": 1}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Receives requests of OTLP over HTTP, and keeps their spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans, self.resources, self.paths = [], [], set()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    def take(self, path, message) -> None:
        self.paths.add(path)
        for resource in message.resource_spans:
            self.resources.append(plain(resource.resource.attributes))
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        message = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        self.server.take(self.path, message)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(trace_service_pb2.ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_) -> None:
        pass


def plain(attributes) -> dict:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector(monkeypatch):
    for name in [*os.environ]:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    made = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "flights")
    yield made
    made.end()


def test_spans_of_a_request(start, two_versions, collector):
    client = start(two_versions, traces=True)
    before = time.time_ns()
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=b"}
    answer = client.post("/predict/delay", {"rows": [ROW], "explain": True}, headers=headers)
    assert answer.status_code == 200
    client.run(_turn())
    after = time.time_ns()
    client.service.stop()
    assert collector.paths == {"/v1/traces"}
    assert {each["service.name"] for each in collector.resources} == {"flights"}
    by_name = {span.name: span for span in collector.spans}
    assert set(by_name) == {"POST /predict/{model}", "receive", "decode", "score", "encode"}
    root = by_name.pop("POST /predict/{model}")
    assert root.trace_id.hex() == TRACE
    assert root.parent_span_id.hex() == SPAN
    assert root.trace_state == "a=b"
    assert root.kind == root.SPAN_KIND_SERVER
    assert plain(root.attributes) == {
        "http.request.method": "POST",
        "http.route": "/predict/{model}",
        "http.response.status_code": 200,
        "foresql.model": "delay",
        "foresql.version": 1,
    }
    parts = [by_name[name] for name in ("receive", "decode", "score", "encode")]
    assert {part.parent_span_id for part in parts} == {root.span_id}
    moments = [root.start_time_unix_nano, *(part.end_time_unix_nano for part in parts)]
    assert moments == sorted(moments)
    slack = 60_000_000_000  # two clocks, on a machine that is busy between them
    assert before - slack < moments[0] <= moments[-1] < after + slack
    assert parts[-1].end_time_unix_nano == root.end_time_unix_nano


async def _turn() -> None:
    """Let the loop do what it was asked to do soon."""


def test_nothing_that_was_sent_is_in_a_span(start, two_versions, collector):
    client = start(two_versions, traces=True)
    secret = "s3cret"  # noqa: S105 - the test's own
    client.post("/predict/delay", {"rows": [ROW | {"customer": secret}]})
    client.post(f"/predict/{secret}", {"rows": [ROW]}, headers={"authorization": secret})
    client.post("/predict/delay", {"rows": [ROW]}, headers={"foresql-entity": secret})
    client.get(f"/{secret}?{secret}", headers={"traceparent": secret, "baggage": f"a={secret}"})
    client.run(client.http.request(secret.upper(), "/models"))
    client.run(_turn())
    client.service.stop()
    text = " ".join(str(span) for span in collector.spans)
    assert len(collector.spans) >= 5
    for word in (secret, secret.upper(), "73373373"):
        assert word not in text
    assert {span.status.code for span in collector.spans} == {0}


def test_a_failure_of_ours_is_an_error(start, two_versions, collector, monkeypatch):
    client = start(two_versions, traces=True)
    served = client.service.shelf.find("delay")
    monkeypatch.setattr(type(served), "score", None)
    assert client.post("/predict/delay", {"rows": [ROW]}).status_code == 500
    client.get("/v2/health/live")
    client.run(_turn())
    client.service.stop()
    names = {span.name: span.status.code for span in collector.spans}
    assert names == {"POST /predict/{model}": 2, "receive": 0, "decode": 0, "score": 0}


def test_a_trace_that_is_not_sampled_is_not_sent(start, two_versions, collector):
    client = start(two_versions, traces=True)
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
    client.post("/predict/delay", {"rows": [ROW]}, headers=headers)
    client.run(_turn())
    client.service.stop()
    assert collector.spans == []


def test_over_grpc(start, two_versions, collector):
    import grpc

    client = start(two_versions, traces=True)
    inputs = [
        {"name": n, "datatype": "FP64", "shape": [1], "contents": {"fp64_contents": [1.0]}}
        for n in ROW
    ]

    async def ask():
        server = GrpcServer(client.service, "127.0.0.1", 0)
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            metadata = (("traceparent", f"00-{TRACE}-{SPAN}-01"),)
            await call(channel, "ModelInfer", metadata, model_name="delay", inputs=inputs)
        await server.stop(None)

    client.run(ask())
    client.service.stop()
    root = next(span for span in collector.spans if "ModelInfer" in span.name)
    assert root.trace_id.hex() == TRACE
    assert {s.name for s in collector.spans} - {root.name} == {"decode", "score", "encode"}
    assert plain(root.attributes)["rpc.system"] == "grpc"


def test_the_command_sends_what_is_left_at_its_end(serve, two_versions, collector):
    server = serve(two_versions, "--traces")
    assert httpx.post(server.url + "/predict/delay", json={"rows": [ROW]}).status_code == 200
    assert server.stop() == 0
    assert "POST /predict/{model}" in {span.name for span in collector.spans}


def test_a_collector_that_is_not_there_holds_up_nobody(start, two_versions, collector, monkeypatch):
    monkeypatch.setattr(tracing, "_STOP_SECONDS", 0.05)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    client = start(two_versions, traces=True)
    for _ in range(20):
        assert client.post("/predict/delay", {"rows": [ROW]}).status_code == 200
    client.service.stop()
    assert collector.spans == []


def test_a_collector_that_never_answers_does_not_keep_the_server(
    start, two_versions, collector, monkeypatch, caplog
):
    monkeypatch.setattr(tracing, "_STOP_SECONDS", 0.05)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(PATIENCE))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        client = start(two_versions, traces=True)
        client.post("/predict/delay", {"rows": [ROW]})
        client.run(_turn())
        client.service.stop()
        assert "The last spans could not be sent within" in caplog.text
    assert collector.spans == []


def test_other_protocols_are_refused(two_versions, collector, monkeypatch):
    del collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(ForesqlError, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"):
        App(Settings(two_versions, traces=True))


def test_without_traces_nothing_of_it_is_imported():
    script = (
        "import sys, foresql.serving.app; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, text=True, timeout=PATIENCE) == "[]\n"


def test_stages():
    assert stages({}, 1.0, 9.0) == []
    assert stages({"decode": 2.0}, 1.0, 9.0) == [("receive", 1.0, 2.0), ("decode", 2.0, 9.0)]
    assert stages({"score": 3.0, "encode": 4.0}, 1.0, 9.0) == [
        ("decode", 1.0, 3.0),
        ("score", 3.0, 4.0),
        ("encode", 4.0, 9.0),
    ]
