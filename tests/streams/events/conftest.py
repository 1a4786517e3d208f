"""Flights as events, in an empty folder."""

import pytest
from worked_flights import Flights


@pytest.fixture
def flights(tmp_path, registry):
    return Flights(tmp_path, registry)
