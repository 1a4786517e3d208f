import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    f_regression,
)
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from foresql import certify
from foresql.errors import UnsupportedModelError
from foresql.frontends import Training, convert
from foresql.frontends.convert import transform
from foresql.frontends.graph import Graph
from foresql.ir import Model, Outputs
from foresql.ir.steps import Operator
from foresql.kernels import Scorer

ROWS = 300
KERNEL = ("kernel", "reloaded")
RNG = np.random.default_rng(2013)
FRAME = pd.DataFrame(
    {
        "air time": RNG.normal(0.0, 2.0, ROWS),
        "dep.delay": RNG.gamma(2.0, 1.0, ROWS),
        "select": RNG.integers(-3, 4, ROWS),
        'a "Late"?': RNG.random(ROWS) < 0.4,
        "Ünnötig": RNG.gamma(1.0, 1.0, ROWS).round(1),
    }
)
GAPS = FRAME.drop(columns='a "Late"?').astype(float)
GAPS = GAPS.mask(RNG.random(GAPS.shape) < 0.1)
FLOATS = ["air time", "dep.delay", "Ünnötig"]
NUMBER = (FRAME["air time"] - FRAME["dep.delay"] + RNG.normal(0, 0.2, ROWS)).to_numpy()
POSITIVE = np.exp(NUMBER / 4)
TWO = np.stack([NUMBER, RNG.normal(size=ROWS)], axis=1)
LABEL = np.array(["late", "on time"])[(NUMBER > 0).astype(int)]


def check(estimator, target, quietly, frame=FRAME, routes=KERNEL):
    quietly(lambda: estimator.fit(frame, target))
    training = Training.of(frame, estimator)
    model = convert(estimator, training)
    training = training.only(model.signature.names)
    certificate = certify(model, estimator, training, rows=1000, routes=routes)
    assert certificate.rows >= 1000
    assert certificate.labels_identical is (None if model.outputs.classes is None else True)
    return model


def columns_of(transformer, frame):
    """Give the columns of a fitted transformer: ours, and the library's."""
    training = Training.of(frame, transformer)
    graph = Graph(training.signature, training.none_columns)
    names = transform(transformer, training.signature.names, graph)
    # Adding -0.0 changes no bit, and makes a column of ours from one that was passed through.
    names = graph.arithmetic(names, Operator.ADD, -0.0)
    model = Model(training.signature, tuple(graph.steps), Outputs(names))
    theirs = transformer.transform(frame)
    theirs = theirs.toarray() if hasattr(theirs, "toarray") else np.asarray(theirs)
    return Scorer(model).score(training.table).prediction, theirs.astype(float)


def name_of(value):
    """Name a case without the addresses of functions."""
    return re.sub(r" at 0x\w+", "", repr(value)) if hasattr(value, "fit") else None


FUNCTIONS = [
    *(np.log1p, np.log, np.log2, np.log10, np.sqrt, np.cbrt, np.exp, np.expm1, np.exp2),
    *(np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.deg2rad, np.degrees),
    *(np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.radians, np.rad2deg),
    *(np.floor, np.ceil, np.rint, np.trunc, np.sign, np.negative, np.reciprocal),
]
OPTIONS = [
    (np.clip, {"a_min": 0, "a_max": 1.5}),
    (np.clip, {"min": None, "max": 0.25}),
    (np.nan_to_num, {}),
    (np.nan_to_num, {"nan": -1.0, "posinf": 7.0, "neginf": None}),
    (np.round, {}),
    (np.around, {"decimals": 2}),
    (np.round, {"decimals": -1}),
]
EXACT = [
    *[(FunctionTransformer(each, kw_args=options), FLOATS) for each, options in OPTIONS],
    *[(FunctionTransformer(each), ["select"]) for each in (np.floor, np.sign, np.cbrt, np.arctan)],
    (FunctionTransformer(np.clip, kw_args={"a_min": -1, "a_max": 2}), ["select", "air time"]),
    *[(FunctionTransformer(each), FLOATS) for each in (*FUNCTIONS, np.abs, np.square, np.fabs)],
    *[(FunctionTransformer(each), ["select", "dep.delay"]) for each in (np.exp, np.log1p)],
    (MaxAbsScaler(), list(FRAME)),
    (RobustScaler(), list(FRAME)),
    (RobustScaler(with_centering=False, quantile_range=(10, 80)), FLOATS),
    (RobustScaler(with_scaling=False), FLOATS),
    (Normalizer("max"), list(FRAME)),
    (Normalizer("l1"), list(FRAME)),
    (Binarizer(), list(FRAME)),
    (Binarizer(threshold=0.3), FLOATS),
    *[
        (KBinsDiscretizer(5, encode=encode, strategy=strategy, **more), FLOATS)
        for encode in ("ordinal", "onehot", "onehot-dense")
        for strategy, more in (
            ("uniform", {}),
            ("quantile", {"quantile_method": "averaged_inverted_cdf"}),
            ("kmeans", {}),
        )
    ],
    (PolynomialFeatures(), list(FRAME)),
    (PolynomialFeatures(interaction_only=True), list(FRAME)),
    (PolynomialFeatures(3, include_bias=False), list(FRAME)),
    (PolynomialFeatures((2, 4)), FLOATS),
    (PolynomialFeatures((0, 1)), FLOATS),
    (PolynomialFeatures(4, interaction_only=True), FLOATS),
]


