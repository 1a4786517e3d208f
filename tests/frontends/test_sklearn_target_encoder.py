"""TargetEncoder: means of the target by category, for values, two labels and more."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

RNG = np.random.default_rng(2001)
ROWS = 300
FRAME = pd.DataFrame(
    {
        "carrier": RNG.choice(["UA", "DL", "AA"], ROWS),
        "dest": np.where(RNG.random(ROWS) < 0.1, None, RNG.choice(["ORD", "SFO"], ROWS)),
        "stops": RNG.integers(0, 4, ROWS),
        "late": RNG.random(ROWS) < 0.4,
        "class": np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.choice([1.5, 2.5], ROWS)),
    }
)
NUMBER = RNG.normal(size=ROWS) + (FRAME["carrier"] == "UA") - FRAME["stops"]
TARGETS = [
    NUMBER.to_numpy(),
    (NUMBER > 0).to_numpy(),
    np.where(NUMBER > 0, "late", "on time"),
    np.digitize(NUMBER, [-2, 0]),
    np.array(["a", "b", "c"])[np.digitize(NUMBER, [-2, 0])],
]
NAMES = ["numbers", "booleans", "texts", "three integers", "three texts"]


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
@pytest.mark.parametrize("smooth", ["auto", 0.0, 12.5])
def test_before_models(target, smooth, agree):
    is_number = target.dtype.kind == "f"
    options = {"max_depth": 4, "random_state": 0}
    tree = DecisionTreeRegressor(**options) if is_number else DecisionTreeClassifier(**options)
    encode = make_column_transformer((TargetEncoder(smooth=smooth, cv=2), list(FRAME)))
    for last in (tree, Ridge() if is_number else LogisticRegression()):
        agree(make_pipeline(encode, last).fit(FRAME, target), FRAME, rows=300)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_unknown_and_missing_take_the_mean(target, same_columns):
    known = FRAME.iloc[:, [0, 2]]
    encoder = TargetEncoder().fit(known, target)
    asked = pd.DataFrame({"carrier": ["UA", "??", None], "stops": [1, 99, 2]})
    same_columns(encoder, asked)


def test_categories_that_were_given(agree):
    encoder = TargetEncoder(categories=[["AA", "DL", "UA", "never seen"]], cv=2)
    encode = make_column_transformer((encoder, ["carrier"]), ("passthrough", ["stops"]))
    pipeline = make_pipeline(encode, DecisionTreeRegressor(max_depth=3)).fit(FRAME, NUMBER)
    agree(pipeline, FRAME, rows=300, routes=("kernel", "duckdb"))
