"""Postgres as BI tools reach it: psql, psycopg, and SQLAlchemy's dialect."""

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

SCORED = "select id, predict_bought(c) as buys, predict_proba_bought(c) as probability from customers c order by id"  # noqa: E501


def close_to(rows):
    """Postgres' exp is its own: the last digit may differ from the kernel's."""
    return [(key, label, pytest.approx(value, rel=1e-14)) for key, label, value in rows]


@pytest.fixture
def engine(postgres):
    # Superset and others write it so; the socket's folder stands where a host would.
    made = sa.create_engine(
        f"postgresql+psycopg://{postgres.user}@/{postgres.database}?host={postgres.host}"
    )
    yield made
    made.dispose()


def test_psql_reads_tables_and_calls_functions(warehouse, postgres):
    printed = postgres.psql("select id, buys, probability from predictions order by id", "-At")
    stored = [line.split("|") for line in printed.splitlines()]
    assert [(int(i), int(b), float(p)) for i, b, p in stored] == warehouse.rows
    printed = postgres.psql(SCORED, "-At")
    live = [line.split("|") for line in printed.splitlines()]
    assert [(int(i), int(b), float(p)) for i, b, p in live] == close_to(warehouse.rows)
    assert "predict_bought" in postgres.psql(r"\df predict_*")


def test_psycopg_calls_functions_with_parameters(warehouse, postgres):
    with psycopg.connect(postgres.address) as connection:
        asked = "select predict_proba_bought(%s::float8, %s::float8), version_bought()"
        [(probability, version)] = connection.execute(asked, (21, 12)).fetchall()
        assert (probability, version) == (pytest.approx(warehouse.rows[0][2], rel=1e-14), 1)
        asked = """
            select p.id, m.reference, m.created_at, m.trained_on
            from predictions p join foresql.models m using (model_name, model_version)
            where p.id = 3
        """
        [(key, reference, created_at, trained_on)] = connection.execute(asked).fetchall()
        assert (key, reference, trained_on[:8]) == (3, "bought:1", "80 rows,")
        assert created_at.year >= 2000


def test_sqlalchemy_reflects_tables_with_their_comments(engine):
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        assert {"customers", "predictions"} <= set(inspector.get_table_names())
        assert {"models", "model_columns"} <= set(inspector.get_table_names(schema="foresql"))
        table = sa.Table("predictions", sa.MetaData(), autoload_with=connection)
    assert table.comment == "What customers will do"
    assert table.c.probability.comment == "that the customer buys"
    kinds = {name: type(table.c[name].type) for name in ("id", "probability", "scored_at")}
    assert kinds == {
        "id": sa.BIGINT,
        "probability": sa.DOUBLE_PRECISION,
        "scored_at": sa.dialects.postgresql.TIMESTAMP,
    }


def test_pandas_reads_through_sqlalchemy(warehouse, engine):
    frame = pd.read_sql(sa.text(SCORED), engine)
    assert list(frame.itertuples(index=False, name=None)) == close_to(warehouse.rows)
    # As a tool's query builder aggregates a reflected table.
    table = sa.Table("predictions", sa.MetaData(), autoload_with=engine)
    asked = sa.select(table.c.buys, sa.func.count()).group_by(table.c.buys).order_by(table.c.buys)
    with engine.connect() as connection:
        counts = [tuple(row) for row in connection.execute(asked)]
    labels = [buys for _, buys, _ in warehouse.rows]
    assert counts == [(0, labels.count(0)), (1, labels.count(1))]
