"""What has no exact translation: refused by name, with the reason and a way out."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

from foresql import CertificationError, SignatureError, UnsupportedModelError, certify
from foresql.frontends import Training, convert

ROWS = 300
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
K = X.assign(k=pd.Categorical(RNG.choice(["x", "y", "z"], ROWS)))
Y = X["a"].to_numpy() + RNG.normal(size=ROWS)
TEXT = pd.DataFrame({"t": RNG.choice(["x", "y", "?"], ROWS)})
SMALL = {"n_estimators": 3, "verbose": -1, "min_child_samples": 2}


class Ridger(Ridge):
    """A subclass may predict anything."""


def half_fitted():
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(X, Y)
    pipeline.steps[0] = ("standardscaler", StandardScaler())
    return pipeline


def doubled(columns):
    return columns * 2


def gradient(truth, prediction):
    return prediction - truth, np.ones_like(truth)


def train(params, x=X, y=Y, **options):
    data = lgb.Dataset(x, y, params={"verbose": -1}, free_raw_data=False)
    return lgb.train({"verbose": -1, "objective": "regression"} | params, data, 3, **options)


def with_options_after_fit(**options):
    return lgb.LGBMClassifier(**SMALL).fit(X, Y > 0).set_params(**options)


def of_two_kinds_of_missing():
    values = np.array(["x", "y", None, np.nan], object)[np.arange(ROWS) % 4]
    return pd.DataFrame({"t": pd.Series(values, dtype=object)})


def named(base, name, module):
    """Make a class at a public path of the library where no estimator of ours will ever be."""
    return type(name, (base,), {"__module__": module})


Oracle = named(Ridge, "Oracle", "sklearn.delphi._oracle")
Seer = named(Ridge, "Seer", "sklearn.linear_model._seer")
Sieve = named(StandardScaler, "Sieve", "sklearn.preprocessing._sieve")
Lens = named(StandardScaler, "Lens", "sklearn.optics")
NO_LENS = "sklearn.optics.Lens has no exact translation as a transformer yet"
LENS_FILE = "one function in frontends/sklearn/optics.py"

SKLEARN = {
    "predictor": (
        lambda: Oracle().fit(X, Y),
        "Oracle",
        "sklearn.delphi.Oracle has no exact translation as a predictor yet",
        "one function in frontends/sklearn/delphi.py",
    ),
    "predictor of a covered module": (
        lambda: Seer().fit(X, Y),
        "Seer",
        "sklearn.linear_model.Seer has no exact translation as a predictor yet",
        "one function in frontends/sklearn/linear_model.py",
    ),
    "transformer": (
        lambda: make_pipeline(Sieve(), Ridge()).fit(X, Y),
        "Pipeline.sieve.Sieve",
        "sklearn.preprocessing.Sieve has no exact translation as a transformer yet",
        "one function in frontends/sklearn/preprocessing.py",
    ),
    "transformer deep inside": (
        lambda: make_pipeline(
            FeatureUnion([("left", make_pipeline(StandardScaler(), Lens()))]), Ridge()
        ).fit(X, Y),
        "Pipeline.featureunion.FeatureUnion.left.Pipeline.lens.Lens",
        NO_LENS,
        LENS_FILE,
    ),
    "transformer of a column transformer": (
        lambda: make_pipeline(ColumnTransformer([("p", Lens(), ["a"])]), Ridge()).fit(X, Y),
        "Pipeline.columntransformer.ColumnTransformer.p.Lens",
        NO_LENS,
        LENS_FILE,
    ),
    "remainder": (
        lambda: make_pipeline(ColumnTransformer([], remainder=Lens()), Ridge()).fit(X, Y),
        "Pipeline.columntransformer.ColumnTransformer.remainder.Lens",
        NO_LENS,
        LENS_FILE,
    ),
    "transformer in the last place": (
        lambda: make_pipeline(StandardScaler()).fit(X),
        "Pipeline.standardscaler.StandardScaler",
        "sklearn.preprocessing.StandardScaler has no exact translation as a predictor yet",
        "use a covered one",
    ),
    "passthrough in the last place": (
        lambda: Pipeline([("s", StandardScaler()), ("p", "passthrough")]).fit(X),
        "Pipeline.p.str",
        "builtins.str has no exact translation as a predictor yet",
        "use a covered one",
    ),
    "subclass of a covered class": (
        lambda: Ridger().fit(X, Y),
        "Ridger",
        f"{__name__}.Ridger has no exact translation as a predictor yet",
        f"one function in frontends/{__name__.replace('.', '/')}.py",
    ),
    "not fitted": (Ridge, "Ridge", "it is not fitted", "call fit before"),
    "step that is not fitted": (
        half_fitted,
        "Pipeline.standardscaler.StandardScaler",
        "it is not fitted",
        "call fit before you publish or register it",
    ),
    "a function": (
        lambda: make_pipeline(FunctionTransformer(doubled), Ridge()).fit(X, Y),
        "Pipeline.functiontransformer.FunctionTransformer",
        "function <function doubled at ",
        "compute the column in the query or the training frame instead",
    ),
}


@pytest.mark.parametrize("name", SKLEARN)
def test_what_scikit_learn_has_and_we_do_not(name, quietly):
    make, step, reason, way_out = SKLEARN[name]
    estimator = quietly(make)
    with pytest.raises(UnsupportedModelError) as caught:
        convert(estimator, Training.of(X, estimator))
    check(caught.value, step, reason, way_out)


def check(error, step, reason, way_out):
    assert error.step == step
    assert reason in error.reason
    assert way_out in error.way_out
    assert str(error) == f"{error.step}: {error.reason}\n  What to do: {error.way_out}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: make_pipeline(
                SimpleImputer(strategy="most_frequent", missing_values="?"), OneHotEncoder()
            ),
            "missing_values='?' on text columns has no translation",
        ),
        (
            lambda: make_pipeline(
                ColumnTransformer([("s", "passthrough", ["t"])]), FunctionTransformer(str.lower)
            ),
            "function <method 'lower' of 'str' objects> has no exact translation",
        ),
    ],
    ids=["placeholder", "function"],
)
def test_what_is_not_done_to_text(make, reason, quietly):
    steps = make()
    if "function" not in reason:
        pipeline = quietly(lambda: make_pipeline(steps, Ridge()).fit(TEXT, Y))
    else:
        steps.steps[-1][1].func = None
        pipeline = quietly(lambda: make_pipeline(steps, OneHotEncoder(), Ridge()).fit(TEXT, Y))
        steps.steps[-1][1].func = str.lower
    with pytest.raises(UnsupportedModelError) as caught:
        convert(pipeline, Training.of(TEXT, pipeline))
    assert reason in caught.value.reason
    assert caught.value.way_out


def test_text_that_fills_a_column_of_numbers(quietly):
    frame = TEXT.assign(n=1.0)
    pipeline = make_pipeline(SimpleImputer(strategy="constant"), OneHotEncoder(), Ridge())
    quietly(lambda: pipeline.fit(frame, Y))
    with pytest.raises(UnsupportedModelError) as caught:
        convert(pipeline, Training.of(frame, pipeline))
    check(
        caught.value,
        "Pipeline.simpleimputer.SimpleImputer",
        "it fills 'n', which is double, with the text 'missing_value'",
        "use a SimpleImputer for the columns of text, and another for the rest",
    )


def test_text_where_numbers_are_needed(quietly):
    numbers = TEXT.assign(t=np.where(TEXT["t"] == "x", "1", "2"))
    pipeline = quietly(lambda: make_pipeline(StandardScaler(), Ridge()).fit(numbers, Y))
    with pytest.raises(UnsupportedModelError) as caught:
        convert(pipeline, Training.of(numbers, pipeline))
    check(
        caught.value,
        "Pipeline.standardscaler.StandardScaler",
        "column 't' is varchar, not a number",
        "encode the column (OneHotEncoder, OrdinalEncoder) before this step",
    )


LIGHTGBM = {
    "custom objective of a Booster": (
        lambda: train({"objective": lambda p, d: gradient(d.get_label(), p)}),
        "Booster",
        "it was trained with objective 'custom', whose link",
        "train with a built-in objective",
    ),
    "custom objective of an estimator": (
        lambda: lgb.LGBMRegressor(**SMALL, objective=gradient).fit(X, Y),
        "LGBMRegressor",
        "it was trained with a function of your own, whose link",
        "train with a built-in objective",
    ),
    "custom objective of a classifier": (
        lambda: lgb.LGBMClassifier(**SMALL, objective=gradient).fit(X, Y > 0),
        "LGBMClassifier",
        "it was trained with a function of your own",
        "train with a built-in objective",
    ),
    "early stopping of predictions": (
        lambda: train({"objective": "binary", "pred_early_stop": True}, y=(Y > 0) * 1.0),
        "Booster",
        "pred_early_stop makes predictions stop at an approximate score",
        "train without pred_early_stop",
    ),
    "early stopping of an estimator's predictions": (
        lambda: lgb.LGBMClassifier(**SMALL, pred_early_stop=True).fit(X, Y > 0),
        "LGBMClassifier",
        "pred_early_stop makes predictions stop",
        "train without pred_early_stop",
    ),
    "early stopping set after training": (
        lambda: with_options_after_fit(pred_early_stop="true"),
        "LGBMClassifier",
        "pred_early_stop makes predictions stop",
        "train without pred_early_stop",
    ),
    "not fitted": (lgb.LGBMRegressor, "LGBMRegressor", "it is not fitted", "call fit"),
    "one class": (
        lambda: lgb.LGBMClassifier(**SMALL).fit(X, np.ones(ROWS, int)),
        "LGBMClassifier",
        "it was trained on a single class, 1",
        "two classes or more",
    ),
    "digits that the model text loses": (
        lambda: train(
            {"objective": "binary", "sigmoid": 0.123456789},
            y=(Y > 0) * 1.0,
            keep_training_booster=True,
        ),
        "Booster",
        "sigmoid=0.123456789 has more digits than a LightGBM model text holds (0.123457)",
        "train without keep_training_booster=True",
    ),
    "inside a pipeline": (
        lambda: make_pipeline(StandardScaler(), lgb.LGBMRegressor(**SMALL, objective=gradient)).fit(
            X, Y
        ),
        "Pipeline.lgbmregressor.LGBMRegressor",
        "a function of your own",
        "train with a built-in objective",
    ),
}


@pytest.mark.parametrize("name", LIGHTGBM)
def test_what_lightgbm_has_and_we_do_not(name, quietly):
    make, step, reason, way_out = LIGHTGBM[name]
    estimator = quietly(make)
    with pytest.raises(UnsupportedModelError) as caught:
        convert(estimator, Training.of(X, estimator))
    check(caught.value, step, reason, way_out)


# --- frames that do not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (X.to_numpy()[:, :2], "The model was trained on 3 columns, and the frame has 2."),
        (np.ones((5, 4)), "The model was trained on 3 columns, and the frame has 4."),
        (X[["a", "b"]].set_axis(["p", "q"], axis=1), "trained on 3 columns, and the frame has 2"),
    ],
    ids=["fewer", "more", "named"],
)
@pytest.mark.parametrize("estimator", ["Booster", "LGBMRegressor", "Ridge"])
def test_another_number_of_columns(estimator, frame, message):
    data = X.to_numpy()
    fitted = {
        "Booster": lambda: train({}, x=data),
        "LGBMRegressor": lambda: lgb.LGBMRegressor(**SMALL).fit(data, Y),
        "Ridge": lambda: Ridge().fit(data, Y),
    }[estimator]()
    with pytest.raises(SignatureError) as caught:
        convert(fitted, Training.of(frame, fitted))
    assert message in str(caught.value)
    assert "Give the frame, or a part of it, that was passed to fit." in str(caught.value)


@pytest.mark.parametrize("frame", [X[["a", "b"]], X.rename(columns={"c": "C"}), X.to_numpy()])
def test_columns_that_the_frame_lacks(frame):
    for fitted in (train({}), lgb.LGBMRegressor(**SMALL).fit(X, Y), Ridge().fit(X, Y)):
        with pytest.raises(SignatureError) as caught:
            Training.of(frame, fitted)
        assert "trained on columns that the frame does not have" in str(caught.value)
        assert "'c'" in str(caught.value)


@pytest.mark.parametrize(
    ("trained", "frame", "message"),
    [
        (
            K,
            K.assign(k=K["k"].astype(str)),
            "training saw 1 pandas categorical columns, and the frame has 0",
        ),
        (
            X,
            X.assign(c=K["k"]),
            "training saw 0 pandas categorical columns, and the frame has 1: ['c']",
        ),
    ],
    ids=["lost", "gained"],
)
def test_categories_that_do_not_match(trained, frame, message):
    model = lgb.LGBMRegressor(**SMALL).fit(trained, Y)
    with pytest.raises(SignatureError) as caught:
        convert(model, Training.of(frame, model))
    assert str(caught.value).startswith("LGBMRegressor: ")
    assert message in str(caught.value)
    assert "Give the frame that was passed to training, with its dtypes." in str(caught.value)


def test_categories_of_another_type():
    model = lgb.LGBMRegressor(**SMALL).fit(K, Y)
    numbers = K.assign(k=K["k"].cat.codes.astype("category"))
    with pytest.raises(SignatureError, match=r"'x' \(str\) is not a value of a bigint"):
        convert(model, Training.of(numbers, model))


BAD_FRAMES = {
    "mixed types": (
        pd.DataFrame({"a": np.array([1, "x", 2.5], object)}),
        "Column 'a' holds values of several types",
        "Give it one type before training, for example df[c].astype(str).",
    ),
    "mixed types in an array": (
        np.array([[1, "x"], ["y", 2.5]], object),
        "Column 'x0' holds values of several types",
        "Give it one type before training",
    ),
    "None and NaN": (
        of_two_kinds_of_missing(),
        "Column 't' holds both None and NaN",
        "Keep one before training: df[c] = df[c].where(df[c].notna(), None)",
    ),
    "names twice": (
        pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]),
        "Columns ['a'] occur more than once",
        "give each its own name",
    ),
    "names twice in Arrow": (
        pa.table([[1], [2]], names=["a", "a"]),
        "Columns ['a'] occur more than once",
        "give each its own name",
    ),
    "names that differ by case": (
        pd.DataFrame([[1, 2]], columns=["a", "A"]),
        "Columns 'a' and 'A' have the same name in SQL",
        "Rename one of them and fit again.",
    ),
    "names that are numbers": (
        pd.DataFrame([[1, 2]], columns=[0, 1]),
        "Column 0 has a name that is no text",
        "Rename the columns (df.columns = df.columns.astype(str)) and fit again.",
    ),
    "an empty name": (pd.DataFrame({"": [1]}), "empty name", "name every column"),
    "no columns": (pd.DataFrame(index=[1]), "at least one column", "the training frame has none"),
    "lists": (
        pd.DataFrame({"a": [[1], [2]]}),
        "Column 'a' is list<",
        "Turn it into numbers, text, booleans or times",
    ),
    "time zones": (
        pd.DataFrame({"a": pd.to_datetime(["2013-01-01"]).tz_localize("America/New_York")}),
        "Column 'a' is timestamp[",
        "times without a time zone before training.",
    ),
    "nanoseconds": (
        pd.DataFrame({"a": pd.to_datetime(["2013-01-01T00:00:00.123456789"])}),
        "Column 'a' does not fit timestamp",
        "would lose data",
    ),
    "integers of 65 bits": (
        pd.DataFrame({"a": np.array([2**63], np.uint64)}),
        "Column 'a' does not fit bigint",
        "not in range",
    ),
    "a list of lists": ([[1.0]], "A training frame of type builtins.list is not known", "Give a"),
    "a vector": (np.ones(3), "A training frame of type numpy.ndarray is not known", "two-dim"),
    "a series": (
        pd.Series([1]),
        "A training frame of type pandas.Series is not known",
        "DataFrame",
    ),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_frame_that_cannot_be_read(name):
    frame, reason, way_out = BAD_FRAMES[name]
    with pytest.raises(SignatureError) as caught:
        Training.of(frame)
    assert reason in str(caught.value)
    assert way_out in str(caught.value)


def test_two_kinds_of_missing_among_categories(quietly):
    frame = of_two_kinds_of_missing()
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipeline = quietly(lambda: make_pipeline(encoder, Ridge()).fit(frame, Y))
    with pytest.raises(SignatureError, match="holds both None and NaN"):
        convert(pipeline, Training.of(frame, pipeline))


def test_categories_of_another_type_than_the_column(quietly):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    pipeline = quietly(lambda: make_pipeline(encoder, Ridge()).fit(TEXT, Y))
    with pytest.raises(SignatureError, match="is not a value of a double column"):
        convert(pipeline, Training.of(pd.DataFrame({"t": np.ones(ROWS)}), pipeline))


# --- what conversion cannot know, and the gate finds ----------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        # scikit-learn computes these in float32.
        lambda: make_pipeline(OneHotEncoder(dtype=np.float32), LinearRegression()),
        lambda: make_pipeline(OrdinalEncoder(dtype=np.float32), LinearRegression()),
    ],
    ids=["one-hot in float32", "ordinal in float32"],
)
def test_the_gate_stops_what_is_computed_in_float32(make, quietly):
    pipeline = quietly(lambda: make().fit(TEXT, Y))
    training = Training.of(TEXT, pipeline)
    model = convert(pipeline, training)
    with pytest.raises(CertificationError, match="differs from the library in the prediction"):
        certify(model, pipeline, training, rows=500, routes=("kernel",))


def test_the_gate_stops_integers_that_lightgbm_reads_in_float32():
    """LightGBM copies an array of integers to float32, where odd numbers beyond 2**24 are lost."""
    rows = RNG.integers(2**24, 2**24 + 60, (ROWS, 1))
    model = lgb.LGBMRegressor(**SMALL, num_leaves=60).fit(rows, np.sin(rows[:, 0]))
    training = Training.of(rows, model)
    with pytest.raises(CertificationError, match="differs from the library"):
        certify(convert(model, training), model, training, rows=500, routes=("kernel",))


def test_the_gate_stops_a_changed_predict(quietly):
    model = quietly(lambda: Ridge().fit(X, Y))
    training = Training.of(X, model)
    converted = convert(model, training)
    model.predict = lambda frame: np.zeros(len(frame))
    with pytest.raises(CertificationError, match="the estimator's class was changed"):
        certify(converted, model, training, rows=500, routes=("kernel",))


SUMS = [
    PCA(2),
    Normalizer("l2"),
    make_pipeline(PolynomialFeatures(), Normalizer("l1")),
    make_pipeline(PCA(2), PowerTransformer()),
    make_pipeline(PCA(2), SplineTransformer()),
    make_pipeline(PCA(2), QuantileTransformer(n_quantiles=9)),
]


@pytest.mark.parametrize("transformer", SUMS, ids=repr)
def test_trees_behind_a_sum_are_refused(transformer):
    model = make_pipeline(transformer, DecisionTreeRegressor(max_depth=3)).fit(X, Y)
    with pytest.raises(UnsupportedModelError, match=r"sum of products.*\n.*on the columns"):
        convert(model, Training.of(X, model))


def test_categories_behind_a_sum_are_refused():
    some = X.iloc[:20]
    model = make_pipeline(PCA(1), OrdinalEncoder(), Ridge()).fit(some, Y[:20])
    with pytest.raises(UnsupportedModelError, match="an encoder looks for the values of a column"):
        convert(model, Training.of(some, model))
