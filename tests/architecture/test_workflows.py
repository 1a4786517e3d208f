"""The workflows pin what they run, ask for no more than they need, and pass zizmor."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_secret_is_used_and_one_job_may_write(path):
    text = path.read_text()
    assert "secrets." not in text
    assert text.count("\npermissions:\n  contents: read\n") == 1
    granted = re.findall(r"^ +([\w-]+): write", text, re.MULTILINE)
    assert granted == (["id-token"] if path.name == "wheels.yml" else [])


def test_zizmor_finds_nothing():
    found = shutil.which("zizmor", path=Path(sys.executable).parent)
    if found is None:
        pytest.skip("zizmor is not installed: pip install zizmor")
    command = [found, "--offline", "--persona=pedantic", "--no-progress", *WORKFLOWS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
