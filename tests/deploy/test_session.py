"""Connections: where settings come from, what is missing, and that no secret is ever shown."""

import atexit
import logging
import re
import subprocess
import sys
import traceback
import warnings
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.traceback import Traceback

from foresql.deploy.snowflake import session as sessions
from foresql.deploy.snowflake.account_errors import account_error, first_line
from foresql.deploy.snowflake.credentials import find_credentials
from foresql.errors import AccountError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import snowflake.connector.errors as connector
    from snowflake.connector.connection import DEFAULT_CONFIGURATION
    from snowflake.snowpark import Session as Snowpark

MARKER = "hunter2-MARKER-9f3a"
pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def home(text, name="connections.toml"):
    import os

    path = Path(os.environ["SNOWFLAKE_HOME"]) / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def variables(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"SNOWFLAKE_{name.upper()}", value)


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(AccountError) as found:
        find_credentials()
    for name in ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_PATH", "--dry-run"):
        assert name in str(found.value)
    variables(monkeypatch, account="a", user="u")
    with pytest.raises(AccountError) as found:
        find_credentials()
    assert "lacks: a proof of identity" in str(found.value)
    assert "SNOWFLAKE_ACCOUNT" not in str(found.value)
    variables(monkeypatch, token=MARKER)
    with pytest.raises(AccountError, match="SNOWFLAKE_AUTHENTICATOR to programmatic_access_token"):
        find_credentials()
    variables(monkeypatch, authenticator="oauth")
    assert find_credentials().settings["token"] == MARKER


def test_options_go_before_the_connection_and_that_before_the_environment(monkeypatch):
    home('[work]\naccount = "file"\nusername = "me"\npassword = "p"\nrole = "FILE"\n')
    variables(monkeypatch, account="env", user="env", role="ENV", warehouse="ENV")
    variables(monkeypatch, password=MARKER)
    assert find_credentials().settings["account"] == "env"
    found = find_credentials("work", role="OPTION").settings
    assert found == {
        "account": "file",
        "user": "me",
        "password": "p",
        "role": "OPTION",
        "warehouse": "ENV",
    }
    variables(monkeypatch, default_connection_name="work")
    assert find_credentials().settings["account"] == "file"
    variables(monkeypatch, connection_name="other")
    with pytest.raises(AccountError, match=r"no connection 'other' .*\n?.*There is: work"):
        find_credentials()


def test_a_default_connection_and_those_of_the_config_file():
    home('[connections.dev]\naccount = "c"\nuser = "u"\npassword = "p"\n', "config.toml")
    assert find_credentials("dev").settings["account"] == "c"
    home('default_connection_name = "dev"\n' + home("", "x").read_text(), "y")
    text = '[connections.dev]\naccount = "c"\nuser = "u"\npassword = "p"\n'
    home(f'default_connection_name = "dev"\n{text}', "config.toml")
    assert find_credentials().settings["account"] == "c"
    home('[default]\naccount = "d"\nuser = "u"\npassword = "p"\n[dev]\naccount = "e"\n')
    with pytest.raises(AccountError, match=r"lacks: user .*; a proof"):
        find_credentials()


def test_an_entrys_proof_is_not_mixed_with_the_environments(monkeypatch, tmp_path):
    key = tmp_path / "key.p8"
    key.write_text("not a key")
    home(f'[k]\naccount = "a"\nuser = "u"\nprivate_key_path = "{key}"\n')
    variables(monkeypatch, password=MARKER)
    found = find_credentials("k").settings
    assert "password" not in found
    assert (found["authenticator"], found["private_key_file"]) == ("SNOWFLAKE_JWT", str(key))
    key.unlink()
    with pytest.raises(AccountError, match=r"key\.p8 is no file"):
        find_credentials("k")


@pytest.mark.parametrize("text", ["[a\n", 'password = "hunter2-MARKER-9f3a\n[x]'])
def test_a_broken_file_is_named_not_shown(text):
    home(text)
    with pytest.raises(AccountError, match=r"connections\.toml is no TOML") as found:
        find_credentials("a")
    assert MARKER not in "".join(traceback.format_exception(found.value))


def test_a_file_that_others_may_write_is_refused():
    home("[a]\n").chmod(0o622)
    with pytest.raises(AccountError, match="chmod 600"):
        find_credentials("a")


def shown(error):
    """Write an error in every way that a program might."""
    screen = Console(file=StringIO(), width=200)
    screen.print(Traceback.from_exception(type(error), error, error.__traceback__))
    plain = "".join(traceback.format_exception(error))
    return "\n".join([str(error), repr(error), plain, screen.file.getvalue(), repr(error.args)])


def raising(error):
    class Builder:
        @classmethod
        def configs(cls, _):
            return cls

        @staticmethod
        def create():
            raise error

    return Builder


LEAKS = [
    connector.DatabaseError(msg=f"Incorrect password={MARKER}", errno=390100, sqlstate="08001"),
    connector.OperationalError(msg=f"https://x/login?token={MARKER}", errno=250001),
    connector.ProgrammingError(msg=f"{MARKER} is no key", errno=251008),
    ValueError(f"Could not deserialize {MARKER}"),
    TypeError({"password": MARKER}),
    OSError(2, f"{MARKER}"),
]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: type(leak).__name__)
def test_no_secret_is_shown_when_a_connection_fails(leak, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Snowpark, "builder", raising(leak))
    variables(monkeypatch, account="a", user="u", password=MARKER)
    with pytest.raises(AccountError) as found:
        sessions.connect()
    assert MARKER not in shown(found.value)
    ours = [each for each in caplog.records if each.name.startswith("foresql")]
    assert not any(MARKER in each.getMessage() for each in ours)


