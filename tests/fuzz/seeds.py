"""Write small models, as bundles and as model files, for the fuzzers to start from."""

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from foresql.frontends import Training, convert
from foresql.ir.bundle import Bundle, encode_bundle
from foresql.kernels.native.program import build_program

ROWS = 120


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


def main(folder: Path) -> None:
    """Write ``bundle``, ``files`` and ``program``, a folder for each fuzzer."""
    frame = make_frame()
    for name in ("bundle", "files", "program"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, model in models(frame).items():
        columns = frame[list(getattr(model, "feature_names_in_", frame.columns))]
        converted = convert(model, Training.of(columns, model))
        content, _ = encode_bundle(Bundle(converted))
        (folder / "bundle" / name).write_bytes(content)
        (folder / "program" / name).write_bytes(build_program(converted))
        booster = getattr(model, "booster_", None)
        if booster is not None:
            booster.save_model(folder / "files" / f"{name}.txt")
        if isinstance(model, xgb.XGBClassifier):
            for suffix in ("json", "ubj"):
                model.save_model(folder / "files" / f"{name}.{suffix}")
    catboost = CatBoostRegressor(
        iterations=2, depth=2, cat_features=["city"], verbose=False, allow_writing_files=False
    )
    catboost.fit(frame.astype({"city": str}), frame["n"])
    for suffix, kind in (("json", "json"), ("cbm", "cbm")):
        catboost.save_model(str(folder / "files" / f"catboost.{suffix}"), kind)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
