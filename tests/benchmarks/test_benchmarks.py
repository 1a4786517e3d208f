"""The benchmarks' frame: what they print, and how they speak to peers. No times are checked."""

import importlib.util
import inspect
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.py"))


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_imports_and_has_a_main_without_arguments(path, monkeypatch):
    name = f"benchmark_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look up the types of their fields.
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    assert not inspect.signature(module.main).parameters
    assert module.__doc__


def test_report_ends_with_one_line_of_json(capsys):
    from measuring import Row, compare, refused, report

    rows = [
        compare("a case", "a peer", lambda: None, lambda: None, bar=2, max_diff=0.0, rounds=5),
        Row("another", "a peer", 1e-9, 1.0, 1e9, 2, float("inf"), peer_diff=0.5, note="a note"),
        refused("a third", "a peer", "cannot be installed", bar=2),
    ]
    report("nothing", rows)
    table, line = capsys.readouterr().out.strip().rsplit("\n", 1)
    assert "a note" in table
    assert "peak" not in table
    printed = json.loads(line, parse_constant=pytest.fail)
    assert set(printed) == {"benchmark", "machine", "rows"}
    first, second, third = printed["rows"]
    assert first["ratio"] == first["peer_seconds"] / first["ours_seconds"]
    assert second["max_diff"] == "inf"
    assert third["ratio"] is None
    assert third["note"] == "cannot be installed"


def test_rounds_interleave():
    from measuring import compare

    calls = []
    ours, theirs = (lambda: calls.append("ours")), (lambda: calls.append("theirs"))
    compare("case", "peer", ours, theirs, bar=1, max_diff=0.0, rounds=3)
    assert calls == ["ours", "theirs"] * 4


def test_a_row_shows_one_call(monkeypatch):
    from measuring import compare, rows

    clock = iter(range(100))
    monkeypatch.setattr(rows.time, "perf_counter", lambda: float(next(clock)))
    row = compare("case", "peer", list, list, bar=1, max_diff=0.0, rounds=3, calls=10)
    assert (row.ours_seconds, row.peer_seconds, row.ratio) == (0.1, 0.1, 1.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ([1.0, np.nan, np.inf], [1.0, np.nan, np.inf], 0.0),
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([1.0], [np.nan], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([], [], 0.0),
    ],
)
def test_largest_difference(ours, theirs, difference):
    from measuring import largest_difference

    assert largest_difference(ours, theirs) == difference


def test_a_peer_that_cannot_be_used_says_why(tmp_path, monkeypatch):
    from measuring import environments

    monkeypatch.setattr(environments, "python_of", lambda _name: Path(sys.executable))
    with environments.Peer("lleaves", tmp_path) as peer:
        with pytest.raises(environments.PeerError, match="No module named 'lleaves'"):
            peer.load(tmp_path / "model.txt")
        with pytest.raises(environments.PeerError, match="AttributeError"):
            peer.clock()


def test_hard_rows_sit_on_thresholds_and_beside_them():
    from measuring.boosters import hard_rows

    from foresql.frontends import Training, convert

    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(400, 3))
    lgb = pytest.importorskip("lightgbm")
    booster = lgb.train({"verbose": -1}, lgb.Dataset(matrix, matrix[:, 0] * matrix[:, 1]), 3)
    model = convert(booster, Training.of(matrix, booster))
    hard = hard_rows(model, matrix, 1_000)
    trees = model.steps[0].trees
    at = trees.threshold[trees.feature == 0]
    assert np.isin(hard[:, 0], at).any()
    assert np.isin(hard[:, 0], np.nextafter(at, np.inf)).any()
    assert np.isnan(hard).any()
    assert np.isin(hard, matrix).mean() > 0.5
