"""Data of ours that SQL can ask for, by functions that look it up whenever they are called.

Nothing is read before a query calls them, and every cursor of the process can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

from ..functions import Function
from .callables import make_callable
from .registration import arrow_to_sql_type, remove_at_exit, remove_udfs

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ..offers import Offer


def offer(connection: DuckDBPyConnection, offered: Offer) -> None:
    """Make ``name('')`` callable in SQL, in place of an offer of this name that was made before.

    DuckDB tells an Arrow function how many rows it wants by its arguments, so it takes a text.

    Raises
    ------
    duckdb.Error
        If the function cannot be made.
    """

    def answer(asked: pa.Array) -> pa.Array:
        return pa.concat_arrays([offered.give()] * len(asked))

    remove_udfs(connection, [offered.name])
    connection.create_function(
        offered.name,
        make_callable(offered.name, Function(offered.name, offered.returns, answer)),
        [duckdb.sqltype("VARCHAR")],
        arrow_to_sql_type(connection, offered.returns),
        type=ARROW,
        null_handling=SPECIAL,
        side_effects=True,  # asked again, it may say something else
    )
    remove_at_exit(connection, [offered.name])