@pytest.mark.parametrize(("transformer", "columns"), EXACT, ids=name_of)
def test_every_column_bit_for_bit(transformer, columns, quietly):
    frame = FRAME[columns]
    quietly(lambda: transformer.fit(frame))
    ours, theirs = quietly(lambda: columns_of(transformer, frame))
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("transformer", [MaxAbsScaler(), RobustScaler()], ids=name_of)
def test_scalers_let_gaps_through(transformer):
    ours, theirs = columns_of(transformer.fit(GAPS), GAPS)
    assert np.isnan(ours).any()
    assert np.array_equal(ours, theirs, equal_nan=True)


@pytest.mark.parametrize(
    "indicator", [MissingIndicator(), MissingIndicator(features="all")], ids=name_of
)
def test_missing_indicator(indicator, quietly):
    ours, theirs = columns_of(indicator.fit(GAPS), GAPS)
    assert np.array_equal(ours, theirs)
    check(make_pipeline(make_union(SimpleImputer(), indicator), Ridge()), NUMBER, quietly, GAPS)


SELECTORS = [
    GenericUnivariateSelect(f_regression, mode="k_best", param=2),
    RFE(Ridge(), n_features_to_select=2),
    RFECV(Ridge(), cv=2),
    SelectFdr(f_regression),
    SelectFpr(f_regression),
    SelectFromModel(Ridge()),
    SelectFwe(f_regression),
    SelectKBest(f_regression, k=2),
    SelectPercentile(f_regression, percentile=50),
    SequentialFeatureSelector(LinearRegression(), n_features_to_select=2, cv=2),
    VarianceThreshold(0.5),
]
PROJECTIONS = [
    IncrementalPCA(2),
    PCA(2),
    PCA(whiten=True),
    TruncatedSVD(2, random_state=0),
    PolynomialFeatures(2),
    KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"),
    Normalizer("l1"),
    make_pipeline(PolynomialFeatures(), Normalizer("l1")),
    Normalizer("l2"),
    make_pipeline(StandardScaler(), PCA(2), Normalizer("l2")),
    make_pipeline(StandardScaler(), PCA(2), FunctionTransformer(np.tanh)),
    make_pipeline(StandardScaler(), FunctionTransformer(np.sin)),
    Binarizer(),
]


@pytest.mark.parametrize("transformer", SELECTORS + PROJECTIONS, ids=name_of)
def test_before_a_regressor(transformer, quietly):
    check(make_pipeline(transformer, Ridge()), NUMBER, quietly)


def test_eliminators_predict(quietly):
    check(RFE(LogisticRegression(), n_features_to_select=3), LABEL, quietly)


def test_functions_on_every_route(quietly):
    encode = make_column_transformer(
        (FunctionTransformer(np.abs), ["dep.delay", "Ünnötig"]), remainder="passthrough"
    )
    pipeline = make_pipeline(SimpleImputer().set_output(transform="pandas"), encode, RobustScaler())
    check(
        make_pipeline(pipeline, PolynomialFeatures(), Ridge()),
        NUMBER,
        quietly,
        GAPS[FLOATS].abs(),
        ("kernel", "reloaded", "duckdb"),
    )


