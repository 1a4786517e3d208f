"""What a worker does, as one TOML file says it: source, events, query, sink. No secret is in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import StreamError
from ...scoring.sections import ONE_OF, At, read_section

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTITION, OFFSET, PUBLISHED = "event_partition", "event_offset", "event_published"
"""The columns that each event has besides those of the definition."""
EARLIEST, LATEST = "earliest", "latest"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NO_TIME = timedelta()
_LEAST_LEASE = timedelta(seconds=1)
_Section = TypeVar("_Section")


def _choice(default: str, *others: str) -> str:
    return field(default=default, metadata={ONE_OF: (default, *others)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """Where events come from.

    Attributes
    ----------
    bus
        ``nats://``, ``kafka://``, ``kinesis://REGION`` or ``file:PATTERN``.
    stream
        The NATS stream, Kafka topic or Kinesis stream.
    subjects
        NATS: one partition each; none for the whole stream as one.
    start
        Where a partition without a position begins.
    lease
        NATS, Kafka: how long a worker that died keeps its partitions.
    endpoint
        Kinesis: another address than that of the region.
    shards
        Kinesis: the shards of this worker; none for all.
    """

    bus: str
    stream: str | None = None
    subjects: tuple[str, ...] = ()
    start: str = _choice(EARLIEST, LATEST)
    lease: timedelta = timedelta(seconds=10)
    endpoint: str | None = None
    shards: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """Which kind of bus it is."""
        return self.bus.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsSection:
    """What events look like.

    Attributes
    ----------
    table
        What the query calls them.
    format
        ``json``, ``avro`` or ``protobuf``.
    schema, message, framing
        Avro's schema or Protobuf's descriptor set, its message, and what stands before a payload.
    writers
        From the numbers that stand before payloads to the schemas by which they were written.
    columns
        From names to SQL types, in order; may be left out where a schema says them.
    id
        The columns by which an event is known again, though it was published twice.
    time
        The column with the event's time.
    future
        How far that may be beyond the time at which it was published.
    most_bytes
        Larger events are dead letters.
    unknown
        Whether fields that are no columns are ignored, or refused.
    missing
        JSON: whether an event without a column's field is refused, or has NULL there.
    """

    table: str = "events"
    format: str = _choice("json", "avro", "protobuf")
    schema: str | None = None
    message: str | None = None
    framing: str | None = field(default=None, metadata={ONE_OF: ("confluent",)})
    writers: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    id: tuple[str, ...] = ()
    time: str | None = None
    future: timedelta | None = None
    most_bytes: int = 1_048_576
    unknown: str = _choice("ignore", "refuse")
    missing: str = _choice("refuse", "null")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSection:
    """Windows over event time.

    Attributes
    ----------
    key
        The columns by which windows are partitioned, at least.
    lookback
        A bound for how far the query's windows look back.
    lateness
        How far an event may be behind the greatest event time before it.
    idle
        After so long without events, a partition is scored to its end.
    """

    key: tuple[str, ...]
    lookback: timedelta | None = None
    lateness: timedelta = _NO_TIME
    idle: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSection:
    """How many events, and bytes of them, one transaction takes; how long it waits for more."""

    most: int = 4096
    most_bytes: int = 67_108_864
    wait: timedelta = _NO_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSection:
    """Where predictions go: an address, a table there, and whether its file is kept open."""

    to: str
    table: str = "predictions"
    hold: bool = False

    @property
    def scheme(self) -> str:
        """Which kind of sink it is."""
        return self.to.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsSection:
    """Alerts with hysteresis: by which output and key, the two bounds, and where they go.

    ``bus`` is that of ``subject``, where it is not the source's.
    """

    score: str
    key: tuple[str, ...]
    open_at: float
    close_below: float
    table: str = "alerts"
    subject: str | None = None
    bus: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSection:
    """Where Prometheus finds the worker's metrics: ``HOST:PORT``."""

    listen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A worker's definition.

    Attributes
    ----------
    name
        The worker's name: positions and leases are kept under it.
    query
        The text of the scoring query.
    folder
        What relative paths begin at: the folder of the file.
    """

    name: str
    query: str
    folder: Path
    source: SourceSection
    events: EventsSection
    batch: BatchSection
    sink: SinkSection
    window: WindowSection | None
    alerts: AlertsSection | None
    metrics: MetricsSection | None

    @property
    def source_name(self) -> str:
        """What positions are kept under: a stream's offsets mean nothing for another one."""
        stream = self.source.stream or self.source.bus.partition(":")[2]
        return f"{self.name} {self.source.scheme}:{stream}"


