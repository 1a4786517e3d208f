"""Streams and tasks for the fake account of ``snowflake_account.py``.

Each rule quotes what it emulates from Snowflake's documentation ("Introduction to streams",
"Transactions", "Introduction to tasks"). A stream is three things in the account's own database: a
copy of the table at the offset, a copy where the transaction began, and a view of what is between.
All of it is written in the caller's transaction, so it is kept or lost with that.

- A stream "only stores an offset for the source object"; it gives "the delta", "the net difference"
  of two points in time: a row that came and went in between is not in it.
- An update is "a combination of DELETE and INSERT records" with METADATA$ISUPDATE true.
- METADATA$ROW_ID is "unique and immutable"; "hidden columns are added to the source table".
- "A stream advances the offset only when it is used in a DML transaction", whatever the statement
  filters; a SELECT does not.
- Within a transaction a stream is in "repeatable read mode": "multiple SQL statements within a
  transaction see the same set of records", those committed before it began.
"""

import re

from sqlglot import parse_one, tokenize
from sqlglot.tokens import TokenType

ROW_ID = '"METADATA$ROW_ID"'
_CREATE = re.compile(
    r"CREATE STREAM IF NOT EXISTS (\S+) ON (?:TABLE|VIEW) (\S+)\s+APPEND_ONLY = (TRUE|FALSE)"
)
_DML = re.compile(r"\s*(MERGE|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_REGISTER = '"FORESQL"."PUBLIC"."STREAMS"'


class Streams:
    """The streams of an account; statements that may read one go through here."""

    def __init__(self, account):
        self.account = account
        self.session = account.session
        self.read = set()
        self.is_open = False
        account.duck.execute(
            f"CREATE TABLE IF NOT EXISTS {_REGISTER} (stream VARCHAR, source VARCHAR)"
        )

    def track(self, table):
        """Give a table the hidden column by which rows are known."""
        duck = self.account.duck
        duck.execute(f'CREATE SEQUENCE {table[:-1]}$ROWS"')
        duck.execute(
            f"ALTER TABLE {table} ADD COLUMN {ROW_ID} BIGINT DEFAULT nextval('{table[:-1]}$ROWS\"')"
        )

    def create(self, sql):
        self.session.run(sql)
        stream, source, append_only = _CREATE.match(sql).groups()
        duck = self.account.duck
        if duck.execute(f"SELECT 1 FROM {_REGISTER} WHERE stream = ?", [stream]).fetchone():
            return
        duck.execute(f"INSERT INTO {_REGISTER} VALUES (?, ?)", [stream, source])
        for part in ("OFFSET", "END"):
            duck.execute(f"CREATE TABLE {_part(stream, part)} AS SELECT * FROM {source}")
        duck.execute(f"CREATE VIEW {stream} AS {self._delta(stream, append_only == 'TRUE')}")

    def _delta(self, stream, append_only):
        names = self.account.duck.execute(f"DESCRIBE {_part(stream, 'OFFSET')}").fetchall()
        columns = [f'"{row[0]}"' for row in names if f'"{row[0]}"' != ROW_ID]
        before, after = (f"ROW({', '.join(f'{t}.{c}' for c in columns)})" for t in "oe")
        gone, come = (
            f"SELECT {', '.join(f'{this}.{c}' for c in columns)}, '{action}' AS "
            f'"METADATA$ACTION", {that}.{ROW_ID} IS NOT NULL AS "METADATA$ISUPDATE", '
            f"{this}.{ROW_ID} FROM {_part(stream, mine)} {this} LEFT JOIN "
            f"{_part(stream, other)} {that} ON o.{ROW_ID} = e.{ROW_ID} "
            f"WHERE {that}.{ROW_ID} IS NULL"
            for this, that, action, mine, other in (
                ("o", "e", "DELETE", "OFFSET", "END"),
                ("e", "o", "INSERT", "END", "OFFSET"),
            )
        )
        changed = f" OR {before} IS DISTINCT FROM {after}"
        return come if append_only else f"{gone}{changed} UNION ALL {come}{changed}"

    def all(self):
        return self.account.duck.execute(f"SELECT stream, source FROM {_REGISTER}").fetchall()

    def offset(self):
        """Keep where the streams are."""
        return [
            (
                stream,
                self.account.duck.execute(f"SELECT * FROM {_part(stream, 'OFFSET')}").fetchall(),
            )
            for stream, _ in self.all()
        ]

    def set_offset(self, kept):
        """Let the same changes come again, as after a table was restored."""
        for stream, rows in kept:
            offset = _part(stream, "OFFSET")
            self.account.duck.execute(f"DELETE FROM {offset}")
            for row in rows:
                marks = ", ".join("?" * len(row))
                self.account.duck.execute(f"INSERT INTO {offset} VALUES ({marks})", row)

    def lose(self):
        """Drop all streams, as when one was not read for too long."""
        for stream, _ in self.all():
            self.account.duck.execute(f"DROP VIEW {stream}")
        self.account.duck.execute(f"DELETE FROM {_REGISTER}")

    def has_data(self, stream):
        """SYSTEM$STREAM_HAS_DATA."""
        if stream not in dict(self.all()):
            return False
        self._see()
        return bool(self.account.duck.execute(f"SELECT 1 FROM {stream} LIMIT 1").fetchone())

    def begin_early(self):
        """Take what a transaction sees that begins now, and then waits for a lock."""
        began = {}
        for number, (stream, source) in enumerate(self.all()):
            began[stream] = f"temp.began_{number}"
            self.account.duck.execute(
                f"CREATE OR REPLACE TEMP TABLE began_{number} AS SELECT * FROM {source}"
            )
        return began

    def _see(self, began=None):
        for stream, table in self.all():
            end, source = _part(stream, "END"), (began or {}).get(stream, table)
            self.account.duck.execute(f"DELETE FROM {end}")
            self.account.duck.execute(f"INSERT INTO {end} BY NAME SELECT * FROM {source}")

    def run(self, sql, began=None):
        """Run a statement; one outside a transaction is a transaction of its own."""
        word = sql.split(maxsplit=1)[0].upper()
        if word == "BEGIN":
            return self._begin(sql, began)
        if word in {"COMMIT", "ROLLBACK"}:
            return self._end(sql, word)
        if self.is_open:
            return self._statement(sql)
        self._begin("BEGIN TRANSACTION")
        try:
            rows = self._statement(sql)
        except BaseException:
            self._end("ROLLBACK", "ROLLBACK")
            raise
        self._end("COMMIT", "COMMIT")
        return rows

    def _begin(self, sql, began=None):
        self.session.run(sql)
        self.is_open = True
        self._see(began)

    def _statement(self, sql):
        if _DML.match(sql):
            assert_distinct_source(self.account, sql)
            self.read |= {stream for stream, _ in self.all() if stream in sql}
        return self.account.duck.execute(written(self.account, sql)).fetchall()

    def _end(self, sql, word):
        for stream in self.read if word == "COMMIT" else ():
            offset, end = _part(stream, "OFFSET"), _part(stream, "END")
            self.account.duck.execute(f"DELETE FROM {offset}")
            self.account.duck.execute(f"INSERT INTO {offset} SELECT * FROM {end}")
        self.session.run(sql)
        self.read, self.is_open = set(), False


def _part(stream, part):
    return f'{stream[:-1]}${part}"'


def written(account, sql):
    """Let fakesnow write a statement for DuckDB; the same text once.

    Not the parts into which it takes a MERGE: it then takes a new row whose key is NULL for one
    that is there. DuckDB has a MERGE of its own.
    """
    if sql not in _WRITTEN:
        parsed = parse_one(account._prepared(sql), read="snowflake")
        found = account.connection.cursor()._transform(parsed, None)
        _WRITTEN[sql] = found.sql(dialect="duckdb")
    return _WRITTEN[sql]


_WRITTEN = {}


def assert_distinct_source(account, sql):
    """Fail where a MERGE's source has a key twice: an error in Snowflake, and not in fakesnow."""
    found = re.search(r'USING \((.*)\n\s*\) AS "[MG]"\s+ON', sql, re.DOTALL)
    if found is None:
        return
    keys = ", ".join(sorted(set(re.findall(r'"FORESQL_KEY_\d+"', found[1]))))
    source = f"SELECT {keys} FROM ({found[1]}) GROUP BY {keys} HAVING COUNT(*) > 1"
    assert account.duck.execute(written(account, source)).fetchall() == []


def block_of(sql):
    """Give the block of Snowflake Scripting in a task or an EXECUTE IMMEDIATE."""
    return sql.split("$$")[1]


def statements_of(block):
    """Split a block's statements, up to its exception handler."""
    body = re.split(r"\n?BEGIN\n", block, maxsplit=1)[1].split("\nEXCEPTION\n")[0]
    start, found = 0, []
    for token in tokenize(body, read="snowflake"):
        if token.token_type is TokenType.SEMICOLON:
            found.append(body[start : token.start].strip())
            start = token.end + 1
    return found


def steps_of(block, streams, began=None):
    """Run a block statement by statement, giving each before it is run; roll back what fails."""
    statements, at, touched, counted = statements_of(block), 0, 1, 0
    again = 0
    while at < len(statements):
        sql = statements[at]
        at += 1
        if sql.startswith("REPEAT"):
            again, sql = at - 1, sql.removeprefix("REPEAT").strip()
        if sql.startswith("UNTIL"):
            at = at if touched == 0 else again
            continue
        if sql == "touched := SQLROWCOUNT":
            touched = counted
            continue
        yield sql
        try:
            rows = streams.run(sql, began)
        except BaseException:
            streams.run("ROLLBACK")
            raise
        counted = sum(int(n) for n in rows[0]) if sql.startswith("MERGE") else counted


def run_block(block, streams, began=None):
    """Run a whole block, and give what it ran."""
    return list(steps_of(block, streams, began))
