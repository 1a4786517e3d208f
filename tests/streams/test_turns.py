"""Processes that take turns with one DuckDB file: none loses what another one committed."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import duckdb
import pytest
from children import PATIENCE, child
from torn_block import KILLS_A_MEND, TornTooOftenError, mend_torn_block

from foresql.errors import StreamError
from foresql.streams import open_to_write
from foresql.streams.turn import Turn

WRITERS, KILLS = 3, int(os.environ.get("FORESQL_KILLS", "4"))
SUPPORT = Path(__file__).parents[1] / "support"
PATHS = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
FINDS_SUPPORT = os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)}
NUMBERING = Path(__file__).with_name("numbering.py")
DISTURBED = SUPPORT / "disturbed.c"
ADD = """
import sys
from foresql.udfs.duckdb.file import connect_file
connection = connect_file(sys.argv[1])
connection.execute("INSERT INTO numbers VALUES ('late', 1)")
connection.close()
"""
READS_TOO = ADD.replace("connection =", "reading = open(sys.argv[1], 'rb')\nconnection =", 1)
ATTACH = """
import duckdb, sys
from pathlib import Path
from foresql.udfs.duckdb.file import attach_file, detach_file
connection, path = duckdb.connect(), Path(sys.argv[1])
attach_file(connection, path, "attached")
connection.execute("INSERT INTO numbers VALUES ('late', 1)")
detach_file(connection, path, "attached")
"""
CLOSE = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("INSERT INTO numbers VALUES ('dies', ?)", [int(sys.argv[2])])
print("committed", flush=True)
connection.close()
"""
ASK = """
import sys
from pathlib import Path
from time import sleep
from foresql.streams.turn import Turn
turn = Turn(Path(sys.argv[1]))
print(turn.take(), flush=True)
while not turn.take():
    sleep(0.005)
print("has it", flush=True)
sys.stdin.read()
"""
FORK = """
import os, sys
from pathlib import Path
from foresql.streams.turn import Turn
turn = Turn(Path(sys.argv[1]))
first = turn.take()
if os.fork() == 0:
    turn.give_back()
    print(first, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "w.duckdb"
    with open_to_write(path, create=True) as connection:
        connection.execute("CREATE TABLE numbers (writer VARCHAR, number BIGINT)")
        connection.execute("CREATE TABLE positions (writer VARCHAR PRIMARY KEY, last BIGINT)")
        connection.executemany(
            "INSERT INTO positions VALUES (?, 0)", [[str(each)] for each in range(WRITERS)]
        )
    return path


@pytest.fixture(scope="session")
def disturbing(tmp_path_factory):
    """A library that stands between a process and its files."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, and Linux")
    library = tmp_path_factory.mktemp("disturbed") / "disturbed.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, DISTURBED, "-ldl"], check=True)
    return library


def test_writers_that_are_killed_at_any_moment_lose_nothing(database):
    dice, until = random.Random(5), time.monotonic() + PATIENCE  # noqa: S311

    def begin(writer):
        command = [sys.executable, NUMBERING, database, str(writer), str(KILLS)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=FINDS_SUPPORT)

    def has_come(log, lines):
        return log.exists() and log.stat().st_size > lines

    writers = [begin(each) for each in range(WRITERS)]
    logs = [database.with_name(f"{each}.log") for each in range(WRITERS)]
    try:
        for _ in range(KILLS):
            each = dice.randrange(WRITERS)
            size = logs[each].stat().st_size if logs[each].exists() else 0
            while not has_come(logs[each], size) and time.monotonic() < until:
                assert writers[each].poll() is None, writers[each].stdout.read()
                time.sleep(0.01)
            time.sleep(dice.uniform(0, 0.1))
            writers[each].kill()
            writers[each].communicate()
            writers[each] = begin(each)
    finally:
        said = []
        for writer in writers:
            writer.kill()
            said.append(writer.communicate()[0])
    assert said == [""] * WRITERS
    mend_torn_block(database, KILLS)
    with open_to_write(database) as connection:
        for each, log in enumerate(logs):
            check(connection, str(each), len(log.read_text().split()))


