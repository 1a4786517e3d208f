from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.ir import Column, ColumnType, Model, Outputs, Signature, Trees
from foresql.ir import steps as s
from foresql.ir.steps import Function, Operator
from foresql.kernels import Scorer
from foresql.kernels.attribution import _AFFINE
from foresql.kernels.contributions import (
    Explainer,
    explain,
    explanation_problem,
    with_background,
)

ROWS = 400


def flights():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "distance": rng.normal(900, 300, ROWS).round(1),
            "hour": rng.integers(0, 24, ROWS).astype(float),
            "carrier": rng.choice(["AA", "B6", "UA", "WN"], ROWS),
            "wind": rng.exponential(10, ROWS),
        }
    )
    delay = (
        frame["hour"] * 0.8 + (frame["carrier"] == "B6") * 9 + frame["wind"] * frame["hour"] / 20
    )
    frame.loc[rng.random(ROWS) < 0.1, "wind"] = np.nan
    frame.loc[rng.random(ROWS) < 0.1, "carrier"] = None
    return frame, delay.to_numpy()


def prepared(last):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    keys = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = make_column_transformer(
        (numbers, ["wind", "distance", "hour"]),
        (keys, ["carrier"]),
        sparse_threshold=0,
    )
    return make_pipeline(columns, last)


def explained(model, table):
    scorer = Scorer(model)
    frame = scorer.decoder.decode(table)
    return explain(scorer, frame), scorer.score_frame(frame).margins


def assert_adds_up(explanation, margins):
    totals = explanation.base + explanation.contributions.sum(axis=1).T
    size = np.abs(explanation.base) + np.abs(explanation.contributions).sum(axis=1).T
    assert (np.abs(totals - margins) <= 1e-12 * np.maximum(size, 1)).all()


# --- linear models, against the definition ---------------------------------------------------


def by_column(features, transformer, names):
    """Add what each transformed feature contributes to the column that it was made from."""
    found = dict.fromkeys(names, 0.0)
    for feature, contribution in zip(transformer.get_feature_names_out(), features, strict=True):
        column = feature.split("__", 1)[1].rsplit("_", 1)[0]
        column = column if column in names else feature.split("__", 1)[1]
        found[column] = found[column] + contribution
    return np.stack([found[name] for name in names])


@pytest.mark.parametrize(
    ("last", "label"),
    [
        (Ridge(), lambda y: y),
        (LinearRegression(), lambda y: np.stack([y, -(y**2)], axis=1)),
        (LogisticRegression(), lambda y: y > 15),
        (LogisticRegression(), lambda y: np.digitize(y, [10, 20])),
    ],
    ids=["one target", "two targets", "two classes", "three classes"],
)
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_a_linear_model_weighs_the_distance_from_the_training_mean(last, label):
    frame, y = flights()
    pipeline = prepared(last).fit(frame, label(y))
    training = Training.of(frame, pipeline)
    model = convert(pipeline, training)
    model = with_background(model, Scorer(model).decoder.decode(training.table))
    explanation, margins = explained(model, training.table)

    features = pipeline[0].transform(frame)
    weights = np.atleast_2d(pipeline[-1].coef_)
    for output, weight in enumerate(weights):
        terms = ((features - features.mean(axis=0)) * weight).T
        expected = by_column(terms, pipeline[0], model.signature.names)
        np.testing.assert_allclose(
            explanation.contributions[output], expected, rtol=1e-9, atol=1e-9
        )
    mean_scores = np.atleast_1d(pipeline[-1].intercept_) + weights @ features.mean(axis=0)
    np.testing.assert_allclose(explanation.base, mean_scores, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(explanation.contributions.mean(axis=2), 0, atol=1e-9)
    assert_adds_up(explanation, margins)


def test_without_a_background_a_linear_model_is_measured_from_zero():
    model = linear_model([2.0, -3.0], 5.0)
    explanation, _ = explained(model, table([[1.0, 2.0], [0.0, -1.0]]))
    assert explanation.base.tolist() == [5.0]
    assert explanation.contributions.tolist() == [[[2.0, 0.0], [-6.0, 3.0]]]


def test_the_background_is_the_mean_of_finite_values():
    model = linear_model([2.0, -3.0], 5.0)
    rows = [[1.0, np.nan], [3.0, np.nan], [np.inf, np.nan]]
    noted = with_background(model, Scorer(model).decoder.decode(table(rows)))
    assert dict(noted.background) == {"x0": 2.0, "x1": 0.0}
    assert dict(model.background) == {}


NUMBERS = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20),
    st.lists(NUMBERS, min_size=2, max_size=2),
    NUMBERS,
    st.dictionaries(st.sampled_from(["x0", "x1"]), NUMBERS),
    st.lists(st.tuples(st.sampled_from(list(_AFFINE)), st.floats(0.1, 10)), max_size=3),
)
def test_base_and_contributions_add_up_to_the_margin(
    rows, weights, intercept, background, operations
):
    model = replace(linear_model(weights, intercept, operations), background=background)
    explanation, margins = explained(model, table(rows))
    totals = explanation.base + explanation.contributions.sum(axis=1).T
    # What cancels in the sum may be much larger than the sum: the terms, not the margin, say how
    # far rounding goes.
    terms = np.abs(np.array(rows).reshape(-1, 2)) @ np.abs(weights)
    terms += sum(abs(background.get(n, 0) * w) for n, w in zip(["x0", "x1"], weights, strict=True))
    size = (terms + abs(intercept) + 1e3)[:, None] * 1e3
    assert (np.abs(totals - margins) <= 1e-14 * size).all()


