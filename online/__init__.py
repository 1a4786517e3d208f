"""Online features: views of the warehouse as snapshots, looked up by key in microseconds."""

from .definition import Definition, Wanted, read_definition
from .manifest import parse_key
from .materialize import Materialized, materialize
from .opening import open_online
from .view import (
    FeatureView,
    Missing,
    OnlineStore,
    OnlineView,
    ViewStatus,
    complete_rows,
    find_view,
)

__all__ = [
    "Definition",
    "FeatureView",
    "Materialized",
    "Missing",
    "OnlineStore",
    "OnlineView",
    "ViewStatus",
    "Wanted",
    "complete_rows",
    "find_view",
    "materialize",
    "open_online",
    "parse_key",
    "read_definition",
]
