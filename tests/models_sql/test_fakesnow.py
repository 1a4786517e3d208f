"""Snowflake's text in fakesnow, which rewrites it for DuckDB and runs it there.

That proves the syntax of queries and views, and that they say what is meant. It proves nothing of
Snowflake's own arithmetic, comparisons, limits or errors: those rest on documentation. Functions
that give a table are not run: fakesnow has none.
"""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest
from grid import cases

from foresql.models_sql import Header, Statement, target_of, write_statement

fakesnow = pytest.importorskip(
    "fakesnow",
    reason="fakesnow needs snowflake-connector-python below 5: pip install it",
    exc_type=ImportError,
)

_SPEC = importlib.util.spec_from_file_location("made", Path(__file__).parent / "models.py")
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)
# What fakesnow asks of DuckDB in another way than DuckDB would like.
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")
CASES = (
    "lightgbm: missing and infinite",
    "lightgbm: unseen keys",
    "lightgbm: three classes",
    "catboost: quotes",
    "histogram boosting: missing keys",
    "linear: three classes",
    "encoded: missing keys",
    "xgboost: missing",
)
TYPES = {"double": "FLOAT", "int64": "NUMBER(38, 0)", "bool": "BOOLEAN", "string": "VARCHAR"}


class FakeSnow:
    """fakesnow as an engine of the oracle."""

    name = "snowflake"

    def __init__(self, error):
        import snowflake.connector

        self.error = error
        self.connection = snowflake.connector.connect(database="d", schema="s")
        self.snowflake_error = snowflake.connector.errors.Error

    def create(self, name: str, probes: pa.Table) -> None:
        columns = ", ".join(
            f"{TARGET.quoted(field.name)} {TYPES[str(field.type)]}" for field in probes.schema
        )
        rows = zip(*(column.to_pylist() for column in probes.columns), strict=True)
        values = ", ".join(f"({', '.join(map(constant, row))})" for row in rows)
        self.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        self.execute(f"INSERT INTO {name} VALUES {values}")

    def run(self, query: str, probes: pa.Table) -> pa.Table:
        self.create("probes", probes)
        return self.execute(query)

    def execute(self, query: str) -> pa.Table:
        try:
            cursor = self.connection.cursor().execute(query)
        except self.snowflake_error as error:
            raise self.error(str(error)) from error
        names = [column.name for column in cursor.description]
        columns = zip(*cursor.fetchall(), strict=True)
        return pa.table([pa.array(list(column)) for column in columns], names=names)


TARGET = target_of("snowflake")


def constant(value: object) -> str:
    """Write a value; a float by text, whatever its kind."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"'{value!r}'::FLOAT"
    return TARGET.message(value) if isinstance(value, str) else str(value)


@pytest.fixture(scope="module")
def engine(engine_error):
    with fakesnow.patch():
        yield FakeSnow(engine_error)


@pytest.mark.parametrize("name", CASES)
def test_syntax_of_queries(name, engine, agrees):
    fitted = next(case for case in cases() if case.name == name).fit()
    agrees(engine, fitted.estimator, fitted.frame, others=fitted.others, rows=12)


def test_syntax_of_views(engine):
    flights = {"id": [1, 2], "distance": [1.0, None], "carrier": ["UA", None]}
    engine.create("flights", pa.table(flights, pa.schema(SCHEMA)))
    statement = Statement(form="view", name="scored", source="flights", keep=("id",))
    header = Header(model="delay:3", digest="0" * 64)
    engine.execute(write_statement(made.forest(), TARGET, statement, header))
    found = engine.execute('SELECT "margin" FROM scored ORDER BY "id"').to_pylist()
    assert [row["margin"] for row in found] == [0.5 + 0.1 + 1 / 3, 0.5 + 0.1 - 2.0]


SCHEMA = [("id", pa.int64()), ("distance", pa.float64()), ("carrier", pa.string())]
