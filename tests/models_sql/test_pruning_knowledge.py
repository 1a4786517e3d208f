"""What is said to be certain of a step's outputs holds for the kernel's answers."""

import contextlib
import math

import numpy as np
import pyarrow as pa
import pytest

from foresql.errors import ForesqlError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.models_sql.pruning import Domain
from foresql.models_sql.pruning.domain import Known, known_of
from foresql.models_sql.pruning.knowledge import after, known_outputs
from foresql.models_sql.pruning.liveness import refuses

A, B, C = "a", "b", "c"
INPUTS = (A, B, C)
POOL = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.5, -2.5, 100.0, -100.0, 1e-3, 7.0, 0.1),
    *(5e-324, -5e-324, 1e-310, 1e300, -1e300, 1.7976931348623157e308, math.inf, -math.inf),
    *(708.3, 709.78, 710.0, -708.3, -720.0, -745.0, -746.0, 88.7, 88.8, -87.4, -104.0, 36.0),
)
OUT = ("p", "q", "r")


def array(*numbers):
    return np.array(numbers, np.float64)


STEPS = {
    "null if": s.NullIf(INPUTS, OUT, -1.0, 2.0),
    "null if infinite": s.NullIf(INPUTS, OUT, 1.0, math.inf),
    "impute": s.Impute(INPUTS, OUT, (0.5, -3.0, math.nan)),
    "is missing": s.IsMissing(INPUTS, OUT),
    "clip": s.Clip(INPUTS, OUT, -1.0, 2.5),
    "exceeds": s.Exceeds((A,), ("p",), 0.5),
    "line": s.Interpolate((A,), ("p",), array(-1.0, 0.5, 0.5, 3.0), array(0.1, 0.7, -0.3, 0.9)),
    "rising line": s.Interpolate((A,), ("p",), array(-1.0, 0.5, 3.0), array(0.1, 0.3, 0.9)),
    "point": s.Interpolate((A,), ("p",), array(1.0), array(0.1)),
    "coalesce": s.Coalesce((A, B), ("p",)),
    "product": s.Product((A, B), ("p",)),
    "square": s.Product((A, A), ("p",)),
    "sum": s.Sum(INPUTS, ("p",)),
    "one hot": s.OneHot((A,), OUT, array(0.0, 1.0, 2.0)),
    "one hot, a code twice": s.OneHot((A,), OUT, array(1.0, 1.0, math.nan)),
    "lookup": s.Lookup((A,), ("p",), "x", (0.0, 1.0, 3.5), array(4, math.nan, -1), -2.0, 9.0),
    "strict lookup": s.Lookup((A,), ("p",), "x", (0.0, 1.0, 3.5), array(4, 5, -1), None, None),
    "rows": s.LookupRow(
        (A, B), ("p",), np.array([[0.0, 1.0], [1.0, 1.0]]), array([4], [5]), array(-1.0)
    ),
    "dot": s.Dot(INPUTS, ("p", "q"), array([0.1, 2], [-3, 0], [1e-9, 1e300]), array(0.3, -1.0)),
    "argmax": s.Argmax(INPUTS, ("p",)),
    "median": s.WeightedMedian(INPUTS, ("p",), array(1.0, 2.0, 0.5)),
    "require": s.Require(INPUTS, "x", missing=True, infinite=True),
    "require size": s.Require(INPUTS, "x", missing=False, infinite=True, largest=100.0),
    "require size of finite": s.Require(INPUTS, "x", missing=False, infinite=False, largest=9.0),
    "require range": s.RequireRange(INPUTS, "x", -2.5, 7.0),
}
STEPS |= {
    f"{operator} {operand}": s.Arithmetic((A,), ("p",), operator, array(operand))
    for operator in s.Operator
    for operand in (3.0, -0.7, 0.0, 1e-300, -1e300, math.inf, math.nan)
}
STEPS |= {name: s.Elementwise((A,), ("p",), name) for name in s.Function}
STEPS |= {f"by {norm}": s.Normalize(INPUTS, OUT, norm) for norm in s.Norm}
STEPS |= {
    "softmax": s.Softmax(INPUTS, OUT),
    "softmax in float32": s.Softmax(INPUTS, OUT, s.Precision.FLOAT32),
    "softmax of fmath": s.Softmax(INPUTS, OUT, exponential=s.Function.FMATH_EXP),
}

