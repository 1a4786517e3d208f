"""Libraries that belong to an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ....errors import StreamError


def import_extra(module: str, library: str, extra: str, purpose: str) -> Any:
    """Import a module of a library that an extra brings.

    Raises
    ------
    StreamError
        If it is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError as error:
        message = f"{purpose} need {library}: pip install 'foresql[{extra}]'"
        raise StreamError(message) from error
