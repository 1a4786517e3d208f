"""A filter on a score, asked of the first trees: no row that passes is lost."""

import itertools
import math
import operator
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_rows, random_trees

from foresql import ForesqlError
from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer
from foresql.models_sql.pruning import early_exit
from foresql.models_sql.pruning.chains import margin_of

OPERATORS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
FEATURES = 5


def names(letter, count):
    return tuple(f"{letter}{index}" for index in range(count))


def classifier(trees, precision=s.Precision.FLOAT64, factor=1.0, start=0.1):
    """Make a model with a margin, its probabilities and a label."""
    inputs = names("x", FEATURES)
    if precision is s.Precision.FLOAT32:
        trees = replace(trees, value=trees.value.astype(np.float32).astype(np.float64))
        start = float(np.float32(start))
    link = s.Function.SIGMOID
    link = s.Function.FLOAT32_SIGMOID if precision is s.Precision.FLOAT32 else link
    return Model(
        Signature(tuple(Column(name, ColumnType.DOUBLE) for name in inputs)),
        (
            s.Require(("x0",), "Forest", missing=True, infinite=False),
            s.Forest(inputs, ("margin", "other"), trees, np.array([start, 0.0]), precision),
            s.Arithmetic(("margin",), ("scaled",), s.Operator.MULTIPLY, np.array([factor])),
            s.Elementwise(("scaled",), ("yes",), link),
            s.Arithmetic(("yes",), ("no",), s.Operator.SUBTRACT_FROM, np.array([1.0])),
            s.Argmax(("no", "yes"), ("label",)),
            s.Exceeds(("yes",), ("flag",), 0.5),
        ),
        Outputs(("label",), ("n", "y"), ("no", "yes"), ("margin", "flag")),
    )


def columns_of(model, rows):
    scorer = Scorer(model)
    values = scorer.run(scorer.decoder.decode(rows))
    return {name: values.numbers(name) for name in ("margin", "yes", "no", "label", "flag")}


def kept_by(found, rows):
    partial = (
        Scorer(found.head, None).score(rows.select(found.head.signature.names)).prediction[:, 0]
    )
    return partial >= found.threshold if found.above else partial <= found.threshold


def value_beside(rng, column):
    value = float(rng.choice(column))
    return float(rng.choice([value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf)]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_row_that_passes_is_lost(seed):
    rng = np.random.default_rng(seed)
    trees = random_trees(rng, trees=16, leaves=6, features=FEATURES, outputs=2)
    rounding = rng.choice([1.0, 1e-3, 1e16], len(trees.value))
    trees = replace(trees, value=trees.value * rounding if rng.integers(2) else trees.value)
    precision = list(s.Precision)[int(rng.integers(2))]
    model = classifier(trees, precision, factor=float(rng.choice([1.0, -2.0, 0.1])))
    rows = pa.table(random_rows(rng, trees, FEATURES, 100), names=names("x", FEATURES))
    rows = rows.filter(pa.array(~np.isnan(rows["x0"].to_numpy())))
    for name, column in columns_of(model, rows).items():
        value = value_beside(rng, column)
        sign = str(rng.choice(list(OPERATORS)))
        found = any_head(model, name, sign, value)
        if found is not None:
            assert not (OPERATORS[sign](column, value) & ~kept_by(found, rows)).any()


def any_head(model, name, sign, value):
    """Give a head whatever it costs."""
    module = sys.modules[early_exit.__module__]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_IT", math.inf)
        return early_exit(model, name, sign, value)


def stumps(values, cover=(1.0, 1.0)):
    """Make trees of one split, each on an input of its own, with two leaves each."""
    count = len(values)
    trees = random_trees(np.random.default_rng(0), trees=1, leaves=1)
    roots = 3 * np.arange(count)
    left, right = np.zeros(3 * count, np.int32), np.zeros(3 * count, np.int32)
    left[roots], right[roots] = roots + 1, roots + 2
    return replace(
        trees,
        feature=np.array([[i, LEAF, LEAF] for i in range(count)], np.int32).ravel(),
        threshold=np.zeros(3 * count),
        left=left,
        right=right,
        missing_left=np.zeros(3 * count, np.bool_),
        category_set=np.full(3 * count, -1, np.int32),
        value=np.array([[0.0, low, high] for low, high in values]).ravel(),
        cover=np.array([[0.0, *cover]] * count).ravel(),
        root=roots.astype(np.int32),
        output=np.zeros(count, np.int32),
    )


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([0.1, -0.1, 0.3, 1e16, -1e16, 1.0, 1e-9, 7.7])] * 2),
        min_size=8,
        max_size=8,
    ),
    precision=st.sampled_from(s.Precision),
    sign=st.sampled_from([">", ">=", "<", "<="]),
    place=st.integers(0, 255),
)
def test_the_threshold_is_the_least_that_loses_no_row(values, precision, sign, place):
    if precision is s.Precision.FLOAT32:
        values = np.float32(values).astype(np.float64).tolist()
    inputs = names("x", 8)
    forest = s.Forest(inputs, ("margin",), stumps(values), np.zeros(1), precision)
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in inputs)
    model = Model(Signature(columns), (forest,), Outputs(("margin",)))
    grid = np.array(list(itertools.product([-1.0, 1.0], repeat=8))).T
    rows = pa.table(list(grid), names=inputs)
    margin = Scorer(model).score(rows).prediction[:, 0]
    value = float(margin[place])
    found = any_head(model, "margin", sign, value)
    passes = OPERATORS[sign](margin, value)
    if found is None:
        assert passes.all() or not passes.any()
        return
    kept = kept_by(found, rows)
    heads = grid[: found.head.steps[0].trees.count]
    some = {tuple(row) for row in heads.T[passes].tolist()}
    assert kept.tolist() == [tuple(row) in some for row in heads.T.tolist()]