def test_a_block_that_a_kill_tore_is_mended(database):
    """As `torn_block.py` does it for tests that kill: by the checksum alone."""
    with open_to_write(database) as connection:
        connection.execute("INSERT INTO numbers VALUES ('torn', 1)")
    tear(database, b"another ")
    with pytest.raises(StreamError, match="checksum"), open_to_write(database):
        pass
    mend_torn_block(database)
    with open_to_write(database) as connection:
        assert connection.sql("FROM numbers").fetchall() == [("torn", 1)]


def tear(database, checksum):
    """Change the checksum of the first block."""
    whole = database.read_bytes()
    place = 3 * 4096  # behind the headers
    database.write_bytes(whole[:place] + checksum + whole[place + 8 :])


def test_more_torn_blocks_than_are_said_are_not_mended(database):
    kills = 2 * KILLS_A_MEND
    for mend in range(2):
        with open_to_write(database) as connection:
            connection.execute("INSERT INTO numbers VALUES ('torn', ?)", [mend])
        tear(database, b"another ")
        mend_torn_block(database, kills)
    with open_to_write(database) as connection:
        connection.execute("INSERT INTO numbers VALUES ('torn', 2)")
    tear(database, b"another ")
    with pytest.raises(TornTooOftenError, match=r"200 kills tore 3 blocks of .*w\.duckdb, and 2"):
        mend_torn_block(database, kills)
    with pytest.raises(StreamError, match="checksum"), open_to_write(database):
        pass


def check(connection, writer, committed):
    """Hold what is there against what a writer was told: the last one it may not have heard of."""
    rows = connection.execute("SELECT number FROM numbers WHERE writer = ?", [writer]).fetchall()
    numbers = sorted(number for (number,) in rows)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= committed


@pytest.mark.parametrize(
    "code", [ADD, READS_TOO, ATTACH], ids=["connect", "connect, and it reads the file", "attach"]
)
def test_what_is_committed_before_the_lock_is_there_behind_it(code, database, disturbing, tmp_path):
    """Between the reading of the header, by DuckDB, and the lock another process commits."""
    late = [sys.executable, "-c", code, database]
    with child(late, env=disturbed(disturbing, database, LOCK=tmp_path)) as other:
        while not (tmp_path / "reached").exists():
            assert other.poll() is None
            time.sleep(0.01)
        for each in range(3):
            with duckdb.connect(database) as connection:
                connection.execute("INSERT INTO numbers VALUES ('early', ?)", [each])
        (tmp_path / "go").touch()
        assert other.wait() == 0
    with duckdb.connect(database) as connection:
        rows = connection.execute("SELECT writer, count(*) FROM numbers GROUP BY ALL").fetchall()
    assert dict(rows) == {"early": 3, "late": 1}


def test_a_process_may_die_at_each_step_of_its_commit_and_close(database, disturbing):
    told = []
    for step in count():
        command = [sys.executable, "-c", CLOSE, database, str(step)]
        env = disturbed(disturbing, database, DIES=step)
        with child(command, env=env, stdout=subprocess.PIPE) as process:
            told += [step] if process.communicate()[0] else []
        with open_to_write(database) as connection:
            found = {row[0] for row in connection.execute("SELECT number FROM numbers").fetchall()}
        assert found >= set(told)
        assert found <= set(range(step + 1))
        if process.returncode == 0:
            break
    # It died in the checkpoint too, behind the commit.
    assert told[0] < told[-1]


def disturbed(library, database, **how):
    settings = {f"DISTURBED_{name}": str(value) for name, value in how.items()}
    return os.environ | {"LD_PRELOAD": str(library), "DISTURBED_FILE": str(database)} | settings