@pytest.mark.parametrize("operator", sorted(set(Operator) - set(_AFFINE)))
def test_a_margin_that_is_no_sum(operator):
    model = linear_model([1.0, 2.0], 0.0, [(operator, 2.0)])
    assert "no sum of parts" in explanation_problem(model)


# --- forests behind preprocessing, against the library ---------------------------------------


@pytest.mark.parametrize(
    ("last", "label"),
    [
        (lgb.LGBMRegressor, lambda y: y),
        (lgb.LGBMClassifier, lambda y: y > 15),
        (lgb.LGBMClassifier, lambda y: np.digitize(y, [10, 20])),
    ],
    ids=["regression", "two classes", "three classes"],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_forest_gives_each_column_what_its_features_contribute(last, label):
    frame, y = flights()
    pipeline = prepared(last(n_estimators=10, verbose=-1, n_jobs=1)).fit(frame, label(y))
    training = Training.of(frame, pipeline)
    model = convert(pipeline, training)
    explanation, margins = explained(model, training.table)

    found = pipeline[-1].booster_.predict(pipeline[0].transform(frame), pred_contrib=True)
    found = found.reshape(len(frame), len(model.outputs.margins), -1)
    for output in range(found.shape[1]):
        expected = by_column(found[:, output, :-1].T, pipeline[0], model.signature.names)
        np.testing.assert_allclose(
            explanation.contributions[output], expected, rtol=1e-9, atol=1e-9
        )
    np.testing.assert_allclose(explanation.base, found[0, :, -1], rtol=1e-9)
    assert_adds_up(explanation, margins)


def test_pandas_categoricals_are_their_own_columns():
    frame, y = flights()
    frame["carrier"] = frame["carrier"].astype("category")
    regressor = lgb.LGBMRegressor(n_estimators=10, verbose=-1, n_jobs=1).fit(frame, y)
    training = Training.of(frame, regressor)
    explanation, margins = explained(convert(regressor, training), training.table)
    expected = regressor.predict(frame, pred_contrib=True)
    np.testing.assert_allclose(
        explanation.contributions[0], expected[:, :-1].T, rtol=1e-9, atol=1e-9
    )
    assert_adds_up(explanation, margins)


def test_a_margin_may_rescale_its_sum():
    forest = s.Forest(("x0",), ("sum",), stump([4.0, 3.0, 1.0]), np.zeros(1), s.Precision.FLOAT64)
    mean = s.Arithmetic(("sum",), ("mean",), Operator.DIVIDE, np.array([4.0]))
    less = s.Arithmetic(("mean",), ("less",), Operator.SUBTRACT_FROM, np.array([1.0]))
    model = Model(signature(), (forest, mean, less), Outputs(("less",), margins=("less",)))
    explanation, margins = explained(model, table([[0.0, 9.0], [0.5, 9.0]]))
    assert margins.tolist() == [[0.75], [0.5]]
    assert explanation.base.tolist() == [1 - 1.25 / 4]
    assert explanation.contributions.tolist() == [[[0.0625, -0.1875], [0.0, 0.0]]]


# --- what cannot be explained ----------------------------------------------------------------


def signature(columns=2):
    return Signature(tuple(Column(f"x{i}", ColumnType.DOUBLE) for i in range(columns)))


def table(rows):
    return Training.of(np.array(rows, np.float64).reshape(-1, 2)).table


def linear_model(weights, intercept, operations=()):
    dot = s.Dot(("x0", "x1"), ("sum",), np.array(weights).reshape(2, 1), np.array([intercept]))
    steps, margin = [dot], "sum"
    for number, (operator, operand) in enumerate(operations):
        steps.append(s.Arithmetic((margin,), (f"m{number}",), operator, np.array([operand])))
        margin = f"m{number}"
    return Model(signature(), tuple(steps), Outputs((margin,), margins=(margin,)))


def stump(cover):
    two = np.zeros(3, np.int32)
    return Trees(
        feature=np.array([0, -1, -1], np.int32),
        threshold=np.zeros(3),
        left=two + np.array([1, 0, 0], np.int32),
        right=two + np.array([2, 0, 0], np.int32),
        missing_left=np.zeros(3, bool),
        category_set=two - 1,
        set_start=np.zeros(1, np.int64),
        set_values=np.zeros(0, np.int32),
        value=np.array([0.0, 1.0, 2.0]),
        cover=np.array(cover),
        root=np.zeros(1, np.int32),
        output=np.zeros(1, np.int32),
    )


def mixed(last_inputs, trees=None):
    """A weighted sum of both columns, then a sum over what is named."""
    both = s.Dot(("x0", "x1"), ("both",), np.ones((2, 1)), np.zeros(1))
    count = len(last_inputs)
    last = (
        s.Forest(last_inputs, ("sum",), trees, np.zeros(1), s.Precision.FLOAT64) if trees else None
    )
    last = last or s.Dot(last_inputs, ("sum",), np.ones((count, 1)), np.zeros(1))
    return Model(signature(), (both, last), Outputs(("sum",), margins=("sum",)))


def test_a_column_that_mixes_several_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="mixes columns 'x0', 'x1'") as refusal:
        Explainer(mixed(("x0", "both")))
    assert refusal.value.step == "Step 0 (Dot)"
    assert "predict works" in refusal.value.way_out


