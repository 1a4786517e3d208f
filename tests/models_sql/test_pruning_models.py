"""Pruned models of all kinds against whole ones: the same bits, and the same rows refused."""

import math
import os
import warnings

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from grid import cases

from foresql import ForesqlError
from foresql.certify.probes import make_probes
from foresql.frontends import Training, convert
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.codec import decode_model, encode_model
from foresql.kernels import Scorer
from foresql.kernels.arrow import to_float64
from foresql.kernels.native.program import program_problem
from foresql.models_sql import compile_query, target_of
from foresql.models_sql.pruning import Domain, bounds, prune
from foresql.models_sql.pruning.domain import Known, known_of

SOME = (
    "lightgbm: missing and infinite",
    "lightgbm: unseen keys",
    "lightgbm: three classes",
    "lightgbm: linear leaves",
    "xgboost: missing keys",
    "xgboost: three classes",
    "catboost: three classes",
    "histogram boosting: missing keys",
    "random forest: text labels",
    "linear: three classes",
    "encoded: missing keys",
)
ALL = os.environ.get("FORESQL_SQL_GRID") == "all"
CASES = {case.name: case for case in cases() if ALL or case.name in SOME}
DRAWS = 12


def convert_case(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        training = Training.of(case.frame, case.estimator)
        model = convert(case.estimator, training)
        others = [Training.of(other, case.estimator).table for other in case.others]
    groups = [probe.table for probe in make_probes(model, training.table, 60, seed=0)]
    groups += [training.table.select(list(model.signature.names)), *others]
    return model, pa.concat_tables([group.slice(0, 100) for group in groups])


def domains_of(rng, model, rows):
    """Say what the columns of some rows hold, each column in one way of several."""
    domains = {}
    for column in model.signature.columns:
        values = rows.column(column.name).combine_chunks()
        if column.type.is_number:
            numbers = to_float64(values, column.name)
            missing = bool(np.isnan(numbers).any())
            there = numbers[~np.isnan(numbers)]
            keys = frozenset(values.drop_null().to_pylist())
            low, high = there.min(initial=math.inf), there.max(initial=-math.inf)
            by_range = Domain(low=float(low), high=float(high), missing=missing)
            by_keys = Domain(keys=keys, missing=missing)
            said = [by_range, by_keys, Domain(missing=missing)]
        else:
            missing = values.null_count > 0
            said = [Domain(keys=frozenset(values.drop_null().to_pylist()), missing=missing)]
        said.append(None)
        chosen = said[int(rng.integers(len(said)))]
        if chosen is not None:
            domains[column.name] = chosen
    return domains


def answers_of(scorer, rows):
    """Give the bits of all answers, or None where the rows are refused."""
    try:
        found = scorer.score(rows)
    except ForesqlError:
        return None
    groups = (found.prediction, found.probabilities, found.margins)
    return [np.ascontiguousarray(group).view(np.int64) for group in groups]


def check(rng, model, rows, answers=None):
    domains = domains_of(rng, model, rows)
    pruned = prune(model, domains, answers)
    kept = pruned.model.signature.names
    decode_model(*encode_model(pruned.model))
    assert pruned.nodes_after <= pruned.nodes_before
    if program_problem(model) is None:
        assert program_problem(pruned.model) is None
    whole, small = Scorer(model), Scorer(pruned.model)
    for start in range(len(rows)):
        row = rows.slice(start, 1)
        expected, found = answers_of(whole, row), answers_of(small, row.select(kept))
        assert (expected is None) == (found is None)
        for theirs, ours in zip(expected or (), found or (), strict=True):
            assert np.array_equal(ours, theirs) or (answers is not None and not ours.size)
    check_bounds(model, domains, rows, whole)
    return pruned


def check_bounds(model, domains, rows, scorer):
    certain = bounds(model, domains)
    for start in range(len(rows)):
        row = rows.slice(start, 1)
        try:
            values = scorer.run(scorer.decoder.decode(row))
        except ForesqlError:
            continue
        for name, (low, high) in certain.items():
            value = float(values.numbers(name)[0])
            assert math.isnan(value) or low <= value <= high, name


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    case = CASES[name].fit()
    if case is None:
        pytest.skip("there is no model")
    try:
        model, table = convert_case(case)
    except ForesqlError:
        pytest.skip("there is no model")
    rng = np.random.default_rng(1)
    for _ in range(DRAWS):
        rows = table.take(rng.integers(0, len(table), int(rng.integers(1, 6))))
        check(rng, model, rows)


def texts(*columns, steps, answer):
    """Make a model of a text, an integer and a number."""
    return Model(Signature(columns), steps, Outputs((answer,)))


TEXT = Column("origin", ColumnType.VARCHAR)
INTEGER = Column("month", ColumnType.BIGINT)
NUMBER = Column("x", ColumnType.DOUBLE)


def pipeline():
    """Make a model that encodes, checks and adds up."""
    lookup = s.Lookup(
        ("origin",), ("origin|code",), "OneHotEncoder", ("EWR", "JFK", "LGA"),
        np.array([0.0, 1.0, 2.0]), None, None,
    )  # fmt: skip
    return texts(
        TEXT,
        INTEGER,
        NUMBER,
        steps=(
            s.Require(("x", "month"), "Ridge", missing=True, infinite=True, largest=1e6),
            lookup,
            s.OneHot(("origin|code",), ("ewr", "jfk", "lga"), np.array([0.0, 1.0, 2.0])),
            s.Clip(("x", "month"), ("x|cut", "month|cut"), 0.0, 5.0),
            s.Dot(
                ("ewr", "jfk", "lga", "x|cut"), ("sum",),
                np.array([[1.0], [2.0], [3.0], [0.1]]), np.array([0.5]),
            ),
        ),
        answer="sum",
    )  # fmt: skip


def kinds(model):
    return [type(step).__name__ for step in model.steps]


def test_what_the_domains_prove_is_not_checked():
    model = pipeline()
    said = {
        "x": Domain(low=-1e6, high=1e6, missing=False),
        "month": Domain(keys=frozenset({6, 7}), missing=False),
        "origin": Domain(keys=frozenset({"JFK", "LGA"}), missing=False),
    }
    pruned = prune(model, said)
    assert kinds(pruned.model) == ["Lookup", "OneHot", "Clip", "Dot"]
    lookup, one_hot, clip, dot = pruned.model.steps
    assert lookup.keys == ("JFK", "LGA")
    assert one_hot.outputs == ("jfk", "lga")
    assert clip.outputs == ("x|cut",)
    assert dot.inputs == ("jfk", "lga", "x|cut")
    assert pruned.dropped == ("month",)
    rows = pa.table({"origin": ["JFK", "LGA"], "month": [6, 7], "x": [2.5, -7.0]})
    ours = Scorer(pruned.model).score(rows.drop_columns("month")).prediction
    assert ours.tolist() == Scorer(model).score(rows).prediction.tolist() == [[2.75], [3.5]]


@pytest.mark.parametrize(
    ("name", "domain", "odd"),
    [
        ("x", Domain(low=-1e6, high=1e6), None),
        ("x", Domain(low=-1e6, high=1000001.0, missing=False), 1000001.0),
        ("x", Domain(low=-2e6, high=0.0, missing=False), -2e6),
        ("x", Domain(low=0.0, missing=False), math.inf),
        ("month", Domain(low=1, high=12), None),
        ("origin", Domain(keys=frozenset({"JFK"})), None),
        ("origin", Domain(keys=frozenset({"JFK", "BOS"}), missing=False), "BOS"),
        ("origin", Domain(missing=False), "BOS"),
    ],
)
def test_what_may_fail_is_still_refused(name, domain, odd):
    model = pipeline()
    row = {"origin": "JFK", "month": 6, "x": 0.5} | {name: odd}
    table = pa.table(
        {n: pa.array([row[n]], t) for n, t in zip(row, ("string", "int64", "double"), strict=True)}
    )
    pruned = prune(model, {name: domain}).model
    for each in (model, pruned):
        with pytest.raises(ForesqlError):
            Scorer(each).score(table)


@pytest.mark.parametrize(
    ("low", "high", "checks"), [(0.0, 5.0, 0), (-0.1, 5.0, 1), (0.0, 5.1, 1), (-math.inf, 1.0, 1)]
)
def test_ranges_that_may_be_left_are_checked(low, high, checks):
    steps = (s.RequireRange(("x",), "x", 0.0, 5.0), s.Clip(("x",), ("a",), 0.0, 1.0))
    model = texts(INTEGER, NUMBER, steps=steps, answer="a")
    pruned = prune(model, {"x": Domain(low=low, high=high)}).model
    assert kinds(pruned).count("RequireRange") == checks


@pytest.mark.parametrize(
    "step",
    [
        s.Impute(("x", "y", "z"), ("p", "q", "r"), (1.0, 2.0, 3.0)),
        s.Arithmetic(("x", "y", "z"), ("p", "q", "r"), s.Operator.ADD, np.arange(3.0)),
        s.Sum(("x", "y", "z", "z", "x", "y"), ("p", "q", "r")),
        s.Coalesce(("x", "y", "z", "z", "x", "y"), ("p", "q", "r")),
        s.Dot(("x", "y"), ("p", "q", "r"), np.arange(6.0).reshape(2, 3), np.arange(3.0)),
        s.Elementwise(("x", "y", "z"), ("p", "q", "r"), s.Function.NEGATIVE),
    ],
    ids=lambda step: type(step).__name__,
)
@pytest.mark.parametrize("answers", ["q", "pr", "r"])
def test_outputs_that_nothing_reads(step, answers):
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in "xyz")
    model = Model(Signature(columns), (step,), Outputs(tuple(answers)))
    rows = pa.table({"x": [0.5, math.nan], "y": [-7.0, 9.0], "z": [math.nan, 100.0]})
    pruned = prune(model, {}).model
    assert pruned.steps[0].outputs == tuple(answers)
    expected = Scorer(model).score(rows).prediction
    assert np.array_equal(Scorer(pruned).score(rows).prediction, expected, equal_nan=True)


