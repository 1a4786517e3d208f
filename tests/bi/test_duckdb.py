"""DuckDB as BI tools reach it: SQLAlchemy with duckdb-sqlalchemy, Python, Node and the shell.

The published file is asked without foresql: what answers is in the file.
"""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import sqlalchemy as sa
from clients import command_line_client, node_client, run

import foresql
from foresql.registry import Registry

SCORED = "select id, predict_bought(c) as buys, predict_proba_bought(c) as probability from customers c order by id"  # noqa: E501
MADE_BY = "select m.reference, m.trained_on from predictions p join foresql.models m using (model_name, model_version) where p.id = 3"  # noqa: E501
NODE = """
const { DuckDBInstance } = require("@duckdb/node-api");

async function main([database, query]) {
    const instance = await DuckDBInstance.create(database, { access_mode: "READ_ONLY" });
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(query);
    console.log(JSON.stringify(result.getRowObjectsJson()));
}

main(process.argv.slice(2));
"""
PYTHON = """
import json, sys
import duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print(json.dumps(connection.execute(sys.argv[2]).fetchall()))
assert not [name for name in sys.modules if name.startswith("foresql")]
"""


def close_to(rows):
    """DuckDB's exp is its own: the last digit may differ from the kernel's."""
    return [(key, label, pytest.approx(value, rel=1e-14)) for key, label, value in rows]


@pytest.fixture
def engine(serving):
    made = sa.create_engine(f"duckdb:///{serving}", connect_args={"read_only": True})
    yield made
    made.dispose()


def test_sqlalchemy_reflects_tables_with_their_comments(engine):
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        assert {"customers", "predictions"} <= set(inspector.get_table_names())
        assert {"models", "model_columns"} <= set(inspector.get_table_names(schema="foresql"))
        table = sa.Table("predictions", sa.MetaData(), autoload_with=connection)
        models = {column["name"] for column in inspector.get_columns("models", schema="foresql")}
    assert table.comment == "What customers will do"
    assert table.c.probability.comment == "that the customer buys"
    assert isinstance(table.c.id.type, sa.BIGINT)
    assert isinstance(table.c.probability.type, sa.DOUBLE)
    assert {"reference", "trained_on", "created_at"} <= models


def test_pandas_reads_tables_and_calls_macros_through_sqlalchemy(warehouse, engine):
    stored = pd.read_sql("select id, buys, probability from predictions order by id", engine)
    assert list(stored.itertuples(index=False, name=None)) == warehouse.rows
    live = pd.read_sql(sa.text(SCORED), engine)
    assert list(live.itertuples(index=False, name=None)) == close_to(warehouse.rows)


def test_a_query_builder_groups_a_reflected_table(warehouse, engine):
    table = sa.Table("predictions", sa.MetaData(), autoload_with=engine)
    asked = sa.select(table.c.buys, sa.func.count()).group_by(table.c.buys).order_by(table.c.buys)
    with engine.connect() as connection:
        counts = [tuple(row) for row in connection.execute(asked)]
    labels = [buys for _, buys, _ in warehouse.rows]
    assert counts == [(0, labels.count(0)), (1, labels.count(1))]


def test_sqlalchemy_calls_a_model_that_is_registered_in_its_connection(warehouse, serving):
    """The kernel itself answers then, bit for bit, also where a macro could not."""

    def connect():
        connection = foresql.connect(serving, read_only=True)
        foresql.register(
            connection,
            "bought@champion",
            registry=warehouse.registry,
            name="predict_here",
            temporary=True,
        )
        return connection

    engine = engine_on(connect)
    asked = sa.text(
        "select id, predict_here(c), predict_proba_here(c) from customers c order by id"
    )
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(asked)]
    engine.dispose()
    assert rows == warehouse.rows


def engine_on(connect):
    from duckdb_sqlalchemy import ConnectionWrapper

    return sa.create_engine("duckdb://", creator=lambda: ConnectionWrapper(connect()))


def test_python_without_foresql(warehouse, serving):
    rows = [tuple(row) for row in json.loads(run(sys.executable, "-c", PYTHON, serving, SCORED))]
    assert rows == close_to(warehouse.rows)


def test_node(warehouse, serving, tmp_path):
    client = node_client()
    script = tmp_path / "ask.js"
    script.write_text(NODE)
    environment = os.environ | {"NODE_PATH": str(client / "node_modules")}
    rows = json.loads(run("node", script, serving, SCORED, env=environment))
    # A BIGINT is a text in Node's JSON.
    found = [(int(row["id"]), int(row["buys"]), row["probability"]) for row in rows]
    assert found == close_to(warehouse.rows)
    [made] = json.loads(run("node", script, serving, MADE_BY, env=environment))
    assert made["reference"] == "bought:1"


def test_command_line(warehouse, serving):
    client = command_line_client()
    rows = json.loads(run(client, "-readonly", "-json", serving, "-c", SCORED))
    assert [tuple(row.values()) for row in rows] == close_to(warehouse.rows)
    [made] = json.loads(run(client, "-readonly", "-json", serving, "-c", MADE_BY))
    training = Registry.open(warehouse.registry)
    card = training.load(training.version("bought", 1)).card["training"]
    assert made == {"reference": "bought:1", "trained_on": f"80 rows, sha256 {card['sha256'][:12]}"}


def test_a_reader_cannot_write(serving):
    client = command_line_client()
    command = [client, "-readonly", serving, "-c", "delete from predictions"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "read-only" in done.stderr