DRAWS, ROWS = 60, 4


def draw(rng):
    """Give a few numbers, some of them missing."""
    column = np.where(rng.random(ROWS) < 0.7, rng.choice(POOL, ROWS), rng.uniform(-50, 50, ROWS))
    if rng.random() < 0.3:
        column[:] = rng.choice([0.0, 1.0, 2.0])
    column[rng.random(ROWS) < rng.choice([0.0, 0.3, 1.0], p=[0.6, 0.3, 0.1])] = math.nan
    return column


def domain_of(column, way):
    """Say what some numbers are, as bounds, as keys, or not at all."""
    there = [x for x in column if not math.isnan(x)]
    missing = len(there) < len(column)
    if way == 0:
        return Domain(
            low=min(there, default=math.inf), high=max(there, default=0.0), missing=missing
        )
    return Domain(keys=frozenset(there), missing=missing) if way == 1 else None


def holds(known, column):
    for x in column.tolist():
        if math.isnan(x):
            assert known.missing
        else:
            assert known.low <= x <= known.high
            assert known.values is None or x in known.values


@pytest.mark.parametrize("name", STEPS)
def test_step(name):
    step, rng = STEPS[name], np.random.default_rng(1)
    columns = tuple(Column(n, ColumnType.DOUBLE) for n in INPUTS)
    outputs = s.outputs_of(step) or ("end",)
    end = () if s.outputs_of(step) else (s.Clip((A,), ("end",), 0.0, 1.0),)
    scorer = Scorer(Model(Signature(columns), (step, *end), Outputs(outputs[:1])), None)
    for _ in range(DRAWS):
        rows = {n: draw(rng) for n in INPUTS}
        inputs = {
            n: known_of(domain_of(x.tolist(), int(rng.integers(3))), ColumnType.DOUBLE)
            for n, x in rows.items()
        }
        said = known_outputs(step, [inputs[n] for n in step.inputs])
        for values in answered(scorer, rows, one_by_one=refuses(step)):
            for output, known in zip(s.outputs_of(step), said, strict=True):
                holds(known, values.numbers(output))
            for n in step.inputs:
                holds(after(step, inputs[n], is_key=False), values.numbers(n))


def answered(scorer, rows, *, one_by_one):
    """Run rows, each on its own where one may be refused; leave those that are."""
    parts = [slice(i, i + 1) for i in range(ROWS)] if one_by_one else [slice(None)]
    for part in parts:
        table = pa.table({n: x[part] for n, x in rows.items()})
        with contextlib.suppress(ForesqlError):
            yield scorer.run(scorer.decoder.decode(table))


def test_what_is_left_beside_a_range_that_is_made_missing():
    said = Domain(low=1.0, high=9.0, missing=False)
    [known] = known_outputs(s.NullIf((A,), ("p",), 0.0, 2.0), [known_of(said, ColumnType.DOUBLE)])
    assert known == Known(math.nextafter(2.0, 3.0), 9.0, missing=True)


def test_the_first_of_equals_may_be_the_largest():
    said = [Known(0.0, 1.0, missing=False), Known(1.0, 2.0, missing=False)]
    [known] = known_outputs(s.Argmax((A, B), ("p",)), said)
    assert known.values == (0.0, 1.0)


def test_infinities_of_both_signs_make_nan():
    said = [Known(1.0, math.inf, missing=False), Known(-math.inf, 1.0, missing=False)]
    [known] = known_outputs(s.Sum((A, B), ("p",)), said)
    assert known.missing
