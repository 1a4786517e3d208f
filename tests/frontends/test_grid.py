"""The oracle grid, by the kernel: exact, or refused by name for one of few known reasons."""

import pytest
from grid import cases

from foresql import ForesqlError, UnsupportedModelError
from foresql.certify.oracle import ask_library
from foresql.frontends import Training, convert
from foresql.kernels import Scorer

REFUSED = {
    "xgboost: keys of Unicode": "letters beyond ASCII",
}
"""What is refused at conversion, and with what reason."""
FITTED = {case.name: fitted for case in cases() if (fitted := case.fit())}


def test_the_libraries_take_most_of_the_grid():
    assert len(FITTED) > 250


@pytest.mark.parametrize("name", FITTED)
def test_case(name, agree):
    estimator, frame, others = FITTED[name]
    if name in REFUSED:
        with pytest.raises(UnsupportedModelError, match=REFUSED[name]):
            convert(estimator, Training.of(frame, estimator))
        return
    model = agree(estimator, frame, rows=200)
    for other in others:
        table = Training.of(other, estimator).table
        theirs = ask_library(estimator, other)
        if not len(other):
            assert answers(model, table) == []  # in SQL, no rows give no rows
        elif isinstance(theirs, str):
            assert answers(model, table) is None
        else:
            assert answers(model, table) == pytest.approx(theirs.prediction.tolist(), rel=1e-14)


def answers(model, table):
    """Give a regression's answers, or None where it refuses the rows."""
    try:
        return Scorer(model).score(table).prediction[:, 0].tolist()
    except ForesqlError:
        return None
