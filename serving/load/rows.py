"""The rows that a server is asked for: out of a file, or made to the columns of what is asked."""

from __future__ import annotations

import json
import math
import random
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

REQUESTS = 200
"""How many requests are made; they are sent in turn."""

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")  # which comes as text

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
    where = "made at random to the columns" if rows is None else f"of {rows}"
    return f"{different:,} rows {where}"


def _made(columns: Sequence[Mapping[str, Any]], count: int) -> list[dict[str, Any]]:
    chance = random.Random(1)  # noqa: S311 - no secret, and the same rows each time
    return [{c["name"]: _value(c, chance) for c in columns} for _ in range(count)]


def _value(column: Mapping[str, Any], chance: random.Random) -> Any:
    if column.get("categories"):
        return chance.choice(column["categories"])
    type_ = str(column["type"]).upper()
    if found := _DECIMAL.fullmatch(type_):
        whole = int(found[1]) - int(found[2])
        return str(chance.randrange(10 ** min(whole, 3)))
    if type_.endswith(("INT", "INTEGER")):
        return chance.randrange(100)
    return _MADE.get(type_, _number)(chance)


def _number(chance: random.Random) -> float:
    return round(chance.gauss(0, 100), 3)


def _day(chance: random.Random) -> str:
    return f"2013-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"


_MADE: Mapping[str, Callable[[random.Random], Any]] = {
    "BOOLEAN": lambda chance: chance.random() < 0.5,  # noqa: PLR2004 - a coin
    "DATE": _day,
    "TIMESTAMP": lambda chance: f"{_day(chance)}T12:00:00",
    "VARCHAR": lambda chance: chance.choice("abcde"),
}


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
        raise ForesqlError(f"{path} {lacks}; the columns are {', '.join(wanted)}.")
    places = [(c["name"], str(c["type"]), names.index(c["name"])) for c in columns]
    return [{name: _in_json(row[at], type_) for name, type_, at in places} for row in rows]


def _in_json(value: Any, type_: str) -> Any:
    match value:
        case int() | float() | Decimal() if _DECIMAL.fullmatch(type_):
            return str(value)
        case float() if not math.isfinite(value):
            return None
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case _:
            return value
