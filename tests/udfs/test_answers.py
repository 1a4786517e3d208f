"""What each function of a model gives, and of which type."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import foresql

SMALL = {"n_estimators": 8, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
LABELS = {
    "text": (np.array(["no", "YES", "naïve ☃"]), "VARCHAR"),
    "integers": (np.array([-5, 0, 2**40]), "BIGINT"),
    "floats": (np.array([-1.0, 0.0, 2.0]), "DOUBLE"),
    "small integers": (np.array([3, 4, 5], np.int8), "BIGINT"),
}


@pytest.fixture
def types(con):
    """The types of a query's columns, as SQL writes them."""
    return lambda sql: [str(kind) for kind in con.sql(sql).types]


def test_regression(add, regressor, types):
    registration = add(regressor)
    assert types("SELECT predict(t) FROM t") == ["DOUBLE"]
    assert registration.functions == {"predict": "predict", "explain": "predict_explain"}
    assert "class probabilities" in registration.omitted["predict_proba"]
    assert "calibration=" in registration.omitted["interval"]


def test_raw_scores_of_trees_are_bit_equal(add, regressor, con):
    add(regressor)
    found = con.execute("SELECT predict(t) FROM t").fetchnumpy()
    (scores,) = found.values()
    assert np.asarray(scores).tobytes() == regressor.predictions.tobytes()


def test_binary_gives_labels_and_the_positive_class(add, binary, column, types):
    add(binary)
    assert types("SELECT predict(t), predict_proba(t) FROM t") == ["BOOLEAN", "DOUBLE"]
    assert column("SELECT predict(t) FROM t") == binary.predictions.tolist()
    positive = column("SELECT predict_proba(t) FROM t")
    assert np.allclose(positive, binary.probabilities[:, 1], rtol=1e-15, atol=0)


def test_multiclass_gives_labels_and_a_struct(add, multiclass, column, types):
    add(multiclass)
    assert types("SELECT predict(t), predict_proba(t) FROM t") == [
        "VARCHAR",
        'STRUCT(early DOUBLE, late DOUBLE, "on time" DOUBLE)',
    ]
    assert column("SELECT predict(t) FROM t") == multiclass.predictions.tolist()
    found = column("SELECT predict_proba(t) FROM t")
    assert list(found[0]) == multiclass.estimator.classes_.tolist()
    probabilities = np.array([list(each.values()) for each in found])
    assert np.allclose(probabilities, multiclass.probabilities, rtol=1e-15, atol=0)
    late = column('SELECT predict_proba(t)."on time" FROM t')
    assert late == probabilities[:, 2].tolist()


@pytest.fixture(params=[(kind, count) for kind in LABELS for count in (2, 3)], ids=str)
def labelled(request, fit, flights):
    """A classifier of two or three labels of some type, and the type that they have in SQL."""
    kind, count = request.param
    labels, sql_type = LABELS[kind]
    target = labels[np.arange(len(flights)) % count]
    return fit(lightgbm.LGBMClassifier(**SMALL), flights, target), sql_type


def test_labels_keep_their_type(labelled, add, column, types):
    fitted, sql_type = labelled
    add(fitted)
    assert types("SELECT predict(t) FROM t") == [sql_type]
    assert column("SELECT predict(t) FROM t") == fitted.predictions.tolist()
    probabilities = column("SELECT predict_proba(t) FROM t")
    if len(fitted.estimator.classes_) > 2:
        names = [str(label) for label in fitted.estimator.classes_.tolist()]
        assert list(probabilities[0]) == names
    else:
        assert np.allclose(probabilities, fitted.probabilities[:, 1], rtol=1e-15, atol=0)


def test_labels_that_sql_cannot_tell_apart_have_no_struct(fit, flights, add, column):
    target = np.array(["yes", "YES", "no"])[np.arange(len(flights)) % 3]
    fitted = fit(lightgbm.LGBMClassifier(**SMALL), flights, target)
    registration = add(fitted)
    assert column("SELECT predict(t) FROM t") == fitted.predictions.tolist()
    assert list(registration.functions) == ["predict"]
    assert "differ only by case" in registration.omitted["predict_proba"]
    assert "differ only by case" in registration.omitted["explain"]


