"""Warehouses, and the places where snapshots are kept: each test of both is run in each."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from redis_server import redis_server

from foresql.online import Wanted, materialize, open_online


@dataclass(frozen=True)
class Shop:
    """A warehouse, and where its snapshots go."""

    database: Path
    into: str

    def run(self, sql):
        """Run a statement in the warehouse."""
        with duckdb.connect(self.database) as connection:
            return connection.execute(sql).fetchall()

    def try_materialize(self, name, key, **options):
        """Materialise a view; give what became of it."""
        kept = {k: options.pop(k) for k in ("wait", "allow_empty", "registry") if k in options}
        wanted = Wanted(name=name, keys=tuple(key.split(",")), **options)
        [done] = materialize([wanted], self.into, database=self.database, **kept)
        return done

    def materialize(self, name, key, **options):
        done = self.try_materialize(name, key, **options)
        assert done.problem is None
        return done.manifest

    def refused(self, name, key, **options):
        """Give why a view is not materialised."""
        done = self.try_materialize(name, key, **options)
        assert done.manifest is None
        return done.problem

    def open(self):
        return open_online(self.into)


@pytest.fixture(scope="session")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(path).close()
    return path


@pytest.fixture(params=["folder", "redis"])
def shop(request, tmp_path, database):
    if request.param == "folder":
        return Shop(database, str(tmp_path / "online"))
    return Shop(database, request.getfixturevalue("redis").url(uuid.uuid4().hex))


@pytest.fixture
def folder_shop(tmp_path, database):
    return Shop(database, str(tmp_path / "online"))


@pytest.fixture
def redis_shop(redis, database):
    return Shop(database, redis.url(uuid.uuid4().hex))