def test_the_head_refuses_what_the_model_refuses():
    rng = np.random.default_rng(2)
    trees = random_trees(rng, trees=16, leaves=6, features=FEATURES, outputs=2)
    model = classifier(trees)
    found = any_head(model, "yes", ">", 0.5)
    row = pa.table([[math.nan], *[[0.0]] * 4], names=names("x", FEATURES))
    for each in (model, found.head):
        with pytest.raises(ForesqlError, match="is NULL in a row"):
            Scorer(each).score(row)


def rare(count=64):
    """Average many trees, each of which says 1 for a row in a hundred."""
    forest = s.Forest(
        names("x", count),
        ("sum",),
        stumps([(0.0, 1.0)] * count, (99.0, 1.0)),
        np.zeros(1),
        s.Precision.FLOAT64,
    )
    mean = s.Arithmetic(("sum",), ("mean",), s.Operator.DIVIDE, np.array([float(count)]))
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in names("x", count))
    return Model(Signature(columns), (forest, mean), Outputs(("mean",)))


def test_a_filter_that_few_rows_pass_is_worth_a_head():
    found = early_exit(rare(), "mean", ">", 0.8)
    count = found.head.steps[0].trees.count
    # What is left adds at most 1 a tree, and from 51.2 on the mean of 64 trees is 0.8.
    assert found.above
    assert math.isclose(found.threshold, 51.2 - (64 - count), rel_tol=1e-12)
    assert found.head.signature.names == names("x", count)


@pytest.mark.parametrize(
    ("output", "sign", "value"),
    [
        ("mean", ">", 0.01),
        ("mean", "<", 0.8),
        ("mean", ">", 2.0),
        ("mean", ">", math.nan),
        ("mean", "<>", 0.5),
        ("mean", "=", 0.5),
        ("x0", ">", 0.5),
    ],
)
def test_where_there_is_no_head(output, sign, value):
    assert early_exit(rare(), output, sign, value) is None


def test_no_head_where_both_columns_of_a_label_rise():
    rng = np.random.default_rng(4)
    model = classifier(random_trees(rng, trees=16, leaves=6, features=FEATURES, outputs=2))
    again = s.Arithmetic(("no",), ("again",), s.Operator.SUBTRACT_FROM, np.array([1.0]))
    label = s.Argmax(("again", "yes"), ("choice",))
    both = replace(
        model, steps=(*model.steps, again, label), outputs=Outputs(("choice",), ("n", "y"))
    )
    assert margin_of(model, "label").margin == margin_of(both, "again").margin == "margin"
    assert margin_of(both, "choice") is None
    minus = s.Arithmetic(("no",), ("again",), s.Operator.MULTIPLY, np.array([-1.0]))
    assert margin_of(replace(both, steps=(*model.steps, minus, label)), "choice") is None


def test_no_head_where_a_row_is_refused_for_its_sum():
    model = rare()
    check = s.RequireRange(("sum",), "Forest", 0.0, 3.0)
    with_check = replace(model, steps=(*model.steps, check))
    assert early_exit(with_check, "mean", ">", 0.8) is None


def test_no_head_where_a_leaf_is_infinite():
    model = rare()
    forest = model.steps[0]
    values = forest.trees.value.copy()
    values[-1] = math.inf
    odd = replace(forest, trees=replace(forest.trees, value=values))
    assert early_exit(replace(model, steps=(odd, model.steps[1])), "mean", ">", 0.8) is None
