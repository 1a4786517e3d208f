import math
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresql.frontends import Training, convert
from foresql.ir import Trees
from foresql.ir.steps import Forest
from foresql.ir.trees import LEAF
from foresql.kernels import Scorer
from foresql.kernels.contributions import explain
from foresql.kernels.tree_shap import TreeShap

# --- against LightGBM -----------------------------------------------------------------------

TOLERANCE = 1e-9
ROWS = 600
CATEGORICAL = 3


@dataclass(frozen=True)
class Case:
    params: dict
    rounds: int = 20
    iterations: int | None = None

    def train(self):
        x, y = training_rows()
        classes = self.params.get("num_class", 1)
        if self.params["objective"] == "binary":
            y = (y > 0).astype(float)
        elif classes > 1:
            y = np.digitize(y, np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1])).astype(float)
        elif self.params["objective"] == "poisson":
            y = np.floor(np.exp(y / 4))
        quiet = {"verbose": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 5}
        data = lgb.Dataset(x, y, categorical_feature=[CATEGORICAL], params={"verbose": -1})
        booster = lgb.train(quiet | self.params, data, self.rounds)
        if self.iterations:
            booster.best_iteration = self.iterations
        return x, booster


BAGGED = {"bagging_freq": 1, "bagging_fraction": 0.5}

CASES = {
    "regression": Case({"objective": "regression"}),
    "no missing type": Case({"objective": "regression", "use_missing": False}),
    "zero is missing": Case({"objective": "regression", "zero_as_missing": True}),
    "binary": Case({"objective": "binary"}),
    "multiclass": Case({"objective": "multiclass", "num_class": 3}),
    "one against all": Case({"objective": "multiclassova", "num_class": 3}),
    "log link": Case({"objective": "poisson"}),
    "square root": Case({"objective": "regression", "reg_sqrt": True}),
    "stumps": Case({"objective": "regression", "num_leaves": 2}),
    "deep": Case({"objective": "regression", "num_leaves": 127, "min_data_in_leaf": 1}),
    "one leaf": Case({"objective": "regression", "min_data_in_leaf": ROWS}),
    "some of one leaf": Case({"objective": "regression", "min_gain_to_split": 60.0}),
    "dart": Case({"objective": "regression", "boosting": "dart", "drop_rate": 0.5}),
    "goss": Case({"objective": "regression", "data_sample_strategy": "goss"}),
    "bagged": Case({"objective": "regression"} | BAGGED),
    "random forest": Case({"objective": "regression", "boosting": "rf"} | BAGGED),
    "many categories a set": Case({"objective": "regression", "max_cat_to_onehot": 1}),
    "one category a set": Case({"objective": "regression", "max_cat_to_onehot": 100}),
    "first rounds": Case({"objective": "multiclass", "num_class": 3}, iterations=7),
}


def training_rows():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, 6))
    x[:, 1] = np.round(x[:, 1] * 2)
    x[:, CATEGORICAL] = rng.integers(0, 12, ROWS)
    y = 2 * x[:, 0] * x[:, 1] + x[:, 2] + np.sin(x[:, 3] * 2) * 3 + np.abs(x[:, 4])
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(ROWS) < 0.2, 2] = 0.0
    return x, y


@cache
def trained(case):
    x, booster = CASES[case].train()
    return booster, convert(booster, Training.of(x, booster)), probe_rows(booster, x)


def probe_rows(booster, x):
    """Rows of training, each then with one value put on or beside a split, or out of range."""
    rng = np.random.default_rng(8)
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-35, -1e-35, 1e-34, 1e300]
    odd = [-1.0, -0.5, 0.5, 3.9, 12.0, 99.0, 2.0**31, 2.0**40]
    splits = booster.trees_to_dataframe().dropna(subset=["split_feature"])
    rows = [x[:100]]
    for feature in range(x.shape[1]):
        values = special + odd
        if feature != CATEGORICAL:
            mine = splits[splits["split_feature"] == f"Column_{feature}"]
            on = mine["threshold"].astype(float).unique()[:40]
            values = [*values, *on, *np.nextafter(on, np.inf), *np.nextafter(on, -np.inf)]
        made = x[rng.integers(0, len(x), len(values))].copy()
        made[:, feature] = values
        rows.append(made)
    return np.concatenate(rows)