_SECTIONS = ("source", "events", "batch", "sink", "window", "alerts", "metrics")
_REQUIRED = ("source", "sink")


def read_definition(path: str | Path) -> Definition:
    """Read the definition of a worker.

    Raises
    ------
    StreamError
        If the file cannot be read, a key is unknown, missing or has a wrong value, or an address
        has a password in it.
    """
    path = Path(path)
    at = At(str(path))
    tables = _parsed(path)
    at.check_known(tables, ("name", "query", "sql", *_SECTIONS))
    for section in _REQUIRED:
        if section not in tables:
            raise at.error(f"[{section}]", "is missing")
    here = _Sections(tables, at)
    definition = Definition(
        name=_name(tables, at),
        query=_query(tables, path, at),
        folder=path.parent,
        source=here.read("source", SourceSection),
        events=here.read("events", EventsSection),
        batch=here.read("batch", BatchSection),
        sink=here.read("sink", SinkSection),
        window=here.read_optional("window", WindowSection),
        alerts=here.read_optional("alerts", AlertsSection),
        metrics=here.read_optional("metrics", MetricsSection),
    )
    _check(definition, at)
    return definition


@dataclass(frozen=True, slots=True)
class _Sections:
    """The tables of a file, and where it is."""

    tables: Mapping[str, object]
    at: At

    def read(self, name: str, class_: type[_Section]) -> _Section:
        return read_section(class_, self.tables.get(name, {}), self.at.section(name))

    def read_optional(self, name: str, class_: type[_Section]) -> _Section | None:
        return self.read(name, class_) if name in self.tables else None


def _parsed(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"The worker's definition {path} cannot be read: {error.strerror}"
        raise StreamError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not TOML: {error}"
        raise StreamError(message) from error


def _name(tables: Mapping[str, object], at: At) -> str:
    name = tables.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise at.error("name", "must be a text of letters, digits, - and _")
    return name


def _query(tables: Mapping[str, object], path: Path, at: At) -> str:
    match tables.get("query"), tables.get("sql"):
        case None, str(text):
            return text
        case str(name), None:
            try:
                return (path.parent / name).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise at.error("query", f"the file {name!r} cannot be read: {error}") from error
        case _:
            raise at.error("query", 'is missing: query = "scoring.sql", or sql = """SELECT …"""')


def _check(definition: Definition, at: At) -> None:
    source, events, sink = definition.source, definition.events, definition.sink
    at.section("source").check_no_secret("bus", source.bus, user=True)
    at.section("source").check_no_secret("endpoint", source.endpoint or "", user=True)
    at.section("sink").check_no_secret("to", sink.to, user=not sink.to.startswith("postgres"))
    _check_events(events, at.section("events"))
    for key in ("most", "most_bytes"):
        if getattr(definition.batch, key) < 1:
            raise at.section("batch").error(key, "must be at least 1")
    if source.scheme != "file" and not source.stream:
        raise at.section("source").error("stream", "is missing: the stream or topic of the bus")
    if source.lease < _LEAST_LEASE:
        raise at.section("source").error("lease", "must be at least 1 second")
    if definition.window and not events.time:
        raise at.section("events").error("time", "is missing: windows go by it")
    alerts = definition.alerts
    if alerts and alerts.bus:
        at.section("alerts").check_no_secret("bus", alerts.bus, user=True)
    if alerts and not alerts.close_below <= alerts.open_at:
        raise at.section("alerts").error("close_below", "must not be above open_at")


def _check_events(events: EventsSection, at: At) -> None:
    names = [name.casefold() for name in events.columns]
    for name in (PARTITION, OFFSET, PUBLISHED):
        if name in names:
            raise at.error("columns", f"{name} is a column that each event has already")
    for name in names:
        if names.count(name) > 1:
            raise at.error("columns", f"{name} stands twice: SQL does not tell cases apart")
    for key, value in (("id", events.id), ("time", events.time and (events.time,))):
        for name in value or ():
            if names and name not in events.columns:
                raise at.error(key, f"{name} is none of the columns")
    if events.format == "json" and not names:
        raise at.error("columns", 'is missing: columns = { sensor = "VARCHAR", … }')
    if events.format != "json" and not events.schema:
        raise at.error("schema", f"is missing: {events.format} needs one")
    if events.future is not None and not events.time:
        raise at.error("future", "needs time = the column with the event's time")
    if events.most_bytes < 1:
        raise at.error("most_bytes", "must be at least 1")
