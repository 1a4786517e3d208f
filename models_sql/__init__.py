"""IR to SQL: a model as a query, in the dialect of any target."""

from .compile import Query, compile_query
from .statement import FORMS, Header, Statement, write_statement
from .target import Target
from .targets import target_of, targets

__all__ = [
    "FORMS",
    "Header",
    "Query",
    "Statement",
    "Target",
    "compile_query",
    "target_of",
    "targets",
    "write_statement",
]
