"""Clients of DuckDB other than Python's, which install themselves once for all test runs."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("FORESQL_TEST_CACHE") or "~/.cache/foresql-tests").expanduser()
NODE_API = "@duckdb/node-api@1.5.6-r.1"
COMMAND_LINE = "duckdb-cli==1.5.6"


def node_client() -> Path:
    """Give the folder whose ``node_modules`` Node reads."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; with it, the test installs the rest by itself")
    return install("node-api-1.5.6", "npm", "install", "--silent", "--prefix", "FOLDER", NODE_API)


def command_line_client() -> Path:
    """Give DuckDB's shell, with no script in Python around it."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    folder = install("duckdb-cli-1.5.6", *pip, "--target", "FOLDER", COMMAND_LINE)
    return folder / "duckdb_cli" / "duckdb"


def install(name: str, *command: str) -> Path:
    """Run a command that installs a client into a folder."""
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        made = folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        line = [part.replace("FOLDER", str(made)) for part in command]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=made)
        if done.returncode:
            pytest.skip(f"{' '.join(line)} failed, is there a network? {done.stderr[-300:]}")
        made.rename(folder)
    return folder


def run(*command: object, **options) -> str:
    """Run a command that succeeds, and give what it prints."""
    line = [str(part) for part in command]
    done = subprocess.run(line, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
