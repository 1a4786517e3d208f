"""A warehouse with predictions, and what readers get of it: a DuckDB file, and Postgres."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_server import PostgresServer, postgres_server
from scored_shop import publish_bought

import foresql
from foresql.publishing import Request, publish_duckdb, publish_postgres

TABLES = """
    create table customers as
        select n as id, 20.0::double + n as age, 10.0::double + 2 * n as income
        from range(1, 7) as numbers(n);
    comment on table customers is 'Who may buy';
"""
PREDICTIONS = """
    create table predictions as select
        c.id, predict_bought(c) as buys, predict_proba_bought(c) as probability,
        'bought' as model_name, version_bought() as model_version,
        'hash ' || id as features_hash, timestamp '2026-01-02 03:04:05' as scored_at, 'r' as run_id
    from customers as c;
    comment on table predictions is 'What customers will do';
    comment on column predictions.probability is 'that the customer buys';
"""


@dataclass(frozen=True)
class Warehouse:
    """The file that dbt would write, its registry, and the rows that readers must see."""

    path: Path
    registry: Path
    rows: list[tuple]

    @property
    def request(self) -> Request:
        tables = ("customers", "predictions")
        return Request(tables=tables, models=("bought@champion",), registry=self.registry)


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory) -> Warehouse:
    folder = tmp_path_factory.mktemp("warehouse")
    registry, path = folder / "registry", folder / "warehouse.duckdb"
    publish_bought(registry, alias="champion", description="Who buys")
    with foresql.connect(path) as con:
        con.execute(TABLES)
        foresql.register(con, "bought@champion", registry=registry)
        con.execute(PREDICTIONS)
        rows = con.execute("select id, buys, probability from predictions order by id").fetchall()
    assert {buys for _, buys, _ in rows} == {0, 1}
    return Warehouse(path, registry, rows)


@pytest.fixture(scope="session")
def serving(warehouse) -> Path:
    """The read-only copy, in a format that DuckDB 1.5 reads, too."""
    path = warehouse.path.with_name("serving.duckdb")
    publish_duckdb(warehouse.path, path, warehouse.request, storage_version="v1.5.0")
    return path


@pytest.fixture(scope="session")
def postgres(warehouse) -> Iterator[PostgresServer]:
    with postgres_server() as server:
        publish_postgres(warehouse.path, server.address, warehouse.request)
        yield server
