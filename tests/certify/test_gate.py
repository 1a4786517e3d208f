import itertools
import json
import math
import re
from dataclasses import fields, replace
from importlib import import_module

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import foresql
from foresql import BundleError, CertificationError, Registry, certify
from foresql.certify import gate
from foresql.certify.golden import Golden, check_golden
from foresql.certify.routes import ROUTES
from foresql.frontends import Training, convert
from foresql.ir import steps as s
from foresql.ir.trees import LEAF, Trees
from foresql.kernels import Scorer
from foresql.kernels.coding import CategoryCoding, codings_of
from foresql.kernels.numpy_forest import NumpyForest

ROWS = 800
KERNEL = ("kernel",)


def make_frame(rows=ROWS, seed=11) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "gap": rng.normal(size=rows)})
    frame.loc[rng.random(rows) < 0.2, "gap"] = np.nan
    frame["k"] = pd.Categorical(rng.choice(list("abcdefgh"), rows))
    return frame


FRAME = make_frame()
TARGET = FRAME["x"] * 2 + FRAME["gap"].fillna(3) * (FRAME["k"].cat.codes % 3 - 1)


class Certified:
    """A model that agrees with its library, to be changed and certified again."""

    def __init__(self, estimator, like):
        self.estimator = estimator
        training = Training.of(like, estimator)
        self.model = convert(estimator, training)
        self.training = training.only(self.model.signature.names)

    def certify(self, model=None, rows=500, routes=KERNEL, **options):
        model = model or self.model
        return certify(model, self.estimator, self.training, rows=rows, routes=routes, **options)

    def passes(self, model, **options) -> bool:
        try:
            self.certify(model, **options)
        except CertificationError:
            return False
        return True

    def with_steps(self, change):
        """Change each step by a function; what it returns takes the step's place."""
        return replace(self.model, steps=tuple(change(step) for step in self.model.steps))

    def with_trees(self, trees: Trees):
        return self.with_steps(
            lambda step: replace(step, trees=trees) if isinstance(step, s.Forest) else step
        )

    @property
    def forest(self) -> s.Forest:
        return next(step for step in self.model.steps if isinstance(step, s.Forest))


def fit_forest(trees, leaves, frame=FRAME, target=TARGET, **options):
    model = lgb.LGBMRegressor(
        n_estimators=trees, num_leaves=leaves, min_child_samples=5, verbose=-1, n_jobs=1, **options
    )
    return Certified(model.fit(frame, target), frame)


# --- mutants of a forest --------------------------------------------------------------------------


def changed(trees: Trees, **edits) -> Trees:
    """Copy a forest; each edit is a function that changes one array, or gives another."""
    arrays = {field.name: getattr(trees, field.name).copy() for field in fields(trees)}
    for name, edit in edits.items():
        result = edit(arrays[name])
        arrays[name] = arrays[name] if result is None else result
    return Trees(**arrays)


def put(index, value):
    def edit(array):
        array[index] = value

    return edit


def all_mutants(trees: Trees):
    """Make every forest that differs in one place by as little as possible."""
    for node in range(len(trees.feature)):
        value, threshold = trees.value[node], trees.threshold[node]
        if trees.feature[node] == LEAF:
            for way in (-np.inf, np.inf):
                yield f"leaf {node}", changed(trees, value=put(node, np.nextafter(value, way)))
            continue
        if trees.category_set[node] < 0:
            for way in (-np.inf, np.inf):
                moved = np.nextafter(threshold, way)
                yield f"threshold {node} {way}", changed(trees, threshold=put(node, moved))
        else:
            index = trees.category_set[node]
            start, end = trees.set_start[index : index + 2]
            for place in range(start, end):
                yield f"category {node} {place}", without_category(trees, index, place)
        flipped = not trees.missing_left[node]
        yield f"missing {node}", changed(trees, missing_left=put(node, flipped))
        left, right = trees.left[node], trees.right[node]
        yield f"swapped {node}", changed(trees, left=put(node, right), right=put(node, left))


def without_category(trees: Trees, index, place) -> Trees:
    def fewer(starts):
        starts[index + 1 :] -= 1

    return changed(trees, set_values=lambda values: np.delete(values, place), set_start=fewer)


