"""How often somebody may ask, and what is noted of who asked."""

import json
import os
import stat
from pathlib import Path

import pytest
from serving_process import of, sha256

from foresql.errors import ForesqlError
from foresql.serving import rates
from foresql.serving.access import Principal, Rate
from foresql.serving.access_file import read_access
from foresql.serving.http import Refusal

BODY = {"rows": [{"distance": 73373373.0, "dep delay": 4.0}]}

KEYS = f"""
[slow]
sha256 = "{sha256("slow")}"
models = {{ delay = ["read", "predict"] }}
requests_per_second = 0.01
burst = 3

[quick]
sha256 = "{sha256("quick")}"
models = {{ delay = ["read", "predict"] }}
"""


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    return path


def test_who_asks_too_often_waits_and_others_do_not(start, published, keys):
    client = start(published, keys=keys)
    statuses = [client.get("/models", headers=of("slow")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = client.post("/predict/delay", BODY, headers=of("slow"))
    assert refused.status_code == 429
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert "0.01 requests a second" in refused.json()["error"]
    assert {client.get("/models", headers=of("quick")).status_code for _ in range(20)} == {200}
    assert client.get("/v2/health/ready").status_code == 200


def test_a_bucket_fills_again_and_does_not_overflow():
    clock = [100.0]
    buckets = rates.Rates(lambda: clock[0])
    someone = Principal("someone", rate=Rate(2.0, 3.0))

    def taken():
        count = 0
        while True:
            try:
                buckets.take(someone)
            except Refusal as refusal:
                return count, dict(refusal.headers)[b"retry-after"]
            count += 1

    assert taken() == (3, b"1")
    clock[0] += 1.0
    assert taken() == (2, b"1")
    clock[0] += 1000
    assert taken() == (3, b"1")
    clock[0] += 0.25
    assert taken() == (0, b"1")
    clock[0] += 0.25
    assert taken() == (1, b"1")


def test_only_so_many_buckets_are_kept(monkeypatch):
    monkeypatch.setattr(rates, "REMEMBERED", 4)
    buckets = rates.Rates()
    for number in range(9):
        buckets.take(Principal(str(number), rate=Rate(1.0, 1.0)))
    assert len(buckets._buckets) == 4


@pytest.mark.parametrize(
    "line",
    [
        "requests_per_second = 0",
        "requests_per_second = -1",
        "requests_per_second = nan",
        "requests_per_second = inf",
        "requests_per_second = true",
        f"requests_per_second = {'9' * 400}",
        "requests_per_second = '5'",
        "requests_per_second = 5\nburst = 0",
        "burst = 5",
    ],
)
def test_rates_that_are_none(tmp_path, line):
    path = tmp_path / "keys.toml"
    path.write_text(f'[x]\nsha256 = "{sha256("x")}"\n{line}\n')
    with pytest.raises(ForesqlError, match="requests_per_second"):
        read_access(path)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_noted(start, published, keys, tmp_path):
    log = tmp_path / "audit.jsonl"
    client = start(published, keys=keys, audit_log=log)
    client.post("/predict/delay", BODY, headers=of("quick"))
    client.post("/predict/late", BODY, headers=of("quick"))
    client.post("/predict/delay", b"no json", headers=of("quick"))
    client.get("/models", headers=of("wrong"))
    client.get("/nothing")
    client.get("/v2/health/live")
    noted = lines(log)
    seen = [(each["principal"], each["route"], each["model"], each["status"]) for each in noted]
    assert seen == [
        ("quick", "/predict/{model}", "delay", 200),
        ("quick", "/predict/{model}", "", 404),
        ("quick", "/predict/{model}", "delay", 400),
        ("", "/models", "", 401),
        ("", "", "", 404),
    ]
    assert noted[0]["version"] == 1
    assert noted[1]["asked"] == "late"
    assert not any(word in log.read_text() for word in ("73373373", "wrong", sha256("quick")))
    assert not stat.S_IMODE(log.stat().st_mode) & stat.S_IRWXO


def test_rotation(start, published, keys, tmp_path):
    log = tmp_path / "audit.jsonl"
    client = start(published, keys=keys, audit_log=log)
    client.get("/models", headers=of("quick"))
    log.rename(tmp_path / "audit.1")
    client.get("/models", headers=of("quick"))
    client.service.audit.reopen()
    client.get("/models", headers=of("quick"))
    client.service.audit.reopen()
    client.get("/models", headers=of("quick"))
    assert len(lines(tmp_path / "audit.1")) == len(lines(log)) == 2


def test_a_log_that_cannot_be_opened(start, published, tmp_path):
    with pytest.raises(ForesqlError, match="No such file"):
        start(published, audit_log=tmp_path / "none/audit.jsonl")


def test_a_full_disk_stops_no_answer(start, published, keys, tmp_path, caplog):
    client = start(published, keys=keys, audit_log=tmp_path / "audit.jsonl")
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), client.service.audit._file)
    for _ in range(2):
        assert client.get("/models", headers=of("quick")).status_code == 200
    assert caplog.text.count("cannot be written") == 1