TARGETS = [
    TransformedTargetRegressor(Ridge()),
    TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
    TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
    TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square),
    *[
        TransformedTargetRegressor(Ridge(), transformer=scaler)
        for scaler in (
            *(StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()),
            *(PowerTransformer(), PowerTransformer(standardize=False)),
            QuantileTransformer(n_quantiles=30),
        )
    ],
    TransformedTargetRegressor(DecisionTreeRegressor(max_depth=4), transformer=PowerTransformer()),
]


@pytest.mark.parametrize("estimator", TARGETS, ids=name_of)
def test_transformed_targets(estimator, quietly):
    check(estimator, POSITIVE, quietly)


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (DummyRegressor(), NUMBER),
        (DummyRegressor(strategy="quantile", quantile=0.3), TWO),
        (DummyClassifier(), LABEL),
        (DummyClassifier(strategy="most_frequent"), LABEL),
        (DummyClassifier(strategy="constant", constant="late"), LABEL),
        (MultiOutputRegressor(Ridge()), TWO),
        (RegressorChain(Ridge(), order=[1, 0]), TWO),
        (GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2), NUMBER),
        (RandomizedSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=1, cv=2), LABEL),
        (FixedThresholdClassifier(LogisticRegression(), threshold=0.3), LABEL),
        (FixedThresholdClassifier(LogisticRegression(), pos_label="late", threshold=0.8), LABEL),
        (
            FixedThresholdClassifier(
                LogisticRegression(),
                pos_label="late",
                threshold=-0.5,
                response_method="decision_function",
            ),
            LABEL,
        ),
        (TunedThresholdClassifierCV(LogisticRegression(), cv=2), LABEL),
    ],
    ids=name_of,
)
def test_wrappers(estimator, target, quietly):
    check(estimator, target, quietly)


REFUSED = [
    (FunctionTransformer(np.isnan), FRAME, "has no exact translation"),
    (
        FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 1, "out": None}),
        FRAME[FLOATS],
        "two numbers",
    ),
    (FunctionTransformer(np.clip, kw_args={"a_min": 2, "a_max": 1}), FRAME[FLOATS], "two numbers"),
    (FunctionTransformer(np.round, kw_args={"decimals": 1}), FRAME[["select"]], "in integers"),
    (FunctionTransformer(np.nan_to_num, kw_args={"copy": True}), FRAME[FLOATS], "posinf"),
    (FunctionTransformer(np.log1p), FRAME[['a "Late"?', "dep.delay"]], "half precision"),
    (FunctionTransformer(np.square), FRAME[["select"]], "computed in integers"),
    (make_pipeline(OneHotEncoder(), MaxAbsScaler()), FRAME[["select"]], "sparse matrix"),
    (KNNImputer(), GAPS, "KNNImputer: it compares rows by a matrix product"),
    (KBinsDiscretizer(dtype=np.float32, quantile_method="linear"), FRAME, "dtype=np.float32"),
]


@pytest.mark.parametrize(("transformer", "frame", "reason"), REFUSED, ids=name_of)
def test_refused_transformers(transformer, frame, reason, quietly):
    pipeline = make_pipeline(transformer, Ridge())
    quietly(lambda: pipeline.fit(frame, NUMBER))
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(pipeline, Training.of(frame, pipeline))


BINS = KBinsDiscretizer(5, encode="ordinal", strategy="uniform")


@pytest.mark.parametrize(
    ("estimator", "target", "reason"),
    [
        (DummyClassifier(strategy="stratified"), LABEL, "at random"),
        (MultiOutputClassifier(LogisticRegression()), TWO > 0, "several labels"),
        (GridSearchCV(Ridge(), {"alpha": [1.0]}, refit=False, cv=2), NUMBER, "refit=True"),
        (
            TransformedTargetRegressor(Ridge(), transformer=BINS, check_inverse=False),
            NUMBER,
            "its inverse has no exact translation",
        ),
        (
            TransformedTargetRegressor(
                Ridge(),
                transformer=QuantileTransformer(n_quantiles=9, output_distribution="normal"),
            ),
            NUMBER,
            "function of the normal has no exact translation",
        ),
        (
            TransformedTargetRegressor(Ridge(), transformer=PowerTransformer("box-cox")),
            POSITIVE,
            "inverse of a Box-Cox transform",
        ),
    ],
    ids=name_of,
)
def test_refused_predictors(estimator, target, reason):
    estimator.fit(FRAME, target)
    with pytest.raises(UnsupportedModelError, match=reason):
        convert(estimator, Training.of(FRAME, estimator))