def representatives(*forests: Trees) -> dict[int, list[float]]:
    """For each input, values of which one is coded like any value that there is."""
    found: dict[int, list[float]] = {}
    for trees in forests:
        for index, coding in codings_of(trees).items():
            values = found.setdefault(index, [math.nan])
            if isinstance(coding, CategoryCoding):
                values += [*coding.categories.tolist(), -1.0]
            else:
                for way in (-np.inf, np.inf):
                    values += np.nextafter(coding.thresholds, way).tolist()
                values += coding.thresholds.tolist()
    return {index: list(dict.fromkeys(values)) for index, values in found.items()}


def scores(step: s.Forest, inputs) -> np.ndarray:
    made = np.zeros((len(step.outputs), len(next(iter(inputs.values())))))
    codings = codings_of(step.trees)
    NumpyForest.of(step, codings).add_to(made, {index: inputs[index] for index in codings})
    return made


def are_equivalent(step: s.Forest, mutant: Trees) -> bool:
    """Whether two forests are one function: they are if they agree on all representatives."""
    values = representatives(step.trees, mutant)
    grid = np.array(list(itertools.product(*values.values())))
    inputs = {index: grid[:, place].copy() for place, index in enumerate(values)}
    return (scores(step, inputs) == scores(replace(step, trees=mutant), inputs)).all()


@pytest.mark.parametrize("leaves", [4, 9])
def test_every_mutant_that_is_another_function_is_caught(leaves):
    """All survivors are the same function: their change is rounded away, or no row gets there."""
    case = fit_forest(2, leaves)
    case.certify()
    mutants = list(all_mutants(case.forest.trees))
    survivors = [
        (name, trees) for name, trees in mutants if case.passes(case.with_trees(trees), rows=150)
    ]
    assert len(survivors) < len(mutants) / 3
    assert [name for name, trees in survivors if not are_equivalent(case.forest, trees)] == []


LARGE = {
    "gbdt": {},
    "zero is missing": {"zero_as_missing": True},
    "no missing": {"use_missing": False},
}


@pytest.mark.parametrize("name", LARGE)
def test_less_than_in_place_of_at_most_is_caught_in_a_large_forest(name):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 12)), columns=list("abcdefghijkl"))
    frame = frame.mask(rng.random(frame.shape) < 0.05).mask(rng.random(frame.shape) < 0.1, 0.0)
    target = frame.fillna(0.5).to_numpy() @ rng.normal(size=12)
    case = fit_forest(40, 31, frame, target, **LARGE[name])
    trees = case.forest.trees
    splits = np.flatnonzero(trees.feature != LEAF)
    for node in rng.choice(splits, 8, replace=False).tolist():
        lower = np.nextafter(trees.threshold[node], -np.inf)
        mutant = changed(trees, threshold=put(node, lower))
        assert is_seen(case, mutant, node)
        with pytest.raises(CertificationError, match="differs from the library"):
            case.certify(case.with_trees(mutant), rows=1_500)


def is_seen(case: Certified, mutant: Trees, node: int) -> bool:
    """Whether a training row changes its score, were its value on the threshold."""
    step = case.forest
    values = Scorer(case.model).run(Scorer(case.model).decoder.decode(case.training.table))
    inputs = {i: values.numbers(name).copy() for i, name in enumerate(step.inputs)}
    inputs[int(step.trees.feature[node])][:] = step.trees.threshold[node]
    return (scores(step, inputs) != scores(replace(step, trees=mutant), inputs)).any()


def test_mutated_leaf_is_caught_by_every_route():
    case = fit_forest(5, 15)
    leaf = int(np.flatnonzero(case.forest.trees.feature == LEAF)[3])
    mutant = changed(case.forest.trees, value=put(leaf, case.forest.trees.value[leaf] + 1e-9))
    for route in ROUTES:
        with pytest.raises(CertificationError, match=f"Route {route} differs from the library"):
            case.certify(case.with_trees(mutant), routes=(route,))


# --- mutants of other steps -----------------------------------------------------------------------


def fit_linear(last, target):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    texts = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=100)
    parts = [("n", numbers, ["x", "gap"]), ("t", texts, ["k"])]
    frame = FRAME.astype({"k": str})
    return Certified(make_pipeline(ColumnTransformer(parts), last).fit(frame, target), frame)


