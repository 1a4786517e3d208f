"""A test that hangs fails, and what it started ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
CONFTEST = """
from hanging import Hanging

def pytest_configure(config):
    config.pluginmanager.register(Hanging(config))
"""
TESTS = """
import subprocess
import sys
import threading

CHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

def test_waits_for_a_child():
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as child:
        open("child", "w").write(child.stdout.readline().decode())

def test_left_a_daemon():
    command = [sys.executable, "-c", CHILD]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env={})
    open("daemon", "w").write(daemon.stdout.readline().decode())
    threading.Event().wait()

def test_the_next_one_runs():
    pass
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found in /proc")
def test_a_test_that_hangs_fails_with_its_children(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=1", "--timeout-method=signal"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    for name in ("child", "daemon"):
        process = int((tmp_path / name).read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
