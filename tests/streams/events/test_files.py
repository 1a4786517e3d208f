"""Lines of files that are larger than an event, and batches that are bounded by bytes."""

import os
import tracemalloc

import pytest
from event_sources import definition, reading
from worked_flights import COLUMNS, payload

from foresql.errors import StreamError
from foresql.streams.events.definition import read_definition
from foresql.streams.events.sources.waiting import ask_lag
from foresql.streams.events.status import worker_status

LARGE = 300 << 20
MOST = 1_048_576


def at(folder):
    return definition(f"file:{folder}/*.jsonl", "")


def write_large(path, size=LARGE, end=b"\n"):
    """Write a line that takes no room on the disk."""
    path.touch()
    os.truncate(path, path.stat().st_size + size)
    with path.open("ab") as file:
        file.write(end)


def test_an_endless_line_is_not_kept_in_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n")
    write_large(path)
    with path.open("ab") as file:
        file.write(b"2\n")
    tracemalloc.start()
    with reading(at(tmp_path)) as found:
        records = found.read(3)
        assert found.source.lag() == {str(path): 0}
    _, peak = tracemalloc.get_traced_memory()
    assert peak < 20 << 20
    with reading(at(tmp_path), {str(path): records[1].offset}) as found:
        [behind] = found.read(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20
    assert [record.offset for record in records] == [0, 2, LARGE + 3]
    assert [record.before for record in records] == [None, 0, 2]
    assert [len(record.payload) for record in records] == [1, MOST + 1, 1]
    assert (behind.offset, behind.payload, behind.before) == (LARGE + 3, b"2", 2)


def test_a_line_that_grows_is_searched_once_and_given_at_its_end(tmp_path):
    path = tmp_path / "a.jsonl"
    write_large(path, 3 * MOST, b"x")
    with reading(at(tmp_path)) as found:
        assert found.source.poll(10, 0) == []
        [file] = found.source._files.values()
        assert file.searched_to == path.stat().st_size
        write_large(path, MOST, b"\n3\n")
        large, small = found.read(2)
    assert (len(large.payload), small.payload) == (MOST + 1, b"3")
    assert small.offset == 4 * MOST + 2


@pytest.mark.parametrize("size", [MOST - 1, MOST, MOST + 1])
@pytest.mark.parametrize("before", [0, 1, MOST // 2])
def test_lines_of_about_the_most_are_whole_where_they_fit(tmp_path, size, before):
    lines = [b"b" * before] * bool(before) + [b"a" * size, b"c"]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with reading(at(tmp_path)) as found:
        records = found.read(len(lines))
    assert [record.payload for record in records] == lines


def test_an_endless_line_is_a_dead_letter(flights):
    definition = flights.define(events="most_bytes = 2000")
    flights.append([payload(0)])
    write_large(flights.folder / "a.jsonl", 4 * MOST)
    flights.append([payload(1)])
    flights.work(definition)
    flights.append([payload(2)])
    flights.work(definition)
    assert flights.predicted() == flights.expected(range(3))
    letters = "SELECT step, reason, octet_length(payload) FROM foresql.dead_letters"
    assert flights.sql(letters) == [("size", "It has more than 2000 bytes.", 2001)]


def test_a_batch_that_waits_ends_by_its_bytes_too(flights):
    columns = COLUMNS + ', note = "VARCHAR"'
    wait = "most_bytes = 1500000\nwait = '2 seconds'"
    flights.define(columns=columns, most=1_000_000)
    text = flights.path.read_text().replace("[sink]", f"{wait}\n[sink]")
    flights.path.write_text(text)
    definition = read_definition(flights.path)
    note = b', "note": "' + b"n" * 100_000 + b'"}'
    flights.append(payload(number)[:-1] + note for number in range(80))
    totals = flights.work(definition)
    assert totals.events.total() == 80
    assert totals.batches >= 4
    flights.path.write_text(text.replace("1500000", "0"))
    with pytest.raises(StreamError, match="most_bytes: must be at least 1"):
        read_definition(flights.path)


def test_what_waits_is_told_without_reading_it(flights):
    done = flights.define(source='start = "earliest"')
    flights.append(map(payload, range(30)))
    flights.work(done)
    flights.append(map(payload, range(30, 37)))
    flights.append(map(payload, range(5)), "b.jsonl")
    found = worker_status(done)["positions"]
    lags = [(row["partition"], row["events"], row["lag"], row["lag_seconds"]) for row in found]
    assert lags == [("a.jsonl", 30, 7, None), ("b.jsonl", None, 5, None)]
    latest = flights.define(source='start = "latest"')
    assert ask_lag(latest, {"a.jsonl": "0"}) == {"a.jsonl": (36, None)}
