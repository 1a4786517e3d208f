"""Where the servers are, and what they must answer, which run.py has written."""

import json
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def world():
    found = os.environ.get("FORESQL_CLIENTS")
    if found is None:
        pytest.skip("servers and an environment of the clients' own: make test-clients")
    return json.loads(Path(found).read_text())
