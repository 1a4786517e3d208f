"""Model files become versions where their library confirms them, or say that none did."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost as xgb

import foresql
from foresql import CertificationError, ForesqlError, Registry, RegistryError, UnsupportedModelError
from foresql.certify import gate, importing
from foresql.certify.golden import Golden
from foresql.certify.made_up import made_up_rows
from foresql.certify.oracle import Answers
from foresql.frontends import convert, read_model_file
from foresql.frontends.file_rows import no_rows_for, training_of
from foresql.scoring import open_model

ROWS = 300
PROBES = 200


def make_frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "x y": rng.normal(size=ROWS),
            "count": rng.integers(0, 9, ROWS),
            "city": pd.Categorical(rng.choice(["Bonn", "Kiel"], ROWS)),
        }
    )


FRAME = make_frame()
TARGET = FRAME["x y"] + FRAME["count"] * (FRAME["city"] == "Bonn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a file of each format, all named `rent`."""
    path = tmp_path_factory.mktemp("files")
    options = {"verbose": -1, "num_leaves": 5, "num_threads": 1, "min_data_per_group": 1}
    lgb.train(options, lgb.Dataset(FRAME, TARGET), 3).save_model(path / "rent.txt")
    data = xgb.DMatrix(FRAME, TARGET, enable_categorical=True)
    booster = xgb.train({"max_depth": 3, "nthread": 1}, data, 3)
    booster.save_model(path / "rent.json")
    booster.save_model(path / "rent.ubj")
    return path


@pytest.fixture
def bring(folder, tmp_path):
    """Import a file of the folder into a registry of the test."""

    def start(file, **options):
        options = {"registry": tmp_path / "r", "probe_rows": PROBES, **options}
        return foresql.import_model(folder / file, **options)

    start.registry = tmp_path / "r"
    return start


FILES = ["rent.txt", "rent.json", "rent.ubj"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "like", [None, FRAME, pa.Table.from_pandas(FRAME)], ids=["made up", "pandas", "arrow"]
)
@pytest.mark.parametrize("uncertified", [False, True])
def test_import(bring, file, like, uncertified):
    stages = []
    made = bring(file, like=like, uncertified=uncertified, alias="new", progress=stages.append)
    assert (made.name, made.version, made.alias) == ("rent", 1, "new")
    assert made.certificate.rows >= PROBES
    assert made.certificate.reference == ("kernel" if uncertified else "library")
    assert made.certificate.routes == ("kernel", "reloaded", "duckdb", "sql")
    assert made.certificate.margin_difference == made.certificate.largest_difference == 0
    assert stages[:2] == ["reading", "converting"]
    assert stages[-1] == "storing"


def test_the_card(bring, folder):
    bring("rent.txt", like=FRAME, metrics={"mae": 1}, description="Rent.", iterations=2)
    card = open_model("rent:1", bring.registry).bundle.card
    assert card["estimator"] == "lightgbm.Booster"
    assert (card["metrics"], card["description"]) == ({"mae": 1.0}, "Rent.")
    assert "training" not in card
    imported = card["imported"]
    assert imported["from"] == str(folder / "rent.txt")
    assert imported["file"] == "rent.txt"
    content = (folder / "rent.txt").read_bytes()
    assert imported["sha256"] == hashlib.sha256(content).hexdigest()
    assert (imported["iterations"], imported["rows"]["rows"]) == (2, ROWS)
    assert Golden.from_json(card["golden"]).columns == ("x y", "count", "city")
    bring("rent.txt", uncertified=True)
    card = open_model("rent:2", bring.registry).bundle.card
    assert card["certificate"]["reference"] == "kernel"
    assert (card["imported"]["iterations"], card["imported"]["rows"]) == (None, None)


