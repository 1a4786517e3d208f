"""Models as functions of a DuckDB connection: arrow UDFs behind SQL macros."""

from .registration import Registration, register_absent, register_scorer, unregister

__all__ = ["Registration", "register_absent", "register_scorer", "unregister"]
