"""The connections whose queries a signal ends.

While a query runs Python cannot act on a signal, so another thread has to end the query: it must
know the connections that are open.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

import duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_open: WeakSet[DuckDBPyConnection] = WeakSet()
_lock = threading.Lock()


def interruptible(connection: DuckDBPyConnection) -> DuckDBPyConnection:
    """Let :func:`interrupt_all` end what a connection runs, as long as it lives."""
    with _lock:
        _open.add(connection)
    return connection


def interrupt_all() -> None:
    """End the queries that run now: each raises ``duckdb.InterruptException`` where it was asked.

    What is asked afterwards runs. It may be called from any thread.
    """
    with _lock:
        connections = list(_open)
    for connection in connections:
        try:
            connection.interrupt()
        except duckdb.Error:  # it was closed
            continue
