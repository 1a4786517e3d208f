"""A scoring query with windows over events: read, checked, and split into features and scores.

Everything below the outermost SELECT is features: computed over the events of the lookback. The
outermost SELECT is row by row, and is read as every scoring query.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....errors import UnsupportedModelError
from ....scoring.rewriting.syntax import parse, parts_of
from ....scoring.trees import reading, settle, write
from .layers import read_chain
from .parts import check_whole_rows, modelless
from .stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    import duckdb
    import pyarrow as pa

    from ....scoring.rewriting.syntax import Node
    from ..definition import Definition

_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowQuery:
    """A scoring query with windows.

    Attributes
    ----------
    features
        What is below the outermost SELECT, over a table `foresql_layer_0`; `foresql_row` goes
        through it.
    joined
        The same, with the last windows as joins: quicker for few events. None where it cannot be.
    probe
        What events alone must stand: the expressions up to the first windows, row by row.
    scoring
        The outermost SELECT, over the features.
    table
        What it calls them.
    schema
        The features' columns, but for where the event stands.
    lookback
        How far before its own time a row's features reach.
    """

    features: str
    joined: str | None
    probe: str
    scoring: str
    table: str
    schema: pa.Schema
    lookback: timedelta


def read_window_query(
    connection: duckdb.DuckDBPyConnection, definition: Definition, events: pa.Schema
) -> WindowQuery:
    """Read a scoring query with windows.

    Parameters
    ----------
    connection
        Whose functions it calls.
    definition
        The worker's, with a `[window]`.
    events
        The columns of the events, where they stand among them.

    Raises
    ------
    UnsupportedModelError
        If a feature may depend on more than the events of its key within the lookback, or on the
        order in which they are read, with the way out.
    """
    settle(connection)
    text = definition.query.strip().rstrip(";")
    parsed = parse(connection, text)
    if parsed is None or parsed.root["type"] != "SELECT_NODE":
        raise UnsupportedModelError("the query", "it is not one SELECT.", "run it in DuckDB first.")
    root = parsed.root
    chain = read_chain(root, definition.events.table)
    reader = Stack(connection, definition, events)
    for layer in chain.layers:
        reader.add(layer)
    _check_top(root, chain.row, reader.schema.names)
    lookback = reader.lookback
    if lookback is None:
        raise UnsupportedModelError(
            "[window] of the definition",
            "the query has no window over the events.",
            "leave [window] out.",
        )
    _check_bound(definition, lookback)
    features = reader.text()
    # What says by which query a prediction was made is a hash of the text: features belong to it.
    digest = hashlib.sha256(features.encode()).hexdigest()[:_HASH_DIGITS]
    scoring = write(connection, reading(root, chain.row, chain.row))
    return WindowQuery(
        features=features,
        joined=reader.joined(),
        probe=reader.probe,
        scoring=f"/* over features {digest} */ {scoring}",
        table=chain.row,
        schema=reader.features(),
        lookback=lookback,
    )


def _check_top(root: Node, row: str, names: Sequence[str]) -> None:
    checked = [root["select_list"], root["where_clause"]]
    check_whole_rows([modelless(each) for each in checked], row, names)
    for part in parts_of(root["select_list"]):
        if part.get("class") == "WINDOW":
            raise UnsupportedModelError(
                f"{part['function_name']} OVER in the outermost SELECT",
                "that is row by row, and reads what windows gave.",
                "compute it in a CTE or subquery, and read that.",
            )


def _check_bound(definition: Definition, lookback: timedelta) -> None:
    window = definition.window
    if window is not None and window.lookback is not None and lookback > window.lookback:
        raise UnsupportedModelError(
            "[window] lookback",
            f"the windows of the query look back {lookback}, and it is {window.lookback}; those of "
            "layers above each other add up.",
            "make it greater, or leave it out: the query says it.",
        )
