"""Cases of the oracle grid in every engine that runs here: the kernel's answers, bit for bit.

``FORESQL_SQL_GRID=all`` takes the whole grid, which is a matter of half an hour.
"""

import os

import pytest
from grid import cases

from foresql import UnsupportedModelError

SOME = (
    "lightgbm: missing and infinite",
    "lightgbm: denormal",
    "lightgbm: flags",
    "lightgbm: unseen keys",
    "lightgbm: two classes",
    "lightgbm: three classes",
    "lightgbm: linear leaves",
    "catboost: quotes",
    "xgboost: missing",
    "xgboost: missing keys",
    "xgboost: two classes",
    "xgboost: three classes",
    "xgboost: linear",
    "catboost: missing",
    "catboost: three classes",
    "histogram boosting: missing keys",
    "histogram boosting: infinite",
    "random forest: text labels",
    "linear: two classes",
    "linear: three classes",
    "encoded: missing keys",
    "encoded: keys of Unicode",
    "encoded: reserved words",
)
FOR_SPARK = (
    "lightgbm: missing and infinite",
    "lightgbm: unseen keys",
    "lightgbm: three classes",
    "xgboost: two classes",
    "catboost: missing",
    "histogram boosting: missing keys",
    "linear: two classes",
    "encoded: missing keys",
    "encoded: reserved words",
)
"""Those of them that Spark runs by default: it takes seconds for each."""
ALL = os.environ.get("FORESQL_SQL_GRID") == "all"
CASES = {case.name: case for case in cases() if ALL or case.name in SOME}
REFUSED = ("xgboost: keys of Unicode",)
"""What the frontend refuses."""


@pytest.fixture(scope="session")
def fitted():
    """Fit each case once."""
    kept = {}

    def fit(name):
        if name not in kept:
            kept[name] = CASES[name].fit()
        return kept[name]

    return fit


@pytest.mark.parametrize("name", CASES)
def test_case(name, engine, agrees, fitted):
    if engine.name == "spark" and not (ALL or name in FOR_SPARK):
        pytest.skip("it takes seconds in Spark: FORESQL_SQL_GRID=all runs it")
    case = fitted(name)
    if case is None or name in REFUSED:
        pytest.skip("there is no model")
    try:
        agrees(engine, case.estimator, case.frame, others=case.others)
    except UnsupportedModelError as refusal:
        # By default nothing is refused; in the whole grid some models are.
        if not ALL:
            raise
        pytest.skip(str(refusal))
