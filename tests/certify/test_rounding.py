import numpy as np
import pyarrow as pa
import pytest

from foresql.certify.rounding import carry_errors
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer

NAMES = ("a", "b", "c")
MADE = ("x", "y", "z")
ROWS = 500
RNG = np.random.default_rng(5)


def run(step, columns):
    signature = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in NAMES))
    scorer = Scorer(Model(signature, (step,), Outputs(MADE)))
    return scorer.run(scorer.decoder.decode(pa.table(columns, names=list(NAMES))))


@pytest.mark.parametrize(
    "step",
    [
        s.Softmax(NAMES, MADE),
        s.LogSoftmax(NAMES, MADE),
        s.Elementwise(NAMES, MADE, s.Function.SQRT),
        s.Elementwise(NAMES, MADE, s.Function.NUMPY_TANH),
        s.Elementwise(NAMES, MADE, s.Function.SIGMOID),
    ],
    ids=lambda step: getattr(step, "function", type(step).__name__),
)
def test_moved_inputs_move_the_outputs_by_no_more_than_is_carried(step):
    columns = [RNG.gamma(1.0, 10.0, ROWS) * RNG.choice([0.0, 1e-9, 1.0], ROWS) for _ in NAMES]
    size = 10.0 ** RNG.uniform(-12, -1, ROWS)
    errors = dict.fromkeys(NAMES, size)
    values = run(step, columns)
    with np.errstate(all="ignore"):
        carry_errors(step, values, errors)
    for _ in range(20):
        moved = run(step, [np.maximum(x + size * RNG.uniform(-1, 1, ROWS), 0.0) for x in columns])
        for name in MADE:
            assert np.isfinite(errors[name]).all()
            assert (np.abs(moved.numbers(name) - values.numbers(name)) <= errors[name]).all()
