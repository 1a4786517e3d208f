"""The commands, from a published LightGBM model to answers by SQL, on the fake account."""

import json
import re
import shutil
import signal
import sys
from dataclasses import replace
from multiprocessing.connection import Listener

import lightgbm
import numpy as np
import pandas as pd
import pytest
from children import child
from click.testing import CliRunner
from snowflake_account import Account

import foresql
from foresql.cli import accounts as cli_accounts
from foresql.cli import main
from foresql.deploy.snowflake import deployment, lifecycle
from foresql.deploy.snowflake.session import connect
from foresql.udfs.snowflake.artifact import build_artifact

LEVELS = ["EWR", "JFK", "LGA"]
CALL = "FORESQL.SERVING.PREDICT_DELAY(distance, origin, hour)"


def flights(rows=300):
    random = np.random.default_rng(7)
    origin = pd.Categorical(random.choice(LEVELS, rows), categories=LEVELS)
    distance = random.normal(900, 300, rows)
    distance[::17] = np.nan
    hour = random.integers(0, 24, rows)
    return pd.DataFrame({"distance": distance, "origin": origin, "hour": hour})


def fit(trees):
    frame = flights()
    target = frame["distance"].fillna(0) / 50 + frame["hour"]
    return lightgbm.LGBMRegressor(n_estimators=trees, num_leaves=5, n_jobs=1, verbose=-1).fit(
        frame, target
    )


@pytest.fixture(scope="module")
def models():
    return {1: fit(4), 2: fit(6)}


