"""Lives with a task, killed again and again: at each statement in turn, then at any moment.

`test_kill.py` runs it in a process of its own, because it forks. After each death the
predictions are the full rescore of the rows at the stream's offset, so that either all of a run has
happened or nothing of it; after a further run they are that of the table.
"""

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from changing_flights import MAKE, QUERY, change, predicted, promote, rescored
from torn_block import mend_torn_block

from foresql import streams
from foresql.scoring.pinning import Pinned
from foresql.streams import running
from foresql.streams.stream import find_stream

LONGEST = 0.3
"""Seconds; a life takes about as long."""


class Mortal:
    """A connection whose process is killed before a statement."""

    def __init__(self, connection, countdown):
        self._connection, self._left = connection, countdown

    def __getattr__(self, name):
        call = getattr(self._connection, name)
        if name not in {"execute", "begin", "commit"}:
            return call

        def step(*arguments):
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return call(*arguments)

        return step


def begin(path, registry, told):
    with streams.open_to_write(path, create=True) as con:
        con.execute(MAKE.format(rows=40))
        streams.create_stream(con, "flight_changes", on="flight_features", key=["flight_id"])
        options = {"stream": "flight_changes", "query": QUERY, "into": "predictions"}
        streams.create_task(con, "scoring", **options, registry=registry)
        assert streams.run_task(con, "scoring", registry=registry).scored == "all"
    os.write(told, b".")


def live(path, registry, kills, seed, dies_at, told):  # noqa: PLR0913, PLR0917 - a process's whole life
    """Change rows and run the task, after a look at what the life before left.

    With ``dies_at`` it is killed before that statement of the run.
    """
    mend_torn_block(path, kills)
    with streams.open_to_write(path) as con:
        check(con, registry)
        os.write(told, b".")
        change(con, random.Random(seed))  # noqa: S311
        con.execute(
            "UPDATE flight_features SET distance = coalesce(distance, 0) + 1 WHERE flight_id < 9"
        )
        mortal = con
        if dies_at is not None:
            keep_models_from_dying()
            mortal = Mortal(con, dies_at)
        done = streams.run_task(mortal, "scoring", registry=registry)
        assert done.state != "FAILED", done.error_message


def keep_models_from_dying():
    """Register models by the real connection: DuckDB looks at its class."""
    pin = Pinned.register
    Pinned.register = lambda pinned, con, path: pin(pinned, con._connection, path)
    read = running.read_row_query
    running.read_row_query = lambda con, *rest: read(con._connection, *rest)
    running.registry_path = lambda _, path: path


def check(con, registry):
    """Hold the predictions against a full rescore at the offset, and after one more run."""
    copy = find_stream(con, "flight_changes")
    if not is_of_other_version(con, registry):
        con.execute(f'CREATE TEMP VIEW at_offset AS FROM foresql."stream_rows_{copy.stream_id}"')
        assert predicted(con) == rescored(con, registry, "at_offset"), "a part of a run is there"
    done = streams.run_task(con, "scoring", registry=registry)
    assert done.state != "FAILED", done.error_message
    assert predicted(con) == rescored(con, registry), "a change was lost, or counted twice"


def is_of_other_version(con, registry):
    [(version,)] = con.execute("SELECT DISTINCT model_version FROM predictions").fetchall()
    import foresql

    return version != str(foresql.Registry(registry).resolve("delay@champion").version)


def in_child(act, *arguments, kill_after=None):
    """Do something in a child, which says when it begins; whether it was killed after that."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act(*arguments, writer)
            code = 0
        except BaseException as error:  # noqa: BLE001 - the parent reads the code alone
            print(repr(error), file=sys.stderr)  # noqa: T201
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        has_begun = pipe.read(1) == b"."
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert has_begun
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)


def main(folder, registry, kills):
    warnings.simplefilter("ignore", RuntimeWarning)
    path, dice, deaths = folder / "w.duckdb", random.Random(7), 0  # noqa: S311
    in_child(begin, path, registry)
    while in_child(live, path, registry, kills, deaths, deaths):
        deaths += 1
    statements = deaths
    while deaths < statements + kills:
        if dice.random() < 0.1:
            promote(registry, dice.choice((1, 2)))
        seed, moment = dice.randrange(10**9), dice.uniform(0, LONGEST)
        deaths += in_child(live, path, registry, kills, seed, None, kill_after=moment)
    in_child(live, path, registry, kills, 0, None)
    print(statements, deaths)  # noqa: T201 - its answer


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
