"""What a server is told: which models, how much at a time, and who may ask."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ForesqlError

if TYPE_CHECKING:
    from pathlib import Path

    from .processes.shared import Shared

_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request, and all of them together, may take.

    Attributes
    ----------
    body_bytes
        The most bytes of a body, and of what it unpacks to.
    rows
        The most rows of a request.
    requests
        How many requests may be under way; further ones are answered with 429.
    connections
        How many clients may be connected over HTTP; further ones are answered with 503.
    buffered_bytes
        How many bytes of bodies that are still arriving may lie in memory, of all requests.
    queued
        How many requests may wait for a scoring thread, of one model and of all explanations.
    batch_rows
        The most rows that are scored as one batch.
    body_seconds
        How long a body may take to arrive.
    head_bytes, head_seconds
        The most bytes of what is no body, and how long they may take to arrive.
    answer_seconds
        How long a client may take nothing of its answer.
    """

    body_bytes: int = 8 * _MEBIBYTE
    rows: int = 10_000
    requests: int = 1_024
    connections: int = 4_096
    buffered_bytes: int = 256 * _MEBIBYTE
    queued: int = 256
    batch_rows: int = 16_384
    body_seconds: float = 10.0
    head_bytes: int = 65_536
    head_seconds: float = 10.0
    answer_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM.

    Attributes
    ----------
    certificate, key
        The server's own; the certificate's file may hold its chain.
    client_authority
        Who signs the certificates of clients; without it none is asked for.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Which scoring queries are served.

    Attributes
    ----------
    folder
        Whose ``NAME.sql`` are endpoints.
    dbt, dbt_models
        A dbt project that was compiled, and which of its models are endpoints.
    online
        Where feature views are: a folder, or ``redis://…``.
    database
        The warehouse's file, which says the types of requests.
    """

    folder: Path | None = None
    dbt: Path | None = None
    dbt_models: tuple[str, ...] = ()
    online: str | None = None
    database: Path | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is kept of each answer of a model, and where.

    Attributes
    ----------
    folder
        Where the Parquet files go.
    features
        The features that are kept: by their names, or ``("*",)`` for all. Their values are
        sensitive, so by default there are none.
    seconds
        How long a file is written before it is closed, and can be read.
    """

    folder: Path
    features: tuple[str, ...] = ()
    seconds: float = 300.0


def log_settings(
    folder: Path | None, features: str | None, seconds: float | None
) -> LogSettings | None:
    """Read what the command says of the prediction log.

    Raises
    ------
    ForesqlError
        If there is something to be kept, and no folder for it.
    """
    if folder is None:
        if features is not None or seconds is not None:
            message = "--prediction-log-… goes with --prediction-log FOLDER."
            raise ForesqlError(message)
        return None
    names = tuple(name for each in (features or "none").split(",") if (name := each.strip()))
    if names in {("none",), ("all",)}:
        names = () if names == ("none",) else ("*",)
    return LogSettings(folder, names, 300.0 if seconds is None else seconds)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs.

    Attributes
    ----------
    registry
        The registry's folder.
    models
        ``delay`` (all its aliases), ``delay@champion`` or ``delay:3``; all of the registry where
        there is none.
    keys
        The file of API keys; without one, this machine alone is answered.
    audit_log
        The file that each request which was decided on is noted in.
    poll_seconds
        How often the registry and the file of keys are looked at.
    threads
        How many threads score what takes long; one a core, eight at most, by default.
    endpoints
        The scoring queries that are served beside the models.
    traffic
        The file of rules for canary and shadow traffic.
    prediction_log
        What is kept of each answer of a model; nothing without it.
    traces
        Whether traces are sent by OpenTelemetry, as its environment variables say.
    shared
        Where this process counts, if it is one of several behind one port.
    """

    registry: Path
    models: tuple[str, ...] = ()
    keys: Path | None = None
    audit_log: Path | None = None
    poll_seconds: float = 1.0
    threads: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    limits: Limits = field(default_factory=Limits)
    endpoints: Endpoints | None = None
    traffic: Path | None = None
    prediction_log: LogSettings | None = None
    traces: bool = False
    shared: Shared | None = None
