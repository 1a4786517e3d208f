"""Models that answer for single rows: the library's own answers."""

import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

import foresql
from foresql import OnlineModel, SignatureError


@pytest.fixture
def frame() -> pd.DataFrame:
    return load_iris(as_frame=True).data


def published(name: str, estimator, frame, tmp_path) -> OnlineModel:
    foresql.publish(name, estimator, like=frame, registry=tmp_path, alias="best", probe_rows=200)
    return foresql.load(f"{name}@best", tmp_path)


def test_a_classifier(frame, tmp_path):
    labels = load_iris().target_names[load_iris().target]
    tree = DecisionTreeClassifier(max_depth=3).fit(frame, labels)
    model = published("iris", tree, frame, tmp_path)
    assert (model.name, model.version, model.columns) == ("iris", 1, tuple(frame.columns))
    shares = tree.predict_proba(frame)
    for index, row in enumerate(frame.to_dict("records")):
        assert model.predict(row) == tree.predict(frame.iloc[[index]])[0]
        assert model.predict_proba(row) == dict(zip(tree.classes_, shares[index], strict=True))
        assert model.predict(list(row.values())) == model.predict(row)


def test_numbers_and_vectors(frame, tmp_path):
    one = LinearRegression().fit(frame, frame.sum(axis=1))
    two = LinearRegression().fit(frame, frame.to_numpy()[:, :2])
    first = published("one", one, frame, tmp_path)
    second = published("two", two, frame, tmp_path)
    row = frame.iloc[3].to_dict()
    assert first.predict(row) == pytest.approx(sum(row.values()))
    assert first.predict_proba(row) == {}
    assert second.predict(row) == pytest.approx(list(row.values())[:2])


def test_a_file(frame, tmp_path):
    published("one", LinearRegression().fit(frame, frame.sum(axis=1)), frame, tmp_path)
    path = next((tmp_path / "bundles").glob("*.foresql"))
    assert foresql.load(path).version is None


def test_rows_with_names_of_their_own_are_read_by_name(frame, tmp_path):
    model = published("one", LinearRegression().fit(frame, frame.iloc[:, 0]), frame, tmp_path)
    row = frame.iloc[3]
    expected = model.predict(row.to_dict())
    assert model.predict(row[::-1]) == expected
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        columns = ", ".join(f'{value} AS "{name}"' for name, value in row[::-1].items())
        assert model.predict(connection.execute(f"SELECT {columns}").fetchone()) == expected
    with pytest.raises(SignatureError, match=r"is missing. There are: 0, 1"):
        model.predict(row.reset_index(drop=True))


@pytest.mark.parametrize("row", [None, 3, "abcd", b"abcd", {1, 2, 3, 4}, (v for v in range(4))])
def test_what_is_no_row(row, frame, tmp_path):
    model = published("one", LinearRegression().fit(frame, frame.iloc[:, 0]), frame, tmp_path)
    with pytest.raises(SignatureError, match="A row is a mapping or a sequence"):
        model.predict(row)


@pytest.mark.parametrize("value", [10**400, pd.NaT])
def test_what_is_no_value(value, frame, tmp_path):
    model = published("one", LinearRegression().fit(frame, frame.iloc[:, 0]), frame, tmp_path)
    with pytest.raises(SignatureError, match="is no value of a column"):
        model.predict([value, 1, 1, 1])
