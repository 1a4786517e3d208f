"""The log has what was answered, to the last bit, and nothing of it is ever half a file."""

import gc
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import duckdb
import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from children import PATIENCE

import foresql
from foresql.errors import ForesqlError
from foresql.serving import App, Settings
from foresql.serving.binary_tensors import HEADER
from foresql.serving.prediction_log import journal
from foresql.serving.prediction_log import log as log_module
from foresql.serving.prediction_log.journal import Journal, recover
from foresql.serving.settings import LogSettings, log_settings

ROW = {"distance": 733.0, "dep delay": 4.0, "customer": 1}


def read(folder) -> pa.Table:
    paths = sorted(Path(folder).glob("*/*/*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in paths])


def bits(values) -> list[bytes]:
    return [b"" if value is None else struct.pack("<d", value) for value in values]


@pytest.mark.parametrize("in_place", [True, False])
def test_it_has_the_bits_that_came_and_went(start, two_versions, log, in_place):
    client = start(two_versions, prediction_log=log)
    if not in_place:
        client.service.shelf.find("delay").in_place_rows = 0
    nan = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\x7f")[0]  # with bits of its own
    distances = [0.1, -0.0, 0.0, 5e-324, 1.7e308, float("inf"), nan, float("nan"), 2.0**60]
    columns = {name: np.array(distances) for name in ("distance", "dep delay", "customer")}
    inputs = [
        {"name": n, "shape": [9], "datatype": "FP64", "parameters": {"binary_data_size": 72}}
        for n in columns
    ]
    head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    content = head + b"".join(column.tobytes() for column in columns.values())
    headers = {HEADER.decode(): str(len(head))}
    answer = client.post("/v2/models/delay/infer", content, headers=headers)
    assert answer.status_code == 200
    length = int(answer.headers[HEADER.decode()])
    rows = [{"distance": d, "dep delay": None, "customer": 7} for d in (0.1, -0.0, 5e-324, None)]
    shown = client.post("/predict/delay", {"rows": rows}).json()["answers"]
    client.service.stop()
    first, second = (
        read(log.folder).filter(pa.compute.equal(pa.compute.field("request_id"), request_id))
        for request_id in sorted(set(read(log.folder)["request_id"].to_pylist()))
    )
    assert np.array(first["prediction"]).tobytes() == answer.content[length:]
    features = first["features"].combine_chunks()
    for name, values in columns.items():
        assert np.array(features.field(name)).tobytes() == values.tobytes()
    assert bits(second["prediction"].to_pylist()) == bits(a["value"] for a in shown)
    logged = second["features"].to_pylist()
    assert [bits(row.values()) for row in logged] == [bits(row.values()) for row in rows]
    assert second["row"].to_pylist() == [0, 1, 2, 3]
    assert set(second["role"].to_pylist()) == {"champion"}


def test_classes_and_every_type_of_column(start, published, tmp_path):
    settings = LogSettings(tmp_path / "log", ("*",))
    client = start(published, prediction_log=settings)
    late = {"distance": 733.0, "dep delay": None, "carrier": "UA"}
    kinds = {
        'the "hour"': 7,
        "carrier": "naïve ☃",
        "weekend": None,
        "at": "2013-06-01T12:00:00.000001",
    }
    pair = {"distance": 100.0}
    shown = {
        name: client.post(f"/predict/{name}", {"rows": [row, row]}).json()["answers"][1]
        for name, row in (("late", late), ("kinds", kinds), ("pair", pair))
    }
    assert client.post("/predict/pair", {"rows": [{"distance": 1e300}]}).status_code == 422
    client.service.stop()
    for name, answer in shown.items():
        table = pq.read_table(next((tmp_path / "log" / name / "1").glob("*.parquet")))
        assert table.num_rows == 2, "what was refused was no answer"
        row = table.to_pylist()[1]
        assert row["prediction"] == answer["value"]
        assert row.get("probability") == answer.get("probability")
    features = pq.read_table(tmp_path / "log/kinds")["features"].to_pylist()[0]
    assert features["carrier"] == "naïve ☃"
    assert features["at"].isoformat() == "2013-06-01T12:00:00.000001"
    assert features["weekend"] is None
    assert features['the "hour"'] == 7


def test_versions_that_are_served_no_more_are_let_go(start, registry, rules, log):
    """Neither the log nor the rules keep a model in memory when it is gone."""
    path = rules('canary = { alias = "challenger", percent = 50, key = "customer" }')
    client = start(registry, prediction_log=log, traffic=path)
    service = client.service
    rows = [ROW | {"customer": customer} for customer in range(20)]
    assert client.post("/predict/delay", {"rows": rows}).json()["version"] is None
    challenger = weakref.ref(service.shelf.find("delay@challenger"))
    rules("")
    os.utime(path, ns=(0, 0))
    service.traffic.look()
    foresql.Registry.open(registry).move_alias("delay", "challenger", 1, expected=2)
    service.shelf.refresh()
    service.traffic.log.stop(PATIENCE)
    gc.collect()
    assert challenger() is None
    assert read(log.folder).num_rows == 20


@pytest.mark.parametrize(
    ("chosen", "columns"), [((), None), (("customer",), ["customer"]), (("*",), [*ROW])]
)
def test_features_are_kept_that_were_named(start, two_versions, tmp_path, chosen, columns):
    settings = LogSettings(tmp_path / "log", chosen)
    client = start(two_versions, prediction_log=settings)
    client.post("/predict/delay", {"rows": [ROW]}, headers={"foresql-entity": "7"})
    client.service.stop()
    table = read(settings.folder)
    assert table["entity"].to_pylist() == ["7"]
    names = [field.name for field in table.schema.field("features").type] if columns else None
    assert names == columns
    assert ("features" in table.schema.names) == bool(columns)


def test_what_the_command_says_of_it(two_versions, tmp_path):
    assert log_settings(None, None, None) is None
    assert log_settings(tmp_path, None, None) == LogSettings(tmp_path, (), 300.0)
    assert log_settings(tmp_path, "all", 5).features == ("*",)
    assert log_settings(tmp_path, "a, b", 5).features == ("a", "b")
    with pytest.raises(ForesqlError, match="goes with --prediction-log FOLDER"):
        log_settings(None, "all", None)
    with pytest.raises(ForesqlError, match="No model that is served has a feature 'custmer'"):
        App(Settings(two_versions, prediction_log=LogSettings(tmp_path, ("custmer",))))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ForesqlError, match="cannot be made"):
        App(Settings(two_versions, prediction_log=LogSettings(file)))


def test_a_full_queue_drops_and_counts(start, two_versions, log, monkeypatch):
    monkeypatch.setattr(log_module, "QUEUED_ROWS", 10)
    client = start(two_versions, prediction_log=log)
    held, written = threading.Event(), client.service.traffic.log
    write = written._write
    monkeypatch.setattr(written, "_write", lambda records: (held.wait(PATIENCE), write(records)))
    answers = [client.post("/predict/delay", {"rows": [ROW] * 3}) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    metrics = client.get("/metrics").text
    dropped = written.queue.dropped
    assert dropped == 60 - written.queue.rows >= 50
    assert f'foresql_prediction_log_dropped_rows_total{{reason="full"}} {dropped}' in metrics
    held.set()
    client.service.stop()
    assert read(log.folder).num_rows == 60 - dropped == written.written


def test_a_disk_that_fails_fails_no_answer(start, two_versions, log, monkeypatch, caplog):
    client = start(two_versions, prediction_log=log)
    written = client.service.traffic.log
    monkeypatch.setattr(log_module, "RECOVER_SECONDS", 0.0)

    def post_and_wait(rows, count):
        assert client.post("/predict/delay", {"rows": [ROW] * rows}).status_code == 200
        end = time.monotonic() + PATIENCE
        while written.written + written.lost < count:
            assert time.monotonic() < end
            time.sleep(0.01)

    post_and_wait(2, 2)
    write = os.write

    def full(file, content):
        write(file, bytes(content[:11]))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(journal.os, "write", full)
        post_and_wait(3, 5)
    post_and_wait(4, 9)
    client.service.stop()
    assert (written.written, written.lost) == (6, 3)
    assert read(log.folder).num_rows == 6
    assert "No space left on device" in caplog.text
    assert [*log.folder.rglob(".*")] == []


def test_files_are_closed_by_time_and_size(start, two_versions, tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "FLUSH_SECONDS", 0.01)
    for number, (seconds, size) in enumerate(((0.05, 2**30), (300, 1))):
        monkeypatch.setattr(log_module, "FILE_BYTES", size)
        settings = LogSettings(tmp_path / str(number), (), seconds)
        client = start(two_versions, prediction_log=settings)
        for _ in range(3):
            before = len([*settings.folder.glob("*/*/*.parquet")])
            client.post("/predict/delay", {"rows": [ROW]})
            end = time.monotonic() + PATIENCE
            while len([*settings.folder.glob("*/*/*.parquet")]) == before:
                assert time.monotonic() < end
                time.sleep(0.01)
        client.service.stop()
        assert read(settings.folder).num_rows == 3


def test_files_are_closed_under_a_steady_load(start, two_versions, log, monkeypatch):
    """Also while the queue is never empty."""
    monkeypatch.setattr(log_module, "FILE_BYTES", 1)
    client = start(two_versions, prediction_log=log)
    written = client.service.traffic.log
    write, rounds = written._write, []

    def again(records):
        write(records)
        rounds.append(len(records))
        if not [*log.folder.glob("*/*/*.parquet")] and len(rounds) < 50:
            written.queue.put(records[0])

    monkeypatch.setattr(written, "_write", again)
    client.post("/predict/delay", {"rows": [ROW]})
    client.service.stop()
    assert len(rounds) == 2
    assert read(log.folder).num_rows == 2


@pytest.mark.parametrize("is_done", [True, False])
def test_a_journal_that_another_process_took(start, two_versions, log, monkeypatch, is_done):
    """It is made before it is locked, and another process may find it between the two."""
    client = start(two_versions, prediction_log=log)
    lock, taken = journal.lock, []

    def late(file):
        if not taken:
            [path] = log.folder.rglob(f".*{journal.SUFFIX}")
            taken.append(os.open(path, os.O_RDWR))
            if is_done:
                assert recover(path)
            else:
                assert lock(taken[0])
        return lock(file)

    monkeypatch.setattr(journal, "lock", late)
    client.post("/predict/delay", {"rows": [ROW]})
    client.service.stop()
    os.close(taken[0])
    assert read(log.folder).num_rows == 1
    assert client.service.traffic.log.lost == 0
    assert [*log.folder.rglob(".*")] == []


SCHEMA = pa.schema([("model_name", pa.string()), ("role", pa.string()), ("x", pa.float64())])


def batch(start, rows=3):
    columns = [["m"] * rows, ["r"] * rows, [float(start + i) for i in range(rows)]]
    return pa.record_batch([pa.array(column) for column in columns], schema=SCHEMA)


@pytest.fixture
def left(tmp_path):
    """A journal that its process left behind, and where each of its batches ends."""
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    made = Journal(folder, "x", SCHEMA)
    ends = [made.size]
    for number in range(3):
        made.append(batch(number * 3))
        ends.append(made.size)
    made.leave()
    return made.path, ends


def test_a_journal_that_is_cut_anywhere_gives_its_whole_batches(left):
    path, ends = left
    whole = path.read_bytes()
    parquet = path.with_name("x.parquet")
    near = [end + step for end in ends for step in (-1, 0, 1)]
    for size in sorted({*range(0, len(whole), 97), *near} - {len(whole) + 1}):
        path.write_bytes(whole[:size])
        assert recover(path)
        assert not path.exists()
        batches = sum(size >= end for end in ends[1:])
        assert parquet.exists() == (batches > 0)
        if batches:
            expected = [float(value) for value in range(batches * 3)]
            assert pq.read_table(parquet)["x"].to_pylist() == expected
            parquet.unlink()


def test_a_byte_that_changed_ends_what_is_read(left):
    path, ends = left
    content = bytearray(path.read_bytes())
    content[ends[1] + 100] ^= 1
    path.write_bytes(content)
    assert recover(path)
    assert pq.read_table(path.with_name("x.parquet"))["x"].to_pylist() == [0.0, 1.0, 2.0]


def test_the_journal_of_a_process_that_lives_is_left_alone(tmp_path):
    mine = Journal(tmp_path, "x", SCHEMA)
    mine.append(batch(0))
    script = (
        "import sys; from pathlib import Path; "
        "from foresql.serving.prediction_log.journal import recover; "
        "print(recover(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, str(mine.path)]
    assert subprocess.check_output(command, text=True, timeout=PATIENCE) == "False\n"
    mine.close()
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 3
    assert not recover(mine.path)


def ask(url, count):
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        for customer in range(count):
            body = {"rows": [ROW | {"customer": customer}]}
            assert client.post("/predict/delay", json=body).status_code == 200


def written_rows(server) -> int:
    text = httpx.get(server.url + "/metrics", timeout=PATIENCE).text
    line = next(x for x in text.splitlines() if x.startswith("foresql_prediction_log_rows_total "))
    return int(line.split()[1])


def test_a_kill_loses_what_was_not_flushed_and_no_more(serve, two_versions, tmp_path):
    folder = tmp_path / "log"
    options = ["--prediction-log", folder, "--prediction-log-features", "customer"]
    first, second = (serve(two_versions, *options) for _ in range(2))
    ask(first.url, 50)
    ask(second.url, 10)
    end = time.monotonic() + PATIENCE
    while written_rows(first) < 50 or written_rows(second) < 10:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    assert [*folder.glob("*/*/*.parquet")] == [], "what is not whole has no name that readers find"
    # A further server closes what the killed one left, and leaves alone what the second one has.
    third = serve(two_versions, *options)
    ask(third.url, 5)
    while not [*folder.glob("*/*/*.parquet")]:
        assert time.monotonic() < end
        time.sleep(0.05)
    customers = [row["customer"] for row in read(folder)["features"].to_pylist()]
    assert sorted(customers) == [float(c) for c in range(50)]
    assert second.stop() == third.stop() == 0
    assert read(folder).num_rows == 65
    assert len(set(read(folder)["request_id"].to_pylist())) == 65
    assert [*folder.rglob(".*")] == []
    with duckdb.connect() as connection:
        query = f"SELECT count(*) FROM '{folder}/delay/*/*.parquet'"
        assert connection.execute(query).fetchall() == [(65,)]
    assert {path.stat().st_mode & 0o027 for path in folder.glob("*/*/*")} == {0}
