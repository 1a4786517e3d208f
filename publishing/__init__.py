"""Publish predictions, models and the catalogue to readers, who never meet a lock or half of it."""

from .duckdb_copy import publish_duckdb
from .plan import Publication, Request
from .postgres import SCHEMES, publish_postgres

__all__ = ["SCHEMES", "Publication", "Request", "publish_duckdb", "publish_postgres"]