def test_of_many_mixed_columns_the_first_are_named():
    names = tuple(f"x{i}" for i in range(7))
    both = s.Dot(names, ("both",), np.ones((7, 1)), np.zeros(1))
    last = s.Dot(("both",), ("sum",), np.ones((1, 1)), np.zeros(1))
    model = Model(signature(7), (both, last), Outputs(("sum",), margins=("sum",)))
    assert "'x0', 'x1', 'x2', 'x3', 'x4' and 2 more, so" in explanation_problem(model)


def test_a_mixture_that_no_tree_splits_on_does_no_harm():
    model = mixed(("x0", "both"), stump([4.0, 3.0, 1.0]))
    assert explanation_problem(model) is None
    explanation, _ = explained(model, table([[0.0, 9.0], [0.5, 9.0]]))
    assert explanation.base.tolist() == [1.25]
    assert explanation.contributions.tolist() == [[[-0.25, 0.75], [0.0, 0.0]]]


def test_a_mixture_that_a_tree_splits_on_is_refused():
    problem = explanation_problem(mixed(("both", "x0"), stump([4.0, 3.0, 1.0])))
    assert problem.startswith("Step 0 (Dot)")


def test_trees_without_cover_are_refused():
    problem = explanation_problem(mixed(("x0",), stump([0.0, 0.0, 0.0])))
    assert problem.startswith("Step 1 (Forest): a tree does not say how many training rows")


def test_a_model_without_margins_is_refused():
    model = replace(linear_model([1.0, 1.0], 0.0), outputs=Outputs(("sum",)))
    assert "no raw score" in explanation_problem(model)
    with pytest.raises(UnsupportedModelError):
        Explainer(model)


def test_a_margin_that_is_no_sum_is_refused():
    model = linear_model([1.0, 1.0], 0.0)
    link = s.Elementwise(("sum",), ("odds",), Function.EXP)
    model = Model(model.signature, (*model.steps, link), Outputs(("odds",), margins=("odds",)))
    assert explanation_problem(model).startswith("Step 1 (Elementwise): it computes the raw score")
    same = with_background(model, Scorer(model).decoder.decode(table([[1.0, 2.0]])))
    assert same is model


def test_a_margin_that_is_a_column_in_other_units_is_refused():
    double = s.Arithmetic(("x0",), ("twice",), Operator.MULTIPLY, np.array([2.0]))
    model = Model(signature(), (double,), Outputs(("twice",), margins=("twice",)))
    assert "column 'x0' itself" in explanation_problem(model)