def test_no_secret_is_shown_when_a_statement_fails():
    class Leaking:
        def __getattr__(self, name):
            raise connector.ProgrammingError(msg=f"see {MARKER}", errno=1003, sqlstate="42000")

    session = sessions.SnowparkSession(Leaking(), [MARKER])
    for call in (
        lambda: session.run(f"SELECT '{MARKER}'"),
        lambda: session.upload(b"", f"@s/{MARKER}"),
    ):
        with pytest.raises(AccountError) as found:
            call()
        assert MARKER not in shown(found.value)
    session.close()
    assert MARKER not in repr(session)


def test_credentials_do_not_show_themselves(monkeypatch):
    variables(monkeypatch, account="a", user="u", password=MARKER)
    credentials = find_credentials()
    assert MARKER not in f"{credentials!r} {credentials}"
    assert credentials.secrets == (MARKER,)


SECRET_PARAMETERS = sorted(
    name
    for name, (default, _) in DEFAULT_CONFIGURATION.items()
    if re.search("passw|passcode$|passphrase|_pwd$|token$|secret|private_key$", name)
    and not isinstance(default, bool)
    and not name.endswith("_callback")
)


@pytest.mark.parametrize("parameter", SECRET_PARAMETERS)
def test_every_secret_of_the_connector_is_one_of_ours(parameter):
    given = {"account": "a", "user": "u", "password": "p", parameter: MARKER}
    credentials = find_credentials(**given, authenticator="snowflake")
    assert MARKER in credentials.secrets
    assert MARKER not in f"{credentials!r} {credentials}"


def test_the_connector_has_the_secrets_that_we_know():
    known = {"password", "passcode", "token", "session_token", "master_token", "proxy_password"}
    assert known | {"private_key", "oauth_client_secret"} <= set(SECRET_PARAMETERS)


@pytest.mark.parametrize(
    ("number", "said"),
    [(606, "--warehouse"), (3001, "setup snowflake"), (2003, "may see it"), (250001, "network")],
)
def test_known_codes_say_what_to_do(number, said):
    error = account_error(connector.ProgrammingError(msg="x", errno=number), "SELECT 1\nFROM t")
    assert said in error.way_out
    assert str(error).startswith(f"{number:06d}")
    assert "Statement: SELECT 1\n" in str(error)
    assert first_line("x" * 500).endswith("…")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "snowflake.snowpark", None)
    variables(monkeypatch, account="a", user="u", password=MARKER)
    with pytest.raises(AccountError, match=r"pip install 'foresql\[snowflake\]'"):
        sessions.connect()


SERVER = """
import socket, sys, uvicorn
from fakesnow.server import app
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
"""


@pytest.fixture(scope="module")
def address():
    """fakesnow's HTTP server, in a process of its own: Snowpark, connector and wire are real."""
    command = [sys.executable, "-W", "ignore", "-c", SERVER]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    # It outlives the tests: Snowpark says goodbye as this process ends, and waits for an answer.
    atexit.register(server.kill)
    with server.stdout as printed:
        return {"host": "127.0.0.1", "protocol": "http", "port": int(printed.readline())}


@pytest.fixture
def session(address):
    names = {key: address[key] for key in ("host", "protocol")}
    text = "\n".join(
        f"{key} = {value!r}" for key, value in (names | {"port": address["port"]}).items()
    )
    home(f'[fake]\naccount = "fakesnow"\nuser = "u"\npassword = "{MARKER}"\n{text}\n')
    session = sessions.connect("fake", database="FORESQL", schema="MODELS")
    yield session
    session.close()
    session.close()


def test_snowpark_runs_statements_over_http(session):
    assert session.run("SELECT 1 AS a, 'x' AS \"b c\"") == [(1, "x")]
    assert session.columns == ("A", "b c")
    session.run('CREATE OR REPLACE TABLE "T" (X FLOAT)')
    session.run("INSERT INTO T VALUES (1.5), (NULL)")
    assert session.run("SELECT X FROM T ORDER BY X") == [(1.5,), (None,)]
    assert session.run("SELECT '%s %(a)s 100%'") == [("%s %(a)s 100%",)]
    with pytest.raises(AccountError, match=r"002003 .*NOPE") as found:
        session.run("SELECT * FROM NOPE")
    assert found.value.__cause__ is None
    assert MARKER not in shown(found.value)


def test_what_fakesnows_server_lacks(session):
    """Should this fail, more of the path can be proven over HTTP."""
    for sql in (
        "GRANT USAGE ON DATABASE FORESQL TO ROLE CALLER",
        "ALTER SESSION SET QUERY_TAG = 'x'",
        "CREATE TASK t AS SELECT 1",
    ):
        with pytest.raises(AccountError):
            session.run(sql)
    session.run("CREATE STAGE IF NOT EXISTS FORESQL.MODELS.BUNDLES")
    with pytest.raises(AccountError, match="does not start with @"):  # Snowpark puts quotes there
        session.upload(b"abc", "@FORESQL.MODELS.BUNDLES/delay/v1-abc/a.zip")


def test_local_testing_runs_no_sql():
    local = sessions.SnowparkSession(Snowpark.builder.config("local_testing", True).create())
    local.upload(b"abc", "@stage/a.zip")
    with pytest.raises(AccountError, match="MockConnection"):
        local.run("SELECT 1")
    local.close()
