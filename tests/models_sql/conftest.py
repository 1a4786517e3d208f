"""The kernel as the oracle: what a compiled query must agree with, row for row."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from foresql import ForesqlError, UnsupportedModelError
from foresql.certify.probes import make_probes
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.models_sql import compile_query, target_of

_SPEC = importlib.util.spec_from_file_location("engines", Path(__file__).parent / "engines.py")
engines = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("engines", engines)
_SPEC.loader.exec_module(engines)

ROW = "row number"
MOST_REFUSED = 4
ULPS = 2
"""How far an answer behind an exponential may be from the kernel's."""
OF_DOUBLE = 1e-6
"""How far answers may be where float32 sums are added in float64, of the answer or of 1."""
OF_ONE = 4 * 2.0**-53
"""The same for a probability that is one less another."""
BEYOND = ("overflow", "underflow", "can't be cast because the value is out of range")
"""What engines say where a result is too large or too small, and the library goes on."""


@pytest.fixture(scope="session", params=engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    """An engine that runs here."""
    return request.param()


@pytest.fixture(scope="session")
def agrees():
    """Hold a fitted estimator's query in an engine against the kernel on probe rows."""
    return check


def check(engine, estimator, frame, *, rows=100, others=(), **options):
    """Give the model; raises what the compiler raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        training = Training.of(frame, estimator)
        model = convert(estimator, training)
        others = [Training.of(other, estimator).table for other in others]
    needs_float32 = any(map(is_in_float32, model.steps))
    if needs_float32 and target_of(engine.name).to_float32 is None:
        with pytest.raises(UnsupportedModelError, match="double_sums=True"):
            compile_query(model, target_of(engine.name), "probes")
        options["double_sums"] = True
    check_model(engine, model, training.table, rows=rows, others=others, **options)
    return model


def is_in_float32(step) -> bool:
    """Whether a step needs the float32 of the engine."""
    match step:
        case s.Float32Dot():
            return True
        case s.Elementwise():
            return step.function.value.startswith("float32")
        case _:
            return getattr(step, "precision", None) is s.Precision.FLOAT32


def check_model(engine, model, table, *, rows=100, others=(), **options):
    target = target_of(engine.name)
    query = compile_query(model, target, "probes", keep=(ROW,), **options)
    scorer = Scorer(model)
    groups = [probe.table for probe in make_probes(model, table, rows, seed=0)]
    groups += [table.select(list(model.signature.names)).slice(0, rows), *others]
    groups = [group.slice(0, rows) for group in groups]
    told = [by_kernel(scorer, group) for group in [*groups, *map(with_nan, groups)]]
    accepted = pa.concat_tables([each for each, _ in told])
    refused = pa.concat_tables([each.slice(0, 1) for _, each in told])
    # One query for all: engines take longer to plan it than to run it.
    compare(engine, query, scorer, accepted)
    for index in range(0, len(refused), max(len(refused) // MOST_REFUSED, 1)):
        with pytest.raises(engines.EngineError):
            engine.run(query.text, numbered(refused.slice(index, 1)))


def with_nan(table: pa.Table) -> pa.Table:
    """Write missing numbers as NaN."""
    columns = [c.fill_null(float("nan")) if c.type == "double" else c for c in table.columns]
    return pa.table(columns, names=table.column_names)


def by_kernel(scorer, table) -> tuple[pa.Table, pa.Table]:
    """Tell the rows that the kernel answers from those that it refuses."""
    try:
        scorer.score(table)
    except ForesqlError:
        answers = np.array([is_answered(scorer, table.slice(i, 1)) for i in range(len(table))])
        return table.filter(pa.array(answers)), table.filter(pa.array(~answers))
    return table, table.slice(0, 0)


def is_answered(scorer, row) -> bool:
    try:
        scorer.score(row)
    except ForesqlError:
        return False
    return True


def numbered(table: pa.Table) -> pa.Table:
    return table.append_column(ROW, pa.array(range(len(table)), pa.int64()))


def compare(engine, query, scorer, table):
    try:
        found = engine.run(query.text, numbered(table))
    except engines.EngineError as error:
        if not any(message in str(error) for message in BEYOND):
            raise
        # The engine ends a query at an overflow or underflow: the other rows have to agree.
        if len(table) > 1:
            half = len(table) // 2
            compare(engine, query, scorer, table.slice(0, half))
            compare(engine, query, scorer, table.slice(half))
        return
    assert found.num_rows == len(table)
    found = found.sort_by(ROW) if len(table) > 1 else found
    in_double = engine.name == "sqlite" and any(map(is_in_float32, scorer.model.steps))
    for name, theirs in expected(scorer, table).items():
        size = np.abs(theirs) if theirs.dtype != object else None
        allowed = 0.0
        if in_double and size is not None:
            allowed = np.maximum(size, 1.0) * OF_DOUBLE
        elif name in query.approximate and size is not None:
            allowed = np.maximum(ULPS * np.spacing(size), OF_ONE)
        check_column(name, found.column(name), theirs, allowed)


def expected(scorer, table) -> dict[str, np.ndarray]:
    """Name the kernel's answers as the query does."""
    from foresql.models_sql.compile import answer_names

    values = scorer.run(scorer.decoder.decode(table))
    outputs = scorer.model.outputs
    named = {}
    for name, column in answer_names(scorer.model):
        numbers = values.numbers(column)
        if outputs.classes is not None and name == "prediction":
            labels = np.empty(len(outputs.classes), object)
            labels[:] = outputs.classes
            named[name] = labels[numbers.astype(int)]
        else:
            named[name] = numbers
    return named


def check_column(name, found, theirs, allowed):
    """Compare float64[rows], of which each may be ``allowed`` away; or labels."""
    if theirs.dtype == object:
        assert found.to_pylist() == list(theirs), name
        return
    ours = np.array([np.nan if v is None else v for v in found.to_pylist()], np.float64)
    with np.errstate(invalid="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        same |= np.abs(ours - theirs) <= allowed
    wrong = np.flatnonzero(~same)
    assert not len(wrong), (name, len(wrong), ours[wrong[:3]], theirs[wrong[:3]])
