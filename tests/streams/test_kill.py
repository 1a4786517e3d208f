"""A task whose process is killed at any moment leaves a full rescore, or what was there before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SUPPORT = HERE.parent / "support"
KILLS = int(os.environ.get("FORESQL_KILLS", "8"))


def test_killed_at_any_statement_and_at_any_moment(models, tmp_path):
    registry = shutil.copytree(models, tmp_path / "registry")
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, HERE / "mortal.py", tmp_path, registry, str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    statements, deaths = map(int, done.stdout.split())
    assert statements > 15
    assert deaths == statements + KILLS