@pytest.fixture(scope="module")
def template(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / "r"
    for version, model in models.items():
        alias = "champion" if version == 1 else None
        options = {"like": flights(), "registry": folder, "alias": alias, "probe_rows": 60}
        foresql.publish("delay", model, **options)
    return folder


@pytest.fixture
def account(monkeypatch):
    account = Account()
    monkeypatch.setattr(cli_accounts, "connect", lambda *_, **__: account.session)
    yield account
    account.close()


@pytest.fixture
def run(template, tmp_path, monkeypatch):
    """Run a command on a registry of its own."""
    shutil.copytree(template, tmp_path / "r")
    monkeypatch.setenv("FORESQL_REGISTRY", str(tmp_path / "r"))
    monkeypatch.chdir(tmp_path)

    def start(*arguments, code=0):
        result = CliRunner().invoke(main, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return start


@pytest.fixture
def deployed(account, run):
    run("setup", "snowflake")
    run("deploy", "delay@champion", "--to", "snowflake")
    return account


def answers(account):
    """Score a table in the account."""
    frame = flights(120)
    account.session.run(
        "CREATE OR REPLACE TABLE FORESQL.PUBLIC.F (I INT, DISTANCE FLOAT, ORIGIN VARCHAR, HOUR INT)"
    )
    rows = ", ".join(
        f"({i}, {'NULL' if pd.isna(d) else repr(d) + '::FLOAT'}, '{o}', {h})"
        for i, (d, o, h) in enumerate(frame.itertuples(index=False))
    )
    account.session.run(f"INSERT INTO FORESQL.PUBLIC.F VALUES {rows}")
    return [p for (p,) in account.session.run(f"SELECT {CALL} FROM FORESQL.PUBLIC.F ORDER BY I")]


def test_a_models_life(account, run, models, tmp_path):
    expected = {version: list(model.predict(flights(120))) for version, model in models.items()}
    assert "FORESQL_CALLER" in run("setup", "snowflake")
    assert "delay@champion is now version 1" in run("deploy", "delay@champion", "--to", "snowflake")
    assert answers(account) == expected[1]
    assert "as the registry says" in run("status", "--on", "snowflake")

    run("promote", "delay@champion", "2")
    said = run("status", "--on", "snowflake", "delay", code=1)
    assert "delay@champion is at version 2 in the registry, and at 1 in the account" in said
    sample = ("--sample-from", "FORESQL.PUBLIC.F", "--max-change", "1000", "-o", "upgrade.sql")
    done = json.loads(
        CliRunner()
        .invoke(main, ["deploy", "delay@champion", "--to", "snowflake", *sample, "--json"])
        .output
    )
    assert "error" not in done, done
    assert (done["version"], done["alias"]) == (2, "champion")
    (report,) = [r for r in done["reports"] if "LARGEST_DIFFERENCE" in r["columns"]]
    assert report["rows"][0][0] == 120
    assert answers(account) == expected[2]
    assert "delay@champion is switched from delay:1 to delay:2" in " ".join(
        (tmp_path / "upgrade.sql").read_text().split()
    )
    run("status", "--on", "snowflake")

    said = run("rollback", "delay@champion", "--to", "snowflake")
    assert "is now version 1 in Snowflake; the registry's alias was left alone" in said
    assert answers(account) == expected[1]
    run("status", "--on", "snowflake", code=1)
    said = run("rollback", "delay@champion", "--to", "snowflake", code=1)
    assert "no version before 1" in said

    said = run("undeploy", "delay:1", "--from", "snowflake", code=1)
    assert "delay:1 cannot be dropped, since an alias is at it: champion" in said
    run("undeploy", "delay:2", "--from", "snowflake")
    assert not any("_V2" in key[2] for key in account.functions)
    run("undeploy", "delay@champion", "--from", "snowflake")
    assert not account.functions
    assert not any(account.stages.values())


def test_another_alias_at_the_same_version_survives_a_failure(deployed, run):
    deployed.fail_on(r"PREDICT_DELAY_CHALLENGER.*COPY GRANTS", "refused")
    command = ("deploy", "delay:1", "--alias", "Challenger", "--to", "snowflake")
    assert "as before" in run(*command, code=1)
    run("status", "--on", "snowflake")
    assert len(answers(deployed)) == 120
    deployed.failures.clear()
    run(*command)
    assert '"challenger"' in run("status", "--on", "snowflake", "--json", code=1)


@pytest.mark.parametrize(
    ("pattern", "error", "said"),
    [
        ("^USE ROLE", "unknown role", "setup snowflake"),
        ("^PUT", "upload", "goes on where it stopped"),
        ("^GRANT", "refused", "take a role that may do this (--role)"),
        ("GOLDEN_ROWS", "no warehouse", "--warehouse NAME"),
        ("^CREATE OR REPLACE FUNCTION", "lost", "250001"),
        ('FROM "FORESQL"."MODELS"."DEPLOYMENTS"', "unknown", "setup snowflake"),
    ],
)
def test_what_goes_wrong_is_said(pattern, error, said, deployed, run):
    before = dict(deployed.functions)
    deployed.fail_on(pattern, error)
    printed = run(
        "deploy", "delay:2", "--alias", "champion", "--to", "snowflake", "--stage", code=1
    )
    assert said in printed
    assert "Traceback" not in printed
    deployed.failures.clear()
    assert deployed.functions == before
    assert len(answers(deployed)) == 120
    run("status", "--on", "snowflake")


def drop(account, name):
    key = next(key for key in account.functions if key[2] == name)
    del account.functions[key]
    account._publish(key[:3])


def test_drift(deployed, run):
    def drift():
        found = json.loads(
            CliRunner().invoke(main, ["status", "--on", "snowflake", "--json"]).output
        )
        return sorted({each["kind"] for each in found["drift"]})

    run("deploy", "delay:2", "--to", "snowflake", "--stage")
    assert drift() == []
    stage = next(iter(deployed.stages.values()))
    file = next(path for path in stage if "/v2-" in path)
    content = stage.pop(file)
    assert drift() == ["file"]
    stage[file] = content
    next(f for key, f in deployed.functions.items() if key[2] == "PREDICT_DELAY_V2").comment = "x"
    deployed._list_functions()
    assert drift() == ["changed"]
    run("deploy", "delay:2", "--to", "snowflake", "--stage")
    assert drift() == ["changed"]  # what is there may be called, and stays
    (name,) = (key for key in deployed.functions if key[2] == "PREDICT_DELAY_V2")
    deployed.run(f'DROP FUNCTION "FORESQL"."MODELS"."PREDICT_DELAY_V2"({name[3]})')
    run("deploy", "delay:2", "--to", "snowflake", "--stage")
    assert drift() == []
    alias = next(f for key, f in deployed.functions.items() if key[2] == "EXPLAIN_DELAY")
    body = alias.definition.body
    alias.definition = replace(alias.definition, body=body.replace("_V1", "_V2"))
    deployed._list_functions()
    assert drift() == ["mixed"]
    drop(deployed, "EXPLAIN_DELAY")
    assert drift() == ["missing"]
    run("deploy", "delay:1", "--alias", "champion", "--to", "snowflake")
    assert drift() == []
    row = '"MODEL" = \'delay\' AND "VERSION" = 2'
    deployed.session.run(f'DELETE FROM "FORESQL"."MODELS"."DEPLOYMENTS" WHERE {row}')
    assert drift() == ["left over"]


@pytest.mark.usefixtures("deployed")
def test_versions_that_the_registry_does_not_know(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORESQL_REGISTRY", str(tmp_path / "other"))
    options = {"like": flights(), "registry": tmp_path / "other", "probe_rows": 60}
    foresql.publish("other", fit(2), **options)
    said = run("status", "--on", "snowflake", code=1)
    assert "delay:1 is in the account, and not in the registry" in said
    said = run("undeploy", "delay@champion", "--from", "snowflake", code=1)
    assert "name the registry that it was deployed from" in said
    said = run("status", "--on", "snowflake", "nothing", code=1)
    assert "Neither the registry nor the account" in said


def test_dry_runs_need_no_account(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "snowflake.snowpark", None)
    monkeypatch.setattr(cli_accounts, "connect", connect)
    written = (
        "deploy",
        "delay@champion",
        "--to",
        "snowflake",
        "--dry-run",
        "--stage",
        "-o",
        "d.sql",
    )
    run(*written)
    script = (tmp_path / "d.sql").read_text()
    run(*written)
    assert (tmp_path / "d.sql").read_text() == script
    zips = list(tmp_path.glob("*.zip"))
    assert [each.name for each in zips] == re.findall(r"PUT 'file://(.*?)'", script)


def test_dry_runs_of_the_others(run, monkeypatch):
    monkeypatch.setattr(cli_accounts, "connect", connect)
    for command in (
        ("setup", "snowflake"),
        ("undeploy", "delay:1", "--from", "snowflake"),
        ("deploy", "delay:2", "--alias", "champion", "--previous", "1", "--to", "snowflake"),
    ):
        assert run(*command, "--dry-run").startswith("-- ")
        assert (
            "SNOWFLAKE_ACCOUNT" in run(*command[:3], *command[3:], code=1)
            or "--previous" in command
        )
    run("promote", "delay@champion", "2")
    script = run("rollback", "delay@champion", "--to", "snowflake", "--dry-run")
    assert "delay@champion is switched from delay:2 back to delay:1" in script


def remade(monkeypatch):
    """Let another release of foresql go on: the same bundle gives another zip."""

    def build(bundle, name, number):
        made = build_artifact(bundle, name, number)
        module = f"{made.module[:-8]}{'0' * 8}"
        content = made.content.replace(made.module.encode(), module.encode())
        return replace(made, module=module, content=content, digest="0" * 64)

    monkeypatch.setattr(deployment, "build_artifact", build)
    monkeypatch.setattr(lifecycle, "build_artifact", build, raising=False)


@pytest.mark.parametrize("kept", ["--stage", "--inline"])
def test_what_another_foresql_brought_stays_and_goes_whole(kept, account, run, models, monkeypatch):
    asked = 'SELECT DISTINCT "ARTIFACT_SHA256", "STAGE_PATH" FROM "FORESQL"."MODELS"."DEPLOYMENTS"'
    run("setup", "snowflake")
    run("deploy", "delay@champion", "--to", "snowflake", kept)
    noted, files = account.session.run(asked), [dict(each) for each in account.stages.values()]
    remade(monkeypatch)
    key = next(key for key in account.functions if key[2] == "EXPLAIN_DELAY_V1")
    drop(account, "EXPLAIN_DELAY_V1")
    run("deploy", "delay:1", "--alias", "other", "--to", "snowflake")
    assert key in account.functions
    assert answers(account) == list(models[1].predict(flights(120)))
    assert account.session.run(asked) == noted
    assert list(account.stages.values()) == files
    run("undeploy", "delay@other", "--from", "snowflake", code=1)
    account.session.run("""DELETE FROM "FORESQL"."MODELS"."DEPLOYMENTS" WHERE "ALIAS" = 'other'""")
    run("undeploy", "delay@champion", "--from", "snowflake")
    assert not any(account.stages.values())


def test_a_rollback_to_other_columns(account, run, models, tmp_path):
    swapped = flights()[["hour", "origin", "distance"]]
    target = swapped["distance"].fillna(0) / 50
    other = lightgbm.LGBMRegressor(n_estimators=3, num_leaves=5, n_jobs=1, verbose=-1)
    options = {"like": swapped, "registry": tmp_path / "r", "alias": "champion", "probe_rows": 60}
    foresql.publish("delay", other.fit(swapped, target), **options)
    run("setup", "snowflake")
    run("deploy", "delay:1", "--alias", "champion", "--to", "snowflake")
    run("deploy", "delay@champion", "--to", "snowflake", "--columns-may-change")
    back = ("rollback", "delay@champion", "--to", "snowflake")
    for more in ((), ("--dry-run",)):
        assert "distance FLOAT instead of hour FLOAT" in run(*back, *more, code=1)
    assert "is switched from delay:3" in run(*back, "--dry-run", "--columns-may-change")
    run(*back, "--columns-may-change")
    assert answers(account) == list(models[1].predict(flights(120)))


def test_wrong_usage_is_explained(run, tmp_path):
    assert "goes with --dry-run" in run(
        "deploy", "delay:1", "--to", "snowflake", "--previous", "1", code=1
    )
    assert "go with --to" in run("rollback", "delay@champion", "--role", "x", code=1)
    assert "go with --to" in run("rollback", "delay@champion", "--columns-may-change", code=1)
    assert "write --set serving=ANALYTICS" in run("setup", "snowflake", "--set", "x", code=1)
    (tmp_path / "mine.sql").write_text("SELECT 1")
    said = run("setup", "snowflake", "--dry-run", "-o", "mine.sql", code=1)
    assert "exists, and is not ours" in said


@pytest.mark.parametrize("name", ["mine.sql", "mine.txt", "mine"])
@pytest.mark.parametrize("text", ["-- my notes\nSELECT 1;\n", "SELECT 1"])
def test_files_of_others_are_kept(run, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    said = run("setup", "snowflake", "--dry-run", "-o", name, code=1)
    assert "is not ours. Name another file" in said
    assert (tmp_path / name).read_text() == text


def test_an_upload_of_others_is_kept_and_no_script_is_written(run, tmp_path):
    command = ("deploy", "delay:1", "--to", "snowflake", "--dry-run", "-o", "d.sql")
    run(*command)
    (upload,) = tmp_path.glob("*.zip")
    upload.write_text("mine")
    (tmp_path / "d.sql").unlink()
    assert f"{upload.name} exists, and is not ours" in run(*command, code=1)
    assert upload.read_text() == "mine"
    assert not (tmp_path / "d.sql").exists()


def test_a_script_appears_whole_or_not_at_all(run, tmp_path, monkeypatch):
    run("setup", "snowflake", "--dry-run", "-o", "s.sql")
    before = (tmp_path / "s.sql").read_text()

    def torn(path, content):
        with path.open("wb") as stream:
            stream.write(content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_bytes", torn)
        said = run("setup", "snowflake", "--role", "x", "--dry-run", "-o", "s.sql", code=1)
    assert "s.sql cannot be written: No space left" in said
    assert (tmp_path / "s.sql").read_text() == before
    assert not list(tmp_path.glob(".s.sql*"))


@pytest.mark.parametrize(
    "command",
    [
        ("deploy", "delay:1", "--to", "snowflake"),
        ("undeploy", "delay:1", "--from", "snowflake"),
        ("rollback", "delay@champion", "--to", "snowflake"),
        ("deploy-sql", "delay@champion", "--to", "snowflake"),
        ("setup", "snowflake"),
    ],
)
def test_a_file_that_cannot_be_written_is_found_before_the_account_is_asked(
    run, monkeypatch, command
):
    asked = []
    monkeypatch.setattr(cli_accounts, "connect", lambda *_, **__: asked.append(command))
    said = run(*command, "-o", "no/such/folder/s.sql", code=1)
    assert "no/such/folder/s.sql cannot be written: No such file or directory" in said
    assert not asked


def test_names_are_settable(account, run):
    names = (
        "--database",
        "ml",
        "--role",
        "deployers",
        "--set",
        "serving=api",
        "--set",
        "models=own",
    )
    account.duck.execute("ATTACH ':memory:' AS ML")
    script = run("setup", "snowflake", "--dry-run", *names)
    assert '"ML"."API"' in script
    assert '"DEPLOYERS"' in script
    assert "FORESQL_DEPLOYER" not in script


CHILD = """
import sys
from multiprocessing.connection import Client
from foresql.cli import accounts, main

class Session:
    columns = ()

    def __init__(self, *_, **__):
        self.wire = Client(sys.argv[1], authkey=b"x")

    def ask(self, *question):
        self.wire.send(question)
        rows, self.columns = self.wire.recv()
        return rows

    def run(self, sql):
        return self.ask("run", sql)

    def upload(self, content, path):
        self.ask("upload", content, path)

    def close(self):
        pass

accounts.connect = Session
main(sys.argv[2:])
"""


@pytest.mark.parametrize("pattern", ["EXPLAIN_DELAY_V2", '"SERVING"."EXPLAIN_DELAY"'])
def test_kill_minus_nine(pattern, deployed, run, models, tmp_path):
    """The account lives on where the command's process dies, before or within the switch."""
    address = str(tmp_path / "wire")
    command = ("deploy", "delay:2", "--alias", "champion", "--to", "snowflake")
    with (
        Listener(address, authkey=b"x") as listener,
        child([sys.executable, "-c", CHILD, address, *command]) as process,
        listener.accept() as wire,
    ):
        while True:
            kind, *question = wire.recv()
            if kind == "run" and question[0].startswith("CREATE") and pattern in question[0]:
                process.kill()
                break
            wire.send((getattr(deployed.session, kind)(*question), deployed.session.columns))
    assert process.wait() == -signal.SIGKILL
    said = run("status", "--on", "snowflake", code=1)
    is_switched = "SERVING" in pattern
    assert ("PREDICT_DELAY" in said and "of delay@champion is at version 2" in said) == is_switched
    assert "Functions of delay:2 are there" in said
    assert answers(deployed) == list(models[2 if is_switched else 1].predict(flights(120)))
    run(*command)
    assert answers(deployed) == list(models[2].predict(flights(120)))
    run("promote", "delay@champion", "2")
    run("status", "--on", "snowflake")
