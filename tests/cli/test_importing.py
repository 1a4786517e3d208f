"""`foresql import`: what it takes, prints and ends with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import xgboost as xgb

from foresql.certify import importing

FORESQL = Path(sys.executable).with_name("foresql")


@pytest.mark.parametrize("like", ["train.parquet", "train.arrow", "train.csv", None])
def test_import(run_json, like):
    options = () if like is None else ("--like", like)
    made = run_json("import", "model.txt", "--name", "fresh", "--alias", "a", *options)
    assert (made["name"], made["version"], made["alias"]) == ("fresh", 1, "a")
    assert made["certificate"]["reference"] == "library"
    card = run_json("show", "fresh@a")
    assert card["imported"]["file"] == "model.txt"
    assert [column["type"] for column in card["columns"]] == ["double", "varchar"]
    assert card["columns"][1]["categories"] == ["01067", "[/b]", "naïve ☃"]


def test_what_is_printed(run):
    result = run("import", "model.txt", "--metric", "auc=0.7", "--description", "[/x]")
    first, second = result.stdout.splitlines()
    assert first.startswith("Imported model:1. 1")
    assert "agree with the library by kernel, reloaded, duckdb, sql" in first
    assert second == "Try: foresql show model:1"
    assert result.stderr == ""
    shown = run("show", "model:1").stdout
    assert "model.txt" in shown
    assert "rows made up" in shown
    assert "unknown" in shown


def test_uncertified_is_said_wherever_the_certificate_is(run, run_json):
    said = "NO LIBRARY CONFIRMED THEM"
    assert said in run("import", "model.txt", "--uncertified").stdout
    assert said in " ".join(run("show", "model:1").stdout.split())
    assert said in run("certify", "model:1").stdout
    assert run_json("certify", "model:1")["reference"] == "kernel"
    run("import", "model.txt", "--iterations", 2)
    assert said not in run("show", "model:2").stdout
    assert run_json("certify", "model:2")["reference"] == "library"


def test_without_the_library_it_ends_with_code_3(run_json, monkeypatch):
    def find(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importing, "import_module", find)
    error = run_json("import", "model.txt", code=3)["error"]
    assert error["kind"] == "CertificationError"
    assert error["message"].startswith("lightgbm is not installed, so nothing can be compared")
    assert run_json("import", "model.txt", "--uncertified")["version"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.txt",), "There is no file or folder none.txt"),
        (("train.py",), "'.py' is of no known format"),
        (("train.parquet",), "of no known format"),
        (("model.pkl",), "is a pickle"),
        (("cut.txt",), "cut.txt: it is damaged: its end is missing"),
        (("model.txt", "--like", "none.csv"), "There is no file none.csv"),
        (("model.txt", "--like", "train.py:frame"), "names no rows"),
        (("model.txt", "--like", "cut.parquet"), "cut.parquet cannot be read"),
        (("model.txt", "--metric", "auc"), "is not NAME=VALUE"),
        (("model.txt", "--iterations", "99"), "5 boosting rounds"),
        (("model.txt", "--name", "a b"), "model name 'a b'"),
    ],
)
def test_what_is_refused(run, shop, arguments, message):
    (shop / "model.pkl").write_bytes(b"\x80\x04.")
    (shop / "cut.txt").write_bytes((shop / "model.txt").read_bytes()[:2000])
    (shop / "cut.parquet").write_bytes((shop / "train.parquet").read_bytes()[:500])
    result = run("import", *arguments, code=1)
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [("import",), ("publish", "m", "--data", "train.parquet")])
def test_damaged_texts_print_nothing_but_our_message(shop, command):
    """LightGBM would print, or end the process."""
    text = (shop / "model.txt").read_text()
    for number, (old, new) in enumerate(
        [("\nthreshold=", "\nthreshold=1 "), ("\nleft_child=", "\nleft_child=999 "), ("=2", "=x")]
    ):
        name = f"bad{number}.txt"
        (shop / name).write_text(text.replace(old, new))
        done = subprocess.run(
            [FORESQL, *command[:2], name, *command[2:], "--json"],
            cwd=shop,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "")
        error = json.loads(done.stdout)["error"]
        assert error["kind"] == "UnsupportedModelError"
        assert f"{name}: it is damaged" in error["message"]


def test_a_file_of_xgboost(run_json, shop):
    data = xgb.DMatrix([[0.0], [1.0]] * 20, [0.0, 1.0] * 20)
    xgb.train({"max_depth": 1}, data, 2).save_model(shop / "steps.ubj")
    made = run_json("import", "steps.ubj")
    assert (made["name"], made["certificate"]["margin_difference"]) == ("steps", 0)
    assert run_json("show", "steps:1")["columns"][0]["name"] == "f0"
