"""`foresql publish` and `certify`: what they take, what they refuse, and how they end."""

import pickle
from dataclasses import replace

import pandas as pd
import pytest

from foresql import Registry
from foresql.ir import steps as s
from foresql.ir.bundle import Bundle, encode_bundle, read_bundle


@pytest.mark.parametrize("source", ["train.py:model", "train.py:make", "train:model", "model.txt"])
@pytest.mark.parametrize("data", ["train.parquet", "train.arrow", "train.py:frame"])
def test_sources_and_frames(run_json, shop, source, data):
    published = run_json("publish", "fresh", source, "--data", data)
    assert list(published) == ["name", "version", "alias", "digest", "certificate"]
    assert (published["name"], published["version"], published["alias"]) == ("fresh", 1, None)
    assert published["certificate"]["rows"] >= 10_000
    assert published["certificate"]["routes"] == ["kernel", "reloaded", "duckdb", "sql"]
    (bundle,) = shop.glob(f"foresql_registry/bundles/{published['digest']}.foresql")
    columns = read_bundle(bundle).model.signature.columns
    categories = {column.name: column.categories for column in columns}
    assert categories == {"total": None, "zip": ("01067", "[/b]", "naïve ☃")}


def test_what_is_printed(run):
    result = run(
        "publish", "returns", "train.py:model", "--data", "train.parquet", "--alias", "new"
    )
    first, second = result.stdout.splitlines()
    assert first.startswith("Published returns:3, returns@new. 1")
    assert "probe rows agree with the library by kernel, reloaded, duckdb, sql" in first
    assert second == "Try: foresql show returns:3"
    assert result.stderr == ""


def test_the_card(run_json):
    options = ["--metric", "auc=0.7", "--metric", "log loss=1e-3", "--description", "for the shop"]
    published = run_json(
        "publish", "fresh", "train.py:model", "--data", "train.parquet", "--alias", "a", *options
    )
    card = run_json("show", "fresh@a")
    assert card["metrics"] == {"auc": 0.7, "log loss": 0.001}
    assert card["description"] == "for the shop"
    assert card["certificate"]["rows"] == published["certificate"]["rows"]


def test_a_registry_of_another_place(run, run_json, shop, monkeypatch):
    arguments = ("publish", "fresh", "train.py:model", "--data", "train.parquet")
    run_json(*arguments, "--registry", "elsewhere/models")
    assert [m["name"] for m in run_json("models", "--registry", "elsewhere/models")] == ["fresh"]
    monkeypatch.setenv("FORESQL_REGISTRY", str(shop / "elsewhere/models"))
    assert "fresh" in run("models").stdout
    assert "fresh" not in run("models", "--registry", "foresql_registry").stdout


class Trap:
    """Unpickling it would be noticed."""

    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "model.joblib", "MODEL.PKL"])