@pytest.fixture(scope="module")
def linear():
    return fit_linear(LinearRegression(), TARGET)


@pytest.fixture(scope="module")
def logistic():
    labels = np.array(["c", "a", "b"])[np.digitize(TARGET, [-1.0, 1.0])]
    return fit_linear(LogisticRegression(), labels)


@pytest.fixture(scope="module")
def binary():
    return fit_linear(LogisticRegression(), TARGET > 0)


@pytest.mark.parametrize("kind", ["linear", "logistic", "binary"])
@pytest.mark.parametrize("change", [1e-12, -1e-12])
def test_weights_that_are_slightly_off_are_caught(kind, change, request):
    case = request.getfixturevalue(kind)
    case.certify()
    dot = next(step for step in case.model.steps if isinstance(step, s.Dot))
    felt = np.abs(dot.weights) > 0.01 * np.abs(dot.weights).max()
    assert felt.sum() >= 5
    for place in zip(*np.nonzero(felt), strict=True):
        weights = dot.weights.copy()
        weights[place] *= 1 + change
        mutant = replace(dot, weights=weights)
        model = case.with_steps(lambda step, mutant=mutant: mutant if step is dot else step)
        assert not case.passes(model), place


@pytest.mark.parametrize("kind", ["linear", "logistic", "binary"])
def test_intercept_that_is_slightly_off_is_caught(kind, request):
    case = request.getfixturevalue(kind)

    def move(step):
        return (
            replace(step, intercepts=step.intercepts + 1e-12) if isinstance(step, s.Dot) else step
        )

    assert not case.passes(case.with_steps(move))


def only(kind, edit):
    """Change the first step of a kind."""

    def apply(case):
        first = next(step for step in case.model.steps if isinstance(step, kind))
        return case.with_steps(lambda step: edit(step) if step is first else step)

    return apply


def without(kind):
    def apply(case):
        steps = tuple(step for step in case.model.steps if not isinstance(step, kind))
        return replace(case.model, steps=steps)

    return apply


def swapped_keys(step):
    return replace(step, keys=(*step.keys[1:], step.keys[0]))


STEP_MUTANTS = {
    "other fill": only(s.Impute, lambda step: replace(step, fills=(step.fills[0] + 1e-9,))),
    "other mean": only(s.Arithmetic, lambda step: replace(step, operands=step.operands + 1e-12)),
    "keys in another order": only(s.Lookup, swapped_keys),
    "unknown is not rare": only(s.Lookup, lambda step: replace(step, unknown=math.nan)),
    "unknown refused": only(s.Lookup, lambda step: replace(step, unknown=None)),
    "missing refused": only(s.Lookup, lambda step: replace(step, missing=None)),
    "codes in another order": only(
        s.OneHot, lambda step: replace(step, codes=step.codes[::-1].copy())
    ),
    "nothing refused": without(s.Require),
}


@pytest.mark.parametrize("name", STEP_MUTANTS)
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_changed_step_is_caught(name, kind, request):
    case = request.getfixturevalue(kind)
    assert not case.passes(STEP_MUTANTS[name](case))


def test_labels_in_another_order_are_caught(logistic):
    outputs = replace(logistic.model.outputs, classes=("b", "a", "c"))
    with pytest.raises(CertificationError, match="differs from the library in the label"):
        logistic.certify(replace(logistic.model, outputs=outputs))


def test_labels_that_only_look_alike_are_caught():
    case = Certified(LogisticRegression().fit(FRAME[["x"]], (TARGET > 0).astype(int)), FRAME[["x"]])
    outputs = replace(case.model.outputs, classes=("0", "1"))
    with pytest.raises(CertificationError, match="in the label"):
        case.certify(replace(case.model, outputs=outputs))


def test_exchanged_probabilities_are_caught(logistic):
    columns = logistic.model.outputs.probabilities
    outputs = replace(logistic.model.outputs, probabilities=columns[::-1])
    with pytest.raises(CertificationError, match="in the probability"):
        logistic.certify(replace(logistic.model, outputs=outputs))


