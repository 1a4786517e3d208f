"""How a client signs on to Kafka: addresses from the definition, secrets from the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...errors import StreamError

if TYPE_CHECKING:
    from types import ModuleType

ANSWERING = 10.0
"""Seconds that a broker may take to answer."""
_PLAIN = "PLAIN"


def confluent_kafka() -> ModuleType:
    """Import the client library.

    Raises
    ------
    StreamError
        If it is not installed.
    """
    try:
        import confluent_kafka as library
    except ModuleNotFoundError as error:
        message = "Kafka needs confluent-kafka: pip install 'foresql[kafka]'"
        raise StreamError(message) from error
    return library


def client_settings(bus: str) -> dict[str, Any]:
    """Give librdkafka's settings for ``kafka://HOST:PORT,HOST:PORT``.

    Where there is a user, a certificate or a CA, the connection is encrypted: a password is never
    sent in the clear.

    Raises
    ------
    StreamError
        If a password or its user is missing, or a token is given.
    """
    user, password = os.environ.get("FORESQL_BUS_USER"), os.environ.get("FORESQL_BUS_PASSWORD")
    authority, certificate = (
        os.environ.get("FORESQL_BUS_CA"),
        os.environ.get("FORESQL_BUS_CREDENTIALS"),
    )
    if bool(user) != bool(password) or os.environ.get("FORESQL_BUS_TOKEN"):
        message = (
            "Kafka takes FORESQL_BUS_USER with FORESQL_BUS_PASSWORD, or FORESQL_BUS_CREDENTIALS, a "
            "PEM file with a certificate and its key."
        )
        raise StreamError(message)
    settings: dict[str, Any] = {"bootstrap.servers": bus.partition("://")[2]}
    if user:
        mechanism = os.environ.get("FORESQL_BUS_MECHANISM", _PLAIN)
        settings |= {"sasl.mechanism": mechanism}
        settings |= {"sasl.username": user, "sasl.password": password}
    if authority:
        settings["ssl.ca.location"] = authority
    if certificate:
        settings |= {"ssl.certificate.location": certificate, "ssl.key.location": certificate}
    if user or authority or certificate:
        settings["security.protocol"] = "SASL_SSL" if user else "SSL"
    return settings
