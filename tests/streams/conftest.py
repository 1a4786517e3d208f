"""Two versions of a model, and a database with a stream and a task on flights."""

from pathlib import Path

import pytest
from changing_flights import MAKE, QUERY, promote
from snowflake_task import publish_versions

import foresql
from foresql import streams


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "registry"
    publish_versions(path)
    return path


@pytest.fixture
def registry(models):
    """The registry with its champion at version 2, whatever a test did."""
    yield models
    promote(models, 2)


@pytest.fixture
def con():
    connection = foresql.connect()
    connection.execute(MAKE.format(rows=40))
    yield connection
    connection.close()


@pytest.fixture
def flights(con, registry):
    """The connection, with a stream and a task that has not run."""
    streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
    streams.create_task(
        con,
        "scoring",
        stream="flight_changes",
        query=QUERY,
        into="predictions",
        registry=registry,
    )
    return con
