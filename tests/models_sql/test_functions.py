"""Functions, powers, remainders and splines in each engine, on hard arguments.

``FORESQL_SQL_GRID=all`` takes a million arguments for each of the functions that others are made
of.
"""

import os
import sys

import numpy as np
import pyarrow as pa
import pytest

from foresql import UnsupportedModelError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.steps import Function, Operator
from foresql.kernels import Scorer
from foresql.models_sql import LINK_ULPS, ULPS, compile_query, target_of

engines = sys.modules["engines"]
MANY = 250_000 if os.environ.get("FORESQL_SQL_GRID") == "all" else 500
OF_ENGINE = 1.0
"""How far an engine's exponential or logarithm was at most from the correct one, in last digits."""
ENDS = [
    *(0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5),
    *(709.782712893384, 710.4758600739439, -745.1332191019412, -745.2, 1024.0, -1074.0, -1075.5),
    *(1e300, -1e300, 2.0**52, 2.0**52 - 0.5, 0.5 - 2.0**-54, 2.0**54, 2.0**27, 2.0**-30, 1e22),
    *(np.pi, np.pi / 2, 22.0, 37.5, 40.0, -40.0, 0.1353352832366127, 0.8646647167633873, 1e-200),
]
SAFE = (1e-150, 1e150)
"""Some engines end a query at an overflow or underflow, which products of others reach."""


def arguments(engine, count):
    """Numbers of all sizes, near 0 and near 1, and the ends of domains with what is beside them."""
    rng = np.random.default_rng(3)
    with np.errstate(over="ignore"):
        beside = [ENDS, np.nextafter(ENDS, np.inf), np.nextafter(ENDS, -np.inf)]
    signs = rng.choice([-1.0, 1.0], count)
    drawn = [
        np.exp(rng.uniform(-700, 700, count)) * signs,
        rng.uniform(-10, 10, count),
        rng.uniform(-700, 700, count),
        1 + np.exp(rng.uniform(-36, -0.5, count)) * signs,
        np.exp(rng.uniform(-36, -0.5, count)) - 1,
        rng.uniform(0, 1, count),
        rng.integers(-200, 200, count) / 2,
    ]
    x = np.concatenate([*beside, *drawn])
    if target_of(engine.name).divides_by_zero or engine.name == "sqlite":
        return x
    size = np.abs(x)
    return x[((size > SAFE[0]) & (size < 700)) | (x == 0)]


def model_of(step):
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    return Model(signature, (step,), Outputs(step.outputs))


def answers(engine, model, x):
    """Give the answers of an engine and of the kernel, float64[rows, outputs]."""
    query = compile_query(model, target_of(engine.name), "probes", keep=("row number",))
    table = pa.table({"x": pa.array(x, from_pandas=True)})
    with np.errstate(all="ignore"):
        kernel = Scorer(model).score(table).prediction
    numbers = pa.array(np.arange(len(x)))
    found = engine.run(query.text, table.append_column("row number", numbers))
    found = found.sort_by("row number").drop_columns(["row number"])
    ours = [np.array(column.to_pylist(), np.float64) for column in found.columns]
    return np.stack(ours, axis=1), kernel, bool(query.approximate)


def ulps(ours, theirs):
    """Count last digits between numbers; 0 for equals, and infinite for what is not there."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(all="ignore"):
        apart = np.abs(ours - theirs) / np.spacing(np.abs(theirs))
    return np.where(same, 0.0, np.nan_to_num(apart, nan=np.inf))


def answered(engine, model, x):
    """Leave out the arguments at whose answers an engine ends a query."""
    if target_of(engine.name).divides_by_zero or engine.name == "sqlite":
        return x
    with np.errstate(all="ignore"):
        kernel = Scorer(model).score(pa.table({"x": pa.array(x, from_pandas=True)})).prediction
    size = np.abs(kernel[:, 0])
    is_zero = (size == 0) & ((x == 0) | (np.abs(x) > SAFE[0] ** 0.1))
    return x[np.isnan(size) | is_zero | ((size > SAFE[0]) & (size < SAFE[1]))]


FLOAT32 = {Function.FLOAT32, Function.FLOAT32_EXP, Function.FLOAT32_SIGMOID}
"""The grid's XGBoost models hold these against the kernel."""
REFUSALS = "certain to agree|divides by zero|has no number"
NEED_INFINITY = {
    *(Function.LOG, Function.NUMPY_LOG, Function.NUMPY_LOG2, Function.NUMPY_LOG10),
    *(Function.NUMPY_LOG1P, Function.LOG1P_EXP, Function.SCIPY_NDTRI),
    *(Function.NUMPY_ARCSINH, Function.NUMPY_ARCCOSH, Function.NUMPY_ARCTANH),
}
TRIGONOMETRIC = {
    *(Function.NUMPY_SIN, Function.NUMPY_COS, Function.NUMPY_TAN),
    *(Function.NUMPY_ARCSIN, Function.NUMPY_ARCCOS, Function.NUMPY_ARCTAN),
}
LACKING = {
    "sqlite": {Function.RECIPROCAL},
    "postgres": {Function.RECIPROCAL},
    "spark": {Function.RECIPROCAL},
    "clickhouse": {Function.NUMPY_ARCSIN, Function.NUMPY_ARCCOS},
    "mariadb": {Function.RECIPROCAL, *NEED_INFINITY, *TRIGONOMETRIC},
}


