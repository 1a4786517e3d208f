import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from foresql import CertificationError, certify
from foresql.certify.probes import make_probes
from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert
from foresql.ir.steps import Dot, Forest
from foresql.ir.thresholds import LIGHTGBM_ZERO
from foresql.kernels import Scorer

ROWS = 600
WIDE_GATE = 10_000


def flights(rows: int = ROWS, seed: int = 2013) -> pd.DataFrame:
    """Make columns of every type, some with gaps."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2013-01-01")
    frame = pd.DataFrame(
        {
            "distance": rng.gamma(2.0, 2.0, rows),
            "wind": rng.normal(0.0, 3.0, rows),
            "gust": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "month": rng.integers(1, 13, rows),
            "seats": rng.integers(-1, 4, rows),
            "level": rng.choice([0.5, 1.5, 2.5], rows),
            "is_late": rng.random(rows) < 0.4,
            "carrier": rng.choice(["AA", "B6", "É", "", "ua"], rows, p=[0.5, 0.3, 0.1, 0.05, 0.05]),
            "dest": rng.choice(["ATL", "BOS", "ord"], rows),
            "day": day + pd.to_timedelta(rng.integers(0, 20, rows), unit="D"),
        }
    )
    frame["tail"] = frame["dest"].mask(rng.random(rows) < 0.15)
    frame["empty"] = np.nan
    return frame


FLIGHTS = flights()
NUMBERS = ["distance", "wind", "month", "is_late"]
TARGET = (
    FLIGHTS["distance"]
    - FLIGHTS["wind"] * (FLIGHTS["dest"] == "BOS")
    + (FLIGHTS["month"] % 4)
    + FLIGHTS["gust"].fillna(2.0)
).to_numpy()


# --- transformers: every output column, bit for bit ----------------------------------------------


@dataclass(frozen=True)
class Transform:
    columns: list[str]
    transformer: object
    frame: pd.DataFrame | None = None

    @property
    def rows(self) -> pd.DataFrame:
        return (FLIGHTS if self.frame is None else self.frame)[self.columns]


def objects(column: str, missing: object) -> pd.DataFrame:
    """Make an object column in which ``missing`` stands for missing."""
    values = FLIGHTS[column].astype(object)
    return pd.DataFrame({column: values.where(FLIGHTS[column].notna(), missing)})


IMPUTERS = {
    "mean": Transform(["gust", "wind"], SimpleImputer()),
    "mean of integers and booleans": Transform(["month", "is_late"], SimpleImputer()),
    "median": Transform(["gust", "distance"], SimpleImputer(strategy="median")),
    "most frequent number": Transform(["gust", "month"], SimpleImputer(strategy="most_frequent")),
    "constant number": Transform(["gust"], SimpleImputer(strategy="constant", fill_value=-7.5)),
    "constant zero": Transform(["gust", "month"], SimpleImputer(strategy="constant")),
    "a function": Transform(["gust"], SimpleImputer(strategy=np.max)),
    "indicator": Transform(["wind", "gust"], SimpleImputer(add_indicator=True)),
    "indicator of nothing": Transform(["wind"], SimpleImputer(add_indicator=True)),
    "placeholder -1": Transform(["seats", "month"], SimpleImputer(missing_values=-1)),
    "placeholder -1 with indicator": Transform(
        ["seats", "month"],
        SimpleImputer(missing_values=-1, strategy="most_frequent", add_indicator=True),
    ),
    "placeholder 0": Transform(["seats"], SimpleImputer(missing_values=0, strategy="median")),
    "empty column dropped": Transform(["wind", "empty"], SimpleImputer()),
    "empty column dropped, constant": Transform(
        ["wind", "empty"], SimpleImputer(strategy="constant", fill_value=3.0)
    ),
    "empty column kept": Transform(["wind", "empty"], SimpleImputer(keep_empty_features=True)),
    "empty column kept, constant": Transform(
        ["empty", "gust"],
        SimpleImputer(strategy="constant", fill_value=3.0, keep_empty_features=True),
    ),
    "empty column with indicator": Transform(
        ["wind", "empty", "gust"], SimpleImputer(add_indicator=True)
    ),
    "constant NaN kept": Transform(
        ["gust"],
        SimpleImputer(strategy="constant", fill_value=np.nan, keep_empty_features=True),
    ),
}

SCALERS = {
    "standard": Transform([*NUMBERS, "gust"], StandardScaler()),
    "standard without mean": Transform(["gust", "month"], StandardScaler(with_mean=False)),
    "standard without deviation": Transform(["gust", "month"], StandardScaler(with_std=False)),
    "standard without either": Transform(["gust"], StandardScaler(with_mean=False, with_std=False)),
    "standard of a constant": Transform(
        ["x"], StandardScaler(), pd.DataFrame({"x": np.full(ROWS, 0.1)})
    ),
    "min-max": Transform([*NUMBERS, "gust"], MinMaxScaler()),
    "min-max range": Transform(["gust", "month"], MinMaxScaler(feature_range=(-3, 7.7))),
    "min-max clipped": Transform(["gust", "wind"], MinMaxScaler(clip=True)),
    "min-max clipped range": Transform(["wind"], MinMaxScaler(feature_range=(0.1, 0.3), clip=True)),
    "identity": Transform(["gust", "wind"], FunctionTransformer()),
    "identity that checks": Transform(NUMBERS, FunctionTransformer(validate=True)),
}

CATEGORIES = ["carrier", "dest"]
FIXED = [["B6", "AA", "never"], ["ord", "BOS", "ATL"]]

ONE_HOT = {
    "defaults": Transform(CATEGORIES, OneHotEncoder()),
    "sparse off": Transform(CATEGORIES, OneHotEncoder(sparse_output=False)),
    "unknown ignored": Transform(CATEGORIES, OneHotEncoder(handle_unknown="ignore")),
    "drop first": Transform(CATEGORIES, OneHotEncoder(drop="first")),
    "drop first, unknown ignored": Transform(
        CATEGORIES, OneHotEncoder(drop="first", handle_unknown="ignore")
    ),
    "drop if binary": Transform(["is_late", "dest"], OneHotEncoder(drop="if_binary")),
    "drop by value": Transform(CATEGORIES, OneHotEncoder(drop=["É", "ord"])),
    "drop all of a column": Transform(
        ["one", "dest"],
        OneHotEncoder(drop="first"),
        FLIGHTS.assign(one="only"),
    ),
    "given categories": Transform(
        CATEGORIES, OneHotEncoder(categories=FIXED, handle_unknown="ignore")
    ),
    "integers": Transform(["month", "seats"], OneHotEncoder(handle_unknown="ignore")),
    "floats": Transform(["level"], OneHotEncoder()),
    "booleans": Transform(["is_late"], OneHotEncoder(handle_unknown="ignore")),
    "times": Transform(["day"], OneHotEncoder(handle_unknown="ignore")),
    "floats with NaN": Transform(["gust"], OneHotEncoder(handle_unknown="ignore")),
    "text with NaN": Transform(["tail"], OneHotEncoder()),
    "text with NaN, unknown ignored": Transform(["tail"], OneHotEncoder(handle_unknown="ignore")),
    "text with None": Transform(["tail"], OneHotEncoder(), objects("tail", None)),
    "text with NaN objects": Transform(["tail"], OneHotEncoder(), objects("tail", np.nan)),
    "NaN dropped": Transform(["tail"], OneHotEncoder(drop=[np.nan])),
    "several types": Transform(
        ["month", "carrier", "is_late", "level", "day"], OneHotEncoder(handle_unknown="ignore")
    ),
    "objects of integers": Transform(
        ["month"],
        OneHotEncoder(handle_unknown="ignore"),
        FLIGHTS.astype({"month": object}),
    ),
    "dates": Transform(
        ["day"],
        OneHotEncoder(handle_unknown="ignore"),
        FLIGHTS.assign(day=FLIGHTS["day"].dt.date),
    ),
    "pandas categories": Transform(["tail"], OneHotEncoder(), FLIGHTS.astype({"tail": "category"})),
    "one category": Transform(["one"], OneHotEncoder(), FLIGHTS.assign(one="only")),
    "numbers as text": Transform(
        ["n"],
        OneHotEncoder(handle_unknown="ignore"),
        pd.DataFrame({"n": FLIGHTS["month"].astype(str)}),
    ),
}
RARE_OPTIONS = {
    "min frequency": {"min_frequency": 60},
    "min frequency share": {"min_frequency": 0.2},
    "max categories": {"max_categories": 3},
    "only the rare": {"max_categories": 1},
    "both": {"min_frequency": 20, "max_categories": 4},
    "nothing rare": {"min_frequency": 1},
}
ONE_HOT |= {
    f"{name}, unknown {unknown}": Transform(
        ["carrier", "month", "dest"], OneHotEncoder(handle_unknown=unknown, **options)
    )
    for name, options in RARE_OPTIONS.items()
    for unknown in ("error", "ignore", "infrequent_if_exist", "warn")
}
ONE_HOT |= {
    f"{name}, drop first": Transform(
        ["carrier", "dest"],
        OneHotEncoder(drop="first", handle_unknown="infrequent_if_exist", **options),
    )
    for name, options in RARE_OPTIONS.items()
    if name != "only the rare"
}
ONE_HOT |= {
    f"rare and missing {missing}": Transform(
        ["tail"],
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=150),
        objects("tail", missing),
    )
    for missing in (None, np.nan)
}

ORDINAL = {
    "defaults": Transform(CATEGORIES, OrdinalEncoder()),
    "given categories": Transform(["dest"], OrdinalEncoder(categories=[["ord", "ATL", "BOS"]])),
    "unknown -1": Transform(
        [*CATEGORIES, "month"],
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ),
    "unknown NaN": Transform(
        CATEGORIES, OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    ),
    "small integers": Transform(
        ["n"],
        OrdinalEncoder(dtype=np.int8),
        pd.DataFrame({"n": [f"{i % 300:03d}" for i in range(ROWS)]}),
    ),
    "integers, floats, booleans, times": Transform(
        ["month", "level", "is_late", "day"], OrdinalEncoder()
    ),
    "NaN": Transform(["tail", "gust"], OrdinalEncoder()),
    "NaN encoded": Transform(["tail", "gust"], OrdinalEncoder(encoded_missing_value=-9)),
    "NaN and unknown encoded": Transform(
        ["tail"],
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=99, encoded_missing_value=-9
        ),
    ),
    "None is a category": Transform(
        ["tail"], OrdinalEncoder(encoded_missing_value=-9), objects("tail", None)
    ),
    "rare": Transform(["carrier", "month"], OrdinalEncoder(min_frequency=60)),
    "at most three": Transform(
        ["carrier"],
        OrdinalEncoder(max_categories=3, handle_unknown="use_encoded_value", unknown_value=np.nan),
    ),
}
ORDINAL |= {
    f"rare and missing {missing}": Transform(
        ["tail"],
        OrdinalEncoder(min_frequency=180, encoded_missing_value=-9),
        objects("tail", missing),
    )
    for missing in (None, np.nan)
}


def sparse(numbers):
    """Make a sparse matrix of one-hot columns and numbers."""
    parts = [("keys", OneHotEncoder(), ["dest"]), ("numbers", "passthrough", numbers)]
    return ColumnTransformer(parts, sparse_threshold=1.0)


TEXT_FILLS = {
    "most frequent": SimpleImputer(strategy="most_frequent"),
    "constant": SimpleImputer(strategy="constant", fill_value="none"),
    "default constant": SimpleImputer(strategy="constant"),
}
CHAINS = {
    **{
        f"{name} text": Transform(["tail"], make_pipeline(imputer, OneHotEncoder()))
        for name, imputer in TEXT_FILLS.items()
    },
    "None filled": Transform(
        ["tail"],
        make_pipeline(
            SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder()
        ),
        objects("tail", None),
    ),
    "None is not NaN": Transform(
        ["tail"],
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
        objects("tail", None),
    ),
    "text filled and flagged": Transform(
        ["tail", "dest"],
        make_pipeline(SimpleImputer(strategy="most_frequent", add_indicator=True), OneHotEncoder()),
    ),
    "text and numbers filled": Transform(
        ["tail", "gust", "month"],
        make_pipeline(
            SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
        ),
    ),
    "integers filled, then encoded": Transform(
        ["seats"],
        make_pipeline(
            SimpleImputer(missing_values=-1, strategy="most_frequent"),
            OneHotEncoder(handle_unknown="ignore"),
        ),
    ),
    "encoded, then scaled": Transform(
        CATEGORIES, make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler())
    ),
    "encoded sparse, then scaled": Transform(
        CATEGORIES, make_pipeline(OneHotEncoder(), StandardScaler(with_mean=False))
    ),
    "ordinal, then one-hot": Transform(
        ["carrier"], make_pipeline(OrdinalEncoder(), OneHotEncoder())
    ),
    "ordinal with NaN, then one-hot": Transform(
        ["tail"], make_pipeline(OrdinalEncoder(), OneHotEncoder())
    ),
    "scaled, then one-hot": Transform(
        ["month", "level"], make_pipeline(StandardScaler(), OneHotEncoder(handle_unknown="ignore"))
    ),
    "scaled, then ordinal": Transform(
        ["seats"], make_pipeline(MinMaxScaler(feature_range=(0.1, 0.7)), OrdinalEncoder())
    ),
    "sparse, then scaled": Transform(
        ["dest", "wind", "distance"],
        make_pipeline(sparse(["wind", "distance"]), StandardScaler(with_mean=False)),
    ),
    "sparse, then filled and scaled": Transform(
        ["dest", "gust"],
        make_pipeline(sparse(["gust"]), SimpleImputer(), StandardScaler(with_mean=False)),
    ),
    "sparse by a union, then scaled": Transform(
        ["wind", "distance"],
        make_pipeline(
            FeatureUnion([("plain", "passthrough"), ("one hot", OneHotEncoder())]),
            StandardScaler(with_mean=False),
        ),
    ),
    "sparse in one branch only": Transform(
        ["wind", "dest"],
        ColumnTransformer(
            [
                ("sparse", FeatureUnion([("a", "passthrough"), ("b", OneHotEncoder())]), ["wind"]),
                ("dense", StandardScaler(with_mean=False), ["wind"]),
                ("keys", OneHotEncoder(), ["dest"]),
            ],
            sparse_threshold=0,
        ),
    ),
    "scaled twice": Transform(["gust"], make_pipeline(StandardScaler(), MinMaxScaler())),
    "the same one-hot columns twice": Transform(
        ["dest"],
        make_pipeline(
            OneHotEncoder(sparse_output=False),
            FeatureUnion([("a", "passthrough"), ("b", "passthrough")]),
        ),
    ),
}

UNION = [("scaled", StandardScaler()), ("plain", "passthrough"), ("none", "drop")]
UNIONS = {
    "plain": Transform(["wind", "month"], FeatureUnion(UNION)),
    "weights": Transform(
        ["wind", "month"],
        FeatureUnion(UNION, transformer_weights={"scaled": 0.1, "plain": -3.0}),
    ),
    "a weight that is None": Transform(
        ["wind"], FeatureUnion(UNION, transformer_weights={"scaled": None, "plain": 1 / 3})
    ),
    "nested": Transform(
        ["wind", "gust"],
        FeatureUnion(
            [
                ("filled", make_pipeline(SimpleImputer(), MinMaxScaler())),
                ("union", FeatureUnion([("i", SimpleImputer(strategy="median"))])),
            ],
            transformer_weights={"union": 2.5},
        ),
    ),
}

SCALED = ("scaled", StandardScaler())
COLUMN_TRANSFORMERS = {
    "weights": ColumnTransformer(
        [(*SCALED, ["wind", "distance"]), ("plain", "passthrough", ["month"])],
        transformer_weights={"scaled": 0.1, "plain": 1 / 3},
    ),
    "weights of nothing": ColumnTransformer(
        [(*SCALED, ["wind"]), ("none", "drop", ["carrier", "dest"])],
        transformer_weights={"scaled": None, "none": 2.0},
    ),
    "names": ColumnTransformer([(*SCALED, ["wind", "distance"])]),
    "positions": ColumnTransformer([(*SCALED, [1, 0])]),
    "negative positions": ColumnTransformer([(*SCALED, [-10, -11])]),
    "a slice": ColumnTransformer([(*SCALED, slice(0, 2))]),
    "a slice of names": ColumnTransformer([(*SCALED, slice("distance", "wind"))]),
    "a mask": ColumnTransformer(
        [(*SCALED, [name in {"wind", "month"} for name in FLIGHTS.columns])]
    ),
    "selector by type": ColumnTransformer(
        [
            (*SCALED, make_column_selector(dtype_include=np.float64, pattern="distance|wind")),
            ("one hot", OneHotEncoder(), make_column_selector(pattern="carrier|dest")),
        ]
    ),
    "a function": ColumnTransformer([(*SCALED, lambda frame: list(frame.columns[:2]))]),
    "remainder drop": ColumnTransformer([(*SCALED, ["month"])], remainder="drop"),
    "drop and passthrough": ColumnTransformer(
        [("out", "drop", ["wind"]), ("as it is", "passthrough", ["month", "distance"])]
    ),
    "no columns": ColumnTransformer([("none", StandardScaler(), []), (*SCALED, ["wind"])]),
    "the same column twice": ColumnTransformer(
        [(*SCALED, ["wind"]), ("again", MinMaxScaler(), ["wind"]), ("raw", "passthrough", ["wind"])]
    ),
    "an integer as key and number": ColumnTransformer(
        [("one hot", OneHotEncoder(), ["month"]), ("raw", "passthrough", ["month", "wind"])]
    ),
    "nested": ColumnTransformer(
        [
            (
                "numbers",
                Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())]),
                ["gust", "month"],
            ),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    ColumnTransformer(
                        [("one hot", OneHotEncoder(), [1]), ("ordinal", OrdinalEncoder(), [0])]
                    ),
                ),
                ["tail", "dest"],
            ),
        ],
        sparse_threshold=0,
    ),
    "sparse": ColumnTransformer(
        [
            ("one hot", OneHotEncoder(), ["carrier", "dest", "month"]),
            ("raw", "passthrough", ["wind"]),
        ],
        sparse_threshold=1.0,
    ),
}
REMAINDERS = {
    "remainder passthrough": ("passthrough", ["distance", "carrier", "wind", "month"]),
    "remainder transformer": (MinMaxScaler(), ["distance", "carrier", "wind", "month"]),
}

TRANSFORMS = {
    f"{group}: {name}": case
    for group, cases in {
        "imputer": IMPUTERS,
        "scaler": SCALERS,
        "one-hot": ONE_HOT,
        "ordinal": ORDINAL,
        "chain": CHAINS,
        "union": UNIONS,
        "columns": {
            name: Transform(list(FLIGHTS.columns), transformer)
            for name, transformer in COLUMN_TRANSFORMERS.items()
        }
        | {
            name: Transform(
                columns,
                ColumnTransformer([("one hot", OneHotEncoder(), ["carrier"])], remainder=remainder),
            )
            for name, (remainder, columns) in REMAINDERS.items()
        },
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformer_gives_the_library_s_columns(name, agree, quietly):
    case = TRANSFORMS[name]
    transformed = quietly(lambda: dense(case.transformer.fit(case.rows).transform(case.rows)))
    last = Ridge(0.1)
    if np.isnan(transformed).any():
        last = lgb.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1)
    pipeline = quietly(lambda: make_pipeline(case.transformer, last).fit(case.rows, TARGET))
    model = agree(pipeline, case.rows)
    training = Training.of(case.rows, pipeline).only(model.signature.names)
    boundaries = make_probes(model, training.table, 500, seed=1)[0].table
    for table in (training.table, boundaries):
        frame = training.rebuild(table)
        theirs = quietly(lambda frame=frame: dense(case.transformer.transform(frame)))
        assert np.array_equal(columns_of_last_step(model, table), theirs, equal_nan=True)


def dense(matrix) -> np.ndarray:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, np.float64)


def columns_of_last_step(model, table) -> np.ndarray:
    """Give what enters the dot product, or the trees."""
    last = next(step for step in model.steps if isinstance(step, Dot | Forest))
    scorer = Scorer(model)
    values = scorer.run(scorer.decoder.decode(table))
    return np.stack([values.numbers(name) for name in last.inputs], axis=1)


# --- predictors ---------------------------------------------------------------------------------

PREPARED = ["distance", "wind", "month", "is_late"]
SEVERAL = np.stack([TARGET, -2 * TARGET + FLIGHTS["wind"], np.cos(TARGET)], axis=1)
LABELS = {
    "text": np.array(["on time", "late", "gone", "É"])[FLIGHTS["month"] % 4],
    "booleans": np.median(TARGET) < TARGET,
    "integers": FLIGHTS["month"].to_numpy() % 3 - 5,
    "floats": np.array([2.0, -1.0])[FLIGHTS["month"] % 2],
    "two texts": np.where(TARGET > 3, "b", "a"),
    "many": FLIGHTS["month"].to_numpy() + 12 * FLIGHTS["is_late"].to_numpy(),
}

REGRESSIONS = {
    "linear": (LinearRegression(), TARGET),
    "linear, no intercept": (LinearRegression(fit_intercept=False), TARGET),
    "linear, positive": (LinearRegression(positive=True), TARGET),
    "linear, column target": (LinearRegression(), TARGET[:, None]),
    "linear, several targets": (LinearRegression(), SEVERAL),
    "linear, several without intercept": (LinearRegression(fit_intercept=False), SEVERAL),
    "ridge": (Ridge(), TARGET),
    "ridge, no intercept": (Ridge(fit_intercept=False), TARGET),
    "ridge, column target": (Ridge(), TARGET[:, None]),
    "ridge, several targets": (Ridge(alpha=[0.1, 1.0, 10.0]), SEVERAL),
    "ridge, sag": (Ridge(solver="sag", random_state=0), TARGET),
    "ridge, constant target": (Ridge(), np.full(ROWS, 0.1)),
}
LOGISTIC = {
    f"logistic, {kind}": (LogisticRegression(max_iter=200), labels)
    for kind, labels in LABELS.items()
} | {
    "logistic, no intercept": (LogisticRegression(fit_intercept=False), LABELS["booleans"]),
    "logistic, several without intercept": (
        LogisticRegression(fit_intercept=False),
        LABELS["text"],
    ),
    "logistic, liblinear": (LogisticRegression(solver="liblinear"), LABELS["two texts"]),
    "logistic, saga": (LogisticRegression(solver="saga"), LABELS["text"]),
    "logistic, weights": (LogisticRegression(class_weight="balanced"), LABELS["integers"]),
    "logistic, no penalty": (LogisticRegression(C=np.inf), LABELS["booleans"]),
}
PREDICTORS = REGRESSIONS | LOGISTIC


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictor_gives_the_library_s_answers(name, agree, quietly):
    estimator, target = PREDICTORS[name]
    rows = FLIGHTS[PREPARED]
    pipeline = quietly(lambda: make_pipeline(MinMaxScaler(), estimator).fit(rows, target))
    model = agree(pipeline, rows)
    if name in LOGISTIC:
        assert model.outputs.classes == tuple(np.unique(target).tolist())


@pytest.mark.parametrize("name", ["linear", "logistic, text", "logistic, booleans"])
def test_predictor_on_its_own(name, agree, quietly):
    estimator, target = PREDICTORS[name]
    rows = FLIGHTS[PREPARED].astype(float)
    agree(quietly(lambda: estimator.fit(rows, target)), rows)


def typical_pipeline(last):
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20),
    )
    return Pipeline(
        [
            (
                "prepare",
                ColumnTransformer(
                    [
                        ("numbers", numbers, ["distance", "wind", "gust", "month"]),
                        ("texts", texts, ["carrier", "tail"]),
                        (
                            "days",
                            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                            ["day"],
                        ),
                    ],
                    remainder="drop",
                ),
            ),
            ("predict", last),
        ]
    )


@pytest.mark.parametrize(
    ("last", "target"),
    [
        (LogisticRegression(max_iter=300), LABELS["text"]),
        (LogisticRegression(max_iter=300), LABELS["booleans"]),
        (LinearRegression(), SEVERAL),
        (lgb.LGBMClassifier(n_estimators=10, num_leaves=7, n_jobs=1, verbose=-1), LABELS["text"]),
        (lgb.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1), TARGET),
    ],
    ids=["multiclass", "binary", "several targets", "LightGBM classes", "LightGBM values"],
)
def test_typical_pipeline_by_every_route(last, target, agree, quietly):
    pipeline = quietly(lambda: typical_pipeline(last).fit(FLIGHTS, target))
    agree(pipeline, FLIGHTS, rows=WIDE_GATE, routes=tuple(ROUTES))


def test_lightgbm_reads_tiny_numbers_of_sparse_rows_as_they_are(agree, quietly):
    """In sparse rows, as in Arrow, LightGBM does not take 1e-35 for zero."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 0.0, 0.0, 1.0], ROWS)
    rows = FLIGHTS[["dest"]].assign(sign=sign)
    last = lgb.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1)
    target = np.sign(sign) + rng.normal(size=ROWS) / 9
    for prepare in (sparse(["sign"]), sparse(["sign"]).set_params(sparse_threshold=0)):
        pipeline = quietly(lambda prepare=prepare: make_pipeline(prepare, last).fit(rows, target))
        model = agree(pipeline, rows)
        trees = next(step for step in model.steps if isinstance(step, Forest)).trees
        is_sparse = prepare.sparse_threshold > 0
        assert (-LIGHTGBM_ZERO in trees.threshold) is is_sparse