def test_lost_link_is_caught():
    model = lgb.LGBMRegressor(objective="poisson", n_estimators=3, n_jobs=1, verbose=-1)
    case = Certified(model.fit(FRAME, np.exp(TARGET / 9)), FRAME)
    outputs = replace(case.model.outputs, prediction=case.model.outputs.margins)
    with pytest.raises(CertificationError, match="in the prediction"):
        case.certify(replace(case.model, outputs=outputs))


def test_wrong_number_of_outputs_is_caught():
    both = np.stack([TARGET, -TARGET], axis=1)
    case = Certified(Ridge().fit(FRAME[["x"]], both), FRAME[["x"]])
    outputs = replace(case.model.outputs, prediction=case.model.outputs.prediction[:1])
    with pytest.raises(
        CertificationError, match=re.escape("has shape (500, 1), the library (500, 2)")
    ):
        case.certify(replace(case.model, outputs=outputs))


# --- refusals -------------------------------------------------------------------------------------


def test_rows_that_only_the_library_refuses():
    case = Certified(Ridge().fit(FRAME[["x"]], TARGET), FRAME[["x"]])
    certificate = case.certify()
    assert certificate.refused > 0
    with pytest.raises(CertificationError, match="Route kernel answers, and the library refuses"):
        case.certify(without(s.Require)(case))


def test_rows_that_only_the_kernel_refuses():
    case = fit_forest(3, 7)
    more = (s.Require(("gap",), "nobody", missing=True, infinite=False), *case.model.steps)
    with pytest.raises(
        CertificationError, match=r"Route kernel refuses them .* the library answers"
    ):
        case.certify(replace(case.model, steps=more))


def test_library_that_refuses_its_own_training_rows():
    encoder = OrdinalEncoder()
    known = pd.DataFrame({"t": list("abc") * 50})
    pipeline = make_pipeline(encoder, Ridge()).fit(known, np.arange(150))
    case = Certified(pipeline, pd.DataFrame({"t": list("abz") * 50}))
    with pytest.raises(CertificationError) as caught:
        case.certify(model=case.with_steps(accepts_unknown))
    assert "The library refuses rows like those that it was trained on" in str(caught.value)
    assert "Pass the frame that was given to fit as like=." in str(caught.value)


def accepts_unknown(step):
    return replace(step, unknown=-1.0) if isinstance(step, s.Lookup) else step


def test_message_shows_the_row_and_both_answers():
    case = fit_forest(1, 4)
    mutant = changed(case.forest.trees, value=put(slice(None), 1.0))
    with pytest.raises(CertificationError) as caught:
        case.certify(case.with_trees(mutant))
    text = str(caught.value)
    assert "Route kernel differs from the library in the prediction: array([1.]) against" in text
    assert "row 0 of the boundaries probe rows: {'x': " in text
    assert "The model is not published" in text


def test_a_route_of_its_own_is_held_to_the_library(monkeypatch):
    case = fit_forest(2, 4)

    def rounded(model, connection):
        run = ROUTES["kernel"](model, connection)

        def answer(table):
            found = run(table)
            return replace(found, prediction=found.prediction.astype(np.float32).astype(float))

        return answer

    monkeypatch.setattr(gate, "ROUTES", {**ROUTES, "rounded": rounded})
    with pytest.raises(CertificationError, match="Route rounded differs from the library"):
        case.certify(routes=("kernel", "rounded"))


def test_labels_that_differ_by_case_have_no_probability_in_sql():
    labels = np.array(["a", "A", "b"])[np.arange(ROWS) % 3]
    case = Certified(LogisticRegression().fit(FRAME[["x"]], labels), FRAME[["x"]])
    certificate = case.certify(routes=tuple(ROUTES))
    assert certificate.labels_identical
    make = ROUTES["duckdb"]
    with gate.duckdb.connect() as connection:
        run = make(case.model, connection)
        assert check_golden(certificate.golden, case.model, Scorer(case.model), run) == 0.0


# --- certificates and golden rows -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "logistic", "binary"])
def test_certificate_as_json(kind, request):
    case = request.getfixturevalue(kind)
    steps = []
    certificate = case.certify(rows=600, routes=tuple(ROUTES), seed=7, progress=steps.append)
    document = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    assert set(document) == {field.name for field in fields(certificate)} - {"golden"}
    assert document["rows"] >= 600
    assert document["refused"] > 0
    assert document["seed"] == 7
    assert document["routes"] == list(ROUTES)
    assert document["labels_identical"] is (None if kind == "linear" else True)
    assert 0 <= document["margin_difference"] <= document["largest_difference"] < 1e-14
    assert {"python", "foresql", "numpy", "scikit-learn", "duckdb"} <= set(document["versions"])
    assert steps[0] == "making probe rows"
    assert any(step.startswith("comparing 600 rows: boundaries") for step in steps)


