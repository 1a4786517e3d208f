"""The rows that a server is asked for: out of a file, or made to a model's columns."""

from __future__ import annotations

import json
import math
import random
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REQUESTS = 200
"""How many requests are made; they are sent in turn."""

_READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}


def bodies_of(
    columns: Sequence[Mapping[str, Any]], rows: Path | None, each: int
) -> tuple[list[bytes], int]:
    """Make bodies with so many rows each, and tell of how many different rows.

    Raises
    ------
    ForesqlError
        If the file cannot be read, has no rows, or lacks a column.
    """
    wanted = REQUESTS * each
    found = _made(columns, min(wanted, 10_000)) if rows is None else _read(rows, columns, wanted)
    bodies = [
        json.dumps({"rows": [found[(start + i) % len(found)] for i in range(each)]}).encode()
        for start in range(0, min(wanted, max(len(found), each)), each)
    ]
    return bodies, len(found)


def describe_rows(rows: Path | None, different: int) -> str:
    """Say which rows are sent."""
    where = "made at random to the model's columns" if rows is None else f"of {rows}"
    return f"{different:,} rows {where}"


def _made(columns: Sequence[Mapping[str, Any]], count: int) -> list[dict[str, Any]]:
    chance = random.Random(1)  # noqa: S311 - no secret, and the same rows each time
    return [{c["name"]: _value(c, chance) for c in columns} for _ in range(count)]


def _value(column: Mapping[str, Any], chance: random.Random) -> Any:
    if column.get("categories"):
        return chance.choice(column["categories"])
    match str(column["type"]).upper():
        case "BOOLEAN":
            return chance.random() < 0.5  # noqa: PLR2004 - a coin
        case "BIGINT":
            return chance.randrange(100)
        case "TIMESTAMP":
            return f"2013-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}T12:00:00"
        case "VARCHAR":
            return chance.choice("abcde")
        case _:
            return round(chance.gauss(0, 100), 3)


def _read(path: Path, columns: Sequence[Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    import duckdb

    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ForesqlError(f"{path} cannot be read: name a file of {', '.join(_READERS)}.")
    with duckdb.connect() as connection:
        try:
            found = connection.execute(f"SELECT * FROM {reader}(?) LIMIT ?", [str(path), most])  # noqa: S608 - one of ours
            names = [name for name, *_ in found.description]
            rows = found.fetchall()
        except duckdb.Error as error:
            raise ForesqlError(f"{path} cannot be read: {error}") from error
    wanted = [column["name"] for column in columns]
    missing = [name for name in wanted if name not in names]
    if missing or not rows:
        lacks = f"has no column {missing[0]!r}" if missing else "has no rows"
        raise ForesqlError(f"{path} {lacks}; the model's columns are {', '.join(wanted)}.")
    places = {name: names.index(name) for name in wanted}
    return [{name: _in_json(row[at]) for name, at in places.items()} for row in rows]


def _in_json(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case _:
            return value
