"""The native kernel gives the bits of the numpy kernel, on every instruction set there is."""

import dataclasses
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from foresql.errors import ForesqlError
from foresql.ir import Trees
from foresql.ir import steps as s
from foresql.kernels import native as package
from foresql.kernels.coding import codings_of
from foresql.kernels.native import Library, NativeForest, load_library
from foresql.kernels.native import forest as native_forest
from foresql.kernels.native.library import SETTING
from foresql.kernels.native.tables import Tables, build_tables
from foresql.kernels.numpy_forest import NumpyForest

LIBRARY = load_library()
VARIANTS = ("baseline", "avx2", "avx512")[: LIBRARY.best + 1 if LIBRARY else 0]

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="the native kernel was not built: install a C compiler, then foresql"
)


def random_forest(  # noqa: PLR0913 - the options of the cases
    rng, *, trees=9, leaves=31, features=6, sets=(), values=None, outputs=1, last=False, size=None
):
    """Trees that grow at random leaves; features in ``sets`` are split by category.

    With ``last``, the newest leaf always grows; ``size`` is the leaves of every tree, if given.
    """
    arrays = {name: [] for name in Trees.__dataclass_fields__}
    for name in ("set_start", "set_values", "root", "output"):
        arrays[name] = []
    arrays["set_start"].append(0)
    for tree in range(trees):
        grow(rng, arrays, size or int(rng.integers(1, leaves + 1)), features, sets, values, last)
        arrays["output"].append(tree % outputs)
    types = {"threshold": np.float64, "value": np.float64, "cover": np.float64}
    types |= {"missing_left": np.bool_, "set_start": np.int64}
    return Trees(**{n: np.array(v, types.get(n, np.int32)) for n, v in arrays.items()})


def grow(rng, arrays, leaves, features, sets, values, last):  # noqa: PLR0913, PLR0917 - as above
    start = len(arrays["feature"])
    arrays["root"].append(start)
    nodes = [leaf(rng)]
    for _ in range(leaves - 1):
        open_leaves = [i for i, node in enumerate(nodes) if node["feature"] < 0]
        parent = open_leaves[-1 - int(rng.integers(2))] if last and len(nodes) > 1 else None
        parent = rng.choice(open_leaves) if parent is None else parent
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


