"""The native kernel gives the bits of the numpy kernel, on every instruction set there is."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from foresql.errors import ForesqlError
from foresql.ir import Trees
from foresql.ir import steps as s
from foresql.kernels.coding import codings_of
from foresql.kernels.native import NativeForest, load_library
from foresql.kernels.native.library import SETTING
from foresql.kernels.numpy_forest import NumpyForest

LIBRARY = load_library()
VARIANTS = ("baseline", "avx2", "avx512")[: LIBRARY.best + 1 if LIBRARY else 0]

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="the native kernel was not built: install a C compiler, then foresql"
)


def random_forest(  # noqa: PLR0913 - the options of the cases
    rng, *, trees=9, leaves=31, features=6, sets=(), values=None, outputs=1
):
    """Trees that grow at random leaves; features in ``sets`` are split by category."""
    arrays = {name: [] for name in Trees.__dataclass_fields__}
    for name in ("set_start", "set_values", "root", "output"):
        arrays[name] = []
    arrays["set_start"].append(0)
    for tree in range(trees):
        grow(rng, arrays, int(rng.integers(1, leaves + 1)), features, sets, values)
        arrays["output"].append(tree % outputs)
    types = {"threshold": np.float64, "value": np.float64, "cover": np.float64}
    types |= {"missing_left": np.bool_, "set_start": np.int64}
    return Trees(**{n: np.array(v, types.get(n, np.int32)) for n, v in arrays.items()})


def grow(rng, arrays, leaves, features, sets, values):  # noqa: PLR0913, PLR0917 - as above
    start = len(arrays["feature"])
    arrays["root"].append(start)
    nodes = [leaf(rng)]
    for _ in range(leaves - 1):
        parent = rng.choice([i for i, node in enumerate(nodes) if node["feature"] < 0])
        feature = int(rng.integers(features))
        nodes[parent] |= {
            "feature": feature,
            "value": 0.0,
            "left": start + len(nodes),
            "right": start + len(nodes) + 1,
            "missing_left": bool(rng.integers(2)),
        }
        if feature in sets:
            members = np.unique(rng.integers(0, sets[feature], size=rng.integers(1, 9)))
            nodes[parent]["category_set"] = len(arrays["set_start"]) - 1
            arrays["set_values"] += members.tolist()
            arrays["set_start"].append(len(arrays["set_values"]))
        else:
            draw = rng.normal if values is None else lambda: rng.choice(values)
            nodes[parent]["threshold"] = float(draw())
        nodes += [leaf(rng), leaf(rng)]
    for node in nodes:
        for name, value in node.items():
            arrays[name].append(value)


def leaf(rng):
    node = {"feature": -1, "threshold": 0.0, "left": 0, "right": 0, "missing_left": False}
    return node | {"category_set": -1, "value": float(rng.normal()), "cover": 1.0}


def inputs_of(rng, trees, sets, features, rows):
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e300, -1e300, -0.5, -1.0, 2.0**40]
    columns = []
    for feature in range(features):
        if feature in sets:
            pool = np.concatenate([np.arange(-2, sets[feature] + 2), [0.9, 2.5], odd])
        else:
            splits = np.unique(trees.threshold[trees.feature == feature])
            near = [np.nextafter(splits, np.inf), np.nextafter(splits, -np.inf)]
            pool = np.concatenate([splits, *near, odd])
        columns.append(rng.choice(pool, rows))
    return dict(enumerate(columns))


def both(  # noqa: PLR0913, PLR0917 - a forest, its rows, and where to run
    monkeypatch, variant, trees, columns, outputs=1, precision=s.Precision.FLOAT64
):
    """Score natively and in numpy."""
    rows = len(columns[0])
    names = tuple(f"x{index}" for index in columns)
    step = s.Forest(names, tuple(f"y{i}" for i in range(outputs)), trees, np.ones(1), precision)
    codings = codings_of(trees)
    read = {index: columns[index] for index in codings}
    monkeypatch.setenv(SETTING, variant)
    native = NativeForest.of(step, codings)
    assert native is not None
    found = []
    for forest in (native, NumpyForest.of(step, codings)):
        scores = np.full((outputs, rows), 0.5)
        forest.add_to(scores, read)
        found.append(scores)
    return found


CASES = {
    "stumps": {"leaves": 2},
    "small": {"leaves": 31},
    "many leaves": {"leaves": 256, "trees": 5},
    "categories": {"sets": {0: 40, 3: 254}},
    "only categories": {"sets": {0: 9, 1: 20, 2: 7, 3: 30, 4: 254, 5: 2}},
    "several outputs": {"outputs": 3, "trees": 12},
    "uneven thresholds": {"values": [-1e300, -1.0, -1e-310, 0.0, 5e-324, 1e-9, 1e-8, 1.0, 1e300]},
    "infinite thresholds": {"values": [-np.inf, -2.0, 0.0, 3.0, np.inf]},
    "one threshold": {"values": [0.25]},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [0, 1, 63, 512, 1500])
def test_same_bits(monkeypatch, variant, case, rows):
    options = CASES[case]
    for seed in range(4):
        rng = np.random.default_rng([seed, rows])
        trees = random_forest(rng, **options)
        columns = inputs_of(rng, trees, options.get("sets", {}), 6, rows)
        native, numpy = both(monkeypatch, variant, trees, columns, options.get("outputs", 1))
        assert np.array_equal(native, numpy)


@pytest.mark.parametrize("variant", VARIANTS)
def test_float32_sums(monkeypatch, variant):
    rng = np.random.default_rng(5)
    trees = random_forest(rng, trees=40)
    columns = inputs_of(rng, trees, {}, 6, 700)
    native, numpy = both(monkeypatch, variant, trees, columns, precision=s.Precision.FLOAT32)
    assert np.array_equal(native, numpy)
    assert np.array_equal(native, native.astype(np.float32))


def test_threads_do_not_meet(monkeypatch):
    rng = np.random.default_rng(8)
    trees = random_forest(rng, trees=30)
    columns = inputs_of(rng, trees, {}, 6, 5000)
    expected, _ = both(monkeypatch, VARIANTS[-1], trees, columns)
    codings = codings_of(trees)
    step = s.Forest(("x",) * 6, ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    native = NativeForest.of(step, codings)

    def run(_):
        scores = np.full((1, 5000), 0.5)
        native.add_to(scores, {index: columns[index] for index in codings})
        return scores

    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(run, range(40)))


@pytest.mark.parametrize(
    "options",
    [{"leaves": 1500, "trees": 1}, {"leaves": 200, "trees": 30, "features": 1}],
    ids=["more than 256 leaves", "more than 255 thresholds"],
)
def test_what_does_not_fit_is_left_to_numpy(options):
    rng = np.random.default_rng(1)
    trees = random_forest(rng, **options)
    while options["trees"] == 1 and (trees.feature < 0).sum() <= 256:
        trees = random_forest(rng, **options)
    step = s.Forest(("x",) * 6, ("y",), trees, np.zeros(1), s.Precision.FLOAT64)
    assert NativeForest.of(step, codings_of(trees)) is None


def test_a_huge_category_is_left_to_numpy():
    rng = np.random.default_rng(1)
    trees = random_forest(rng, leaves=31, features=1, sets={0: 2**31 - 1})
    step = s.Forest(("x",), ("y",), trees, np.zeros(1), s.Precision.FLOAT64)
    assert NativeForest.of(step, codings_of(trees)) is None


def test_the_setting_turns_it_off(monkeypatch):
    monkeypatch.setenv(SETTING, "numpy")
    assert load_library() is None


def test_an_unknown_setting_is_refused(monkeypatch):
    monkeypatch.setenv(SETTING, "avx1024")
    with pytest.raises(ForesqlError, match=r"FORESQL_KERNEL='avx1024'.*numpy, baseline"):
        _ = LIBRARY.variant
