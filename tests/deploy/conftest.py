"""Accounts for the tests of this folder."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_account_of_mine(monkeypatch, tmp_path):
    """Whoever runs the tests may have an account: none of its settings is read here."""
    for name in list(os.environ):
        if name.startswith("SNOWFLAKE_"):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path / "home"))
