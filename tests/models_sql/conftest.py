"""The kernel as the oracle: what a compiled query must agree with, row for row."""

import importlib.util
import sys
import warnings
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest

from foresql import ForesqlError, UnsupportedModelError
from foresql.certify.probes import make_probes
from foresql.certify.sql_rounding import carry_function_errors
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.kernels import Scorer
from foresql.models_sql import answer_names, compile_query, target_of
from foresql.models_sql.forests import strategy

_SPEC = importlib.util.spec_from_file_location("engines", Path(__file__).parent / "engines.py")
engines = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("engines", engines)
_SPEC.loader.exec_module(engines)

ROW = "row number"
MOST_REFUSED = 4
MOST_CELLS = 20_000
ULPS = 2
"""How far an answer behind an exponential may be from the kernel's."""
OF_DOUBLE = 1e-6
"""How far answers may be where float32 sums are added in float64, of the answer or of 1, for every
hundred terms of a sum."""
OF_ONE = 4 * 2.0**-53
"""The same for a probability that is one less another."""
BEYOND = ("overflow", "underflow", "out of range")
"""What engines say where a result is too large or too small, and the library goes on."""
UNCERTAIN = (
    "a tie at the last neighbour",
    "differ by no more than the rounding of their sums",
    "half of the weights of a median is reached within rounding",
    "a sum over stored points overflows",
)
"""What a query says of a row whose answer SQL cannot tell for certain."""


@pytest.fixture(scope="session", params=engines.ENGINES, ids=lambda engine: engine.name)
def engine(request):
    """An engine that runs here."""
    try:
        return request.param()
    except engines.EngineMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def engine_error():
    """What an engine raises where it ends a query."""
    return engines.EngineError


@pytest.fixture(scope="session")
def agrees():
    """Hold a fitted estimator's query in an engine against the kernel on probe rows."""
    return check


@pytest.fixture(scope="session")
def model_agrees():
    """Hold a model's query in an engine against the kernel on probe rows."""
    return check_model


def check(  # noqa: PLR0913 - options of one check
    engine, estimator, frame, *, rows=100, others=(), refused=MOST_REFUSED, **options
):
    """Give the model; raises what the compiler raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        training = Training.of(frame, estimator)
        model = convert(estimator, training)
        names = list(model.signature.names)
        others = [Training.of(other, estimator).table.select(names) for other in others]
    needs_float32 = any(map(is_in_float32, model.steps))
    if needs_float32 and target_of(engine.name).to_float32 is None:
        with pytest.raises(UnsupportedModelError, match="double_sums=True"):
            compile_query(model, target_of(engine.name), "probes")
        options["double_sums"] = True
    check_model(
        engine, model, training.table, rows=rows, others=others, most_refused=refused, **options
    )
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


def most_terms(model) -> int:
    return max(
        (len(step.trees.root) for step in model.steps if isinstance(step, s.Forest)), default=0
    )


def check_model(  # noqa: PLR0913 - options of one check
    engine, model, table, *, rows=100, others=(), most_refused=MOST_REFUSED, **options
):
    target = target_of(engine.name)
    query = compile_query(model, target, "probes", keep=(ROW,), **options)
    for each in query.tables:
        engine.load(each)
    scorer = Scorer(model)
    groups = [probe.table for probe in make_probes(model, table, rows, seed=0)]
    groups += [table.select(list(model.signature.names)).slice(0, rows), *others]
    # Rows that are refused are told one by one, which takes long for wide ones.
    rows = max(min(rows, MOST_CELLS // len(model.signature.names)), 1)
    groups = [held(target, group).slice(0, rows) for group in groups]
    told = [by_kernel(scorer, group) for group in [*groups, *map(with_nan, groups)]]
    accepted = pa.concat_tables([each for each, _ in told])
    refused = pa.concat_tables([each.slice(0, 1) for _, each in told])
    # One query for all: engines take longer to plan it than to run it.
    compare(engine, query, scorer, accepted)
    for index in range(0, len(refused), max(len(refused) // most_refused, 1)):
        with pytest.raises(engines.EngineError):
            engine.run(query.text, numbered(refused.slice(index, 1)))


def held(target, table: pa.Table) -> pa.Table:
    """Leave out rows with an infinity where no column can hold one."""
    if target.infinity is not None:
        return table
    infinite = np.zeros(len(table), bool)
    for column in table.columns:
        if column.type == "double":
            infinite |= np.isinf(column.to_numpy())
    return table.filter(pa.array(~infinite))


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
        if not any(message in str(error) for message in (*BEYOND, *UNCERTAIN)):
            raise
        # It ends at an overflow or an uncertain row: the other rows have to agree.
        if len(table) > 1:
            half = len(table) // 2
            compare(engine, query, scorer, table.slice(0, half))
            compare(engine, query, scorer, table.slice(half))
        return
    assert found.num_rows == len(table)
    found = found.sort_by(ROW) if len(table) > 1 else found
    errors = carried_errors(scorer, table) if query.carried else {}
    lacks_float32 = target_of(engine.name).to_float32 is None
    in_double = lacks_float32 and any(map(is_in_float32, scorer.model.steps))
    for name, theirs in expected(scorer, table).items():
        size = np.abs(theirs) if theirs.dtype != object else None
        allowed = 0.0
        if in_double and size is not None:
            allowed = np.maximum(size, 1.0) * OF_DOUBLE * max(most_terms(scorer.model) / 100, 1.0)
        elif name in query.carried and size is not None:
            allowed = np.maximum(errors[name], np.spacing(size))
        elif name in query.approximate and size is not None:
            allowed = np.maximum(ULPS * np.spacing(size), OF_ONE)
        check_column(name, found.column(name), theirs, allowed)


def carried_errors(scorer, table) -> dict[str, np.ndarray]:
    """Give how far answers may be off that go through several functions, or through their sums."""
    values = scorer.run(scorer.decoder.decode(table))
    errors = {}
    with np.errstate(all="ignore"):
        for step in scorer.model.steps:
            carry_function_errors(step, values, errors)
    names = answer_names(scorer.model)
    return {name: np.nan_to_num(errors.get(column, 0.0), nan=np.inf) for name, column in names}


def expected(scorer, table) -> dict[str, np.ndarray]:
    """Name the kernel's answers as the query does."""
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


@pytest.fixture(scope="session")
def made():
    """Give the small models that are made by hand."""
    spec = importlib.util.spec_from_file_location("made", Path(__file__).parent / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def leaves(made, monkeypatch):
    """Let there be a strategy that brings a table."""
    there = MappingProxyType({**strategy.STRATEGIES, "leaves": made.Leaves()})
    monkeypatch.setattr(strategy, "STRATEGIES", there)
