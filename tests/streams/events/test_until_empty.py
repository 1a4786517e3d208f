"""A worker that ends when nothing waits: not while others' partitions have events unread."""

import threading
from datetime import timedelta

from event_sources import definition, reading
from kafka_mock import kafka_mock
from nats_server import nats_server
from worked_flights import PATIENCE, payload, wait_until

from foresql.streams.events.sources import open_source

SOURCE = 'subjects = ["f.0", "f.1"]\nlease = "2 s"'


def test_it_waits_for_the_partition_of_a_worker_that_reads_nothing(flights):
    """As one does that was killed, until its lease runs out."""
    with nats_server() as server:
        server.make_stream("FLIGHTS", ["f.*"])
        server.publish((f"f.{number % 2}", payload(number)) for number in range(100))
        defined = flights.define(server.url, stream="FLIGHTS", source=SOURCE)
        holder = open_source(defined)
        holder.open(lambda _: {})
        wait_until(lambda: holder.poll(1, 0.0) is not None and holder.owns("f.0"), "its lease")
        worker = flights.worker(defined)
        thread = threading.Thread(target=worker.run, kwargs={"until_empty": True})
        thread.start()

        def has_one():
            holder.poll(1, 0.0)
            return worker.totals.events.total() == 50

        wait_until(has_one, "the half that is the worker's")
        thread.join(2.0)
        holder.close()
        thread.join(PATIENCE)
        assert worker.totals.events == {"f.0": 50, "f.1": 50}


def test_subjects_of_others_are_looked_at_behind_their_positions():
    with nats_server() as server:
        server.make_stream("S", ["s.*"])
        last = server.publish((f"s.{number % 4}", b"%d" % number) for number in range(40))
        subjects = tuple(f"s.{number}" for number in range(5))
        positions = {"s.0": last - 3, "s.1": last - 6, "s.3": last}
        made = definition(server.url, "S", subjects=subjects)
        with reading(made, positions) as found:
            waiting = {"s.0": 0, "s.1": 1, "s.2": 1, "s.3": 0, "s.4": 0}
            assert found.source.others() == waiting
            found.read(1 + 10)
            assert found.source.others() == {}
        with reading(definition(server.url, "S"), {"S": last}) as found:
            assert found.source.others() == {"S": 0}
        with reading(definition(server.url, "S"), {"S": last - 1}) as found:
            assert found.source.others() == {"S": 1}
        with reading(definition(server.url, "S", start="latest")) as found:
            assert found.source.others() == {"S": 0}
            found.positions["S"] = last
            server.kill()
            assert found.source.others() == {"S": 1}


def test_partitions_of_others_are_looked_at_behind_their_positions():
    with kafka_mock() as mock:
        mock.publish("t", [(number % 3, b"%d" % number) for number in range(30)])
        made = definition(mock.url, "t", lease=timedelta(seconds=6))
        with reading(made, {"t-0": 9, "t-1": 8}) as found:  # the group takes seconds to give them
            # A busy broker may not answer at once, and what is not known counts as waiting.
            waiting = {"t-0": 0, "t-1": 1, "t-2": 1, "t-3": 0}
            wait_until(lambda: found.source.others() == waiting, "what waits")
            found.positions |= {"t-1": 9, "t-2": 9}
            wait_until(lambda: not any(found.source.others().values()), "that nothing waits")