def asks(database, code=ASK):
    return child(
        [sys.executable, "-c", code, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_one_that_waits_is_next(database):
    turn = Turn(database)
    assert turn.take()
    assert not turn.is_wanted()
    with asks(database) as other:
        assert other.stdout.readline() == "False\n"
        assert turn.is_wanted()
        assert str(os.getpid()) in turn.holder()
        turn.give_back()
        assert other.stdout.readline() == "has it\n"
        assert not turn.take()
        assert f"PID {other.pid}" in turn.holder()
        other.kill()
        other.wait()
        assert turn.take()
        assert not turn.is_wanted()
    turn.give_back()


def test_a_turn_needs_nothing_that_windows_lacks(database, monkeypatch):
    monkeypatch.delattr(os, "pwrite")
    moved = []
    seek = os.lseek
    monkeypatch.setattr(os, "lseek", lambda *given: moved.append(seek(*given)) or moved[-1])
    turn = Turn(database)
    assert turn.take()
    assert moved[-1] == 0  # there it was locked, and is unlocked
    assert str(os.getpid()) in turn.holder()
    turn.give_back()


def test_who_gives_the_turn_back_stands_behind_those_who_wait(database):
    turn = Turn(database)
    assert turn.take()
    with asks(database) as other:
        assert other.stdout.readline() == "False\n"
        os.kill(other.pid, signal.SIGSTOP)  # it cannot take what it waits for
        turn.give_back()
        assert not turn.take()
        assert turn.holder() == "another process"  # which is not this one any more
        other.kill()
        other.wait()
    assert turn.take()
    turn.give_back()


def test_one_that_is_stopped_while_it_waits_blocks_nobody_for_ever(database, monkeypatch):
    turn, later = Turn(database), Turn(database, is_shared=False)
    assert turn.take()
    with asks(database) as other:
        assert other.stdout.readline() == "False\n"
        os.kill(other.pid, signal.SIGSTOP)
        assert not later.take()
        monkeypatch.setattr("foresql.streams.turn._LONG", 0.0)
        assert not later.take()  # one that has waited for long waits for the turn itself
        turn.give_back()
        assert not turn.take()
        assert later.take()
        later.give_back()
        os.kill(other.pid, signal.SIGCONT)
        assert other.stdout.readline() == "has it\n"
        other.kill()


def test_who_cannot_ask_whether_others_wait_lets_go(database, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    turn = Turn(database)
    assert turn.take()
    with monkeypatch.context() as broken:
        broken.setattr("fcntl.flock", fail)
        assert turn.is_wanted()
    assert not turn.is_wanted()
    turn.give_back()


def test_who_waited_and_was_killed_wants_nothing(database):
    turn = Turn(database)
    assert turn.take()
    with asks(database) as other:
        assert other.stdout.readline() == "False\n"
        other.kill()
        other.wait()
    assert not turn.is_wanted()
    turn.give_back()


def test_turns_are_shared_within_a_process_as_the_file_is(database, tmp_path):
    (tmp_path / "link.duckdb").symlink_to(database)
    turns = Turn(database), Turn(tmp_path / "link.duckdb")
    assert all(turn.take() for turn in turns)
    turns[0].give_back()
    with asks(database) as other:
        assert other.stdout.readline() == "False\n"
        turns[1].give_back()
        assert other.stdout.readline() == "has it\n"
        other.kill()


def test_a_forked_process_has_no_turn(database):
    turn = Turn(database)
    assert turn.take()
    child_pid = os.fork()
    if child_pid == 0:
        turn.give_back()
        os._exit(Turn(database).take())
    assert os.waitstatus_to_exitcode(os.waitpid(child_pid, 0)[1]) == 0
    turn.give_back()
    assert turn.take()
    turn.give_back()


def test_what_was_forked_from_one_that_waits_does_not_wait(database):
    turn = Turn(database)
    assert turn.take()
    with asks(database, FORK) as other:
        assert other.stdout.readline() == "False\n"
        assert turn.is_wanted()
        other.kill()
        other.wait()
        assert not turn.is_wanted()  # though the other's child is there
        other.stdin.close()
    turn.give_back()


@pytest.mark.parametrize("name", ["w.duckdb.turn", "w.duckdb.wanted"])
def test_a_file_that_cannot_be_locked_is_named(database, name):
    database.with_name(name).unlink()
    database.with_name(name).symlink_to("elsewhere")
    with (
        pytest.raises(
            StreamError, match=rf"{name}, by which .* cannot be locked: .*\n.*What to do"
        ),
        open_to_write(database),
    ):
        pass
    assert not database.with_name("elsewhere").exists()
    database.with_name(name).unlink()
    with open_to_write(database):
        pass