def test_a_key_that_nothing_looks_up_any_more_is_not_asked_for_its_size():
    code = s.Lookup(("month",), ("code",), "x", (6, 7), np.ones(2), 0.0, 0.0)
    check = s.Require(("month", "x"), "x", missing=True, infinite=True, largest=5.0)
    steps = (check, code, s.Clip(("x", "code"), ("a", "b"), 0.0, 1.0))
    model = texts(INTEGER, NUMBER, steps=steps, answer="a")
    row = pa.table({"month": [10], "x": [0.5]})
    pruned = prune(model, {}).model
    assert not pruned.is_key("month")
    assert Scorer(pruned).score(row).prediction == Scorer(model).score(row).prediction


@pytest.mark.parametrize(
    ("domain", "keys"),
    [
        (Domain(low=6, high=8, missing=False), (6, 7, 8)),
        (Domain(low=6.5, high=8.5), (7, 8)),
        (Domain(keys=frozenset({5, 9})), (5, 9)),
        (Domain(keys=frozenset({5, 9}), high=8.0), (5,)),
        (Domain(missing=False), (5, 6, 7, 8, 9)),
    ],
)
def test_keys_that_cannot_occur_are_not_looked_up(domain, keys):
    code = s.Lookup(("month",), ("code",), "x", (5, 6, 7, 8, 9), np.arange(5.0), 8.0, -1.0)
    model = texts(INTEGER, NUMBER, steps=(code,), answer="code")
    assert prune(model, {"month": domain}).model.steps[0].keys == keys


