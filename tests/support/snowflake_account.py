"""A Snowflake account for tests: fakesnow, and what deploying needs beside it.

fakesnow runs queries, tables, views, MERGE and transactions on DuckDB. Here are stages of bytes,
Python functions that run the handler that was uploaded (``snowflake_functions.py``), SQL functions
as macros, and what is only recorded: grants, roles, comments, tags, tasks. Statements that are
recorded are parsed by sqlfluff. What is known to neither is an error of the test.

Nothing is refused for a missing privilege unless a test says so: ``fail_on``.
"""

import hashlib
import inspect
import logging
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import duckdb
import sqlglot
from snowflake_functions import Handler, NotEmulatedError, Reader, duck_type, read_function
from sqlglot import exp, tokenize
from sqlglot.tokens import TokenType

from foresql.deploy.snowflake.account_errors import account_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the releases of what the connector brings along
    import snowflake.connector.errors as connector
    from fakesnow.instance import FakeSnow

ERRORS = {
    "no warehouse": (
        606,
        "57P03",
        "No active warehouse selected in the current session. Select an active warehouse.",
    ),
    "refused": (
        3001,
        "42501",
        "SQL access control error:\nInsufficient privileges to operate on schema 'MODELS'",
    ),
    "unknown": (
        2003,
        "02000",
        "SQL compilation error:\nObject 'X' does not exist or not authorized.",
    ),
    "unknown role": (
        2043,
        "02000",
        "SQL compilation error:\nObject does not exist, or operation cannot be performed.",
    ),
    "lost": (250001, "08001", "Could not connect to Snowflake backend after 2 attempt(s)."),
    "upload": (253003, "n/a", "While putting file(s) there was an error: the upload failed."),
}
# Recorded after sqlfluff has parsed them; none has an answer that a test could depend on.
RECORDED = re.compile(
    r"""\s*(GRANT|REVOKE|USE\s+SECONDARY\s+ROLES|ALTER\s+SESSION
    |(CREATE|ALTER|DROP)\s+(OR\s+REPLACE\s+)?(ROLE|WAREHOUSE|TAG|TASK|STREAM|DYNAMIC\s+TABLE)
    |ALTER\s+(TABLE|VIEW|SCHEMA|DATABASE|FUNCTION)\b.*\bSET\b|EXECUTE\s+TASK
    |COMMENT\s+ON|ALTER\s+STAGE)\b""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
# Rows of literals that mean the same in DuckDB, but for the name of a type.
SIMPLE_ROWS = re.compile(
    r"""(?:[\s\d.,()*/+\-]|::FLOAT|::VARCHAR|::BOOLEAN|NULL|TRUE|FALSE|\de-?\d|'[^'\\]*'
    |SELECT[ ]|UNION[ ]ALL|AS[ ]"[^"]*")+""",
    re.VERBOSE,
)
SAID = "Statement executed successfully."


@dataclass
class Function:
    """A function of the account: how it was made, and its comment now."""

    definition: object
    comment: str
    owner: str
    handler: object = None
    number: int = field(default=0)