def contributions_of(model, x):
    """Base float64[outputs] and contributions float64[outputs, inputs, rows]."""
    scorer = Scorer(model)
    found = explain(scorer, scorer.decoder.decode(Training.of(x).table))
    return found.base, found.contributions


@pytest.mark.parametrize("case", CASES)
def test_contributions_are_those_of_lightgbm(case):
    booster, model, x = trained(case)
    base, contributions = contributions_of(model, x)
    expected = booster.predict(x, pred_contrib=True).reshape(len(x), len(base), -1)
    tolerance = TOLERANCE * np.abs(expected).sum(axis=2)
    differences = np.abs(contributions.transpose(2, 0, 1) - expected[:, :, :-1]).max(axis=2)
    assert (differences <= tolerance).all()
    assert (np.abs(base - expected[:, :, -1]) <= tolerance).all()


@pytest.mark.parametrize("case", CASES)
def test_contributions_add_up_to_the_score(case):
    _, model, x = trained(case)
    base, contributions = contributions_of(model, x)
    scorer = Scorer(model)
    margins = scorer.score(Training.of(x).table).margins
    totals = base + contributions.sum(axis=1).T
    size = np.abs(base) + np.abs(contributions).sum(axis=1).T
    assert (np.abs(totals - margins) <= 1e-12 * size).all()


@pytest.mark.parametrize("case", ["regression", "multiclass", "stumps", "deep"])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(case):
    _, model, x = trained(case)
    _, together = contributions_of(model, x)
    for row in range(0, len(x), 83):
        _, alone = contributions_of(model, x[row : row + 1])
        np.testing.assert_array_equal(alone[:, :, 0], together[:, :, row])


def test_no_rows():
    _, model, x = trained("multiclass")
    base, contributions = contributions_of(model, x[:0])
    assert base.shape == (3,)
    assert contributions.shape == (3, x.shape[1], 0)


# --- against the definition -----------------------------------------------------------------

INPUTS = 4
SETS = ((0, 2), (1,), (0, 1, 4))


@st.composite
def forests(draw):
    """A forest over three numeric inputs and one of categories, some nodes with no cover."""
    nodes: list[list] = []
    roots = []
    for _ in range(draw(st.integers(1, 3))):
        roots.append(len(nodes))
        nodes.append(leaf(draw, draw(st.integers(1, 50))))
        for _ in range(draw(st.integers(0, 7))):
            leaves = [i for i in range(roots[-1], len(nodes)) if nodes[i][0] == LEAF]
            split(draw, nodes, draw(st.sampled_from(leaves)))
    columns = list(zip(*nodes, strict=True))
    kinds = (np.int32, float, np.int32, np.int32, bool, np.int32, float, float)
    feature, threshold, left, right, missing_left, category_set, value, cover = (
        np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)
    )
    return Trees(
        feature=feature,
        threshold=threshold,
        left=left,
        right=right,
        missing_left=missing_left,
        category_set=category_set,
        set_start=np.cumsum([0, *map(len, SETS)]),
        set_values=np.array([c for members in SETS for c in members], np.int32),
        value=value,
        cover=cover,
        root=np.array(roots, np.int32),
        output=np.array(draw(st.lists(st.integers(0, 1), min_size=3, max_size=3)), np.int32)[
            : len(roots)
        ],
    )


def leaf(draw, cover):
    return [LEAF, 0.0, 0, 0, False, -1, draw(st.integers(-8, 8)) / 4, float(cover)]


def split(draw, nodes, at):
    feature = draw(st.integers(0, INPUTS - 1))
    by_set = feature == INPUTS - 1
    cover = nodes[at][-1]
    goes = draw(st.integers(0, int(cover)))
    nodes[at] = [
        feature,
        0.0 if by_set else float(draw(st.integers(-2, 2))),
        len(nodes),
        len(nodes) + 1,
        draw(st.booleans()),
        draw(st.integers(0, len(SETS) - 1)) if by_set else -1,
        0.0,
        cover,
    ]
    nodes += [leaf(draw, goes), leaf(draw, cover - goes)]


