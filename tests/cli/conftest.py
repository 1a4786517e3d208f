"""A shop's folder with a training script, its files and a registry, and the command run in it."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import foresql
from foresql.cli import main

TRAIN = """
import lightgbm
import numpy as np
import pandas as pd

random = np.random.default_rng(6)
frame = pd.DataFrame(
    {
        "total": random.gamma(2, 40, 300),
        "zip": pd.Categorical(random.choice(["01067", "[/b]", "naïve ☃"], 300)),
    }
)
target = frame["total"] > 80
model = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, n_jobs=1, verbose=-1)
model.fit(frame, target)

def make():
    return model

def other():
    return lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(frame, ~target)
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """Make the folder once: version 1 of `returns` is its champion, version 2 its challenger."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "train.py").write_text(TRAIN)
    made = {}
    exec(TRAIN, made)  # noqa: S102 - the script above
    made["frame"].to_parquet(folder / "train.parquet")
    made["frame"].to_csv(folder / "train.csv", index=False)
    made["frame"].to_feather(folder / "train.arrow")
    made["model"].booster_.save_model(folder / "model.txt")
    options = {"like": made["frame"], "registry": folder / "foresql_registry", "probe_rows": 100}
    foresql.publish(
        "returns",
        made["model"],
        alias="champion",
        metrics={"auc": 0.75, "[/x]": 1},
        description="see [/docs] and [red]this",
        **options,
    )
    foresql.publish("returns", made["other"](), alias="challenger", **options)
    return folder


@pytest.fixture
def shop(template, tmp_path, monkeypatch) -> Path:
    """A copy of the folder, and the working folder of the test."""
    folder = shutil.copytree(template, tmp_path / "shop")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    monkeypatch.delenv("FORESQL_REGISTRY", raising=False)
    return folder


@pytest.fixture
def run(shop):
    """Run the command in the shop. What it raises is an error of the test."""
    assert shop.is_dir()

    def start(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return start


@pytest.fixture
def run_json(run):
    """Run a command with `--json`, and read what it prints, by the strict rules of JSON."""

    def refuse(constant):
        raise ValueError(constant)

    def start(*arguments, code=0):
        printed = run(*arguments, "--json", code=code).stdout
        return json.loads(printed, parse_constant=refuse)

    return start