def test_same_seed_gives_the_same_certificate():
    case = fit_forest(3, 7)
    first, again = (replace(case.certify(seed=5), seconds=0.0) for _ in range(2))
    assert first.to_json() == again.to_json()
    assert str(first.golden) == str(again.golden)
    assert str(first.golden) != str(case.certify(seed=6).golden)


@pytest.mark.parametrize("kind", ["linear", "logistic", "binary"])
def test_golden_rows_round_trip(kind, request):
    case = request.getfixturevalue(kind)
    golden = case.certify().golden
    again = Golden.from_json(json.loads(json.dumps(golden.to_json(), allow_nan=False)))
    assert str(again) == str(golden)
    scorer = Scorer(case.model)
    run = ROUTES["kernel"](case.model, None)
    assert check_golden(again, case.model, scorer, run) < 1e-14
    with pytest.raises(CertificationError, match="olden row"):
        check_golden(again, case.model, scorer, ROUTES["kernel"](worse(case), None))


def worse(case):
    def move(step):
        return (
            replace(
                step, intercepts=step.intercepts + 10.0 ** np.arange(-9, len(step.intercepts) - 9)
            )
            if isinstance(step, s.Dot)
            else step
        )

    return case.with_steps(move)


def test_golden_rows_of_every_type():
    days = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(ROWS) % 5, unit="D")
    frame = pd.DataFrame(
        {
            "when": days,
            "text": np.where(np.arange(ROWS) % 3, "é ☃", '"'),
            "flag": np.arange(ROWS) % 2 == 0,
            "count": np.arange(ROWS) % 4 + 2**40,
            "gap": FRAME["gap"],
        }
    )
    numbers = ["gap"]
    keys = OneHotEncoder(handle_unknown="ignore")
    parts = [("k", keys, ["when", "text", "flag", "count"]), ("n", SimpleImputer(), numbers)]
    labels = np.where(TARGET > 0, 3, -1)
    case = Certified(
        make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(frame, labels), frame
    )
    golden = case.certify(routes=tuple(ROUTES)).golden
    text = json.dumps(golden.to_json(), allow_nan=False)
    again = Golden.from_json(json.loads(text))
    assert str(again) == str(golden)
    assert {type(value) for row in golden.rows for value in row} == {
        int,
        str,
        bool,
        float,
        type(None),
    }
    assert (
        check_golden(again, case.model, Scorer(case.model), ROUTES["kernel"](case.model, None))
        < 1e-14
    )


def test_golden_rows_keep_numbers_that_json_lacks():
    golden = Golden(("x",), ((math.nan,), (-math.inf,), (None,)), (math.inf, 1.0, 2), ())
    again = Golden.from_json(json.loads(json.dumps(golden.to_json(), allow_nan=False)))
    assert str(again) == str(golden)


@pytest.mark.parametrize(
    "document",
    [{}, {"columns": 3, "rows": [], "prediction": [], "probabilities": []}, {"columns": ["x"]}],
)
def test_golden_rows_that_are_something_else(document):
    with pytest.raises(BundleError, match="golden rows cannot be read"):
        Golden.from_json(document)


def test_nothing_is_stored_where_the_gate_fails(tmp_path, monkeypatch):
    case = fit_forest(3, 7)
    leaf = int(np.flatnonzero(case.forest.trees.feature == LEAF)[0])
    mutant = case.with_trees(changed(case.forest.trees, value=put(leaf, 99.0)))
    publishing = import_module("foresql.certify.publish")
    monkeypatch.setattr(publishing, "convert", lambda *_, **__: mutant)
    with pytest.raises(CertificationError, match="The model is not published"):
        foresql.publish("m", case.estimator, like=FRAME, registry=tmp_path / "r", probe_rows=500)
    assert not list(Registry.open(tmp_path / "r").models())
