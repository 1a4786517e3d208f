"""Workers that are killed at any moment: the sink has each event once, whatever dies."""

import os
import random
import shutil
import time

import duckdb
import pytest
from changing_flights import promote
from mortal_workers import AFTER, BEFORE, workers
from nats_server import nats_server
from scored_once import STREAM, Published
from torn_block import mend_torn_block
from worked_flights import Flights

KILLS = int(os.environ.get("FORESQL_KILLS", "8"))
EACH = 100
"""Events of one life, and ten batches at least."""
SUBJECTS = ("f.0", "f.1")
LEASE = 1
SOURCE = f"subjects = {list(SUBJECTS)}\nlease = '{LEASE} s'"


@pytest.fixture
def server():
    with nats_server() as server:
        server.make_stream(STREAM, ["f.*"])
        yield server


def test_killed_workers_lose_and_repeat_nothing(server, models, tmp_path):
    flights = Flights(tmp_path, shutil.copytree(models, tmp_path / "registry"))
    flights.define(server.url, stream=STREAM, source=SOURCE, most=10)
    published = Published(server, flights, SUBJECTS)
    dice, versions = random.Random(8), set()  # noqa: S311
    with workers(flights.path, flights.registry) as started:
        for life in range(KILLS):
            published.publish(EACH)
            promote(flights.registry, 1 + life // 2 % 2)
            live(started, server, life, dice)
            if (tmp_path / "scores.duckdb").exists():
                mend_torn_block(tmp_path / "scores.duckdb", KILLS)
                versions |= check(published, tmp_path, is_done=False)
        # The lease of the one that died may outlive this one.
        time.sleep(LEASE)
        assert started.end(started.start("--until-empty")) == 0, started.log.read_text()
    versions |= check(published, tmp_path)
    assert versions == {"1", "2"}


def live(started, server, life, dice):
    """Let a worker live and die: at a COMMIT, or at any moment, where the bus may die before it."""
    step = (BEFORE, AFTER, None, None)[life % 4]
    if step:
        # The first one makes the tables.
        worker = started.start(dies=(step, dice.randint(1 if life > 3 else 2, 9)))
        assert started.end(worker) < 0, started.log.read_text()
        return
    worker = started.start()
    time.sleep(dice.uniform(0.1, 1.0))
    if life % 8 == 3:
        server.kill()
        server.start()
        time.sleep(dice.uniform(0.0, 0.5))
    assert started.kill(worker) < 0


def check(published, folder, *, is_done=True):
    with duckdb.connect(folder / "scores.duckdb") as con:

        def read(query):
            return con.execute(query).fetchall()

        if not read("FROM duckdb_tables() WHERE table_name = 'event_positions'"):
            return set()
        return published.check(read, is_done=is_done)
