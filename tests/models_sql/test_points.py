"""Steps over stored points in every engine that runs here, against the kernel.

A sum of kernels may be off by the roundings of its terms, and no more; labels are the kernel's, or
the query ends. Rows are stored points, their neighbours by one last digit, and far ones.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from engines import DuckDB, EngineError
from sklearn.ensemble import AdaBoostRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as gp
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from foresql import UnsupportedModelError
from foresql.certify.sql_points import sum_errors
from foresql.certify.sql_rounding import carry_function_errors
from foresql.frontends import Training, convert
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.kernels.kernel_sum import KernelSumKernel
from foresql.models_sql import Header, Statement, compile_query, target_of, write_statement
from foresql.models_sql.compile import answer_names
from foresql.models_sql.steps.kernel_error import roundings_of
from foresql.models_sql.steps.medians import add_exactly

_SPEC = importlib.util.spec_from_file_location("oracle", Path(__file__).parent / "conftest.py")
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

ROWS = 40
RNG = np.random.default_rng(77)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "stops": RNG.integers(0, 4, ROWS).astype(float),
        "late": RNG.normal(size=ROWS),
    }
)
NUMBER = (FRAME["x"] + np.sin(3 * FRAME["late"])).to_numpy()
THREE = np.array(["é", "B", "a b"])[np.digitize(NUMBER, [-0.5, 0.7])]
TWO = NUMBER > 0
TARGETS = {"number": NUMBER, "whole": np.round(NUMBER), "three": THREE, "two": TWO, "none": None}
TREE = {"algorithm": "kd_tree"}
BY_DISTANCE = {**TREE, "weights": "distance"}
EVERYWHERE = ("SVR()", "SVC(kernel='linear')", "SVC(C=30.0)", "degree=2", "KernelRidge", "nu=2.5")
"""Those that run in every engine; DuckDB runs all."""
SUMS = [
    (SVR(), "number"),
    (SVR(kernel="linear"), "number"),
    (SVC(kernel="linear"), "three"),
    (SVC(C=30.0), "three"),
    (NuSVC(nu=0.3), "two"),
    (SVC(kernel="poly", degree=2, coef0=1.5), "two"),
    (SVC(kernel="sigmoid", gamma=0.1, coef0=-0.5), "two"),
    (make_pipeline(StandardScaler(), SVC()), "two"),
    (OneClassSVM(nu=0.2), "none"),
    (KernelRidge(kernel="rbf", alpha=0.1), "number"),
    (KernelRidge(kernel="laplacian"), "number"),
    (GaussianProcessRegressor(gp.Matern(nu=1.5), alpha=0.1), "number"),
    (GaussianProcessRegressor(gp.Matern(nu=2.5), alpha=0.1), "number"),
    (GaussianProcessRegressor(gp.RationalQuadratic(), alpha=0.1), "number"),
    (GaussianProcessRegressor(2.0 * gp.RBF() * gp.Matern(nu=0.5), alpha=0.1), "number"),
]
NEAREST = [
    (KNeighborsClassifier(3, **TREE), "three"),
    (KNeighborsClassifier(4, **BY_DISTANCE), "three"),
    (KNeighborsClassifier(5, metric="chebyshev", **TREE), "two"),
    (KNeighborsRegressor(3, **TREE), "number"),
    (KNeighborsRegressor(2, **TREE), "whole"),
    (KNeighborsRegressor(4, metric="manhattan", **BY_DISTANCE), "number"),
    (KNeighborsRegressor(ROWS, **TREE), "whole"),
]
TREES = AdaBoostRegressor(n_estimators=8, random_state=0)


def converted(estimator, target, frame=FRAME):
    target = TARGETS[target] if isinstance(target, str) else target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = estimator.fit(frame) if target is None else estimator.fit(frame, target)
        training = Training.of(frame, fitted)
        return convert(fitted, training)


def table_of(frame, estimator):
    return Training.of(frame, estimator).table


def ordinary(frame=FRAME):
    """Stored points, a last digit aside, between and beside them, far off, and signed zeros."""
    between = (frame + frame.shift(1).bfill()) / 2
    aside = pd.DataFrame(np.nextafter(frame, np.inf), columns=frame.columns)
    far = frame.head(3).mul([1e3, -1e4, 1e6], axis=0)
    zeros = pd.DataFrame([[0.0] * frame.shape[1], [-0.0] * frame.shape[1]], columns=frame.columns)
    return pd.concat([frame, aside.head(8), between.head(12), far, zeros], ignore_index=True)


def bounds(model, values):
    """Carry the error of a sum of kernels to the answers."""
    errors = {}
    with np.errstate(all="ignore"):
        for step in model.steps:
            carry_function_errors(step, values, errors)
    return errors


def hold(engine, model, table, *, most_refused=0):
    """Run the rows, halving them where the query ends; give the refused ones."""
    query = compile_query(model, target_of(engine.name), "probes", keep=(oracle.ROW,))
    scorer = Scorer(model)
    refused = []

    def run(part):
        try:
            found = engine.run(query.text, oracle.numbered(part)).sort_by(oracle.ROW)
        except EngineError as error:
            if len(part) == 1:
                # Where an engine ends a query at an underflow, that is its own affair.
                if not any(message in str(error) for message in oracle.BEYOND):
                    refused.append(str(error))
                return
            half = len(part) // 2
            run(part.slice(0, half))
            run(part.slice(half))
            return
        agree(query, scorer, part, found)

    run(table)
    assert len(refused) <= most_refused, refused
    return refused


def agree(query, scorer, table, found):
    values = scorer.run(scorer.decoder.decode(table))
    errors = bounds(scorer.model, values)
    columns = dict(answer_names(scorer.model))
    for name, theirs in oracle.expected(scorer, table).items():
        allowed = 0.0
        if name in query.summed:
            allowed = errors[columns[name]]
            # What is allowed must be little, but for rows far off.
            assert len(table) < ROWS or (allowed < 1e-6 * (1 + np.abs(theirs))).mean() > 0.5
        assert name not in query.approximate - query.summed - query.carried
        oracle.check_column(name, found.column(name), theirs, allowed)


@pytest.mark.parametrize(("estimator", "target"), SUMS, ids=str)
def test_sums_of_kernels(estimator, target, engine):
    if engine.name != "duckdb" and not any(name in str(estimator) for name in EVERYWHERE):
        pytest.skip("DuckDB runs it")
    model = converted(estimator, target)
    hold(engine, model, table_of(ordinary(), estimator))


@pytest.mark.parametrize(("estimator", "target"), NEAREST, ids=str)
def test_neighbours(estimator, target, engine):
    if target_of(engine.name).lists is None:
        model = converted(estimator, target)
        with pytest.raises(UnsupportedModelError, match="has no lists"):
            compile_query(model, target_of(engine.name), "probes")
        return
    # Whole numbers are equally far from many others by their largest gap.
    frame = FRAME[["x", "late"]] if "chebyshev" in str(estimator) else FRAME
    model = converted(estimator, target, frame)
    table = table_of(ordinary(frame), estimator)
    if engine.name == "duckdb":
        refused = hold(engine, model, table, most_refused=6)
        assert all("tie" in message for message in refused)
    elif (estimator, target) in NEAREST[:2]:
        hold(engine, model, table.slice(0, ROWS))


@pytest.mark.parametrize("estimator", [NEAREST[0][0], NEAREST[1][0]], ids=str)
def test_many_points(estimator):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(1_200, 2)), columns=["x", "y"])
    labels = np.array(["a", "b", "c"])[rng.integers(0, 3, len(frame))]
    model = converted(estimator, labels, frame)
    rows = pd.DataFrame(rng.normal(size=(50, 2)) * 2, columns=["x", "y"])
    table = table_of(pd.concat([rows, frame.head(50)], ignore_index=True), estimator)
    hold(DuckDB(), model, table)


def test_weighted_medians(engine):
    model = converted(TREES, NUMBER)
    hold(engine, model, table_of(ordinary(), TREES))


@pytest.mark.parametrize("value", [None, float("inf"), 1e300, 1e160, 5e-324])
@pytest.mark.parametrize(
    ("estimator", "target"), [SUMS[0], SUMS[2], SUMS[5], SUMS[9], NEAREST[0], NEAREST[1]], ids=str
)
def test_odd_rows_are_answered_as_the_kernel_does_or_not_at_all(estimator, target, value, engine):
    if engine.name != "duckdb":
        pytest.skip("one engine shows the rule")
    model = converted(estimator, target)
    row = FRAME.head(1).assign(x=[value]).astype(float)
    row = row.set_axis(FRAME.columns, axis=1)
    table = table_of(pd.concat([FRAME.head(1), row]), estimator).slice(1)
    accepted, _ = oracle.by_kernel(Scorer(model), table)
    refused = hold(engine, model, table, most_refused=1) if len(accepted) else ["refused"]
    if not len(accepted):
        query = compile_query(model, target_of(engine.name), "probes", keep=(oracle.ROW,))
        with pytest.raises(EngineError):
            engine.run(query.text, oracle.numbered(table))
    if value == 5e-324:
        assert not refused


TWICE = pd.DataFrame({"x": [0.0, 0.0, 1.0, 1.0, 3.0, 3.0], "y": [0.0] * 6})


def nearest(engine, estimator, labels, x):
    model = converted(estimator, np.array(labels), TWICE)
    rows = pd.DataFrame({"x": [x], "y": [0.0]})
    return hold(engine, model, table_of(rows, estimator), most_refused=1)


def test_a_tie_of_points_that_vote_alike_is_answered(engine):
    if target_of(engine.name).lists is None:
        pytest.skip("it has no lists")
    one = KNeighborsClassifier(1, **TREE)
    three = KNeighborsClassifier(3, **TREE)
    alike, mixed = list("aabbcc"), list("abbbcc")
    assert not nearest(engine, one, alike, 0.1)
    assert not nearest(engine, three, alike, 0.1)
    assert not nearest(engine, three, mixed, 0.1)
    for estimator, labels, x in [(one, mixed, 0.1), (one, alike, 0.5), (three, alike, 0.5)]:
        (message,) = nearest(engine, estimator, labels, x)
        assert "tie at the last neighbour" in message


def test_neighbours_at_no_distance_count_alone(engine):
    if target_of(engine.name).lists is None:
        pytest.skip("it has no lists")
    by_distance = KNeighborsClassifier(3, **BY_DISTANCE)
    assert not nearest(engine, by_distance, list("aabbcc"), 1.0)
    assert nearest(engine, KNeighborsClassifier(1, **BY_DISTANCE), list("abbbcc"), 0.0)


def test_a_label_within_rounding_ends_the_query(engine):
    points = np.array([[-1.0], [1.0]])
    step = s.KernelSum(
        ("x",), ("sum",), points, np.array([[-1.0], [1.0]]), np.zeros(1), np.zeros(2),
        (s.Kernel.RBF,), np.ones((1, 1)), *(np.ones(1) for _ in range(4)),
    )  # fmt: skip
    steps = (step, s.Exceeds(("sum",), ("label",), 0.0))
    signature = Signature((Column("x", ColumnType.DOUBLE),))
    model = Model(signature, steps, Outputs(("label",), (False, True), (), ("sum",)))
    frame = pd.DataFrame({"x": [0.5, -0.5, 1e-10, -1e-10, 30.0]})
    table = pa.table({"x": frame["x"]})
    assert not hold(engine, model, table.slice(0, 4))
    for x in (0.0, 1e-17, 30.0):
        (message,) = hold(engine, model, pa.table({"x": [x]}), most_refused=1)
        assert "rounding of their sums" in message or "underflow" in message


def median_of(weights):
    names = tuple(f"x{index}" for index in range(len(weights)))
    signature = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in names))
    step = s.WeightedMedian(names, ("median",), np.array(weights, float))
    return Model(signature, (step,), Outputs(("median",)))


@pytest.mark.parametrize("weights", [[1, 1], [1, 2, 3], [0.3, 0.1, 0.7], [2, 0.25, 2, 0.25]])
def test_medians_with_equal_inputs(weights, engine):
    model = median_of(weights)
    rows = RNG.integers(-2, 3, (60, len(weights))).astype(float)
    names = model.signature.names
    table = pa.table({name: rows[:, index] for index, name in enumerate(names)})
    assert not hold(engine, model, table)


def test_a_median_whose_half_is_reached_within_rounding_is_refused(engine):
    model = median_of([0.1, 0.2, 0.3])
    assert not hold(engine, model, pa.table({"x0": [3.0], "x1": [1.0], "x2": [2.0]}))
    rows = pa.table({"x0": [1.0], "x1": [2.0], "x2": [3.0]})
    (message,) = hold(engine, model, rows, most_refused=1)
    assert "half of the weights" in message


def test_sums_of_which_numbers_are_exact():
    assert add_exactly([1.0, 2.0, 0.5])
    assert add_exactly([0.1, 0.1])
    assert add_exactly([1e300])
    assert not add_exactly([0.1, 0.2, 0.3])
    assert not add_exactly([1e300, 1.0])


def test_what_a_label_reads_behind_other_steps_is_refused():
    from sklearn.calibration import CalibratedClassifierCV

    model = converted(CalibratedClassifierCV(SVC(), cv=2), TWO)
    with pytest.raises(UnsupportedModelError, match="other steps make of a sum over stored points"):
        compile_query(model, target_of("duckdb"), "t")


def test_the_header_says_what_rounding_is_meant():
    model = converted(SVC(), TWO)
    text = write_statement(
        model,
        target_of("duckdb"),
        Statement(form="select", name="scored", source="t"),
        Header(model="m:1", digest="0" * 64),
    )
    assert "-- Bit for bit the kernel's: prediction." in text
    assert "-- Within the rounding of the terms of their sums: margin." in text


def test_points_beyond_a_statement_are_refused_at_once():
    step = s.KernelSum(
        tuple(f"x{i}" for i in range(10)), ("sum",), np.zeros((10_000, 10)), np.zeros((10_000, 1)),
        np.zeros(1), np.zeros(10_000), (s.Kernel.RBF,), np.ones((1, 10)),
        *(np.ones(1) for _ in range(4)),
    )  # fmt: skip
    signature = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs))
    model = Model(signature, (step,), Outputs(("sum",)))
    with pytest.raises(UnsupportedModelError, match="10,000 points of 10 columns"):
        compile_query(model, target_of("sqlite"), "t")


@pytest.mark.parametrize(
    "kernel",
    [s.Kernel.EXPANDED_RBF, s.Kernel.SIGMOID, s.Kernel.POLYNOMIAL, s.Kernel.MATERN_5_2],
)
def test_what_overflows_both_ways_ends_the_query(kernel, engine):
    """The kernel goes on with one infinity, or has no number; engines differ in comparing it."""
    points = np.array([[1e200, -1e200], [1.0, 1.0]])
    step = s.KernelSum(
        ("x", "y"), ("sum",), points, np.array([[1.0], [2.0]]), np.zeros(1), np.zeros(2),
        (kernel,), np.ones((1, 2)), *(np.ones(1) for _ in range(4)),
    )  # fmt: skip
    signature = Signature(tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs))
    model, target = Model(signature, (step,), Outputs(("sum",))), target_of(engine.name)
    if kernel is s.Kernel.EXPANDED_RBF and target.infinity is None:
        with pytest.raises(UnsupportedModelError, match="has no number inf"):
            compile_query(model, target, "probes")
        return
    query = compile_query(model, target, "probes")
    with pytest.raises(EngineError):
        engine.run(query.text, pa.table({"x": [1e200], "y": [1e200]}))


class Columns:
    """Rows as a step reads them."""

    def __init__(self, columns):
        self.numbers = columns.__getitem__


def test_the_terms_bound_what_the_kernel_adds():
    """No kernel is larger than the size that its error is relative to."""
    for estimator, target in SUMS:
        model = converted(estimator, target)
        (step,) = [step for step in model.steps if isinstance(step, s.KernelSum)]
        rows = ordinary().to_numpy()[:, : len(step.inputs)]
        likeness = np.abs(KernelSumKernel(step).likeness(rows))
        values = Columns(dict(zip(step.inputs, rows.T, strict=True)))
        found = dict(sum_errors(step, values))
        terms = (likeness + np.abs(step.centers)) @ np.abs(step.weights[:, 0])
        unit = roundings_of(step) * 2.0**-52
        assert (unit * terms <= found[step.outputs[0]] * (1 + 1e-9)).all()