class Account:
    """One account; ``session`` runs statements in it, ``statements`` are those that it was sent."""

    def __init__(self, *, role="FORESQL_DEPLOYER", user="TESTER", warehouse="FORESQL_WH"):
        self.statements, self.recorded, self.grants = [], [], []
        self.stages, self.functions = {}, {}
        self.role, self.user, self.warehouse = role, user, warehouse
        self.failures = []
        self.comments = {}
        self._number = 0
        self.fake = FakeSnow()
        self.connection = self.fake.connect(database="FORESQL", schema="PUBLIC")
        self.duck = self.connection._duck_conn
        self.duck.execute(
            "CREATE TABLE _fs_global.main._functions (function_catalog VARCHAR, function_schema "
            "VARCHAR, function_name VARCHAR, argument_signature VARCHAR, data_type VARCHAR, "
            "function_language VARCHAR, function_definition VARCHAR, is_secure VARCHAR, "
            'comment VARCHAR, imports VARCHAR, "HANDLER" VARCHAR, function_owner VARCHAR)'
        )
        self.session = AccountSession(self)

    def close(self):
        self.fake.duck_conn.close()

    def fail_on(self, pattern, error, *, times=None):
        """Refuse statements that match, as Snowflake would; ``error`` is a name in ``ERRORS``."""
        self.failures.append([re.compile(pattern, re.IGNORECASE | re.DOTALL), error, times])

    def _fail(self, sql):
        for failure in self.failures:
            pattern, error, times = failure
            if times != 0 and pattern.search(sql):
                failure[2] = None if times is None else times - 1
                raise snowflake_error(error)

    def run(self, sql):
        """Run one statement: rows and columns' names."""
        self.statements.append(sql)
        self._fail(sql)
        for pattern, method in DISPATCH:
            if found := re.match(pattern, sql, re.IGNORECASE | re.DOTALL):
                return getattr(self, method)(sql, found)
        return self._fakesnow(sql)

    def upload(self, content, stage_path):
        self.statements.append(f"PUT {stage_path}")
        self._fail(f"PUT {stage_path}")
        stage, path = self._staged(stage_path)
        stage.setdefault(path, content)

    def file(self, stage_path):
        stage, path = self._staged(stage_path)
        if path not in stage:
            message = f"SQL compilation error:\nfile {path} does not exist"
            raise snowflake_error((2003, "02000", message))
        return stage[path]

    def _staged(self, stage_path):
        found = re.fullmatch(r"@((?:\"(?:[^\"]|\"\")*\"|[\w$.])+)/?(.*)", stage_path.strip("'"))
        name = self._full(Reader(found[1]).name())
        if name not in self.stages:
            message = f"SQL compilation error:\nStage '{'.'.join(name)}' does not exist."
            raise snowflake_error((2003, "02000", message))
        return self.stages[name], found[2]

    def _full(self, name):
        return (
            (self.connection.database, self.connection.schema, *name)[-3:]
            if (len(name) == 1)
            else (self.connection.database, *name)[-3:]
        )

    def _fakesnow(self, sql):
        if self.warehouse is None and re.match(
            r"\s*(WITH|SELECT|INSERT|MERGE)\b", sql, re.IGNORECASE
        ):
            raise snowflake_error("no warehouse")
        with quiet():
            try:
                cursor = self.connection.cursor().execute(self._prepared(self._stored(sql)))
            except connector.ProgrammingError as error:
                found = re.search(r'convert string "(.*)" to (DECIMAL|INT)', str(error), re.DOTALL)
                if found is None:
                    raise
                message = f"Numeric value '{found[1]}' is not recognized"
                raise snowflake_error((100038, "22018", message)) from error
            except duckdb.InvalidInputException as error:
                if "executing the UDF" not in str(error):
                    raise
                message = f"Python Interpreter Error:\n{error}"
                raise snowflake_error((100357, "P0000", message)) from error
            rows = [tuple(row) for row in cursor.fetchall()]
        return rows, list(cursor._arrow_table.column_names)

    def _stored(self, sql):
        """Put a long list of literal rows into a table: fakesnow takes seconds for a hundred."""
        found = re.search(r"\(\n((?: {8}SELECT .* UNION ALL\n)+ {8}SELECT .*\n) {4}\)", sql)
        if found is None or not SIMPLE_ROWS.fullmatch(found[1]):
            return sql
        rows = found[1].replace("::FLOAT", "::DOUBLE")
        self.duck.execute(f"CREATE OR REPLACE TABLE _fs_global.main._rows AS {rows}")
        return sql.replace(found[0], '(SELECT * FROM "_fs_global"."main"."_rows")')

    def _prepared(self, sql):
        """Write what fakesnow lacks in a form that it has: quoted function names, who am I."""
        said = {"CURRENT_ROLE": self.role, "CURRENT_USER": self.user}
        said |= {"CURRENT_WAREHOUSE": self.warehouse, "CURRENT_ACCOUNT": "FAKE"}
        tokens, edits = tokenize(sql, read="snowflake"), []
        for place, token in enumerate(tokens):
            after = [each.text for each in tokens[place + 1 : place + 3]]
            if token.token_type is TokenType.IDENTIFIER and after[:1] == ["("]:
                if place and tokens[place - 1].text == ".":
                    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", token.text):
                        message = f"a call of a function whose name needs quotes: {token.text}"
                        raise NotEmulatedError(message)
                    edits.append((token.start, token.end + 1, token.text))
            elif token.text.upper() in said and after == ["(", ")"]:
                value = said[token.text.upper()]
                text = "NULL" if value is None else f"'{value}'"
                edits.append((token.start, tokens[place + 2].end + 1, text))
            elif token.text.upper() == "INFORMATION_SCHEMA" and after == [".", "FUNCTIONS"]:
                start = tokens[place - 2].start if tokens[place - 1].text == "." else token.start
                edits.append((start, tokens[place + 2].end + 1, '"_fs_global"."main"."_functions"'))
        for start, end, text in reversed(edits):
            sql = sql[:start] + text + sql[end:]
        return sql

    def _create_function(self, sql, _):
        check_syntax(sql)
        definition = read_function(sql)
        key = (*self._full(definition.name), definition.signature)
        if key in self.functions and definition.options["keep"]:
            return [(f"{key[2]} already exists, statement succeeded.",)], ["status"]
        if key in self.functions and not definition.replace:
            message = f"SQL compilation error:\nObject '{key[2]}' already exists."
            raise snowflake_error((2002, "42710", message))
        self._number += 1
        comment = str(definition.options.get("COMMENT", ""))
        function = Function(definition, comment, self.role, number=self._number)
        if definition.language == "PYTHON":
            function.handler = self._handler(definition)
            self._register(function)
        before = self.functions.get(key)
        self.functions[key] = function
        try:
            self._publish(key[:3])
        except BaseException:
            del self.functions[key]
            if before is not None:
                self.functions[key] = before
            raise
        return [(f"Function {key[2]} successfully created.",)], ["status"]

    def _handler(self, definition):
        imports = definition.options.get("IMPORTS", ())
        imports = (imports,) if isinstance(imports, str) else imports
        files = tuple((address.rpartition("/")[2], self.file(address)) for address in imports)
        try:
            return Handler(definition, files)
        except (ImportError, AttributeError, SyntaxError, ValueError, OSError) as error:
            message = f"Python Interpreter Error:\n{type(error).__name__}: {error}"
            raise snowflake_error((100357, "P0000", message)) from error

    def _register(self, function):
        definition = function.definition
        types = [duck_type(type_) for _, type_ in definition.arguments]
        returns = duck_type(definition.returns)
        self.duck.create_function(
            f"account_function_{function.number}",
            with_parameters(function.handler, len(types)),
            ["VARCHAR" if type_ == "JSON" else type_ for type_ in types],
            "VARCHAR" if returns == "JSON" else returns,
            type="arrow",
            null_handling="special",
        )

    def _publish(self, name):
        """Make all overloads of one name DuckDB's; it tells them apart by their length."""
        overloads = [(k, f) for k, f in self.functions.items() if k[:3] == name]
        quoted = ".".join(quote(part) for part in name)
        lengths = [len(f.definition.arguments) for _, f in overloads]
        if len(lengths) != len(set(lengths)):
            message = f"two functions {name[2]} with as many arguments"
            raise NotEmulatedError(message)
        if overloads:
            bodies = ", ".join(self._macro(function) for _, function in overloads)
            self.duck.execute(f"CREATE OR REPLACE MACRO {quoted}{bodies}")
        else:
            self.duck.execute(f"DROP MACRO {quoted}")
        self._list_functions()

    def _macro(self, function):
        definition = function.definition
        names = [name for name, _ in definition.arguments]
        folded = {name.upper() for name in names}
        given = names if len(folded) == len(names) else [f"p{i}" for i in range(len(names))]
        casts = {
            name: f"CAST({quote(shown)} AS {duck_type(type_)})"
            for (name, type_), shown in zip(definition.arguments, given, strict=True)
        }
        if definition.language == "PYTHON":
            texts = [
                f"CAST({cast} AS VARCHAR)" if duck_type(type_) == "JSON" else cast
                for (_, type_), cast in zip(definition.arguments, casts.values(), strict=True)
            ]
            body = f"account_function_{function.number}({', '.join(texts)})"
        else:
            body = self._sql_body(definition.body, casts)
        parameters = ", ".join(map(quote, given))
        return f"({parameters}) AS CAST({body} AS {duck_type(definition.returns)})"

    def _sql_body(self, body, casts):
        is_query = re.match(r"\s*(SELECT|WITH)\b", body, re.IGNORECASE)
        text = self._prepared(body if is_query else f"SELECT {body}")
        parsed = sqlglot.parse_one(text, read="snowflake")
        written = self.connection.cursor()._transform(parsed, None)

        def cast(node):
            known = isinstance(node, exp.Column) and not node.table and node.name in casts
            return sqlglot.parse_one(casts[node.name], read="duckdb") if known else node

        written = written.transform(cast)
        if is_query:
            return f"({written.sql(dialect='duckdb')})"
        return f"({written.expressions[0].sql(dialect='duckdb')})"

    def _list_functions(self):
        self.duck.execute("DELETE FROM _fs_global.main._functions")
        for (database, schema, name, _), function in self.functions.items():
            made = function.definition
            listed = ", ".join(f"{column} {type_}" for column, type_ in made.arguments)
            imports = made.options.get("IMPORTS", ())
            imports = (imports,) if isinstance(imports, str) else imports
            row = [database, schema, name, f"({listed})", made.returns, made.language, made.body]
            row += ["YES" if made.secure else "NO", function.comment]
            row += ["[" + ", ".join(imports) + "]", made.options.get("HANDLER"), function.owner]
            marks = ", ".join("?" * len(row))
            self.duck.execute(f"INSERT INTO _fs_global.main._functions VALUES ({marks})", row)

    def _find(self, reader):
        name = self._full(reader.name())
        reader.expect("(")
        types = []
        while not reader.take(")"):
            types.append(reader.type().partition("(")[0])
            reader.take(",")
        return (*name, ", ".join(types))

    def _drop_function(self, sql, _):
        reader = Reader(sql)
        reader.expect("DROP", "FUNCTION")
        quiet = reader.take("IF", "EXISTS")
        key = self._find(reader)
        if key not in self.functions:
            if quiet:
                return [("Drop statement executed successfully (already dropped).",)], ["status"]
            message = f"SQL compilation error:\nFunction '{key[2]}' does not exist."
            raise snowflake_error((2003, "02000", message))
        del self.functions[key]
        self._publish(key[:3])
        return [(f"{key[2]} successfully dropped.",)], ["status"]

    def _comment_function(self, sql, _):
        reader = Reader(sql)
        reader.at = 2 if reader.text() == "ALTER" else 3
        reader.take("IF", "EXISTS")
        key = self._find(reader)
        if key not in self.functions:
            message = f"SQL compilation error:\nFunction '{key[2]}' does not exist."
            raise snowflake_error((2003, "02000", message))
        check_syntax(sql)
        self.functions[key].comment = reader.tokens[-1].text
        self._list_functions()
        return [(SAID,)], ["status"]

    def _create_stage(self, sql, found):
        check_syntax(sql)
        name = self._full(Reader(sql[found.end() :]).name())
        if name not in self.stages or found["replace"]:
            self.stages[name] = {}
        elif not found["quiet"]:
            raise snowflake_error((2002, "42710", f"Object '{name[2]}' already exists."))
        return [(f"Stage area {name[2]} successfully created.",)], ["status"]

    def _list_stage(self, _, found):
        stage, prefix = self._staged(found["path"])
        name = found["path"].strip("'@").split("/")[0].rpartition(".")[2].strip('"').lower()
        rows = [
            (f"{name}/{path}", len(content), hashlib.md5(content).hexdigest(), "now")  # noqa: S324
            for path, content in sorted(stage.items())
            if path.startswith(prefix)
        ]
        return rows, ["name", "size", "md5", "last_modified"]

    def _remove(self, _, found):
        stage, prefix = self._staged(found["path"])
        gone = [path for path in stage if path.startswith(prefix)]
        for path in gone:
            del stage[path]
        return [(path, "removed") for path in gone], ["name", "result"]

    def _use(self, _, found):
        setattr(self, found["what"].lower(), Reader(found["name"]).name()[-1])
        return [(SAID,)], ["status"]

    def _record(self, sql, found):
        check_syntax(sql)
        self.recorded.append(sql)
        if found[1].upper() in {"GRANT", "REVOKE"}:
            self.grants.append(sql)
        return [(SAID,)], ["status"]


