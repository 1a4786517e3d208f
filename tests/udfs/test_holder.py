"""Who holds a DuckDB file, from the message of the DuckDB that is installed."""

import subprocess
import sys

import duckdb
import pytest

from foresql.udfs.duckdb.holder import find_holder, is_locked

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_the_holder_is_named(tmp_path):
    path = tmp_path / "a file.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(duckdb.IOException) as refused:
            duckdb.connect(path)
        process.kill()
    assert is_locked(refused.value)
    holder = find_holder(refused.value)
    assert (holder.file, holder.pid) == (str(path), process.pid)
    assert "python" in holder.program


def test_other_errors_name_nobody(tmp_path):
    (tmp_path / "block.duckdb").write_text("no database, but a block of text " * 999)
    for path in (tmp_path / "no" / "lock.duckdb", tmp_path / "block.duckdb"):
        with pytest.raises(duckdb.Error) as refused:
            duckdb.connect(path)
        assert not is_locked(refused.value)
        assert find_holder(refused.value) is None
