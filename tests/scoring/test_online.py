"""Models that answer for single rows: the library's own answers."""

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

import foresql
from foresql import OnlineModel


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
