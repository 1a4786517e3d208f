"""Executors in processes of their own, and Spark Connect: the bundle gets there, and answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).with_name("cluster.py")
SUPPORT = Path(__file__).parents[2] / "support"


def test_the_bundle_reaches_every_executor(rows, registry, frame, late, tmp_path):
    pq.write_table(rows.toArrow(), tmp_path / "rows.parquet")
    paths = [str(SUPPORT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    done = subprocess.run(
        [sys.executable, SCRIPT, registry, tmp_path / "rows.parquet", tmp_path / "answers.json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads((tmp_path / "answers.json").read_text())
    theirs = late.predict_proba(frame)[:, 1].tolist()
    assert answers["sql"] == answers["score by function"] == theirs
    assert answers["score by sql"] == pytest.approx(theirs, rel=1e-15)
