"""Postgres as a place for readers."""

from .publishing import publish_postgres
from .session import SCHEMES

__all__ = ["SCHEMES", "publish_postgres"]
