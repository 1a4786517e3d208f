"""Whole models of every estimator: the program's answers are those of the steps in Python."""

import warnings

import examples
import grid
import numpy as np
import pyarrow as pa
import pytest

from foresql.errors import ForesqlError
from foresql.frontends import Training, convert
from foresql.kernels import RowScorer, Scorer, program_problem
from foresql.kernels.native import load_library

pytestmark = pytest.mark.skipif(load_library() is None, reason="the native kernel was not built")

IN_PYTHON = {
    "KernelSum", "LogSoftmax", "Elementwise", "Neighbours", "WeightedMedian", "BSplines", "Couple",
    "Onnx", "Skops", "Arithmetic",
}  # fmt: skip
PICKED = (
    *("missing and infinite", "beyond 2**53", "unseen keys", "missing keys", "keys of Unicode"),
    *("fifty classes", "two targets", "one leaf", "linear leaves", "quotes", "ranking"),
)
CASES = [case for case in grid.cases() if case.name.split(": ")[1] in PICKED]


def hold(model, tables: list[pa.Table]) -> None:
    problem = program_problem(model)
    native, steps = Scorer(model), Scorer(model, None)
    if problem:
        assert problem.split("(")[1].split(")")[0] in IN_PYTHON
        assert native.program is None
        return
    for table in tables:
        agree(native, steps, table)
        for row in range(min(len(table), 3)):
            agree_on_row(native, steps, table.slice(row, 1))


def agree(native: Scorer, steps: Scorer, table: pa.Table) -> None:
    try:
        wanted = steps.score(table)
    except ForesqlError:
        assert native.program.score(table) is None
        return
    found = native.program.score(table)
    for name in ("prediction", "probabilities", "margins"):
        same_bits(getattr(found, name), getattr(wanted, name))


def agree_on_row(native: Scorer, steps: Scorer, table: pa.Table) -> None:
    row = table.to_pylist()[0]
    try:
        wanted = steps.score(table)
    except ForesqlError as error:
        with pytest.raises(type(error)):
            RowScorer(native).answers(row)
        return
    groups = (wanted.prediction, wanted.probabilities, wanted.margins)
    wanted = np.array([answer for group in groups for answer in group[0]])
    same_bits(np.array(RowScorer(native).answers(row)), wanted)
    values = [row[name] for name in native.model.signature.names]
    same_bits(np.array(RowScorer(native).answers(values)), wanted)


def same_bits(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    missing = np.isnan(wanted)
    assert np.array_equal(np.isnan(found), missing)
    assert np.array_equal(found[~missing].view(np.int64), wanted[~missing].view(np.int64))


def as_table(frame, model) -> pa.Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.rename_columns([str(name) for name in table.column_names])
    return table.select(list(model.signature.names))


@pytest.mark.parametrize("example", examples.examples(), ids=lambda e: f"{e.library} {e.estimator}")
def test_every_estimator(example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator, frame = example.fit()
        try:
            model = convert(estimator, Training.of(frame, estimator))
        except ForesqlError:
            return
    hold(model, [as_table(frame, model)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_grid(case):
    fitted = case.fit()
    if fitted is None:
        return
    try:
        model = convert(fitted.estimator, Training.of(fitted.frame, fitted.estimator))
    except ForesqlError:
        return
    hold(model, [as_table(frame, model) for frame in (fitted.frame, *fitted.others)])
