"""dbt in this process, whose connections to Snowflake lead to the fake account.

dbt-snowflake is the real one. What it sends goes through the account's own preparation; what
fakesnow lacks of it is here: temporary tables with a database in their name (they are tables that
stay), times as text of a given form, and a block whose errors are its answer.
"""

import contextlib
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from snowflake_account import Account, check_syntax
from sqlglot import exp, parse_one, tokenize
from sqlglot.tokens import TokenType

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the releases of what the connector brings along
    import snowflake.connector.errors as connector
    from fakesnow.cursor import FakeSnowflakeCursor

TIME_FORMATS = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "YYYY-MM-DD HH24:MI:SS.FF9": "%Y-%m-%d %H:%M:%S.%n",
    'YYYY-MM-DD"T"HH24': "%Y-%m-%dT%H",
}
BLOCK = re.compile(r"\bexecute immediate\s+('(?:[^'\\]|''|\\.)*')", re.DOTALL)
NO_SUCH_OBJECT = "42S02"
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
                if path.parent.suffix != ".yml"  # where data tests are
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
        if block := BLOCK.search(command):
            command = f"select {answer_of(block[1], lambda sql: prepared(cursor, sql))}"
        try:
            return execute(cursor, account._prepared(command), *arguments, **options)
        except connector.ProgrammingError as error:
            if error.sqlstate != NO_SUCH_OBJECT:
                raise
            # In Snowflake's words, by which dbt-snowflake knows that a table is not there.
            message = f"{error.raw_msg} (Object does not exist or not authorized.)"
            raise connector.ProgrammingError(
                message, errno=error.errno, sqlstate=error.sqlstate
            ) from error

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


def answer_of(literal, run):
    """Run a block of statements as Snowflake Scripting does: its answer, or the error's message."""
    block = parse_one(literal, read="snowflake").this
    check_syntax(block)
    tokens = tokenize(block, read="snowflake")
    ends = [each.start for each in tokens if each.token_type is TokenType.SEMICOLON]
    ends = ends[: ends.index(block.index("return '';") + len("return ''"))]
    starts = [block.index("begin") + len("begin"), *(end + 1 for end in ends)]
    try:
        for start, end in zip(starts, ends, strict=False):
            run(block[start:end].strip())
    except connector.ProgrammingError as error:
        return exp.Literal.string(str(error)).sql("snowflake")
    return "''"


def known_to_fakesnow(node):
    """Write a part of a statement in a form that fakesnow runs."""
    if isinstance(node, exp.TemporaryProperty):
        return None
    if isinstance(node, exp.ToChar) and node.args.get("format"):
        form = exp.Literal.string(TIME_FORMATS[node.args["format"].name])
        return exp.Anonymous(this="strftime", expressions=[node.this, form])
    if isinstance(node, exp.Create) and isinstance(node.expression, exp.RawString):
        # The body of a function in SQL, which fakesnow would keep as a text.
        body = parse_one(node.expression.name, read="snowflake")
        node.set("expression", body.subquery() if isinstance(body, exp.Query) else body)
    return node
