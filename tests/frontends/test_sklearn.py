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

from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert
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


NOTHING_MISSING = dict.fromkeys(["handle_unknown"], "ignore")

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
    "standard without either": Transform(
        ["gust"], StandardScaler(with_mean=False, with_std=False)
    ),
    "standard of a constant": Transform(
        ["x"], StandardScaler(), pd.DataFrame({"x": np.full(ROWS, 0.1)})
    ),
    "min-max": Transform([*NUMBERS, "gust"], MinMaxScaler()),
    "min-max range": Transform(["gust", "month"], MinMaxScaler(feature_range=(-3, 7.7))),
    "min-max clipped": Transform(["gust", "wind"], MinMaxScaler(clip=True)),
    "min-max clipped range": Transform(
        ["wind"], MinMaxScaler(feature_range=(0.1, 0.3), clip=True)
    ),
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
    "pandas categories": Transform(
        ["tail"], OneHotEncoder(), FLIGHTS.astype({"tail": "category"})
    ),
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
        OrdinalEncoder(
            max_categories=3, handle_unknown="use_encoded_value", unknown_value=np.nan
        ),
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
        make_pipeline(
            SimpleImputer(strategy="most_frequent", add_indicator=True), OneHotEncoder()
        ),
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
        [("one hot", OneHotEncoder(), ["carrier", "dest", "month"]), ("raw", "passthrough", ["wind"])],
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
                ColumnTransformer(
                    [("one hot", OneHotEncoder(), ["carrier"])], remainder=remainder
                ),
            )
            for name, (remainder, columns) in REMAINDERS.items()
        },
    }.items()
    for name, case in cases.items()
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformer_gives_the_library_s_columns(name, agree, quietly):
    case = TRANSFORMS[name]
    transformed = dense(quietly(lambda: case.transformer.fit(case.rows).transform(case.rows)))
    last = LinearRegression()
    if np.isnan(transformed).any():
        last = lgb.LGBMRegressor(n_estimators=3, verbose=-1)
    pipeline = quietly(lambda: make_pipeline(case.transformer, last).fit(case.rows, TARGET))
    model = agree(pipeline, case.rows)
    scorer = Scorer(model)
    values = scorer.run(scorer.decoder.decode(Training.of(case.rows).table))
    columns = next(step for step in reversed(model.steps) if hasattr(step, "weights")
                   or hasattr(step, "trees")).inputs
    ours = np.stack([values.numbers(column) for column in columns], axis=1)
    assert np.array_equal(ours, transformed, equal_nan=True)


def dense(matrix) -> np.ndarray:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, np.float64)