def test_columns_may_come_in_any_order_and_with_others(quietly):
    pipeline = quietly(lambda: typical_pipeline(Ridge()).fit(FLIGHTS, TARGET))
    model = convert(pipeline, Training.of(FLIGHTS, pipeline))
    shuffled = pa.Table.from_pandas(FLIGHTS[FLIGHTS.columns[::-1]].assign(more=1))
    again = Scorer(model).score(shuffled).prediction[:, 0]
    assert np.allclose(again, pipeline.predict(FLIGHTS), rtol=1e-13, atol=1e-13)
    assert "more" not in model.signature.names


def test_steps_that_are_switched_off(agree, quietly):
    steps = [("a", "passthrough"), ("b", None), ("c", StandardScaler()), ("d", Ridge())]
    rows = FLIGHTS[PREPARED].astype(float)
    agree(quietly(lambda: Pipeline(steps).fit(rows, TARGET)), rows)


# --- frames ---------------------------------------------------------------------------------------

NUMERIC = FLIGHTS[["distance", "gust", "wind"]]
INTEGERS = FLIGHTS[["month", "seats"]]
GAPS = FLIGHTS["gust"].isna().to_numpy()
TEXTS = FLIGHTS[["tail", "dest"]]
FRAMES = {
    "numpy float64": NUMERIC.to_numpy(),
    "numpy int16": INTEGERS.to_numpy().astype(np.int16),
    "numpy uint8": INTEGERS.abs().to_numpy().astype(np.uint8),
    "numpy booleans": FLIGHTS[["is_late"]].to_numpy(),
    "pandas int8": INTEGERS.astype("int8"),
    "pandas float64": NUMERIC,
    "pandas Int64": INTEGERS.astype("Int64").mask(np.stack([GAPS, ~GAPS], axis=1)),
    "pandas Float64": NUMERIC.astype("Float64"),
    "pandas Arrow numbers": NUMERIC.join(INTEGERS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas boolean": pd.DataFrame({"f": FLIGHTS["is_late"].astype("boolean").mask(GAPS)}),
    "pandas decimals": pd.DataFrame({"d": [Decimal(f"{x:.3f}") for x in FLIGHTS["wind"]]}),
    "pandas decimals with None": pd.DataFrame(
        {"d": [None if gap else Decimal("0.1") * i for i, gap in enumerate(GAPS)]}
    ),
    "polars numbers": pl.from_pandas(NUMERIC.join(INTEGERS)),
    "polars int8": pl.from_pandas(INTEGERS.astype("int8")),
    "polars booleans": pl.from_pandas(FLIGHTS[["is_late", "wind"]]),
    "Arrow numbers": pa.Table.from_pandas(NUMERIC.join(INTEGERS)),
    "Arrow int16": pa.Table.from_pandas(INTEGERS.astype("int16")),
}
TEXT_FRAMES = {
    "numpy text": FLIGHTS[["dest"]].to_numpy().astype("U3"),
    "numpy objects": TEXTS.to_numpy(object),
    "numpy objects with None": TEXTS.astype(object).where(TEXTS.notna(), None).to_numpy(),
    "pandas str": TEXTS,
    "pandas string": TEXTS[["dest"]].astype("string"),
    "pandas Arrow text": TEXTS[["dest"]].convert_dtypes(dtype_backend="pyarrow"),
    "pandas categories": TEXTS.astype("category"),
    "pandas integer categories": INTEGERS.astype("category"),
    "pandas boolean categories": FLIGHTS[["is_late"]].astype("category"),
    "pandas times": FLIGHTS[["day"]],
    "pandas dates": FLIGHTS[["day"]].assign(day=FLIGHTS["day"].dt.date),
    "polars text": pl.from_pandas(TEXTS),
    "polars categories": pl.from_pandas(TEXTS).with_columns(pl.col("tail").cast(pl.Categorical)),
    "polars Enum": pl.from_pandas(TEXTS).with_columns(
        pl.col("tail").cast(pl.Enum(["ATL", "BOS", "ord"]))
    ),
    "polars dates": pl.from_pandas(FLIGHTS[["day"]]).with_columns(pl.col("day").cast(pl.Date)),
    "Arrow text": pa.Table.from_pandas(TEXTS),
    "Arrow dictionary": pa.table({"d": pa.array(FLIGHTS["dest"]).dictionary_encode()}),
    "Arrow large text": pa.table({"d": pa.array(FLIGHTS["dest"], pa.large_string())}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_numbers_of_any_frame(name, agree, quietly):
    frame = FRAMES[name]
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)


@pytest.mark.parametrize("unknown", ["error", "ignore"])
@pytest.mark.parametrize("name", [*TEXT_FRAMES, "numpy int16", "polars int8", "Arrow int16"])
def test_keys_of_any_frame(name, unknown, agree, quietly):
    frame = (TEXT_FRAMES | FRAMES)[name]
    pipeline = make_pipeline(OneHotEncoder(handle_unknown=unknown), Ridge())
    agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)


FILLED = [
    "numpy objects",
    "numpy objects with None",
    "pandas str",
    "pandas categories",
    "polars text",
    "polars categories",
    "polars Enum",
    "Arrow text",
    "Arrow dictionary",
    "Arrow large text",
]


@pytest.mark.parametrize("name", FILLED)
def test_filled_keys_of_any_frame(name, agree, quietly):
    frame = TEXT_FRAMES[name]
    pipeline = filled(Ridge())
    agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)


