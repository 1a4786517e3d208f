"""`foresql models`, `show`, `promote`, `rollback`."""

import shutil
from datetime import datetime

import pytest

from foresql import Registry


def test_models(run, run_json):
    assert run_json("models") == [
        {"name": "returns", "versions": [1, 2], "aliases": {"champion": 1, "challenger": 2}}
    ]
    text = run("models").stdout
    assert "returns" in text
    assert "champion → 1" in text


def test_no_models_yet(run, run_json, tmp_path):
    Registry.open(tmp_path / "empty", create=True)
    assert run_json("models", "--registry", tmp_path / "empty") == []
    assert "foresql publish --help" in run("models", "--registry", tmp_path / "empty").stdout


@pytest.mark.parametrize("command", [("models",), ("show", "m"), ("promote", "m@a", "1")])
def test_no_registry(run_json, tmp_path, command):
    error = run_json(*command, "--registry", tmp_path / "none", code=1)["error"]
    assert error["kind"] == "RegistryError"
    assert "There is no registry at" in error["message"]


def test_show_is_a_model_card(run_json):
    card = run_json("show", "returns@champion")
    assert set(card) == {
        *("name", "version", "description", "metrics", "columns", "history", "certificate"),
        *("created_at", "created_by", "estimator", "training", "versions", "git_commit"),
        "kept_whole",
    }
    assert (card["name"], card["version"]) == ("returns", 1)
    assert card["metrics"] == {"auc": 0.75, "[/x]": 1}
    assert card["estimator"] == "lightgbm.sklearn.LGBMClassifier"
    assert card["training"]["rows"] == 300
    assert len(card["training"]["sha256"]) == 64
    assert card["columns"] == [
        {"name": "total", "type": "double", "nullable": False, "categories": None},
        {
            "name": "zip",
            "type": "varchar",
            "nullable": False,
            "categories": ["01067", "[/b]", "naïve ☃"],
        },
    ]
    assert [(move["alias"], move["version"]) for move in card["history"]] == [
        ("challenger", 2),
        ("champion", 1),
    ]
    assert datetime.fromisoformat(card["history"][0]["moved_at"]).tzinfo
    assert datetime.fromisoformat(card["created_at"]).tzinfo


def test_show_prints_everything_as_it_is(run):
    text = run("show", "returns:1").stdout
    for part in ("returns:1", "see [/docs] and [red]this", "[/x] 1", "auc 0.75", "300 rows"):
        assert part in text
    for part in ("total", "varchar", "3: 01067, [/b], naïve ☃", "challenger", "publish"):
        assert part in text


def test_show_a_bundle_file(run, run_json, shop):
    bundle = min(shop.glob("foresql_registry/bundles/*.foresql"))
    shutil.copy(bundle, shop / "mine.foresql")
    shutil.rmtree(shop / "foresql_registry")
    card = run_json("show", "mine.foresql")
    assert card["version"] is None
    assert card["history"] == []
    assert "returns" in run("show", "mine.foresql").stdout


@pytest.mark.parametrize("change", ["flipped", "cut", "longer", "empty", "text"])
def test_a_damaged_bundle_is_refused(run_json, shop, change):
    for path in shop.glob("foresql_registry/bundles/*.foresql"):
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(
            {
                "flipped": content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
                "cut": content[:-100],
                "longer": content + b"\0",
                "empty": b"",
                "text": b"no bundle",
            }[change]
        )
    for command in (
        ("show", "returns:1"),
        ("certify", "returns:1"),
        ("sql", "SELECT version_returns()"),
    ):
        error = run_json(*command, code=1)["error"]
        assert error["kind"] == "BundleError"
        assert "is not a whole bundle" in error["message"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("return", "Did you mean 'returns'?"),
        ("RETURNS@champion", "Did you mean 'returns'?"),
        ("returns@champoin", "Did you mean 'champion'?"),
        ("returns@nobody", "There is: challenger, champion."),
        ("returns:9", "no version 9. It has versions 1 to 2."),
        ("returns", "say which one is meant: returns@challenger"),
        ("returns:x", "'x' in 'returns:x' is no version"),
        ("returns@", "cannot be"),
        ("a b", "cannot be"),
        ("none.foresql", "There is no bundle at none.foresql"),
    ],
)
def test_unknown_references_say_what_there_is(run_json, reference, message):
    assert message in run_json("show", reference, code=1)["error"]["message"]


def test_promote_and_rollback(run, run_json):
    moved = run_json("promote", "returns@champion", "2")
    assert (moved["name"], moved["alias"], moved["version"]) == ("returns", "champion", 2)
    assert moved["reason"] == "promote"
    assert run("show", "returns@champion").stdout.count("champion") >= 2
    assert run("rollback", "returns@champion").stdout == "returns@champion is now version 1.\n"
    error = run_json("rollback", "returns@champion", code=1)["error"]
    assert "no version before 1" in error["message"]
    assert run("promote", "returns@fresh", "1").stdout == "returns@fresh is now version 1.\n"
    history = run_json("show", "returns:1")["history"]
    moves = [(m["version"], m["reason"]) for m in history if m["alias"] == "champion"]
    assert moves == [(1, "publish"), (2, "promote"), (1, "rollback")]


def test_promote_only_if_nobody_moved_it(run, run_json):
    error = run_json("promote", "returns@champion", "2", "--expected", "2", code=1)["error"]
    assert "is at version 1, not 2" in error["message"]
    assert run_json("models")[0]["aliases"]["champion"] == 1
    run("promote", "returns@champion", "2", "--expected", "1")
    assert run_json("models")[0]["aliases"]["champion"] == 2
    error = run_json("promote", "returns@none", "2", "--expected", "1", code=1)["error"]
    assert "does not exist" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("promote", "returns", "1"), "write returns@champion"),
        (("promote", "returns:1", "1"), "'returns:1' names no alias"),
        (("promote", "returns@champion", "9"), "has no version 9"),
        (("promote", "return@champion", "1"), "Did you mean 'returns'?"),
        (("promote", "returns@Champion", "2"), "differs from it only by case"),
        (("rollback", "returns"), "names no alias"),
        (("rollback", "returns@none"), "has no alias 'none'"),
    ],
)
def test_moves_that_are_refused(run_json, arguments, message):
    assert message in run_json(*arguments, code=1)["error"]["message"]
    assert run_json("models")[0]["aliases"] == {"champion": 1, "challenger": 2}