def test_pickles_are_refused_unread(run_json, run, shop, name):
    (shop / name).write_bytes(pickle.dumps(Trap()))
    error = run_json("publish", "m", name, "--data", "train.parquet", code=1)["error"]
    assert error["kind"] == "ForesqlError"
    assert f"{name} is a pickle" in error["message"]
    assert "train.py:model" in error["message"]
    assert "unpickled" not in run("certify", name, "--data", "train.parquet", code=1).output


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.txt", "none.txt cannot be read as a LightGBM model"),
        ("text.txt", "text.txt cannot be read as a LightGBM model"),
        ("none.py:model", "there is no file none.py"),
        ("train.py:none", "has no attribute 'none'"),
        ("no_module:model", "No module named 'no_module'"),
        ("train.py", "'train.py' names no model"),
        ("train.py:", "names no model"),
        ("train.py:a b", "names no model"),
        ("", "names no model"),
        ("train.py:target", "Series"),
        ("train.py:random", "Generator"),
    ],
)
def test_sources_that_are_no_model(run, shop, source, message):
    (shop / "text.txt").write_text("no model")
    before = sorted(shop.rglob("*"))
    for command in (("publish", "m"), ("certify",)):
        result = run(*command, source, "--data", "train.parquet", code=1)
        assert message in result.stderr
        assert result.stdout == ""
    assert [path for path in sorted(shop.rglob("*")) if path.suffix == ".foresql"] == [
        path for path in before if path.suffix == ".foresql"
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("none.parquet", "There is no file none.parquet"),
        ("broken.parquet", "broken.parquet cannot be read"),
        ("broken.csv", "broken.csv cannot be read"),
        ("broken.arrow", "broken.arrow cannot be read"),
        ("train.py:none", "has no attribute 'none'"),
        ("train.py:target", "A training frame of type pandas.Series is not known"),
        ("train.csv", "categorical"),
        ("other.parquet", "total"),
    ],
)
def test_frames_that_are_none(run, shop, data, message):
    for ending in ("parquet", "csv", "arrow"):
        (shop / f"broken.{ending}").write_bytes(b"\xff\xfe\x00")
    pd.DataFrame({"x": [1]}).to_parquet(shop / "other.parquet")
    assert message in run("publish", "m", "train.py:model", "--data", data, code=1).stderr


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("auc", "--metric 'auc' is not NAME=VALUE"),
        ("auc=nan", "The metric 'auc' is nan; leave it out"),
        ("=1", "is not NAME=VALUE"),
        ("auc=high", "is not NAME=VALUE"),
    ],
)
def test_metrics_that_are_none(run_json, metric, message):
    arguments = ("publish", "m", "train.py:model", "--data", "train.parquet", "--metric", metric)
    assert message in run_json(*arguments, code=1)["error"]["message"]
    assert [model["name"] for model in run_json("models")] == ["returns"]


RENT = """
from train import frame
from sklearn.linear_model import LinearRegression

frame = frame[["total"]].assign(rent=frame["total"] * 2 + 5 * (frame.index % 3 - 1))
model = LinearRegression().fit(frame[["total"]], frame["rent"])
X = frame[["total"]]
"""
PUBLISH_RENT = ("publish", "rent", "rent.py:model", "--data", "rent.py:X")


@pytest.fixture
def rent(shop):
    """A regression, and rows of it with their target."""
    (shop / "rent.py").write_text(RENT)
    frame = pd.read_parquet(shop / "train.parquet")[["total"]]
    frame.assign(rent=frame["total"] * 2 + 5).to_parquet(shop / "rent.parquet")


@pytest.mark.usefixtures("rent")
def test_a_regression_gets_intervals(run_json):
    run_json(*PUBLISH_RENT, "--calibration", "rent.parquet", "--target", "rent")
    query = "SELECT interval_rent(t, 0.9) AS i, predict_rent(t) AS p FROM 'rent.parquet' t LIMIT 1"
    [row] = run_json("sql", query)
    assert row["i"]["high"] - row["p"] == pytest.approx(row["p"] - row["i"]["low"])
    assert row["i"]["high"] > row["p"]


@pytest.mark.usefixtures("rent")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--calibration", "rent.parquet"), "go together"),
        (("--target", "rent"), "go together"),
        (("--calibration", "rent.parquet", "--target", "flat"), "There are: total, rent"),
        (("--calibration", "rent.py:model", "--target", "rent"), "LinearRegression"),
        (("--calibration", "none.csv", "--target", "rent"), "no file none.csv"),
    ],
)
def test_calibrations_that_are_none(run_json, options, message):
    assert message in run_json(*PUBLISH_RENT, *options, code=1)["error"]["message"]
    assert [model["name"] for model in run_json("models")] == ["returns"]


@pytest.mark.parametrize("name", ["a b", "1st", "", "Returns", "con"])
def test_names_that_cannot_be_used(run_json, name):
    arguments = ("publish", name, "train.py:model", "--data", "train.parquet")
    assert run_json(*arguments, code=1)["error"]["kind"] == "RegistryError"