@pytest.mark.parametrize("function", sorted(set(Function) - FLOAT32))
def test_function(function, engine):
    model = model_of(s.Elementwise(("x",), ("y",), function))
    if function in LACKING.get(engine.name, ()):
        with pytest.raises(UnsupportedModelError, match=REFUSALS):
            compile_query(model, target_of(engine.name), "probes")
        return
    x = answered(engine, model, arguments(engine, MANY))
    ours, kernel, approximate = answers(engine, model, x)
    apart = ulps(ours, kernel)[:, 0]
    worst = int(np.argmax(apart))
    assert approximate is (function in ULPS)
    assert apart[worst] <= ULPS.get(function, 0), (x[worst], ours[worst], kernel[worst])


CORRECT = {
    Function.EXP: np.exp,
    Function.LOG: np.log,
    Function.SQRT: np.sqrt,
    Function.NUMPY_SIN: np.sin,
    Function.NUMPY_COS: np.cos,
}


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="it needs more digits than float64")
@pytest.mark.parametrize("function", CORRECT)
def test_what_others_are_made_of_is_nearly_correct(function, engine):
    if function in LACKING.get(engine.name, ()):
        pytest.skip("test_function sees it refused")
    x = arguments(engine, MANY)
    x = x[np.isfinite(x) & (np.abs(x) < 1e15)]
    x = x[np.abs(x) < 700] if function is Function.EXP else x
    x = x[x > 0] if function in {Function.LOG, Function.SQRT} else x
    model = model_of(s.Elementwise(("x",), ("y",), function))
    ours, _, _ = answers(engine, model, x)
    correct = CORRECT[function](x.astype(np.longdouble))
    apart = np.abs(ours[:, 0] - correct) / np.spacing(np.abs(correct.astype(np.float64)))
    assert apart.max() <= OF_ENGINE


@pytest.mark.parametrize("operand", [0.5, 1 / 3, 2.0, 3.0, -1.0, -2.0, 2.5, -0.7])
def test_power(operand, engine):
    model = model_of(s.Arithmetic(("x",), ("y",), Operator.POWER, np.array([operand])))
    target = target_of(engine.name)
    if operand != 2 and (target.power is None or (operand < 0 and not target.divides_by_zero)):
        with pytest.raises(UnsupportedModelError, match=r"no power of|divides by zero"):
            compile_query(model, target, "probes")
        return
    x = answered(engine, model, arguments(engine, MANY))
    ours, kernel, _ = answers(engine, model, x)
    apart = ulps(ours, kernel)[:, 0]
    worst = int(np.argmax(apart))
    assert apart[worst] <= LINK_ULPS, (x[worst], ours[worst], kernel[worst])


@pytest.mark.parametrize("operand", [1.0, 0.1, 7.0, 1e-3, 1e10])
def test_remainder(operand, engine):
    model = model_of(s.Arithmetic(("x",), ("y",), Operator.MODULO, np.array([operand])))
    if target_of(engine.name).remainder is None:
        with pytest.raises(UnsupportedModelError, match="no exact remainder"):
            compile_query(model, target_of(engine.name), "probes")
        return
    ours, kernel, approximate = answers(engine, model, arguments(engine, MANY))
    assert not approximate
    assert np.array_equal(ours, kernel, equal_nan=True)


@pytest.mark.parametrize("degree", range(5))
def test_splines(degree, engine):
    inner = np.array([0.0, 0.1, 0.1, 1 / 3, 0.7, 1.0])
    knots = np.concatenate([-np.arange(degree, 0, -1) / 7, inner, 1 + np.arange(1, degree + 1) / 3])
    names = tuple(f"y{index}" for index in range(len(knots) - degree - 1))
    model = model_of(s.BSplines(("x",), names, knots))
    near = np.concatenate([knots, np.nextafter(knots, 9), np.nextafter(knots, -9)])
    x = np.concatenate([near, np.random.default_rng(0).uniform(-3, 4, 200), [0.0, -0.0, np.nan]])
    if target_of(engine.name).divides_by_zero:
        x = np.concatenate([x, [np.inf, -np.inf, 1e300, -1e300, 1e150, 5e-324]])
    elif engine.name == "postgres":
        x = x[(np.abs(x) > SAFE[0]) | (x == 0)]
    ours, kernel, approximate = answers(engine, model, x)
    assert not approximate
    assert np.array_equal(ours, kernel, equal_nan=True)


@pytest.mark.parametrize(
    "step",
    [
        s.Elementwise(("y",), ("z",), Function.RINT),
        s.Elementwise(("y",), ("z",), Function.SIGN),
        s.Arithmetic(("y",), ("z",), Operator.MODULO, np.array([2.0])),
        s.BSplines(("y",), ("z", "z2"), np.array([0.0, 0.0, 1.0, 1.0])),
    ],
    ids=["rint", "sign", "modulo", "splines"],
)
def test_what_jumps_behind_a_function_is_refused(step):
    first = s.Elementwise(("x",), ("y",), Function.NUMPY_TANH)
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    model = Model(signature, (first, step), Outputs(step.outputs[:1]))
    with pytest.raises(UnsupportedModelError, match="last bit differs between engines"):
        compile_query(model, target_of("duckdb"), "probes")


def test_answers_behind_sums_of_functions_are_said_to_be_farther_off():
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    steps = (
        s.Elementwise(("x",), ("p",), Function.SIGMOID),
        s.Arithmetic(("p",), ("q",), Operator.SUBTRACT_FROM, np.array([1.0])),
        s.Dot(("p", "x"), ("sum",), np.ones((2, 1)), np.zeros(1)),
        s.Elementwise(("x",), ("t",), Function.NUMPY_TANH),
        s.Clip(("x",), ("c",), 0.0, 1.0),
    )
    model = Model(signature, steps, Outputs(("p", "q", "sum", "t", "c")))
    query = compile_query(model, target_of("duckdb"), "probes")
    assert query.approximate == {f"prediction_{index}" for index in range(4)}
    assert query.carried == {"prediction_2", "prediction_3"}
