"""A Spark session, and a registry with a classifier of three kinds of columns."""

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import spark_session
from sklearn.linear_model import LinearRegression

import foresql

SMALL = {"n_estimators": 20, "num_leaves": 7, "n_jobs": 1, "verbose": -1}


@pytest.fixture(scope="session")
def session():
    try:
        return spark_session.spark_session()
    except spark_session.MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    made = pd.DataFrame(
        {
            "distance": random.normal(1000, 400, 600).round(1),
            "carrier": pd.Categorical(random.choice(["AA", "UA", 'É☃ "hi"'], 600)),
            "Hour of day": random.integers(0, 24, 600).astype(float),
        }
    )
    made.loc[::7, "distance"] = np.nan
    made.loc[::11, "carrier"] = None
    return made


@pytest.fixture(scope="session")
def late(frame):
    target = (frame["distance"].fillna(0) > 900) ^ (frame["Hour of day"] > 12)
    return lightgbm.LGBMClassifier(**SMALL).fit(frame, target)


@pytest.fixture(scope="session")
def registry(frame, late, tmp_path_factory):
    """`delay` is a classifier, of which version 2 is a challenger; `minutes` has intervals."""
    folder = tmp_path_factory.mktemp("spark") / "registry"
    options = {"registry": folder, "probe_rows": 200}
    foresql.publish("delay", late, like=frame, alias="champion", **options)
    target = pd.cut(frame["Hour of day"], 3, labels=["early", "noon", "late"]).astype(str)
    three = lightgbm.LGBMClassifier(**SMALL).fit(frame, target)
    foresql.publish("delay", three, like=frame, alias="challenger", **options)
    hours = frame[["Hour of day"]]
    line = LinearRegression().fit(hours, hours["Hour of day"] * 2 + 1)
    calibration = hours, hours["Hour of day"] * 2 + np.arange(len(hours)) % 3
    foresql.publish("minutes", line, like=hours, calibration=calibration, **options)
    return folder


@pytest.fixture(scope="session")
def rows(session, frame):
    """The frame as a view of Spark, with columns in another order, and one more."""
    given = frame.assign(carrier=frame["carrier"].astype(object), id=range(len(frame)))
    table = pa.Table.from_pandas(given[["id", "Hour of day", "carrier", "distance"]])
    made = session.createDataFrame(table.replace_schema_metadata(None))
    made.createOrReplaceTempView("flights")
    return made


@pytest.fixture(scope="session")
def spark(session, registry, rows):
    """The session, with the view and all functions."""
    assert rows.columns
    foresql.spark.register(session, "delay@champion", registry=registry)
    foresql.spark.register(session, "delay:2", name="predict_part", registry=registry)
    foresql.spark.register(session, "minutes:1", registry=registry)
    return session