def test_several_outputs_are_a_vector(fit, add, column, types):
    frame = pd.DataFrame(np.random.default_rng(3).normal(size=(50, 2)), columns=["a", "b"])
    target = np.stack([frame["a"] * 2, frame["b"] - 1, frame["a"] + frame["b"]], axis=1)
    fitted = fit(LinearRegression(), frame, target)
    registration = add(fitted)
    assert types("SELECT predict(t) FROM t") == ["DOUBLE[3]"]
    assert np.allclose(column("SELECT predict(t) FROM t"), fitted.predictions, atol=1e-14)
    assert column("SELECT predict(t)[2] FROM t WHERE false") == []
    (explained,) = column("SELECT predict_explain(t) FROM t LIMIT 1")
    assert list(explained) == ["output_0", "output_1", "output_2"]
    assert list(registration.functions) == ["predict", "explain"]


def test_a_pipeline_with_text_and_missing_values(con, column):
    frame = pd.DataFrame(
        {
            "city": ["Oslo", "Rome", None, "Rome", "naïve ☃"] * 20,
            "size": [1.0, np.nan, 3.0, 4.0, 5.0] * 20,
            "unused": range(100),
        }
    )
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["city"]),
            (make_pipeline(SimpleImputer(), StandardScaler()), ["size"]),
        ),
        LogisticRegression(),
    ).fit(frame, np.arange(100) % 3 == 0)
    foresql.register(con, pipeline, like=frame)
    con.register("t", frame)
    assert column("SELECT predict(t) FROM t") == pipeline.predict(frame).tolist()
    positive = column("SELECT predict_proba(t) FROM t")
    assert np.allclose(positive, pipeline.predict_proba(frame)[:, 1], rtol=1e-13)
    (unseen,) = column("SELECT predict_proba('Paris', NULL)")
    paris = pd.DataFrame({"city": ["Paris"], "size": [np.nan], "unused": [0]})
    assert unseen == pytest.approx(pipeline.predict_proba(paris)[0, 1], rel=1e-13)


def test_explanations_add_up_to_the_raw_score(add, regressor, con, types):
    add(regressor)
    (kind,) = types("SELECT predict_explain(t) FROM t")
    assert kind == (
        'STRUCT(base_value DOUBLE, contributions STRUCT("distance" DOUBLE, seats DOUBLE, '
        "rain DOUBLE, carrier DOUBLE))"
    )
    rows = con.execute(
        "SELECT e.base_value, list_sum([c.distance, c.seats, c.rain, c.carrier]), p FROM "
        "(SELECT e, e.contributions AS c, p FROM "
        "(SELECT predict_explain(t) AS e, predict(t) AS p FROM t))"
    ).fetchall()
    for base, contributed, prediction in rows:
        assert base + contributed == pytest.approx(prediction, rel=1e-12)


def test_explanations_are_those_of_lightgbm(add, regressor, column):
    add(regressor)
    shap = regressor.estimator.predict(regressor.frame, pred_contrib=True)
    found = column("SELECT predict_explain(t) FROM t")
    ours = [[*each["contributions"].values(), each["base_value"]] for each in found]
    assert np.allclose(ours, shap, rtol=1e-9, atol=1e-9)


def test_explanations_by_value_and_by_row_agree(add, multiclass, column):
    add(multiclass)
    by_row = column("SELECT predict_explain(t) FROM t LIMIT 20")
    assert list(by_row[0]) == ["early", "late", "on time"]
    by_value = column("SELECT predict_explain(distance, seats, rain, carrier) FROM t LIMIT 20")
    assert by_row == by_value


def test_the_version_is_a_constant(add, regressor, column, types):
    registration = add(regressor, version=3)
    assert registration.functions["version"] == "predict_version"
    assert column("SELECT predict_version()") == [3]
    assert types("SELECT predict_version()") == ["BIGINT"]


@pytest.mark.parametrize(
    "names",
    [
        ("predict", "predict_proba", "predict_explain", "predict_version"),
        ("predict_x", "predict_proba_x", "explain_x", "version_x"),
        ("Predict_X", "predict_proba_X", "explain_X", "version_X"),
        ("score", "score_proba", "score_explain", "score_version"),
        ("predictor", "predictor_proba", "predictor_explain", "predictor_version"),
    ],
)
def test_functions_are_named_after_the_predicting_one(add, binary, column, names):
    registration = add(binary, names[0], version=5)
    kinds = ("predict", "predict_proba", "explain", "version")
    assert registration.functions == dict(zip(kinds, names, strict=True))
    for function in names[:-1]:
        assert len(column(f"SELECT {function}(t) FROM t")) == len(binary.frame)
    assert column(f"SELECT {names[-1]}()") == [5]