def test_an_error_in_the_users_script_keeps_its_traceback(run, shop):
    (shop / "broken.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        run("publish", "m", "broken.py:model", "--data", "train.parquet")


def test_a_script_runs_once_for_model_and_frame(run_json, shop):
    with (shop / "train.py").open("a") as stream:
        stream.write("\nwith open('runs.txt', 'a') as stream: stream.write('run ')\n")
    run_json("certify", "train.py:model", "--data", "train.py:frame")
    assert (shop / "runs.txt").read_text() == "run "


def test_certify_a_fitted_model(run, run_json):
    certificate = run_json("certify", "train.py:model", "--data", "train.parquet")
    assert certificate["rows"] >= 10_000
    assert certificate["labels_identical"] is True
    assert certificate["margin_difference"] == 0
    assert {"python", "duckdb", "lightgbm", "foresql"} <= set(certificate["versions"])
    result = run("certify", "model.txt", "--data", "train.parquet")
    assert "probe rows agree with the library" in result.stdout


@pytest.mark.parametrize("reference", ["returns@champion", "returns:2"])
def test_certify_a_published_model(run, run_json, reference):
    certificate = run_json("certify", reference)
    assert certificate == {
        "reference": "library",
        "rows": 100,
        "routes": ["kernel", "reloaded", "duckdb", "sql"],
        "without": {},
        "largest_difference": 0,
    }
    assert run("certify", reference).stdout.startswith("100 probe rows agree with the library")


def test_certify_changes_nothing(run, shop):
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    run("certify", "returns@champion")
    after = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    assert after == before


@pytest.fixture
def bundle(shop):
    """Read version 1, and write a changed bundle to a file."""
    store = Registry.open(shop / "foresql_registry")
    whole = store.load(store.resolve("returns:1"))

    def write(model=whole.model, card=whole.card):
        path = shop / "forged.foresql"
        path.write_bytes(encode_bundle(Bundle(model, card))[0])
        return path.name

    write.model, write.card = whole.model, whole.card
    return write


def mutated(model, change):
    """Change the trees of a model."""
    steps = [
        replace(step, trees=change(step.trees)) if isinstance(step, s.Forest) else step
        for step in model.steps
    ]
    return replace(model, steps=tuple(steps))


def test_certify_a_bundle_file(run_json, bundle):
    assert run_json("certify", bundle())["rows"] == 100


@pytest.mark.parametrize(
    "change",
    [
        lambda trees: replace(trees, value=trees.value + 0.5),
        lambda trees: replace(trees, value=trees.value * (1 + 1e-12)),
        lambda trees: replace(
            trees, missing_left=~trees.missing_left, left=trees.right, right=trees.left
        ),
    ],
    ids=["leaves", "a trillionth", "sides"],
)
def test_a_forged_bundle_ends_with_code_3(run, run_json, bundle, change):
    forged = bundle(mutated(bundle.model, change))
    error = run_json("certify", forged, code=3)["error"]
    assert error["kind"] == "CertificationError"
    result = run("certify", forged, code=3)
    assert "CertificationError" in result.stderr
    assert result.stdout == ""


def test_forged_golden_rows_end_with_code_3(run_json, bundle):
    golden = dict(bundle.card["golden"])
    golden["prediction"] = [not label for label in golden["prediction"]]
    error = run_json("certify", bundle(card={**bundle.card, "golden": golden}), code=3)["error"]
    assert "label" in error["message"]


@pytest.mark.parametrize("golden", [None, {}, {"columns": 3}, {"columns": ["total"], "rows": []}])
def test_golden_rows_that_cannot_be_read(run_json, bundle, golden):
    card = {**bundle.card, "golden": golden}
    error = run_json("certify", bundle(card=card), code=1)["error"]
    assert error["kind"] == "BundleError"
    assert "golden rows" in error["message"]


SHY = """
class LGBMClassifier(lightgbm.LGBMClassifier):
    def predict_proba(self, X, **options):
        return super().predict_proba(X, **options) * 0.5 + 0.25

LGBMClassifier.__module__ = "lightgbm.sklearn"
shy = LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(frame, target)
"""


@pytest.mark.parametrize("command", [("certify",), ("publish", "m")])
def test_a_library_that_disagrees_ends_with_code_3(run_json, shop, command):
    with (shop / "train.py").open("a") as stream:
        stream.write(SHY)
    arguments = ("train.py:shy", "--data", "train.py:frame")
    assert run_json(*command, *arguments, code=3)["error"]["kind"] == "CertificationError"
    assert [model["name"] for model in run_json("models")] == ["returns"]