NUMBERS = st.sampled_from([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, math.nan])
CODES = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 7.0, math.nan])


def shapley_values(trees, row, outputs):
    """Average over all orders in which the inputs become known: float64[outputs, inputs]."""
    found = np.zeros((outputs, INPUTS))
    for feature in range(INPUTS):
        others = [f for f in range(INPUTS) if f != feature]
        for size in range(INPUTS):
            weight = 1 / (INPUTS * math.comb(INPUTS - 1, size))
            for known in map(set, combinations(others, size)):
                with_it = expected_scores(trees, row, known | {feature}, outputs)
                found[:, feature] += weight * (
                    with_it - expected_scores(trees, row, known, outputs)
                )
    return found


def expected_scores(trees, row, known, outputs):
    """Follow the row at known inputs, and both ways by cover at the others."""
    scores = np.zeros(outputs)
    for root, output in zip(trees.root, trees.output, strict=True):
        scores[output] += expected_value(trees, root, row, known)
    return scores


def expected_value(trees, node, row, known):
    if trees.feature[node] == LEAF:
        return trees.value[node]
    ways = trees.left[node], trees.right[node]
    if trees.feature[node] in known:
        way = ways[0] if goes_left(trees, node, row[trees.feature[node]]) else ways[1]
        return expected_value(trees, way, row, known)
    cover = trees.cover[node]
    return sum(
        trees.cover[way] / cover * expected_value(trees, way, row, known)
        for way in ways
        if trees.cover[way]
    )


def goes_left(trees, node, value):
    if math.isnan(value):
        return trees.missing_left[node]
    if trees.category_set[node] >= 0:
        return int(value) in SETS[trees.category_set[node]]
    return value <= trees.threshold[node]


@settings(deadline=None)
@given(forests(), st.tuples(NUMBERS, NUMBERS, NUMBERS, CODES))
def test_contributions_are_shapley_values(trees, row):
    shap = TreeShap(trees, (2, INPUTS), np.arange(INPUTS))
    inputs = {index: np.array([row[index]]) for index in shap.inputs}
    found = shap.contributions(inputs, 1)[:, :, 0]
    np.testing.assert_allclose(found, shapley_values(trees, row, 2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(shap.base, expected_scores(trees, row, set(), 2), atol=1e-12)


@settings(deadline=None)
@given(forests(), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, CODES), max_size=20))
def test_inputs_that_share_a_column_are_added(trees, rows):
    matrix = np.array(rows).reshape(-1, INPUTS)
    inputs = dict(enumerate(np.ascontiguousarray(matrix.T)))
    apart = TreeShap(trees, (2, INPUTS), np.arange(INPUTS)).contributions(inputs, len(rows))
    joined = TreeShap(trees, (2, 2), np.array([0, 1, 0, 1])).contributions(inputs, len(rows))
    expected = np.stack([apart[:, [0, 2]].sum(axis=1), apart[:, [1, 3]].sum(axis=1)], axis=1)
    np.testing.assert_allclose(joined, expected, atol=1e-12)


def test_trees_are_cut_into_groups_and_rows_into_blocks(monkeypatch):
    _, model, x = trained("multiclass")
    forest = next(step for step in model.steps if isinstance(step, Forest))
    x = x[::7]
    inputs = dict(enumerate(np.ascontiguousarray(x.T)))
    columns = np.arange(x.shape[1])
    whole = TreeShap(forest.trees, (3, len(columns)), columns).contributions(inputs, len(x))
    monkeypatch.setattr("foresql.kernels.tree_shap.GROUP_NODES", 1)
    monkeypatch.setattr("foresql.kernels.tree_shap.BLOCK_VALUES", 1)
    cut = TreeShap(forest.trees, (3, len(columns)), columns).contributions(inputs, len(x))
    np.testing.assert_allclose(cut, whole, rtol=1e-12, atol=1e-12)