@pytest.mark.parametrize("uncertified", [False, True])
@pytest.mark.parametrize("file", FILES)
def test_sql_gives_what_the_library_gives(bring, folder, file, uncertified):
    bring(file, uncertified=uncertified)
    with duckdb.connect() as con:
        foresql.register(con, "rent:1", registry=bring.registry)
        frame = FRAME.rename(columns={"x y": "x_y"}) if file == "rent.txt" else FRAME
        con.register("flats", pa.Table.from_pandas(frame))
        ours = con.sql("SELECT predict_rent(f) AS p FROM flats f").to_arrow_table()["p"].to_numpy()
    if file == "rent.txt":
        theirs = lgb.Booster(model_file=folder / file).predict(FRAME)
    else:
        booster = xgb.Booster(model_file=folder / file)
        theirs = booster.predict(xgb.DMatrix(FRAME, enable_categorical=True)).astype(np.float64)
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(("file", "library"), [("rent.txt", "lightgbm"), ("rent.ubj", "xgboost")])
@pytest.mark.parametrize("missing", ["library", "pandas"])
def test_without_the_library_nothing_is_stored(bring, file, library, missing, monkeypatch):
    package = library if missing == "library" else "pandas"

    def find(name):
        if name == package:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(importing, "import_module", find)
    with pytest.raises(CertificationError) as caught:
        bring(file)
    message = str(caught.value)
    assert message.startswith(f"{package} is not installed, so nothing can be compared: pip")
    assert f"'foresql[{library}]'" in message
    assert "--uncertified" in message
    assert not bring.registry.exists()
    assert bring(file, uncertified=True).certificate.reference == "kernel"


@pytest.mark.parametrize("file", FILES)
def test_a_library_that_answers_otherwise_stops_it(bring, file, monkeypatch):
    real = gate.ask_library

    def ask(estimator, frame):
        answers = real(estimator, frame)
        if isinstance(answers, str):
            return answers
        return Answers(answers.prediction, answers.probabilities, answers.margins + 1e-9)

    monkeypatch.setattr(gate, "ask_library", ask)
    with pytest.raises(CertificationError, match="differs from the library in the raw score"):
        bring(file)
    assert not list(Registry.open(bring.registry).models())
    bring(file, uncertified=True)


def test_routes_that_disagree_stop_an_uncertified_import(bring, monkeypatch):
    real = gate.ROUTES["duckdb"]

    def off(model, connection):
        run = real(model, connection)

        def answer(table):
            found = run(table)
            return Answers(found.prediction * 1.5 + 1, found.probabilities, found.margins)

        return answer

    monkeypatch.setattr(gate, "ROUTES", {**gate.ROUTES, "duckdb": off})
    with pytest.raises(CertificationError, match="duckdb differs from the kernel"):
        bring("rent.txt", uncertified=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "a b"}, RegistryError, "model name 'a b'"),
        ({"alias": "a b"}, RegistryError, "alias name 'a b'"),
        ({"iterations": 4}, UnsupportedModelError, "3 boosting rounds"),
        ({"like": [1]}, ForesqlError, "A training frame of type"),
        ({"like": FRAME.drop(columns="city")}, ForesqlError, "does not have"),
    ],
)
def test_options_that_do_not_do(bring, options, error, message):
    with pytest.raises(error, match=message):
        bring("rent.txt", **options)
    assert not list((bring.registry / "models").glob("*"))


def test_there_is_no_such_file(bring, tmp_path):
    with pytest.raises(ForesqlError, match="There is no file or folder"):
        bring("none.txt")
    with pytest.raises(ForesqlError, match="it holds no file MLmodel"):
        foresql.import_model(tmp_path)


def test_made_up_rows_reach_both_sides_of_every_split(folder):
    file = read_model_file((folder / "rent.ubj").read_bytes(), "rent.ubj")
    empty = no_rows_for(file)
    model = convert(file, training_of(empty, file, for_library=False))
    rows = made_up_rows(model, empty, seed=1)
    assert rows.schema == empty.schema
    assert set(rows["city"].to_pylist()) == {"Bonn", "Kiel"}
    (forest,) = (step for step in model.steps if hasattr(step, "trees"))
    for index, name in enumerate(("x y", "count")):
        numeric = (forest.trees.feature == index) & (forest.trees.category_set < 0)
        values = rows[name].to_numpy()
        for threshold in forest.trees.threshold[numeric]:
            assert values.min() <= threshold < values.max()


