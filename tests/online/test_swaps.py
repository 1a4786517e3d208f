"""A reader in another process while snapshots are swapped, and writers that are killed."""

import subprocess
import sys
from pathlib import Path

from children import PATIENCE, child

SCRIPT = Path(__file__).with_name("generations.py")
TIMES, KILLS = 6, 5


def run(*arguments):
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_reader_during_swaps_and_kills(shop, tmp_path):
    stop = tmp_path / "stop"
    command = [sys.executable, SCRIPT, "read", shop.into, stop]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with child(command, **pipes) as reader:
        assert reader.stdout.readline() == "reading\n", reader.stderr.read()
        assert run("write", shop.into, TIMES, KILLS) == "done\n"
        stop.touch()
        printed, problems = reader.communicate(timeout=PATIENCE)
        assert (reader.returncode, problems) == (0, "")
        assert len(printed.split()) > 1
    if Path(shop.into).exists():
        assert sorted(path.suffix for path in Path(shop.into).iterdir()) == [".json", ".sqlite"]


def test_a_writer_that_is_killed_before_each_step(folder_shop):
    assert int(run("steps", folder_shop.into)) > 8
