"""Scoring a file: what it says, what is refused, and what is left behind."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from children import child

import foresql
from foresql import ScoringError, SignatureError


def test_scored_at_is_now(score, orders, tmp_path):
    orders.to_parquet(tmp_path / "in.parquet")
    before = datetime.now(UTC) - timedelta(seconds=1)
    score("amount", "in.parquet", "out.parquet")
    (at,) = set(pq.read_table(tmp_path / "out.parquet")["scored_at"].to_pylist())
    assert before <= at <= datetime.now(UTC)


def test_a_bundle_file_needs_no_registry(registry, orders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = next(registry.glob("bundles/*.foresql"))
    (tmp_path / "model.foresql").write_bytes(bundle.read_bytes())
    orders.to_parquet(tmp_path / "in.parquet")
    scored = foresql.score_file("model.foresql", "in.parquet", "out.parquet")
    assert scored.version is None
    found = pq.read_table(tmp_path / "out.parquet")
    assert set(found["model_version"].to_pylist()) == {None}
    assert set(found["model_name"].to_pylist()) == {scored.model}


NAMES = ["a*.parquet", "a[1].parquet", "a?.parquet", "it's; é.parquet", "UP.PARQUET", "k=v.parquet"]


@pytest.mark.parametrize("name", NAMES)
def test_only_the_file_of_this_name_is_read(score, orders, tmp_path, name):
    for other in ("a1.parquet", "ab.parquet"):
        orders[:3].to_parquet(tmp_path / other)
    orders.to_parquet(tmp_path / name)
    assert score("amount", name, "out.parquet").rows == len(orders)
    assert score("amount", "a1.parquet", f"out-{name}").rows == 3
    assert "k" not in pq.read_schema(tmp_path / "out.parquet").names


def test_an_existing_output_stays(score, orders, tmp_path):
    orders.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "out.parquet").write_text("mine")
    with pytest.raises(ScoringError, match=r"out\.parquet exists.*overwrite=True"):
        score("amount", "in.parquet", "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "mine"
    assert score("amount", "in.parquet", "out.parquet", overwrite=True).rows == len(orders)


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_input_is_never_overwritten(score, orders, tmp_path, link):
    orders.to_parquet(tmp_path / "in.parquet")
    before = (tmp_path / "in.parquet").read_bytes()
    output = "in.parquet"
    if link:
        output = "link.parquet"
        link(tmp_path / "in.parquet", tmp_path / output)
    with pytest.raises(ScoringError, match="is what would be read"):
        score("amount", "in.parquet", output, overwrite=True)
    assert (tmp_path / "in.parquet").read_bytes() == before


@pytest.mark.parametrize(
    "case",
    [
        ("in.txt", "out.parquet", r"in\.txt has an unknown ending.*\.parquet"),
        ("in.parquet", "out.xlsx", r"out\.xlsx has an unknown ending"),
        ("in.parquet", "out", "unknown ending"),
        ("none.parquet", "out.parquet", r"no file .*none\.parquet"),
        ("in.parquet", "none/out.parquet", "no folder .*none"),
        ("in.parquet", "folder.parquet", "folder.parquet"),
        ("folder.parquet", "out.parquet", "cannot be read"),
        ("empty.parquet", "out.parquet", "cannot be read"),
        ("empty.arrow", "out.parquet", "cannot be read"),
        ("broken.parquet", "out.parquet", "cannot be read"),
        ("broken.csv", "out.parquet", "cannot be read"),
    ],
)
def test_paths_that_cannot_be_used(score, orders, tmp_path, case):
    source, output, message = case
    orders.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name in ("empty.parquet", "empty.arrow"):
        (tmp_path / name).touch()
    for name in ("broken.parquet", "broken.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00PAR1" * 50)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ScoringError, match=message):
        score("amount", source, output, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns=["zip", "total"]), r"lacks columns .*\['zip', 'total'\]"),
        (lambda f: f.rename(columns={"zip": "z i p"}), r"\['zip'\]"),
        (lambda f: f.assign(items="many"), "Column 'items' must be a number, and it is VARCHAR"),
        (lambda f: f.assign(zip=1067), "Column 'zip' must be text"),
        (lambda f: f.assign(express=1), "Column 'express' must be a boolean"),
        (lambda f: f.assign(Prediction=1), r"already has columns \['prediction'\].*rename"),
        (lambda f: f.assign(scored_at=1, MODEL_NAME=2), r"\['model_name', 'scored_at'\]"),
    ],
)
def test_columns_that_cannot_be_used(score, orders, tmp_path, change, message):
    change(orders).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(SignatureError, match=message):
        score("amount", "in.parquet", "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_probability_clashes_only_for_classifiers(score, orders, tmp_path):
    orders.assign(probability=0.5).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(SignatureError, match=r"\['probability'\]"):
        score("large", "in.parquet", "out.parquet")
    score("amount", "in.parquet", "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["probability"][0].as_py() == 0.5


def test_a_csv_whose_types_change_on_the_way(score, orders, tmp_path):
    many = pd.concat([orders] * 100)
    many.to_csv(tmp_path / "in.csv", index=False)
    with (tmp_path / "in.csv").open("a") as stream:
        stream.write("01067,many,1,True\n")
    with pytest.raises((ScoringError, SignatureError), match=r"total|many"):
        score("amount", "in.csv", "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize("output", ["parquet", "csv", "arrow"])
def test_a_row_that_the_library_refuses_leaves_no_file(score, orders, tmp_path, output):
    many = pd.concat([orders[["items"]]] * 50, ignore_index=True)
    many.loc[len(many) - 1, "items"] = 77
    many.to_parquet(tmp_path / "in.parquet")
    (tmp_path / f"out.{output}").write_text("old")
    with pytest.raises(ScoringError, match="'items' holds 77"):
        score("strict", "in.parquet", f"out.{output}", overwrite=True, batch_rows=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", f"out.{output}"]
    assert (tmp_path / f"out.{output}").read_text() == "old"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_in_the_middle_leaves_no_file(score, orders, tmp_path, error):
    pd.concat([orders] * 50).to_parquet(tmp_path / "in.parquet")

    def stop(done, _):
        if done > 5000:
            raise error

    with pytest.raises(error):
        score("amount", "in.parquet", "out.parquet", progress=stop, batch_rows=1000)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_full_or_forbidden_disk_is_a_message(score, orders, tmp_path, monkeypatch):
    orders.to_parquet(tmp_path / "in.parquet")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(ScoringError, match=r"cannot be written.*No space left"):
        score("amount", "in.parquet", "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


SLOW = """
import sys, time, foresql
def pause(done, total):
    print(done, flush=True)
    time.sleep(60)
