"""How far workers are, by what they wrote: positions, versions by offsets, dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import StreamError
from ...udfs.duckdb.macros import literal
from ..relation import listed
from ..task import MODEL_NAME, MODEL_VERSION
from .definition import OFFSET, PARTITION
from .records import Lag
from .sinks.layout import DEAD, POSITIONS, SCHEMA
from .sinks.looking import looking, table_of
from .sources.waiting import ask_lag

if TYPE_CHECKING:
    from collections.abc import Callable

    from .definition import Definition

_POSITIONS = ("partition", "last_offset", "moved_at", "events", "worker")
_VERSIONS = (PARTITION, MODEL_NAME, MODEL_VERSION, "first_offset", "last_offset", "predictions")
_LETTERS = (PARTITION, OFFSET, "published", "step", "reason", "payload", "at")


def worker_status(
    definition: Definition, told: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Say how far the workers of a definition are.

    Parameters
    ----------
    definition
        The workers'.
    told
        Takes that the sink is waited for, and that the bus does not answer.

    Returns
    -------
    dict
        ``positions`` of partitions, with their ``lag`` in events and ``lag_seconds``, as far as the
        bus says them; ``versions``, which say from which offset to which one a version scored;
        ``dead_letters``, by step; and the number of ``predictions``.

    Raises
    ------
    StreamError
        If no worker wrote there yet, or what it wrote cannot be read again.
    """
    source = literal(definition.source_name)
    with looking(definition, told) as select:
        positions = select(
            f"SELECT {listed(_POSITIONS)} FROM {SCHEMA}.{POSITIONS} "
            f"WHERE source = {source} ORDER BY partition"
        )
        versions = select(_versions_query(table_of(definition)))
        dead = select(
            f"SELECT step, count(*) FROM {SCHEMA}.{DEAD} WHERE source = {source} "
            "GROUP BY step ORDER BY step"
        )
    found = [dict(zip(_VERSIONS, row, strict=True)) for row in versions]
    return {
        "positions": _with_lag(
            definition, [dict(zip(_POSITIONS, row, strict=True)) for row in positions], told
        ),
        "versions": found,
        "predictions": sum(each["predictions"] for each in found),
        "dead_letters": dict(dead),
    }


def _with_lag(
    definition: Definition, rows: list[dict[str, Any]], told: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Say what waits behind each position; also in partitions that no worker began."""
    lags: dict[str, Lag] = {}
    try:
        lags = ask_lag(definition, {row["partition"]: row["last_offset"] for row in rows})
    except StreamError as error:
        told(f"The lag is not known: {error}")
    begun = {row["partition"] for row in rows}
    nothing = dict.fromkeys(_POSITIONS)
    rows += [nothing | {"partition": name} for name in lags if name not in begun]
    unknown = Lag(None, None)
    return [
        row | dict(zip(("lag", "lag_seconds"), lags.get(row["partition"], unknown), strict=True))
        for row in rows
    ]


def dead_letters(
    definition: Definition, limit: int, told: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Give the last dead letters of a definition's workers, the newest first.

    Raises
    ------
    StreamError
        If no worker wrote there yet, or what it wrote cannot be read again.
    """
    with looking(definition, told) as select:
        rows = select(
            f"SELECT {listed(_LETTERS)} FROM {SCHEMA}.{DEAD} "
            f"WHERE source = {literal(definition.source_name)} "
            f'ORDER BY "at" DESC, published DESC LIMIT {int(limit)}'
        )
    return [dict(zip(_LETTERS, row, strict=True)) for row in rows]


def _versions_query(table: str) -> str:
    """Find the stretches of offsets that one version scored: it may come back after another."""
    version = f"{PARTITION}, {MODEL_NAME}, {MODEL_VERSION}"
    return (
        f"SELECT {version}, min({OFFSET}), max({OFFSET}), count(*) FROM ("
        f"SELECT {version}, {OFFSET}, "
        f"row_number() OVER (PARTITION BY {PARTITION} ORDER BY {OFFSET}) - "
        f"row_number() OVER (PARTITION BY {version} ORDER BY {OFFSET}) AS stretch "
        f"FROM {table}) AS t GROUP BY {version}, stretch ORDER BY {PARTITION}, min({OFFSET})"
    )
