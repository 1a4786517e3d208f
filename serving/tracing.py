"""Traces by OpenTelemetry: a span for each request, and those of its stages below it.

They are made from moments that were noted, once the answer is on its way. So a request waits for
none of it, and a server without traces does none of it. Attributes are names, numbers and states:
no value that was sent, no path that a client chose, no key.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import ForesqlError
from .bodies import Bodies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .http import Request
    from .settings import Limits

_PROTOCOL = "http/protobuf"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_CONTEXT = ("traceparent", "tracestate")
_STAGES = ("receive", "decode", "score", "encode")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_FAILED = 500
_SECOND = 1e9
_STOP_SECONDS = 5.0
_LOG = logging.getLogger("foresql.serving")


class Tracing:
    """Sends spans over OTLP, as the variables ``OTEL_…`` say."""

    def __init__(self, version: str) -> None:
        """Look for the libraries; :meth:`start` starts the thread that sends.

        Raises
        ------
        ForesqlError
            If one is not installed, or another protocol than OTLP over HTTP is asked for.
        """
        try:
            import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        except ImportError as error:
            message = f"{error.name} is not installed: pip install 'foresql[otel]'"
            raise ForesqlError(message) from error
        for name in _PROTOCOLS:
            protocol = os.environ.get(name, _PROTOCOL)
            if protocol != _PROTOCOL:
                message = (
                    f"{name} is {protocol!r}, and traces are sent as {_PROTOCOL!r} alone. Unset "
                    "it, and give the collector's port for HTTP (4318, as a rule)."
                )
                raise ForesqlError(message)
        self._version = version
        self._provider: Any = None
        self._tracer: Any = None

    def bodies(self, limits: Limits) -> Bodies:
        """Give a reader of bodies that notes when one is there."""
        return _TracedBodies(limits)

    def start(self) -> None:
        """Start the thread that sends, in the process that answers."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({SERVICE_NAME: "foresql"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("foresql.serving", self._version)

    def stop(self) -> None:
        """Send what is left, if the collector takes it soon."""
        if self._provider is None:
            return
        # It sends what is left, and may wait for a collector for as long as it likes.
        ending = threading.Thread(target=self._provider.shutdown, name="foresql-spans", daemon=True)
        self._provider = self._tracer = None
        ending.start()
        ending.join(_STOP_SECONDS)
        if ending.is_alive():
            _LOG.warning("The last spans could not be sent within %g s.", _STOP_SECONDS)

    def note(self, request: Request, route: str, status: int, seconds: float) -> None:
        """Make the spans of a request that was answered, when the event loop has time."""
        if self._tracer is not None:
            ended = perf_counter()
            loop = asyncio.get_running_loop()
            loop.call_soon(self._write, request, route, status, ended - seconds, ended)

    def _write(
        self, request: Request, route: str, status: int, started: float, ended: float
    ) -> None:
        if self._tracer is None:
            return
        # Clocks that never go back count from anywhere: both are read once.
        origin = time.time_ns() - int(perf_counter() * _SECOND)

        def at(moment: float) -> int:
            return origin + int(moment * _SECOND)

        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        attributes = _attributes(request, route, status)
        method = attributes.get("http.request.method")
        span = self._tracer.start_span(
            f"{method} {route}".rstrip() if method else route.removeprefix("/"),
            _context(request),
            SpanKind.SERVER,
            attributes,
            start_time=at(started),
        )
        if span.is_recording():
            below = set_span_in_context(span)
            for name, begin, end in stages(getattr(request, "marks", {}), started, ended):
                part = self._tracer.start_span(name, below, start_time=at(begin))
                part.end(at(end))
            if status >= _FAILED:
                span.set_status(Status(StatusCode.ERROR))
        span.end(at(ended))


class _TracedBodies(Bodies):
    """Reads bodies, and notes when they are there."""

    async def read(self, request: Request) -> bytes:
        body = await super().read(request)
        mark(request, "decode")
        return body


def mark(request: Request, stage: str) -> None:
    """Note that a stage of a request begins."""
    if getattr(request, "marks", None) is None:
        request.marks = {}
    request.marks[stage] = perf_counter()


def stages(
    marks: Mapping[str, float], started: float, ended: float
) -> list[tuple[str, float, float]]:
    """Give the stages that a request came to, each until the next one begins.

    What was not received over HTTP is decoded from the beginning on. A request that fails ends in
    the stage that it came to.
    """
    if "decode" not in marks and "score" not in marks:
        return []
    first = "receive" if "decode" in marks else "decode"
    begun = {first: started} | dict(marks)
    names = [name for name in _STAGES if name in begun]
    moments = [begun[name] for name in names]
    return list(zip(names, moments, [*moments[1:], ended], strict=True))


def _context(request: Request) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers = request.headers
    carrier = {
        name: headers[name.encode()].decode("latin-1")
        for name in _CONTEXT
        if name.encode() in headers
    }
    return TraceContextTextMapPropagator().extract(carrier)


def _attributes(request: Request, route: str, status: int) -> dict[str, Any]:
    is_grpc = request.scope["type"] == "grpc"
    attributes: dict[str, Any] = {"http.response.status_code": status}
    if is_grpc:
        attributes |= {"rpc.system": "grpc", "rpc.method": route.removeprefix("/")}
    else:
        method = request.scope["method"]
        attributes["http.request.method"] = method if method in _METHODS else "_OTHER"
        attributes["http.route"] = route
    served = getattr(request, "served", None)
    if served is not None:
        attributes |= {"foresql.model": served.name, "foresql.version": served.version}
    return attributes