# MLflow


def write_mlmodel(folder, text, **files):
    folder.mkdir()
    (folder / "MLmodel").write_text(text)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder


FLAVOR = "flavors:\n  {}:\n    {}: {}\n"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (FLAVOR.format("lightgbm", "data", "model.pkl"), UnsupportedModelError, "as a pickle"),
        (FLAVOR.format("sklearn", "pickled_model", "model.pkl"), UnsupportedModelError, "skops"),
        (FLAVOR.format("pytorch", "data", "model.pkl"), UnsupportedModelError, "['pytorch']"),
        (FLAVOR.format("lightgbm", "data", "gone.txt"), ForesqlError, "that is not there"),
        (FLAVOR.format("lightgbm", "data", "../rent.txt"), ForesqlError, "that is not there"),
        (FLAVOR.format("lightgbm", "data", "/etc/passwd"), ForesqlError, "that is not there"),
        (FLAVOR.format("lightgbm", "code", "null"), ForesqlError, "that is not there"),
        ("flavors: !!python/object/apply:os.system ['true']", ForesqlError, "cannot be read"),
        ("flavors: 7", ForesqlError, "cannot be read"),
        ("", ForesqlError, "cannot be read"),
        ("flavors: " + "[" * 20_000, ForesqlError, "nests too deeply"),
        ("a: &a {b: c}\nflavors: {<<: *a}", ForesqlError, "that MLflow writes"),
        ("x" * 2_000_000, ForesqlError, "that MLflow writes"),
    ],
)
def test_folders_of_mlflow_that_are_refused(tmp_path, folder, text, error, message):
    (tmp_path / "rent.txt").write_bytes((folder / "rent.txt").read_bytes())
    made = write_mlmodel(tmp_path / "m", text, model_pkl=b"\x80\x04.")
    with pytest.raises(error) as caught:
        foresql.import_model(made, registry=tmp_path / "r")
    assert message in str(caught.value)
    assert not (tmp_path / "r").exists()


MAKE = """
import mlflow, mlflow.lightgbm, mlflow.xgboost, lightgbm, xgboost
import warnings
warnings.simplefilter("ignore")
quick = {"pip_requirements": []}
booster = lightgbm.Booster(model_file="rent.txt")
mlflow.lightgbm.save_model(booster, "by_lightgbm", **quick)
mlflow.xgboost.save_model(xgboost.Booster(model_file="rent.ubj"), "by_xgboost", **quick)
with mlflow.start_run():
    mlflow.lightgbm.log_model(booster, name="model", registered_model_name="rent", **quick)
mlflow.MlflowClient().set_registered_model_alias("rent", "champion", 1)
"""


@pytest.fixture(scope="module")
def mlflow(folder):
    """Run Python beside a store that MLflow itself made."""
    runs = f"file://{folder}/runs"
    environment = {
        **os.environ,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_TRACKING_URI": runs,
        "MLFLOW_REGISTRY_URI": runs,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONWARNINGS": "ignore",
    }

    def start(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    pytest.importorskip("mlflow", reason="needs mlflow-skinny", exc_type=ImportError)
    made = start("-c", MAKE)
    assert made.returncode == 0, made.stderr
    return start


FETCH = """
import foresql

for name in ("models:/rent/1", "models:/rent@champion"):
    foresql.import_model(name, name="fetched", uncertified=True, probe_rows=100)
try:
    foresql.import_model("models:/none/1", name="none")
except foresql.ForesqlError as error:
    print(type(error).__name__, error)
"""


def test_models_of_mlflow(mlflow, folder, bring):
    done = mlflow("-c", FETCH)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ForesqlError MLflow cannot get models:/none/1: ")
    expected = hashlib.sha256((folder / "by_lightgbm/model.lgb").read_bytes()).hexdigest()
    card = open_model("fetched:2", folder / "foresql_registry").bundle.card["imported"]
    assert (card["sha256"], card["from"]) == (expected, "models:/rent@champion")
    for name in ("by_lightgbm", "by_xgboost"):
        made = bring(name)
        assert (made.name, made.certificate.reference) == (name, "library")