@pytest.mark.parametrize("column_type", ["varchar", "timestamp", "bigint", "double"])
def test_keys_of_another_type_say_nothing(column_type):
    column_type = ColumnType(column_type)
    keys = frozenset({"a"}) if column_type is not ColumnType.VARCHAR else frozenset({1})
    said = Domain(low=math.inf, high=-math.inf, keys=keys, missing=False)
    assert known_of(said, column_type) == Known(missing=False)


def test_only_what_is_asked_for_stays():
    case = CASES["lightgbm: three classes"].fit()
    model, table = convert_case(case)
    label, *shares = model.outputs.prediction + model.outputs.probabilities
    pruned = check(np.random.default_rng(0), model, table.slice(0, 5), frozenset({label}))
    assert pruned.model.outputs.prediction == (label,)
    assert not pruned.model.outputs.probabilities
    assert not pruned.model.outputs.margins
    whole = prune(model, {}, frozenset({shares[0]})).model.outputs
    assert whole.probabilities == model.outputs.probabilities


@pytest.mark.parametrize("name", ["encoded: missing keys", "lightgbm: unseen keys"])
@pytest.mark.parametrize("most", [1, 20])
def test_in_duckdb(name, most):
    model, table = convert_case(CASES[name].fit())
    scorer = Scorer(model)
    parts = (table.slice(start, 1) for start in range(len(table)))
    rows = pa.concat_tables(part for part in parts if answers_of(scorer, part)).slice(0, most)
    pruned = prune(model, domains_of(np.random.default_rng(most), model, rows), frozenset()).model
    query = compile_query(pruned, target_of("duckdb"), "probes")
    with duckdb.connect() as con:
        con.register("probes", rows)
        found = con.sql(query.text).fetchnumpy()["prediction"]
    theirs = scorer.score(rows).prediction[:, 0]
    labels = model.outputs.classes
    expected = [labels[int(x)] for x in theirs] if labels else theirs
    assert [*map(repr, found.tolist())] == [*map(repr, np.array(expected).tolist())]