foresql.score_file("amount:1", sys.argv[1], sys.argv[2], registry=sys.argv[3], progress=pause)
"""


def test_a_kill_leaves_no_output(registry, orders, tmp_path):
    """Only a hidden file stays, whose name begins with a dot and the output's name."""
    orders.to_parquet(tmp_path / "in.parquet")
    output = tmp_path / "out.parquet"
    command = [sys.executable, "-c", SLOW, tmp_path / "in.parquet", output, registry]
    with child(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"400\n"
        process.send_signal(signal.SIGKILL)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    assert left[0].startswith(".out-")
    assert left[0].endswith(".parquet")
    assert not output.exists()
    assert foresql.score_file("amount:1", tmp_path / "in.parquet", output, registry=registry).rows


MEASURED = """
import sys, foresql
def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * 4096
seen = []
foresql.score_file("amount:1", sys.argv[1], sys.argv[2], registry=sys.argv[3],
                   progress=lambda done, total: seen.append((done, resident())))
first = max(size for done, size in seen if done <= 200_000)
print((max(size for _, size in seen) - first) // 2**20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_file(registry, orders, tmp_path):
    """The file has 200 MB in memory; after its first fifth, 60 MB more are allowed."""
    source = tmp_path / "in.arrow"
    part = pa.Table.from_pandas(orders.astype({"zip": str}), preserve_index=False)
    part = part.set_column(0, "zip", part["zip"].cast(pa.string()))
    for index in range(20):
        part = part.append_column(
            f"more{index}", pa.array(np.random.default_rng(index).normal(size=400))
        )
    part = pa.concat_tables([part] * 250).combine_chunks()
    with pa.ipc.new_file(source, part.schema) as writer:
        for _ in range(10):
            writer.write_table(part)
    command = [sys.executable, "-c", MEASURED, source, tmp_path / "out.arrow", registry]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert source.stat().st_size > 170 * 2**20
    assert int(done.stdout) < 60
