"""From two shards of Kinesis to DuckDB: a real process is killed at work, and another goes on."""

import signal
import subprocess
import sys

from kinesis_region import kinesis_region
from torn_block import mend_torn_block
from worked_flights import payload, wait_until

from foresql.errors import StreamError
from foresql.streams.events.status import worker_status


def test_a_worker_of_two_shards_is_killed_and_the_next_one_goes_on(flights):
    with kinesis_region() as region:
        region.client.create_stream(StreamName="flights", ShardCount=2)
        source = f'endpoint = "{region.endpoint}"'
        definition = flights.define("kinesis://eu-west-1", stream="flights", source=source, most=10)

        def publish(begin, end):
            region.put("flights", [(number % 2, payload(number)) for number in range(begin, end)])

        publish(0, 400)
        publish(400, 800)
        killed_at_work(flights, definition)
        publish(800, 900)
        flights.work(definition)
        assert flights.work(definition).events.total() == 0
        shards = region.shards("flights")
    assert flights.predicted() == flights.expected(range(900))
    done = "SELECT partition, events FROM foresql.event_positions ORDER BY ALL"
    assert flights.sql(done) == [(shard, 450) for shard in shards]
    # A shard's sequence numbers are texts, which stand in the order of its events.
    [(unordered, repeated, runs)] = flights.sql(
        "SELECT count(*) FILTER (WHERE flight_id < before), "
        "count(*) - count(DISTINCT (event_partition, event_offset)), count(DISTINCT run_id) "
        "FROM (SELECT *, lag(flight_id) OVER "
        "(PARTITION BY event_partition ORDER BY event_offset) AS before FROM predictions)"
    )
    assert (unordered, repeated, runs) == (0, 0, 2)


def killed_at_work(flights, definition):
    """Kill -9 a worker that has written something."""

    def has_written():
        assert process.poll() is None
        try:
            return worker_status(definition, flights.told.append)["predictions"]
        except StreamError:  # it has made no tables yet
            return 0

    command = [sys.executable, "-m", "foresql.cli", "worker", "run", flights.path]
    with subprocess.Popen([*command, "--registry", flights.registry]) as process:
        wait_until(has_written, "a batch")
        process.kill()
    assert process.returncode == -signal.SIGKILL
    mend_torn_block(flights.folder / "scores.duckdb")
