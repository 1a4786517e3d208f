"""Write small models, as bundles and as model files, for the fuzzers to start from."""

import sys
import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostRegressor
from event_schemas import write_events
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tensor_seeds import write_tensors

from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle, encode_bundle
from foresql.kernels.native.program import build_program
from foresql.registry import Registry

ROWS = 120
REFERENCES = ("m@champion", "m:1", "m:2", "m", "root/m@champion", "m@none", "x/y.foresql")
SEPARATOR = b"\x1e"


def make_frame() -> pd.DataFrame:
    """Make numbers with gaps, whole numbers, texts and flags."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=ROWS)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(ROWS) < 0.2, np.nan, x),
            "n": rng.integers(0, 9, ROWS),
            "city": pd.Categorical(rng.choice(["Bonn", "Kiel", "Ulm"], ROWS)),
            "flag": rng.random(ROWS) < 0.5,
        }
    )


def models(frame: pd.DataFrame) -> dict[str, object]:
    """Fit a model of each kind."""
    score = frame["x"].fillna(1) + frame["n"] * frame["city"].cat.codes
    three = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    numbers = frame[["x", "n", "flag"]]
    quiet = {"verbose": -1, "num_leaves": 5, "n_estimators": 3, "min_child_samples": 5}
    tidy = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["x", "n"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city", "flag"]),
    )
    return {
        "lightgbm": lgb.LGBMRegressor(**quiet).fit(frame, score),
        "lightgbm_classes": lgb.LGBMClassifier(**quiet).fit(frame, three),
        "linear_leaves": lgb.LGBMRegressor(**quiet, linear_tree=True).fit(numbers, score),
        "xgboost": xgb.XGBClassifier(n_estimators=2, max_depth=3, enable_categorical=True).fit(
            frame, three
        ),
        "histogram": HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=5).fit(
            numbers, three
        ),
        "random_forest": RandomForestClassifier(3, max_depth=3).fit(numbers.fillna(0), three),
        "pipeline": make_pipeline(tidy, LogisticRegression()).fit(frame, three),
    }


def write_registries(folder: Path, bundle: Bundle) -> None:
    """Write the records of a registry, behind each kind of reference."""
    with tempfile.TemporaryDirectory() as place:
        store = Registry.open(Path(place) / "root", create=True)
        for version in (1, 2):
            store.add_version("m", bundle, description=f"number {version}")
        store.move_alias("m", "champion", 1, expected=None)
        store.move_alias("m", "champion", 2, expected=1)
        records = SEPARATOR.join(
            str(path.relative_to(place)).encode() + SEPARATOR + path.read_bytes()
            for path in sorted(store.path.rglob("*.json"))
        )
    for number, reference in enumerate((*REFERENCES, f"m.foresql#{'0' * 64}")):
        (folder / f"{number}").write_bytes(reference.encode() + SEPARATOR + records)


def main(folder: Path) -> None:
    """Write a folder for each fuzzer that needs seeds."""
    frame = make_frame()
    for name in (
        "bundle",
        "files",
        "program",
        "duckdb_bundle",
        "duckdb_registry",
        "events",
        "tensors",
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_events(folder / "events")
    write_tensors(folder / "tensors")
    for name, model in models(frame).items():
        columns = frame[list(getattr(model, "feature_names_in_", frame.columns))]
        converted = convert(model, Training.of(columns, model))
        content, _ = encode_bundle(Bundle(converted))
        (folder / "bundle" / name).write_bytes(content)
        program = build_program(converted)
        (folder / "program" / name).write_bytes(program)
        bundle = Bundle(converted, {"name": name}, program)
        content, _ = encode_bundle(bundle)
        (folder / "duckdb_bundle" / name).write_bytes(content)
        booster = getattr(model, "booster_", None)
        if booster is not None:
            booster.save_model(folder / "files" / f"{name}.txt")
        if isinstance(model, xgb.XGBClassifier):
            for suffix in ("json", "ubj"):
                model.save_model(folder / "files" / f"{name}.{suffix}")
    write_registries(folder / "duckdb_registry", bundle)
    catboost = CatBoostRegressor(
        iterations=2, depth=2, cat_features=["city"], verbose=False, allow_writing_files=False
    )
    catboost.fit(frame.astype({"city": str}), frame["n"])
    for suffix, kind in (("json", "json"), ("cbm", "cbm")):
        catboost.save_model(str(folder / "files" / f"catboost.{suffix}"), kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
