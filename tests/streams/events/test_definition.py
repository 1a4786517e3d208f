"""A worker's definition: what is wrong is refused by name, with the place."""

from datetime import timedelta

import pytest

from foresql.errors import StreamError
from foresql.streams.events.definition import read_definition

WHOLE = """
name = "scores"
sql = "SELECT 1"
[source]
bus = "nats://127.0.0.1:4222"
stream = "S"
[events]
columns = { id = "BIGINT", at = "TIMESTAMP" }
time = "at"
[sink]
to = "duckdb:scores.duckdb"
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "worker.toml"
        path.write_text(text)
        return read_definition(path)

    return read


def test_what_is_left_out_has_a_meaning(read, tmp_path):
    found = read(WHOLE)
    assert found.folder == tmp_path
    assert found.query == "SELECT 1"
    assert found.source_name == "scores nats:S"
    assert (found.source.start, found.source.subjects) == ("earliest", ())
    assert (found.batch.most, found.batch.wait) == (4096, timedelta())
    assert found.sink.table == "predictions"
    assert (found.window, found.alerts, found.metrics) == (None, None, None)


def test_times_are_written_in_words(read):
    found = read(f'{WHOLE}[batch]\nwait = "20 ms"\n[window]\nkey = "id"\nlookback = "1.5 hours"')
    assert found.batch.wait == timedelta(milliseconds=20)
    assert found.window.lookback == timedelta(minutes=90)
    assert found.window.key == ("id",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"nats:', '"nats://a:1,nats://u:hunter2@b:', "[source] bus: has credentials in it"),
        (
            "stream =",
            'endpoint = "http://u:hunter2@b"\nstream =',
            "[source] endpoint: has credentials",
        ),
        (
            "stream =",
            'lease = "9999999999999 days"\nstream =',
            "[source] lease: must be a time like",
        ),
        ('[sink]\nto = "duckdb:scores.duckdb"', "", "[sink]: is missing"),
        ("[source]", "source = 5\n[batch]\n[metrics]", "[source]: must be a table"),
        ("stream =", "streem =", "[source] streem: is unknown; did you mean stream?"),
        ("[sink]", "[sinks]", "sinks: is unknown; did you mean sink?"),
        ('name = "scores"', 'name = "a b"', "name: must be a text of letters"),
        ('sql = "SELECT 1"', 'query = "no.sql"', "query: the file 'no.sql' cannot be read"),
        ('sql = "SELECT 1"', 'sql = "x"\nquery = "y"', "query: is missing"),
        ('stream = "S"', "", "[source] stream: is missing"),
        ('stream = "S"', 'stream = "S"\nstart = "now"', "start: must be one of earliest, latest"),
        ("nats://127", "nats://me:hunter2@127", "[source] bus: has credentials in it"),
        ("nats://127", "nats://hunter2@127", "[source] bus: has credentials in it"),
        ("duckdb:scores.duckdb", "postgresql://u:hunter2@h/d", "to: has credentials in it"),
        ("duckdb:scores.duckdb", "postgresql://h/d?password=hunter2", "to: has credentials in it"),
        ("at = ", "event_offset = ", "event_offset is a column that each event has already"),
        ("id = ", "AT = ", "at stands twice"),
        ('time = "at"', 'time = "then"', "time: then is none of the columns"),
        ('time = "at"', 'future = "5 minutes"', "future: needs time"),
        ('time = "at"', 'future = "soon"', "future: must be a time like"),
        ('time = "at"', "[window]\nkey = 'id'", "time: is missing: windows go by it"),
        ('time = "at"', "[batch]\nmost = 0", "most: must be at least 1"),
        ('time = "at"', "[batch]\nmost = true", "most: must be a whole number"),
        ('time = "at"', 'format = "avro"', "schema: is missing: avro needs one"),
        ("[sink]", "[sink", "is not TOML"),
    ],
)
def test_what_is_wrong_is_refused_and_no_secret_is_told(read, old, new, said):
    assert old in WHOLE
    with pytest.raises(StreamError) as caught:
        read(WHOLE.replace(old, new))
    assert said in str(caught.value)
    assert "worker.toml" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_alerts_close_below_where_they_open(read):
    alerts = '[alerts]\nscore = "p"\nkey = ["id"]\nopen_at = 0.5\nclose_below = {}'
    assert read(WHOLE + alerts.format(0.5)).alerts.key == ("id",)
    with pytest.raises(StreamError, match="close_below: must not be above open_at"):
        read(WHOLE + alerts.format(0.6))
