"""Conformal intervals: their width, their levels, and how often they hold."""

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pytest

import foresql

ROWS = 900


@pytest.fixture(scope="module")
def noisy():
    """Rows of a line with noise: to train, to calibrate, and to count on."""
    random = np.random.default_rng(11)
    frame = pd.DataFrame({"x": random.normal(size=ROWS), "z": random.normal(size=ROWS)})
    target = 3 * frame["x"].to_numpy() + random.normal(size=ROWS)
    return [(frame[i::3].reset_index(drop=True), target[i::3]) for i in range(3)]


@pytest.fixture(scope="module")
def fitted(noisy, fit):
    estimator = lightgbm.LGBMRegressor(n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1)
    return fit(estimator, *noisy[0], calibration=noisy[1])


def test_width_is_the_residual_of_the_right_rank(add, fitted, noisy, con):
    add(fitted)
    frame, target = noisy[1]
    residuals = np.sort(np.abs(target - fitted.estimator.predict(frame)))
    for level in (0.01, 0.5, 0.9, 0.99):
        rank = int(np.ceil((len(residuals) + 1) * level))
        rows = con.execute(
            "SELECT i.low, i.high, p FROM (SELECT predict_interval(t, $1) AS i, "
            "predict(t) AS p FROM t)",
            [level],
        ).fetchall()
        low, high, prediction = np.array(rows).T
        assert np.array_equal(prediction - residuals[rank - 1], low)
        assert np.array_equal(prediction + residuals[rank - 1], high)


def test_intervals_hold_as_often_as_they_say(add, fitted, noisy, con):
    add(fitted)
    frame, target = noisy[2]
    con.register("fresh", frame.assign(y=target))
    for level in (0.5, 0.8, 0.95):
        (share,) = con.execute(
            "SELECT avg((y BETWEEN i.low AND i.high)::INT) FROM "
            f"(SELECT y, predict_interval(fresh, {level}) AS i FROM fresh)"
        ).fetchone()
        assert share == pytest.approx(level, abs=0.08)


def test_type_and_forms(add, fitted, con, column):
    add(fitted)
    (kind,) = con.sql("SELECT predict_interval(t, 0.9) FROM t").types
    assert str(kind) == "STRUCT(low DOUBLE, high DOUBLE)"
    by_row = column("SELECT predict_interval(t, 0.9) FROM t")
    assert by_row == column("SELECT predict_interval(x, z, 0.9) FROM t")
    assert by_row == column("SELECT predict_interval(level := 0.9, z := z, x := x) FROM t")
    assert by_row == column("SELECT predict_interval(t, level := 0.9) FROM t")
    assert by_row == column("SELECT predict_interval(t, 0.9::DECIMAL(3, 2)) FROM t")


def test_each_row_may_have_its_level(add, fitted, column):
    add(fitted)
    mixed = column(
        "SELECT predict_interval(t, CASE WHEN x > 0 THEN 0.5 ELSE 0.9 END) FROM t ORDER BY rowid"
    )
    half = column("SELECT predict_interval(t, 0.5) FROM t ORDER BY rowid")
    most = column("SELECT predict_interval(t, 0.9) FROM t ORDER BY rowid")
    positive = column("SELECT x > 0 FROM t ORDER BY rowid")
    assert mixed == [a if up else b for a, b, up in zip(half, most, positive, strict=True)]


def test_too_few_calibration_rows_give_an_infinite_interval(add, fitted, column):
    add(fitted)
    (found,) = column("SELECT predict_interval(t, 0.9999) FROM t LIMIT 1")
    assert found == {"low": -np.inf, "high": np.inf}


@pytest.mark.parametrize("level", ["0", "1", "-0.5", "1.5", "90", "NULL", "'nan'::DOUBLE"])
def test_levels_outside_of_0_to_1_are_refused(add, fitted, con, level):
    add(fitted)
    with pytest.raises(duckdb.InvalidInputException, match="between 0 and 1"):
        con.execute(f"SELECT predict_interval(t, {level}) FROM t").fetchall()


def test_a_level_is_needed(add, fitted, con):
    add(fitted)
    with pytest.raises(duckdb.BinderException, match="level"):
        con.execute("SELECT predict_interval(t) FROM t")


def test_a_column_may_be_called_level(fit, add, noisy, column):
    (frame, target), calibration = noisy[0], noisy[1]
    names = {"x": "level", "z": "row"}
    fitted = fit(
        lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1),
        frame.rename(columns=names),
        target,
        calibration=(calibration[0].rename(columns=names), calibration[1]),
    )
    add(fitted)
    by_row = column("SELECT predict_interval(t, 0.9) FROM t")
    by_name = column(
        'SELECT predict_interval("level" := level, "row" := row, level_ := 0.9) FROM t'
    )
    assert by_row == by_name
    assert by_row == column("SELECT predict_interval(level, t.row, 0.9) FROM t")


def test_published_intervals_come_back(noisy, con, tmp_path, column):
    estimator = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(*noisy[0])
    foresql.publish(
        "line", estimator, like=noisy[0][0], calibration=noisy[1], registry=tmp_path, probe_rows=200
    )
    registration = foresql.register(con, "line:1", registry=tmp_path)
    assert registration.functions["interval"] == "interval_line"
    frame, target = noisy[1]
    residuals = np.sort(np.abs(target - estimator.predict(frame)))
    (width,) = column("SELECT (i.high - i.low) / 2 FROM (SELECT interval_line(1, 2, 0.5) AS i)")
    assert width == pytest.approx(residuals[150], rel=1e-12)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (lambda x, y: (x, y[:-1]), "300 rows, y 299 values"),
        (lambda x, y: (x[:0], y[:0]), "0 rows"),
        (lambda x, y: (x, np.where(np.arange(len(y)) == 3, np.nan, y)), "finite"),
    ],
)
def test_bad_calibration_rows_are_refused(noisy, tmp_path, calibration, message):
    estimator = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(*noisy[0])
    with pytest.raises(foresql.SignatureError, match=message):
        foresql.publish(
            "line",
            estimator,
            like=noisy[0][0],
            calibration=calibration(*noisy[1]),
            registry=tmp_path,
            probe_rows=100,
        )


def test_classifiers_have_no_intervals(noisy, tmp_path):
    frame, target = noisy[0]
    estimator = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(frame, target > 0)
    with pytest.raises(foresql.SignatureError, match="regression with one target"):
        foresql.publish(
            "line", estimator, like=frame, calibration=noisy[1], registry=tmp_path, probe_rows=100
        )
