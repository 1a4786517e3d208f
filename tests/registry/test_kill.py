import os
import subprocess
import sys
from pathlib import Path

import pytest
from children import PATIENCE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child must be killed half-way")
def test_killed_at_any_step_the_registry_is_readable_and_work_goes_on(tmp_path):
    script = Path(__file__).with_name("mortal.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 60, "too few steps to kill at: are the calls still the ones patched?"
