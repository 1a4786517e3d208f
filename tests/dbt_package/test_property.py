"""`--full-refresh` equals incremental, whatever happened to the features, the alias and the runs.

The seed is fixed where ``CI`` is set, and printed; ``FORESQL_SEED`` repeats another one.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest
from small_dbt import COLUMNS, KINDS, SmallProject, make_small_project
from warm_dbt import Finished, Kill, WarmDbt

from foresql import Registry
from foresql.registry import Reason

if TYPE_CHECKING:
    from pathlib import Path

CHANCE = random.SystemRandom()
SEED = int(os.environ.get("FORESQL_SEED") or (7 if "CI" in os.environ else CHANCE.randrange(10**6)))
ROUNDS = 12
FULL_REFRESH_EVERY = 3
"""A full refresh of a copy follows each so manieth run; the library answers after every one."""
KEYS = {"bids": (0,), "bids_by_shop": (1, 2)}
"""Each table of predictions, and where its key stands in `COLUMNS`."""
KEPT = {"bids": "null", "bids_by_shop": "seen_at"}
ODD = (None, float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 5e-324, -1e-310, 1e308)
SINCE = datetime(2026, 1, 1)  # noqa: DTZ001 - the column is a TIMESTAMP


@dataclass
class Expected:
    """What is stored, as known here: the features that were scored, and by which version."""

    stored: dict[str, dict[tuple, tuple]] = field(
        default_factory=lambda: {table: {} for table in KEYS}
    )

    def to_score(self, table: str, rows: list[tuple], version: int) -> int:
        stored = self.stored[table]
        return sum(stored.get(key_of(table, row)) != (bits(row), version) for row in rows)

    def score(self, table: str, rows: list[tuple], version: int) -> None:
        self.stored[table] = {key_of(table, row): (bits(row), version) for row in rows}


@dataclass
class World:
    """The project, the rows that are in its source, and what its tables must hold."""

    shop: SmallProject
    dbt: WarmDbt
    chance: random.Random
    expected: Expected = field(default_factory=Expected)
    rows: dict[str, tuple] = field(default_factory=dict)
    overwritten: list[tuple] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    @property
    def version(self) -> int:
        return Registry(self.shop.registry).resolve("bid@champion").version

    def table(self, name: str, database: Path | None = None) -> dict[tuple, tuple]:
        """Give what a table of predictions holds by key, without what names the run."""
        key = ", ".join(f"{COLUMNS[place]}::varchar" for place in KEYS[name])
        with duckdb.connect(database or self.shop.database) as connection:
            rows = connection.execute(
                f"select [{key}], bids, probability, model_name, model_version, {KEPT[name]}, "
                f"features_hash from {name}"
            ).fetchall()
        by_key = {tuple(key): bits(row) for key, *row in rows}
        assert len(by_key) == len(rows), f"{name} has a key twice"
        return by_key

    def answers(self, name: str) -> dict[tuple, tuple]:
        """Give the library's own answers on the rows that are in the source now."""
        rows = list(self.rows.values())
        answers = self.shop.answers(self.version, rows)
        return {
            key_of(name, row): bits((*answer, "bid", self.version, kept(name, row)))
            for row, answer in zip(rows, answers, strict=True)
        }


def bits(row: tuple) -> tuple:
    """Tell 0.0 from -0.0; NaN is itself."""
    return tuple(
        struct.pack("<d", value)
        if isinstance(value, float) and not math.isnan(value)
        else repr(value)
        for value in row
    )


def key_of(table: str, row: tuple) -> tuple:
    return tuple(str(row[place]) for place in KEYS[table])


def kept(table: str, row: tuple) -> object:
    return row[COLUMNS.index("seen_at")] if KEPT[table] == "seen_at" else None


def number(chance: random.Random) -> float | None:
    return chance.choice(ODD) if chance.random() < 0.3 else chance.gauss(0, 1)


def row_of(world: World, item_id: str) -> tuple:
    shop, item = item_id.split("-")
    chance = world.chance
    # Some are seen long before those that are there already: late rows.
    seen = SINCE + timedelta(hours=chance.randrange(-1000, 1000))
    kind = chance.choice([*KINDS, "unseen", None])
    return (item_id, shop, int(item), number(chance), number(chance), kind, seen)


def insert(world: World) -> None:
    """New keys, and keys that were deleted a while ago, with other values."""
    for _ in range(world.chance.randrange(1, 30)):
        item_id = f"{world.chance.choice('abcde')}-{world.chance.randrange(80)}"
        if item_id not in world.rows:
            world.rows[item_id] = row_of(world, item_id)


def update(world: World) -> None:
    """Change one column of some rows: to anything, to a neighbour's value, or its sign bit."""
    for row in some(world):
        changed = list(row)
        place = world.chance.randrange(3, len(COLUMNS))
        changed[place] = row_of(world, row[0])[place]
        if world.chance.random() < 0.3:
            changed[3] = -row[3] if isinstance(row[3], float) else 0.0
        world.overwritten.append(row)
        world.rows[row[0]] = tuple(changed)


def update_back(world: World) -> None:
    for row in world.overwritten[-20:]:
        if row[0] in world.rows:
            world.rows[row[0]] = row


def delete(world: World) -> None:
    for row in some(world):
        del world.rows[row[0]]


def reuse_keys(world: World) -> None:
    for row in some(world):
        world.rows[row[0]] = row_of(world, row[0])


