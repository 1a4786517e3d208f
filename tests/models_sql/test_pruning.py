"""Pruned forests against whole ones, bit for bit, on rows within the domains."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import ODD, random_trees

from foresql.ir import Column, ColumnType, Model, Outputs, Signature
from foresql.ir import steps as s
from foresql.ir.codec import decode_model, encode_model
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer
from foresql.kernels.native.program import build_program, program_problem
from foresql.models_sql.pruning import Domain, bounds, prune, reaching

NUMERIC, FEATURES = 4, 6
CATEGORIES = {4: 12, 5: 40}
ROWS = 60
VALUES = (0.5, -0.0, 0.0, 0.1, -0.7, 1e16, 5e-324)
THRESHOLDS = (-1.0, -0.0, 0.0, 5e-324, 0.5, 1.0, 3.0, 1e300, -1e300, math.inf, -math.inf)
ZEROS = (1e-35, 0.6)


def bits(numbers):
    return np.ascontiguousarray(numbers).view(np.int64)


def make_forest(rng, **options):
    """Grow trees whose leaves are often equal."""
    thresholds = [None, THRESHOLDS][int(rng.integers(2))]
    trees = random_trees(
        rng, features=FEATURES, categories=CATEGORIES, thresholds=thresholds, **options
    )
    values = np.where(trees.feature == LEAF, rng.choice(VALUES, len(trees.value)), 0.0)
    mixed = np.where(rng.random(len(values)) < 0.5, values, trees.value)
    return replace(trees, value=mixed)


def model_of(step):
    columns = tuple(Column(name, ColumnType.DOUBLE) for name in step.inputs)
    return Model(Signature(columns), (step,), Outputs(step.outputs))


def forest_model(rng, **options):
    trees = make_forest(rng, outputs=2, **options)
    precision = list(s.Precision)[int(rng.integers(2))]
    if precision is s.Precision.FLOAT32:
        trees = replace(trees, value=trees.value.astype(np.float32).astype(np.float64))
    start = rng.choice([0.0, -0.0, 0.25], 2)
    return model_of(s.Forest(names("x", FEATURES), names("s", 2), trees, start, precision))


def linear_model(rng, **options):
    trees = make_forest(rng, outputs=2, **options)
    nodes = len(trees.feature)
    sizes = np.where(trees.feature == LEAF, rng.integers(0, 3, nodes), 0)
    terms = int(sizes.sum())
    return model_of(
        s.LinearForest(
            names("x", FEATURES),
            names("s", 2),
            trees,
            rng.choice(VALUES, nodes),
            np.cumsum([0, *sizes]).astype(np.int64),
            rng.integers(0, NUMERIC, terms).astype(np.int32),
            rng.choice([0.5, -1.0, 1e-3], terms),
            float(rng.choice(ZEROS)),
        )
    )


def names(letter, count):
    return tuple(f"{letter}{index}" for index in range(count))


def pool_of(model, feature):
    """List numbers on the splits of an input, beside them, and odd ones."""
    trees = model.steps[-1].trees
    known = np.unique(trees.threshold[trees.feature == feature])
    if feature in CATEGORIES:
        known = np.append(np.arange(-2.0, CATEGORIES[feature] + 2), [0.5, -0.5, 3.7])
    near = [np.nextafter(known, np.inf), np.nextafter(known, -np.inf)]
    return np.concatenate([known, *near, ODD])


def random_domain(rng, pool):
    numbers = pool[~np.isnan(pool)]
    missing = bool(rng.integers(2))
    match int(rng.integers(4)):
        case 0:
            return Domain()
        case 1:
            keys = rng.choice(numbers, int(rng.integers(0, 5)))
            return Domain(keys=frozenset(keys.tolist()), missing=missing)
        case 2:
            low, high = sorted(rng.choice(numbers, 2).tolist())
            return Domain(low=low, high=high, missing=missing)
        case _:
            end = float(rng.choice(numbers))
            ends = {"low": end} if rng.integers(2) else {"high": end}
            return Domain(**ends, missing=missing)


def is_within(domain, x):
    if math.isnan(x):
        return domain.missing
    return domain.low <= x <= domain.high and (domain.keys is None or x in domain.keys)


def rows_within(rng, pool, domain):
    inside = [x for x in pool.tolist() if is_within(domain, x)]
    inside += [x for x in (domain.low, domain.high) if is_within(domain, x)]
    return rng.choice(inside, ROWS) if inside else None


def draw(rng, model):
    """Give domains, and rows within them; None where there is no such row."""
    pools = [pool_of(model, feature) for feature in range(FEATURES)]
    domains = [random_domain(rng, pool) for pool in pools]
    columns = [rows_within(rng, *pair) for pair in zip(pools, domains, strict=True)]
    given_domains = dict(zip(names("x", FEATURES), domains, strict=True))
    if any(column is None for column in columns):
        return given_domains, None
    return given_domains, pa.table(columns, names=names("x", FEATURES))


def check(rng, model):
    domains, rows = draw(rng, model)
    pruned = prune(model, domains)
    kept = pruned.model.signature.names
    assert set(kept) | set(pruned.dropped) == set(model.signature.names)
    assert decode_model(*encode_model(pruned.model)).signature.names == kept
    assert program_problem(pruned.model) is None
    if rows is None:
        return
    expected = Scorer(model, None).score(rows).prediction
    for program in (None, b""):
        found = Scorer(pruned.model, program).score(rows.select(kept)).prediction
        assert np.array_equal(bits(found), bits(expected))
    certain = bounds(model, domains)
    for place, name in enumerate(model.outputs.prediction):
        low, high = certain[name]
        column = expected[:, place]
        assert ((low <= column) & (column <= high) | np.isnan(column)).all()


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), leaves=st.integers(1, 24), trees=st.integers(1, 9))
def test_forests_keep_their_answers(seed, leaves, trees):
    rng = np.random.default_rng(seed)
    check(rng, forest_model(rng, leaves=leaves, trees=trees, chain=bool(rng.integers(2))))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), leaves=st.integers(1, 24), trees=st.integers(1, 9))
def test_linear_forests_keep_their_answers(seed, leaves, trees):
    rng = np.random.default_rng(seed)
    check(rng, linear_model(rng, leaves=leaves, trees=trees))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_node_that_stays_is_reached_by_a_row(seed):
    rng = np.random.default_rng(seed)
    trees = random_trees(
        rng, trees=4, leaves=20, features=3, categories={2: 6}, thresholds=range(6)
    )
    model = model_of(s.Forest(names("x", 3), ("s0",), trees, np.zeros(1), s.Precision.FLOAT64))
    domains = {
        name: Domain(
            keys=frozenset(rng.integers(0, 7, 3).astype(float).tolist()),
            missing=bool(rng.integers(2)),
        )
        for name in model.signature.names
    }
    step = prune(model, domains).model.steps[0]
    holds = [[*domains[n].keys, *[math.nan] * domains[n].missing] for n in step.inputs]
    reached = {node for row in itertools.product(*holds) for node in nodes_of(step.trees, row)}
    assert reached == set(range(len(step.trees.feature)))


def nodes_of(trees, row):
    for root in trees.root.tolist():
        node = root
        yield node
        while trees.feature[node] != LEAF:
            node = int((trees.left if goes_left(trees, node, row) else trees.right)[node])
            yield node


def goes_left(trees, node, row):
    x = row[trees.feature[node]]
    if math.isnan(x):
        return bool(trees.missing_left[node])
    if trees.category_set[node] >= 0:
        return int(x) in trees.categories(int(trees.category_set[node]))
    return x <= trees.threshold[node]


def tree_of(*nodes):
    """Write one tree: (feature, threshold, left, right, missing_left, value) a node."""
    feature, threshold, left, right, missing_left, value = zip(*nodes, strict=True)
    trees = random_trees(np.random.default_rng(0), trees=1, leaves=1)
    return replace(
        trees,
        feature=np.array(feature, np.int32),
        threshold=np.array(threshold, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        missing_left=np.array(missing_left, np.bool_),
        category_set=np.full(len(nodes), -1, np.int32),
        value=np.array(value, np.float64),
        cover=np.ones(len(nodes)),
    )


def leaf(value):
    return (LEAF, 0.0, 0, 0, False, value)


@pytest.mark.parametrize(
    ("missing_left", "leaves"), [((True, True), 2), ((True, False), 3), ((False, False), 2)]
)
def test_a_split_below_another_on_the_same_input(missing_left, leaves):
    # Below x <= 3 every number is at most 5; a missing value goes its own way.
    above, below = missing_left
    nodes = [
        (0, 3.0, 1, 2, above, 0.0),
        (0, 5.0, 3, 4, below, 0.0),
        leaf(1.0),
        leaf(2.0),
        leaf(3.0),
    ]
    model = model_of(s.Forest(("x",), ("s",), tree_of(*nodes), np.zeros(1), s.Precision.FLOAT64))
    assert (prune(model, {}).nodes_after + 1) // 2 == leaves


def test_a_split_that_no_missing_value_reaches_does_not_ask_for_one():
    rng = np.random.default_rng(8)
    trees = random_trees(rng, trees=9, leaves=9, features=FEATURES, categories=CATEGORIES)
    model = model_of(
        s.Forest(names("x", FEATURES), ("s",), trees, np.zeros(1), s.Precision.FLOAT64)
    )
    for missing in (True, False):
        said = dict.fromkeys(model.signature.names, Domain(missing=missing))
        assert prune(model, said).model.steps[0].trees.missing_left.any() == missing


def test_leaves_with_the_same_bits_merge_and_zeros_of_both_signs_do_not():
    for value, nodes in ((0.0, 1), (-0.0, 3)):
        trees = tree_of((0, 3.0, 1, 2, True, 0.0), leaf(0.0), leaf(value))
        model = model_of(s.Forest(("x",), ("s",), trees, np.ones(1), s.Precision.FLOAT64))
        assert prune(model, {}).nodes_after == nodes


def test_constant_trees_before_the_first_split_are_added_to_the_start():
    rng = np.random.default_rng(3)
    trees = random_trees(rng, trees=6, leaves=1)
    step = s.Forest(names("x", 6), ("s",), trees, np.array([0.1]), s.Precision.FLOAT64)
    found = prune(model_of(step), {}).model.steps[0]
    assert found.trees.count == 1
    total = 0.1
    for value in trees.value[:-1].tolist():
        total += value
    assert found.start.tolist() == [total]


def test_category_sets_lose_what_cannot_occur():
    rng = np.random.default_rng(5)
    trees = random_trees(rng, trees=9, leaves=9, features=1, categories={0: 30})
    model = model_of(s.Forest(("x",), ("s",), trees, np.zeros(1), s.Precision.FLOAT64))
    keys = frozenset({1.0, 4.0, 9.0})
    step = prune(model, {"x": Domain(keys=keys)}).model.steps[0]
    assert set(step.trees.set_values.tolist()) <= keys


@pytest.mark.parametrize(
    ("low", "high", "x"),
    [(-0.9, -0.25, -0.5), (0.5, 0.75, 0.6), (-5.0, -1.0, -1.0), (1.9, 2.0, 2.0)],
)
def test_the_category_of_a_number_is_its_part_before_the_point(low, high, x):
    rng = np.random.default_rng(6)
    trees = random_trees(rng, trees=30, leaves=9, features=1, categories={0: 3})
    model = model_of(s.Forest(("x",), ("s",), trees, np.zeros(1), s.Precision.FLOAT64))
    pruned = prune(model, {"x": Domain(low=low, high=high, missing=False)}).model
    row = pa.table({"x": [x]})
    assert Scorer(pruned).score(row).prediction == Scorer(model).score(row).prediction


def test_small_numbers_enter_linear_leaves_as_zero():
    step = linear_model(np.random.default_rng(1), leaves=1, trees=1).steps[0]
    terms = replace(
        step,
        constants=np.zeros(1),
        term_start=np.array([0, 1]),
        term_input=np.zeros(1, np.int32),
        coefficients=np.ones(1),
        zero=0.6,
    )
    said = dict.fromkeys(step.inputs, Domain(low=0.3, high=0.9, missing=False))
    assert bounds(model_of(terms), said)["s0"] == (0.0, 0.9)


def test_trees_as_deep_as_can_be():
    rng = np.random.default_rng(7)
    check(rng, forest_model(rng, trees=1, leaves=3_000, chain=True))


def test_no_row_within_a_domain():
    rng = np.random.default_rng(9)
    model = forest_model(rng)
    pruned = prune(
        model, dict.fromkeys(model.signature.names, Domain(low=1.0, high=0.0, missing=False))
    )
    assert pruned.nodes_after == len(pruned.model.steps[0].trees.root)
    assert build_program(pruned.model)


def test_trees_in_parts_are_pruned_as_all_at_once(monkeypatch):
    rng = np.random.default_rng(5)
    model = forest_model(rng)
    domains, _ = draw(rng, model)
    whole = encode_model(prune(model, domains).model)
    monkeypatch.setattr(reaching, "_MOST_BYTES", 1)
    parts = encode_model(prune(model, domains).model)
    assert repr(parts) == repr(whole)