def both(monkeypatch, variant, trees, columns):
    """Score natively and in numpy."""
    rows = len(columns[0])
    names = tuple(f"x{index}" for index in columns)
    step = s.Forest(names, ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    codings = codings_of(trees)
    read = {index: columns[index] for index in codings}
    monkeypatch.setenv(SETTING, variant)
    native = NativeForest.of(step, codings)
    assert native is not None
    found = []
    for forest in (native, NumpyForest.of(step, codings)):
        scores = np.full((1, rows), 0.5)
        forest.add_to(scores, read)
        found.append(scores)
    return found


NEIGHBOURS = 1.0 + np.arange(-3, 9) * 2.0**-52
CASES = {
    "stumps and leaves": {"leaves": 2, "trees": 150},
    "small": {"leaves": 31},
    "many trees": {"size": 31, "trees": 60, "features": 9},
    "32 leaves": {"size": 32},
    "64 leaves": {"size": 64},
    "many leaves": {"leaves": 256, "trees": 5},
    "256 leaves": {"size": 256, "trees": 4, "values": np.linspace(-2, 2, 90)},
    "paths": {"size": 40, "last": True},
    "long paths": {"size": 200, "last": True, "features": 9, "sets": {4: 20}},
    "categories": {"sets": {0: 40, 3: 254}},
    "only categories": {"sets": {0: 9, 1: 20, 2: 7, 3: 30, 4: 254, 5: 2}},
    "few of many categories": {"sets": {0: 60_000}},
    "several outputs": {"outputs": 3, "trees": 12},
    "uneven thresholds": {"values": [-1e300, -1.0, -1e-310, 0.0, 5e-324, 1e-9, 1e-8, 1.0, 1e300]},
    "infinite thresholds": {"values": [-np.inf, -2.0, 0.0, 3.0, np.inf]},
    "thresholds next to each other": {"values": [*NEIGHBOURS, *-NEIGHBOURS]},
    "zeros": {"values": [-0.0, 5e-324, -5e-324]},
    "one threshold": {"values": [0.25]},
    "254 thresholds": {"values": np.arange(254) / 7, "trees": 20, "size": 250, "features": 2},
    "255 thresholds": {"values": np.arange(255) / 7, "trees": 20, "size": 250, "features": 2},
    "255 uneven": {"values": np.arange(255) ** 9.0, "trees": 20, "size": 250, "features": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES)
def test_same_bits(monkeypatch, variant, case):
    check_same_bits(monkeypatch, variant, case, [0, 1, 63, 64, 65, 511, 512, 513, 1500])


def check_same_bits(monkeypatch, variant, case, row_counts):
    step, codings = forest_of(case)
    monkeypatch.setenv(SETTING, variant)
    native = NativeForest.of(step, codings)
    assert native is not None
    assert native.check(len(step.inputs)) == 0
    for rows in row_counts:
        columns, expected = rows_of(case, rows)
        scores = np.full(expected.shape, 0.5)
        native.add_to(scores, {index: columns[index] for index in codings})
        assert np.array_equal(scores, expected), rows


@cache
def forest_of(case):
    rng = np.random.default_rng(list(case.encode()))
    trees = random_forest(rng, **CASES[case])
    inputs = tuple(f"x{i}" for i in range(CASES[case].get("features", 6)))
    outputs = tuple(f"y{i}" for i in range(CASES[case].get("outputs", 1)))
    step = s.Forest(inputs, outputs, trees, np.ones(len(outputs)), s.Precision.FLOAT64)
    return step, codings_of(trees)


@cache
def rows_of(case, rows):
    """Draw rows, and score them in numpy."""
    step, codings = forest_of(case)
    sets = CASES[case].get("sets", {})
    columns = inputs_of(np.random.default_rng(rows), step.trees, sets, len(step.inputs), rows)
    scores = np.full((len(step.outputs), rows), 0.5)
    NumpyForest.of(step, codings).add_to(scores, {index: columns[index] for index in codings})
    return columns, scores


def test_the_cases_have_as_many_thresholds_as_they_say():
    for count in (254, 255):
        case = f"{count} thresholds"
        _, codings = forest_of(case)
        assert all(len(coding.thresholds) == count for coding in codings.values())


@pytest.mark.parametrize(
    "command", ["clang -O1", "gcc -O1 -DNO_VECTORS", "gcc -O1 -fsanitize=undefined"]
)
def test_other_builds(monkeypatch, tmp_path, command):
    compiler, *options = command.split()
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    path = tmp_path / "forest.so"
    sources = sorted(map(str, Path(package.__file__).parent.glob("*.c")))
    options += ["-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fPIC", "-shared"]
    subprocess.run([compiler, *options, "-o", str(path), *sources], check=True)
    library = Library(path)
    monkeypatch.setattr(native_forest, "load_library", lambda: library)
    for variant in ("baseline", "avx2", "avx512")[: library.best + 1]:
        for case in CASES:
            check_same_bits(monkeypatch, variant, case, [577])
        for leaves in LEAVES:
            for size in (31, 64, 129):
                check_float32_sums(monkeypatch, variant, leaves, size, [577])


FLOAT32 = np.finfo(np.float32)
LEAVES = {
    "of mixed size": lambda rng, n: rng.normal(size=n) * 10.0 ** rng.integers(-9, 8, n),
    "small": lambda rng, n: rng.normal(size=n),
    "zeros": lambda rng, n: rng.choice([-0.0, 0.0, -1.0, 1.0], n, p=[0.9, 0.02, 0.04, 0.04]),
    "denormal": lambda rng, n: rng.integers(-9, 10, n) * FLOAT32.smallest_subnormal,
    "half a unit": lambda rng, n: rng.choice([1.0, -1.0, *(2.0**-24 * np.arange(-3, 4))], n),
    "huge": lambda rng, n: rng.choice([0.0, 1.0, -1.0, 2.0**-24, 0.75], n) * FLOAT32.max,
}
START = {"zeros": -0.0, "denormal": 1e-45, "huge": 1e38}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [2, 31, 32, 33, 64, 65, 128, 129, 256])
@pytest.mark.parametrize("leaves", LEAVES)
def test_float32_sums(monkeypatch, variant, size, leaves):
    check_float32_sums(monkeypatch, variant, leaves, size, [1, 63, 513, 700])


def check_float32_sums(monkeypatch, variant, leaves, size, row_counts):
    step = float32_forest(leaves, size)
    codings = codings_of(step.trees)
    monkeypatch.setenv(SETTING, variant)
    native = NativeForest.of(step, codings)
    assert native.check(len(step.inputs)) == 0
    for rows in row_counts:
        columns = float32_rows(leaves, size, rows)
        expected = float32_scores(leaves, size, rows)
        # No float32 is 0.1: it is rounded before the first addition.
        found = np.full((2, rows), START.get(leaves, 0.1))
        native.add_to(found, columns)
        is_nan = np.isnan(expected)
        assert np.array_equal(np.isnan(found), is_nan)
        assert np.array_equal(found[~is_nan].view(np.int64), expected[~is_nan].view(np.int64))


def float32_rows(leaves, size, rows):
    trees = float32_forest(leaves, size).trees
    columns = inputs_of(np.random.default_rng(rows), trees, {}, 6, rows)
    return {index: columns[index] for index in codings_of(trees)}


@cache
def float32_scores(leaves, size, rows, precision=s.Precision.FLOAT32):
    """Score in numpy, in float32 or, for comparison, in float64."""
    step = dataclasses.replace(float32_forest(leaves, size), precision=precision)
    scores = np.full((2, rows), START.get(leaves, 0.1))
    with np.errstate(all="ignore"):
        numpy = NumpyForest.of(step, codings_of(step.trees))
        numpy.add_to(scores, float32_rows(leaves, size, rows))
    return scores


@cache
def float32_forest(leaves, size):
    rng = np.random.default_rng([size, *leaves.encode()])
    trees = random_forest(rng, trees=12, size=size, outputs=2, values=np.linspace(-2, 2, 90))
    value = LEAVES[leaves](rng, len(trees.value)).astype(np.float32).astype(np.float64)
    trees = dataclasses.replace(trees, value=value)
    inputs = tuple(f"x{i}" for i in range(6))
    return s.Forest(inputs, ("y0", "y1"), trees, np.ones(2), s.Precision.FLOAT32)


def test_the_cases_of_float32_round_and_overflow():
    sums = {leaves: float32_scores(leaves, 64, 700) for leaves in LEAVES}
    for leaves in ("of mixed size", "small", "half a unit"):
        exact = float32_scores(leaves, 64, 700, s.Precision.FLOAT64)
        assert (sums[leaves] != exact.astype(np.float32)).mean() > 0.1
    zeros, denormal = sums["zeros"], np.abs(sums["denormal"])
    assert np.signbit(zeros[zeros == 0]).any()
    assert ((denormal > 0) & (denormal < FLOAT32.tiny)).any()
    assert np.isinf(sums["huge"]).any()


def test_leaves_that_are_no_float32_are_left_to_others():
    step = float32_forest("small", 31)
    value = step.trees.value.copy()
    value[np.flatnonzero(step.trees.feature < 0)[-1]] = 0.1
    other = dataclasses.replace(step, trees=dataclasses.replace(step.trees, value=value))
    codings = codings_of(step.trees)
    assert NativeForest.of(other, codings) is None
    native = NativeForest.of(step, codings)
    assert native.check(6) == 0
    native._tables.leaves[-1] = 0.1
    assert native.check(6) != 0


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


DAMAGE = {
    "feature": [
        *(("column", value) for value in (-1, 65_536)),
        *(("kind", value) for value in (-1, 3)),
        *(("thresholds", value) for value in (-1, 2**62)),
        *(("bytes", value) for value in (-1, 2**62, -(2**63))),
        *(("keys", value) for value in (-1, 2**62)),
        *(("count", value) for value in (-1, 2**31 - 1)),
        *(("levels", value) for value in (0, 1, 3, 9, -1)),
        *(("compares", value) for value in (0, 4)),
        *(("last", value) for value in (-1.0, np.nan, np.inf, 1e9)),
        *(("low", value) for value in (np.nan, np.inf)),
        ("scale", np.inf),
    ],
    "input": [(None, -1), (None, 6)],
    "splits": [("column", 65_535), ("leaf", 255), ("set", 2**31 - 1)],
    "runs": [("count", -1), ("count", 2**31 - 1), ("length", -1), ("length", 32_767)],
    "first_tree": [(None, -1), (None, 2**40)],
    "first_run": [(None, -1), (None, 2**40)],
    "first_split": [(None, -1), (None, 2**40)],
    "root": [(None, 255)],
    "first_leaf": [(None, -1), (None, 2**40)],
    "output": [(None, -1), (None, 1)],
}


@pytest.mark.parametrize("array", DAMAGE)
def test_damaged_tables_are_found(array):
    rng = np.random.default_rng(3)
    trees = random_forest(rng, trees=40, size=31, sets={2: 30})
    step = s.Forest(("x",) * 6, ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    native = NativeForest.of(step, codings_of(trees))
    assert native.check(6) == 0
    assert native.check(5) != 0
    table = getattr(native._tables, array)
    for field, value in DAMAGE[array]:
        entries = table if field is None else table[field]
        for place in range(len(entries)):
            if not matters(native._tables, array, field, place):
                continue
            kept = entries[place]
            entries[place] = value
            assert native.check(6) != 0, (field, value, place)
            entries[place] = kept
    assert native.check(6) == 0


def test_cells_that_would_be_checked_again_and_again_are_found():
    """All features share the cells of the first: a short file of long work."""
    trees = random_forest(np.random.default_rng(3), trees=40, size=31)
    tables = build_tables(trees, codings_of(trees))
    first, features = tables.feature[0], len(tables.feature)
    assert first["kind"] == 0
    feature = np.repeat(tables.feature[:1], features)
    feature["column"] = np.arange(features)
    cells = tables.bytes[: int(first["bytes"] + first["last"]) + 1]
    for spare, is_safe in ((0, False), (features * len(cells), True)):
        own = np.append(cells, np.zeros(spare, np.uint8))
        shared = dataclasses.replace(tables, feature=feature, bytes=own)
        native = NativeForest(LIBRARY, shared, outputs=1, single=False)
        assert (native.check(6) == 0) == is_safe


def matters(tables, array, field, place):
    """Leave out fields that this kind of feature or split does not read."""
    if array == "feature":
        of_numbers = {"thresholds", "keys", "levels", "compares", "last", "low", "scale"}
        return tables.feature["kind"][place] == 0 or field not in of_numbers
    if array == "splits":
        joining = tables.splits["set"][place] < 0 if field == "set" else starts_joining(tables)
        return not (joining if field == "set" else field == "leaf" and joining[place])
    return True


def starts_joining(tables):
    chains = np.repeat(tables.runs, tables.runs["count"])
    starts = np.cumsum([0, *(chains["length"].astype(int) + 1)])[:-1]
    joining = np.zeros(len(tables.splits), np.bool_)
    joining[starts] = chains["joins"]
    return joining


@pytest.mark.parametrize("values", [None, CASES["uneven thresholds"]["values"]])
def test_damaged_codes_are_found(values):
    trees = random_forest(np.random.default_rng(4), features=1, values=values)
    step = s.Forest(("x",), ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    native = NativeForest.of(step, codings_of(trees))
    tables = native._tables
    nodes = 1 << int(tables.feature["levels"][0])
    behind = tables.thresholds[int(tables.feature["count"][0]) : nodes + 1]
    for place in range(len(behind)):
        for value in (1.0, np.nan):
            behind[place] = value
            assert native.check(1) != 0
            behind[place] = np.inf
    assert native.check(1) == 0
    for place in range(len(tables.bytes)):
        tables.bytes[place] = 255
        assert native.check(1) != 0


@pytest.mark.parametrize("slot", ["base", "other", "slot"])
def test_slots_are_followed(slot):
    """A join reads slots that chains before it left; what reaches a root is a leaf of its tree."""
    trees = random_forest(np.random.default_rng(4), trees=4, size=31)
    step = s.Forest(("x",) * 6, ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    native = NativeForest.of(step, codings_of(trees))
    splits = native._tables.splits
    join = int(np.flatnonzero(starts_joining(native._tables))[0])
    for value in {"slot": [255], "base": [200, 255], "other": [200, 255]}[slot]:
        kept = splits[slot][join]
        splits[slot][join] = value
        assert native.check(6) != 0
        splits[slot][join] = kept


@pytest.mark.parametrize("array", [field.name for field in dataclasses.fields(Tables)])
def test_short_tables_are_found(array):
    trees = random_forest(np.random.default_rng(4), sets={2: 30})
    step = s.Forest(("x",) * 6, ("y",), trees, np.ones(1), s.Precision.FLOAT64)
    native = NativeForest.of(step, codings_of(trees))
    whole = getattr(native._tables, array)
    # The sets end in 32 bytes that no split needs.
    shorter = 0 if isinstance(whole, int) else whole[: -33 if array == "sets" else -1]
    tables = dataclasses.replace(native._tables, **{array: shorter})
    short = NativeForest(LIBRARY, tables, outputs=1, single=False)
    assert short.check(6) != 0


def test_an_unknown_setting_is_refused(monkeypatch):
    monkeypatch.setenv(SETTING, "avx1024")
    with pytest.raises(ForesqlError, match=r"FORESQL_KERNEL='avx1024'.*numpy, baseline"):
        _ = LIBRARY.variant
