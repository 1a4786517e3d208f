"""dbt in this process, whose connections to Snowflake lead to the fake account.

dbt-snowflake is the real one. What it sends goes through the account's own preparation; what
fakesnow lacks of it is here: temporary tables with a database in their name (they are tables that
stay), and times as text of a given form.
"""

import contextlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from snowflake_account import Account
from sqlglot import exp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the releases of what the connector brings along
    from fakesnow.cursor import FakeSnowflakeCursor

TIME_FORMATS = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY-MM-DD HH24:MI:SS.FF9": "%Y-%m-%d %H:%M:%S.%n",
    'YYYY-MM-DD"T"HH24': "%Y-%m-%dT%H",
}
PROFILE = {
    "SNOWFLAKE_ACCOUNT": "fake",
    "SNOWFLAKE_USER": "tester",
    "SNOWFLAKE_PASSWORD": "fake-password",
    "SNOWFLAKE_WAREHOUSE": "FORESQL_WH",
}


@dataclass(frozen=True)
class Invocation:
    """What a dbt command came to: its messages, and the SQL of each model that it compiled."""

    success: bool
    printed: str
    invocation_id: str
    compiled: dict[str, str]


@dataclass(frozen=True)
class DbtOnSnowflake:
    """A dbt project, and the account that its target `snowflake` is in."""

    project: Path
    account: Account

    def dbt(self, *arguments: str) -> Invocation:
        from dbt.cli.main import dbtRunner

        events = []
        folder = str(self.project)
        command = [*arguments, "--project-dir", folder, "--profiles-dir", folder]
        command += ["--target", "snowflake", "--no-use-colors", "--log-level-file", "none"]
        with connected(self.account):
            result = dbtRunner(callbacks=[events.append]).invoke(command)
        return Invocation(
            success=result.success,
            printed="\n".join(each.info.msg for each in events if each.info.level != "debug"),
            invocation_id=events[-1].info.invocation_id,
            compiled={
                path.stem: path.read_text()
                for path in (self.project / "target/compiled").glob("*/models/*/*.sql")
            },
        )

    def query(self, sql: str) -> list[tuple]:
        with connected(self.account):
            return self.account.connection.cursor().execute(sql).fetchall()


@contextlib.contextmanager
def connected(account: Account):
    """Lead the connector's connections to the account."""
    execute, transform = FakeSnowflakeCursor.execute, FakeSnowflakeCursor._transform

    def prepared(cursor, command, *arguments, **options):
        return execute(cursor, account._prepared(command), *arguments, **options)

    def transformed(cursor, expression, params):
        return transform(cursor, expression.transform(known_to_fakesnow), params)

    with (
        warnings.catch_warnings(),
        mock.patch.dict(os.environ, PROFILE),
        mock.patch("snowflake.connector.connect", account.fake.connect),
        mock.patch.object(FakeSnowflakeCursor, "execute", prepared),
        mock.patch.object(FakeSnowflakeCursor, "_transform", transformed),
    ):
        warnings.simplefilter("ignore")
        yield


def known_to_fakesnow(node):
    """Write a part of a statement in a form that fakesnow runs."""
    if isinstance(node, exp.TemporaryProperty):
        return None
    if isinstance(node, exp.ToChar) and node.args.get("format"):
        form = exp.Literal.string(TIME_FORMATS[node.args["format"].name])
        return exp.Anonymous(this="strftime", expressions=[node.this, form])
    return node