DISPATCH = (
    (r"\s*CREATE\s+(OR\s+REPLACE\s+)?(SECURE\s+)?FUNCTION\b", "_create_function"),
    (r"\s*DROP\s+FUNCTION\b", "_drop_function"),
    (r"\s*COMMENT\s+(IF\s+EXISTS\s+)?ON\s+FUNCTION\b", "_comment_function"),
    (r"\s*ALTER\s+FUNCTION\b.*\bSET\s+COMMENT\b", "_comment_function"),
    (
        r"\s*CREATE\s+(?P<replace>OR\s+REPLACE\s+)?STAGE\s+(?P<quiet>IF\s+NOT\s+EXISTS\s+)?",
        "_create_stage",
    ),
    (r"\s*(LIST|LS)\s+(?P<path>'@.*'|@\S+)\s*$", "_list_stage"),
    (r"\s*(REMOVE|RM)\s+(?P<path>'@.*'|@\S+)\s*$", "_remove"),
    (r"\s*USE\s+(?P<what>ROLE|WAREHOUSE)\s+(?P<name>\S+)\s*$", "_use"),
    (RECORDED.pattern.replace("\n    ", "").replace("\n", ""), "_record"),
)


class AccountSession:
    """What foresql's code is given in place of a connection."""

    def __init__(self, account):
        self.account = account
        self.columns = ()
        self.closed = False

    def run(self, sql):
        try:
            rows, self.columns = self.account.run(sql)
        except connector.Error as error:
            raise account_error(error, sql) from None
        return rows

    def upload(self, content, stage_path):
        try:
            self.account.upload(content, stage_path)
        except connector.Error as error:
            raise account_error(error, f"PUT {stage_path}") from None

    def close(self):
        self.closed = True


