"""A prediction log is compared and reported on by what its files hold."""

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from foresql.cli import main
from foresql.monitoring import MonitoringError
from foresql.monitoring.prediction_log import connect_log
from foresql.monitoring.traffic import compare_traffic

START = datetime(2026, 1, 1, tzinfo=UTC)
NAN = float("nan")


def write(folder, version, role, answers, name="m", **more):
    """Write a closed file: a request for each answer."""
    count = len(answers)
    columns = {
        "answered_at": [START + timedelta(minutes=i) for i in range(count)],
        "request_id": [f"r{i}" for i in range(count)],
        "row": [0] * count,
        "model_name": [name] * count,
        "model_version": [version] * count,
        "role": [role] * count,
        "entity": [str(i % 2) for i in range(count)],
        "prediction": answers,
        **more,
    }
    path = folder / name / str(version) / f"{role}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_numbers(tmp_path):
    features = [{"x": float(i)} for i in range(6)]
    write(tmp_path, 1, "champion", [1.0, 2.0, NAN, NAN, None, float("inf")], features=features)
    write(tmp_path, 2, "shadow", [1.0, 2.5, NAN, 3.0, 1.0, 1.0])
    [found] = compare_traffic(tmp_path).comparisons
    assert (found.model, found.version, found.shadow) == ("m", 1, 2)
    assert (found.rows, found.agreeing, found.agreement) == (6, 2, 2 / 6)
    assert (found.mean_difference, found.largest_difference) == (0.25, float("inf"))
    assert {each["request_id"] for each in found.examples} == {"r1", "r3", "r4", "r5"}
    example = next(each for each in found.examples if each["request_id"] == "r1")
    assert (example["prediction"], example["shadow_prediction"]) == (2.0, 2.5)
    assert example["features"] == {"x": 1.0}
    [near] = compare_traffic(tmp_path, tolerance=0.5, examples=0).comparisons
    assert (near.agreeing, near.examples) == (3, [])


def test_labels_with_probabilities(tmp_path):
    write(tmp_path, 1, "champion", ["a", "b", "a"], probability=[0.25, 0.75, 0.125])
    write(tmp_path, 3, "shadow", ["a", "a", "a"], probability=[0.5, 0.25, 0.125])
    [found] = compare_traffic(tmp_path).comparisons
    assert (found.agreeing, found.mean_difference, found.largest_difference) == (2, 0.25, 0.5)


def test_several_classes_and_several_outputs(tmp_path):
    shares = [{"a'\"": 0.5, "b": 0.25, "c": 0.25}]
    others = [{"a'\"": 0.5, "b": 0.5, "c": 0.0}]
    write(tmp_path, 1, "champion", ["a"], probability=shares)
    write(tmp_path, 2, "shadow", ["a"], probability=others)
    write(tmp_path, 1, "champion", [[1.0, 2.0]], name="pair")
    write(tmp_path, 2, "shadow", [[1.5, 1.0]], name="pair")
    one, other = compare_traffic(tmp_path).comparisons
    assert (one.agreeing, one.largest_difference) == (1, 0.25)
    assert (other.agreeing, other.largest_difference) == (0, 1.0)


def test_answers_of_different_types(tmp_path):
    write(tmp_path, 1, "champion", [1, 2])
    write(tmp_path, 2, "shadow", ["1", "x"])
    [found] = compare_traffic(tmp_path).comparisons
    assert (found.agreeing, found.mean_difference) == (1, None)


def test_canaries_are_listed_and_have_no_pairs(tmp_path):
    write(tmp_path, 1, "champion", [1.0] * 3)
    write(tmp_path, 2, "canary", [1.0] * 2)
    found = compare_traffic(tmp_path)
    assert found.comparisons == []
    shares = [(s.version, s.role, s.rows, s.requests, s.entities) for s in found.shares]
    assert shares == [(1, "champion", 3, 3, 2), (2, "canary", 2, 2, 2)]
    assert found.shares[0].last == START.replace(tzinfo=None) + timedelta(minutes=2)


def test_the_command(tmp_path):
    write(tmp_path, 1, "champion", [1.0, NAN])
    write(tmp_path, 2, "shadow", [1.25, NAN])
    shown = CliRunner().invoke(main, ["traffic", "compare", str(tmp_path)])
    assert "version 2 in the shadow of version 1 agrees in 1 of 2 rows (50.00%)" in shown.stdout
    assert "mean difference 0.25, largest 0.25" in shown.stdout
    printed = CliRunner().invoke(main, ["traffic", "compare", str(tmp_path), "--json"]).stdout
    [comparison] = json.loads(printed)["comparisons"]
    assert comparison["agreement"] == 0.5
    assert len(json.loads(printed)["shares"]) == 2


def test_what_cannot_be_compared_is_said(tmp_path):
    with pytest.raises(MonitoringError, match="holds no closed file"):
        compare_traffic(tmp_path)
    with pytest.raises(MonitoringError, match="holds no closed file"):
        connect_log(tmp_path)
    write(tmp_path, 1, "champion", [1.0], name="delay")
    with pytest.raises(MonitoringError, match=r"nothing of 'dely'. Did you mean 'delay'"):
        compare_traffic(tmp_path, "dely")
    (tmp_path / "delay/1/broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(MonitoringError, match="cannot be read"):
        compare_traffic(tmp_path)


def test_views_hold_what_was_answered(tmp_path):
    write(tmp_path, 1, "champion", [1.0], features=[{"x": 1.5}])
    write(tmp_path, 2, "canary", [2.0], features=[{"x": 2.5, "y": "z"}])
    write(tmp_path, 3, "shadow", [9.0], features=[{"x": 9.5}])
    with connect_log(tmp_path) as connection:
        query = "SELECT answer_id, prediction, role FROM m_predictions ORDER BY 2"
        found = connection.execute(query).fetchall()
        assert found == [("r0/0", 1.0, "champion"), ("r0/0", 2.0, "canary")]
        features = connection.execute("SELECT x, y FROM m_features ORDER BY x").fetchall()
        assert features == [(1.5, None), (2.5, "z")]
