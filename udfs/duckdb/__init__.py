"""Models as functions of a DuckDB connection: native or arrow UDFs behind SQL macros."""

from .connection import connect, registry_of
from .interruption import interruptible
from .private import PrivateFunction, make_private
from .registration import (
    Registration,
    register_absent,
    register_scorer,
    registered_model,
    registered_tokens,
    unregister,
)

__all__ = [
    "PrivateFunction",
    "Registration",
    "connect",
    "interruptible",
    "make_private",
    "register_absent",
    "register_scorer",
    "registered_model",
    "registered_tokens",
    "registry_of",
    "unregister",
]