def filled(last):
    imputer = SimpleImputer(strategy="most_frequent")
    return make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"), last)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        # NA is not NaN, and comparing it with NaN is an error.
        ("pandas Arrow text", "library refuses them .*boolean value of NA is ambiguous"),
        # scikit-learn reads a missing category of an integer column as the lowest integer.
        ("pandas integer categories", "differs from the library in the prediction"),
    ],
)
def test_missing_values_that_the_library_cannot_fill_stop_the_gate(name, reason, quietly):
    frame = TEXT_FRAMES[name]
    pipeline = quietly(lambda: filled(Ridge()).fit(frame, TARGET))
    training = Training.of(frame, pipeline)
    model = convert(pipeline, training)
    with pytest.raises(CertificationError, match=reason):
        certify(model, pipeline, training, rows=500, routes=("kernel",))


def test_nullable_text_is_filled_where_the_placeholder_is_na(agree, quietly):
    frame = TEXTS.astype("string")
    pipeline = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=pd.NA), OneHotEncoder(), Ridge()
    )
    agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "Arrow", "pandas Float32"])
def test_narrow_floats_are_asked_and_answered_in_float64(kind, quietly):
    """SQL has DOUBLE, so a float32 frame is certified for float64 rows.

    scikit-learn itself computes float32 frames in float32: there the answers are close only.
    """
    narrow = FLIGHTS[["distance", "wind"]].astype(np.float32)
    frame = {
        "numpy": narrow.to_numpy(),
        "pandas": narrow,
        "polars": pl.from_pandas(narrow),
        "Arrow": pa.Table.from_pandas(narrow),
        "pandas Float32": narrow.astype("Float32"),
    }[kind]
    pipeline = quietly(lambda: make_pipeline(StandardScaler(), Ridge()).fit(frame, TARGET))
    training = Training.of(frame, pipeline)
    model = convert(pipeline, training)
    certify(model, pipeline, training, rows=1_000, routes=("kernel",))
    ours = Scorer(model).score(training.table).prediction[:, 0]
    assert np.allclose(ours, pipeline.predict(frame), rtol=1e-4)


def test_times_keep_their_microseconds(agree, quietly):
    base = dt.datetime(2013, 1, 1, 12, 0, 0, 123_457)  # noqa: DTZ001 - columns have no zone
    frame = pd.DataFrame({"t": [base + dt.timedelta(microseconds=i % 3) for i in range(ROWS)]})
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge())
    model = agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)
    assert len(model.steps[0].keys) == 3


def test_an_integer_beyond_2_to_the_53_is_its_own_key(agree, quietly):
    frame = pd.DataFrame({"k": 2**53 + np.arange(ROWS) % 5})
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge())
    agree(quietly(lambda: pipeline.fit(frame, TARGET)), frame)
