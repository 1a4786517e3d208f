"""Models as functions of a DuckDB connection: native or arrow UDFs behind SQL macros."""

from .connection import connect, registry_of
from .registration import Registration, register_absent, register_scorer, unregister

__all__ = [
    "Registration",
    "connect",
    "register_absent",
    "register_scorer",
    "registry_of",
    "unregister",
]
