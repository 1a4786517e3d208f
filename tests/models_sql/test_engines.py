"""Cases of the oracle grid in every engine that runs here: the kernel's answers, bit for bit.

``FORESQL_SQL_GRID=all`` takes the whole grid, which is a matter of half an hour.
"""

import os

import pytest
from grid import cases

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
    case = fitted(name)
    if case is None or name in REFUSED:
        pytest.skip("there is no model")
    agrees(engine, case.estimator, case.frame, others=case.others)
