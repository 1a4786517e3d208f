"""Models put together at random: exact, or refused by name. More seeds find rarer combinations."""

import contextlib

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from foresql import UnsupportedModelError

ROWS = 300
NUMBERS = ["x", "gap", "count", "flag", "zero"]
KEYS = ["text", "hole", "count", "flag", "level"]
TREES = {"n_estimators": 5, "num_leaves": 15, "min_child_samples": 3, "n_jobs": 1, "verbose": -1}


def make_frame(rng) -> pd.DataFrame:
    text = pd.Series(rng.choice(["a", "É", "", "b b"], ROWS, p=[0.6, 0.2, 0.1, 0.1]))
    return pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "gap": np.where(rng.random(ROWS) < 0.2, np.nan, rng.gamma(2.0, size=ROWS)),
            "count": rng.integers(-3, 9, ROWS),
            "flag": rng.random(ROWS) < 0.4,
            "zero": np.where(rng.random(ROWS) < 0.6, 0.0, rng.normal(size=ROWS)),
            "level": rng.choice([0.5, 1.5, -2.0], ROWS),
            "text": text,
            "hole": text.mask(rng.random(ROWS) < 0.2),
        }
    )


class Chooser:
    """Draws estimators and their options."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def some(self, names) -> list[str]:
        size = int(self.rng.integers(1, 4))
        return [str(name) for name in self.rng.choice(names, size, replace=False)]

    def times(self, make, most=3) -> list:
        return [make() for _ in range(int(self.rng.integers(1, most + 1)))]

    def for_numbers(self, depth=2):
        scale = StandardScaler(with_mean=self.of(True, False), with_std=self.of(True, False))
        fill = SimpleImputer(strategy=self.of("mean", "median", "most_frequent"))
        fill.add_indicator = self.of(True, False)
        clipped = MinMaxScaler(feature_range=self.of((0, 1), (-1, 3.3)), clip=self.of(True, False))
        simple = self.of(
            scale, fill, clipped, "passthrough", FunctionTransformer(), self.for_keys()
        )
        if not depth:
            return simple
        chain = make_pipeline(*self.times(lambda: self.for_numbers(depth - 1)))
        branches = self.times(lambda: self.for_numbers(depth - 1))
        union = FeatureUnion([(f"b{index}", branch) for index, branch in enumerate(branches)])
        union.transformer_weights = self.of(None, {"b0": -0.1})
        return self.of(simple, simple, chain, union)

    def for_keys(self):
        one_hot = OneHotEncoder(
            handle_unknown=self.of("ignore", "infrequent_if_exist", "error"),
            min_frequency=self.of(None, 40, 0.1),
            max_categories=self.of(None, 3),
            drop=self.of(None, None, "first", "if_binary"),
            sparse_output=self.of(True, False),
        )
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=self.of(-1, np.nan),
            encoded_missing_value=self.of(-2, np.nan),
            min_frequency=self.of(None, 40),
        )
        fill = SimpleImputer(strategy=self.of("most_frequent", "constant"))
        filled = make_pipeline(fill, OneHotEncoder(handle_unknown="ignore"))
        return self.of(one_hot, ordinal, filled)

    def columns(self):
        def part():
            if self.of(True, False):
                return self.for_numbers(), self.some(NUMBERS)
            return self.for_keys(), self.some(KEYS)

        parts = [(f"p{index}", *made) for index, made in enumerate(self.times(part, 4))]
        return ColumnTransformer(parts, sparse_threshold=self.of(0, 0.3, 1.0))

    def last(self):
        return self.of(
            LinearRegression(),
            Ridge(fit_intercept=self.of(True, False)),
            LogisticRegression(max_iter=50),
            lgb.LGBMRegressor(**TREES),
            lgb.LGBMClassifier(**TREES),
        )


def fitted_pipeline(choose):
    """Draw until scikit-learn itself takes what was drawn."""
    while True:
        frame = make_frame(choose.rng)
        target = frame["x"] + frame["count"] * frame["flag"] + frame["gap"].fillna(3)
        last = choose.last()
        if hasattr(last, "predict_proba"):
            target = np.array(["a", "b", "c"])[np.digitize(target, [1.0, 4.0])]
        between = choose.of([], [choose.for_numbers(1)], [SimpleImputer()])
        pipeline = make_pipeline(choose.columns(), *between, last)
        like = choose.of(frame, frame, pl.from_pandas(frame))
        with contextlib.suppress(TypeError, ValueError):
            return pipeline.fit(like, np.asarray(target)), like


@pytest.mark.parametrize("seed", range(60))
def test_random_pipeline(seed, agree, quietly):
    pipeline, like = quietly(lambda: fitted_pipeline(Chooser(seed)))
    try:
        agree(pipeline, like, rows=300)
    except UnsupportedModelError as error:
        assert "it fills" in error.reason  # noqa: PT017 - any other refusal is a surprise


OBJECTIVES = ("regression", "quantile", "poisson", "binary", "cross_entropy", "multiclass")


@pytest.mark.parametrize("seed", range(40))
def test_random_booster(seed, agree, quietly):
    choose = Chooser(seed)
    rng, objective = choose.rng, choose.of(*OBJECTIVES)
    frame = make_frame(rng).drop(columns=["text"]).astype({"hole": "category"})
    frame["odd"] = rng.choice([0.0, -0.0, 1e-36, -1e-35, 5e-324, 1e300, np.inf, np.nan], ROWS)
    frame["native"] = np.where(rng.random(ROWS) < 0.2, np.nan, rng.integers(0, 40, ROWS))
    raw = np.sin(frame["native"].fillna(7) * 5) + frame["x"] * frame["hole"].cat.codes
    target = {
        "poisson": np.exp(raw / 3),
        "binary": (raw > 0).astype(float),
        "cross_entropy": 1 / (1 + np.exp(-raw)),
        "multiclass": np.digitize(raw, [-0.5, 0.5]).astype(float),
    }.get(objective, raw)
    params = {
        "objective": objective,
        "num_leaves": choose.of(2, 4, 15, 70, 300),
        "min_data_in_leaf": choose.of(1, 2, 20),
        "learning_rate": choose.of(0.1, 1.0),
        "zero_as_missing": choose.of(False, False, True),
        "use_missing": choose.of(True, True, False),
        "boosting": choose.of("gbdt", "gbdt", "dart", "rf"),
        "bagging_freq": 1,
        "bagging_fraction": 0.7,
        "max_bin": choose.of(3, 15, 255),
        "cat_smooth": choose.of(0, 10),
        "min_data_per_group": choose.of(1, 30),
        "max_cat_to_onehot": choose.of(1, 50),
        "extra_trees": choose.of(False, True),
        "reg_sqrt": choose.of(False, True),
        "num_class": 3 if objective == "multiclass" else 1,
        "num_threads": 1,
        "verbose": -1,
        "seed": seed,
    }
    data = lgb.Dataset(frame, target, categorical_feature=["native", "hole"], params=params)
    booster = quietly(lambda: lgb.train(params, data, choose.of(1, 4, 15)))
    agree(booster, frame, rows=300)