def snowflake_error(error):
    """Make the connector's exception for a name in ``ERRORS``, or (number, state, message)."""
    number, state, message = ERRORS[error] if isinstance(error, str) else error
    kind = connector.ProgrammingError if number < 200000 else connector.OperationalError
    return kind(msg=message, errno=number, sqlstate=state)


@contextmanager
def quiet():
    """Keep still about how fakesnow asks DuckDB, and about comments that DuckDB has not."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def with_parameters(function, count):
    """Give a callable as many parameters as DuckDB counts."""

    def answer(*columns):
        return function(*columns)

    one = inspect.Parameter.POSITIONAL_ONLY
    answer.__signature__ = inspect.Signature(
        [inspect.Parameter(f"p{i}", one) for i in range(count)]
    )
    return answer


def quote(name):
    return '"' + name.replace('"', '""') + '"'


@cache
def check_syntax(sql):
    """Let sqlfluff's Snowflake dialect parse a statement."""
    from sqlfluff.core import FluffConfig, Linter

    global _LINTER  # noqa: PLW0603 - made once: it takes a second
    if _LINTER is None:
        _LINTER = Linter(FluffConfig(overrides={"dialect": "snowflake"}))
    parsed = _LINTER.parse_string(sql + ";\n")
    if parsed.violations:
        message = f"SQL compilation error:\n{parsed.violations[0]}"
        raise snowflake_error((1003, "42000", message))


_LINTER = None