def promote(world: World) -> None:
    now = world.version
    Registry(world.shop.registry).move_alias("bid", "champion", 3 - now, expected=now)


def roll_back(world: World) -> None:
    """Go back, unless every promotion has been taken back already: then nothing is before."""
    registry = Registry(world.shop.registry)
    moves = registry.history("bid", "champion")
    back = sum(move.reason is Reason.ROLLBACK for move in moves)
    if len(moves) - 2 * back > 1:
        registry.rollback("bid", "champion")


def do_nothing(world: World) -> None:
    """Leave all as it is: then nothing is to be scored."""


EVENTS = (insert, update, update, update_back, delete, reuse_keys, promote, roll_back, do_nothing)


def some(world: World) -> list[tuple]:
    count = min(world.chance.choice([1, 1, 5, 20]), len(world.rows))
    return world.chance.sample(list(world.rows.values()), count)


def put_source(world: World) -> None:
    """Make the source hold these rows, in any order."""
    rows = list(world.rows.values())
    world.chance.shuffle(rows)
    with duckdb.connect(world.shop.database) as connection:
        connection.begin()
        connection.execute("delete from raw.items")
        if rows:
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"insert into raw.items values ({marks})", rows)
        connection.commit()


def run_to_its_end(world: World, *arguments: str) -> None:
    """A run that succeeds scores what had to be, and leaves what the library says."""
    run = world.dbt("run", *arguments)
    assert run.success, run.printed
    world.statements = run.statements
    rows, to_score = list(world.rows.values()), {}
    for table in KEYS:
        assert_stored(world, table)
        is_full = "--full-refresh" in arguments
        stale = world.expected.to_score(table, rows, world.version)
        to_score[table] = len(rows) if is_full else stale
        world.expected.score(table, rows, world.version)
    assert scored_in(world, run) == to_score


def run_and_kill(world: World, *arguments: str) -> None:
    """A run that is killed has changed each table wholly, or not at all."""
    before = {table: world.table(table) for table in KEYS}
    run = world.dbt("run", *arguments, kill=moment(world))
    for table in KEYS:
        if not run.success and world.table(table) == before[table]:
            continue
        assert_stored(world, table)
        world.expected.score(table, list(world.rows.values()), world.version)


def moment(world: World) -> Kill:
    """At a statement of the last run, or while it works: mostly in a transaction that scores."""
    scoring = [at for at, sql in enumerate(world.statements) if "model.shop.bids" in sql]
    commits = [at for at, sql in enumerate(world.statements) if sql == "COMMIT"]
    every = range(len(world.statements))
    at = world.chance.choice(world.chance.choice([scoring, scoring, commits, every]))
    return Kill(at, world.chance.choice([None, world.chance.uniform(0, 0.05)]))


def scored_in(world: World, run: Finished) -> dict[str, int]:
    """Read the run log: how many rows of each table a run scored, which ended as all others did."""
    logged = world.shop.query("select run_id, status, rows_scored from foresql.runs")
    ((status, total),) = [row[1:] for row in logged if row[0] == run.invocation_id]
    assert status == "success"
    assert {status for _, status, _ in logged} <= {"success", "interrupted"}
    tables = world.shop.query(
        "select split_part(node, '.', 3), rows_scored, model_version, status "
        "from foresql.run_tables where run_id = ?",
        run.invocation_id,
    )
    assert [row[2:] for row in tables] == [(world.version, "success")] * len(KEYS)
    assert sum(row[1] for row in tables) == total
    return {name: scored for name, scored, *_ in tables}


def assert_stored(world: World, table: str) -> None:
    found = {key: row[:-1] for key, row in world.table(table).items()}
    assert found == world.answers(table)


def assert_a_full_refresh_gives_the_same(world: World) -> None:
    copy = shutil.copy(world.shop.database, world.shop.folder / "copy" / "shop.duckdb")
    refreshed = world.dbt("run", "--full-refresh", environment={"FORESQL_DATABASE": str(copy)})
    assert refreshed.success, refreshed.printed
    for table in KEYS:
        assert world.table(table) == world.table(table, copy)


@pytest.fixture
def world(tmp_path):
    (tmp_path / "copy").mkdir()
    shop = make_small_project(tmp_path)
    print(f"FORESQL_SEED={SEED}")  # noqa: T201 - shown where the test fails
    with WarmDbt(shop.project, shop.environment) as dbt:
        made = World(shop, dbt, random.Random(SEED))  # noqa: S311 - no secret
        for item in range(40):
            made.rows |= {f"{shop}-{item}": row_of(made, f"{shop}-{item}") for shop in "abcde"}
        yield made


def test_full_refresh_equals_incremental(world):
    put_source(world)
    run_to_its_end(world)
    run_to_its_end(world)
    ended = 0
    for _ in range(ROUNDS):
        for event in world.chance.choices(EVENTS, k=world.chance.randrange(1, 4)):
            print(event.__name__)  # noqa: T201 - same
            event(world)
        put_source(world)
        how = world.chance.choice([(), (), (), ("--full-refresh",)])
        if world.chance.random() < 0.4:
            run_and_kill(world, *how)
            continue
        run_to_its_end(world, *how)
        if ended % FULL_REFRESH_EVERY == 0:
            assert_a_full_refresh_gives_the_same(world)
        ended += 1
    run_to_its_end(world)
    assert_a_full_refresh_gives_the_same(world)
