"""All functions of DuckDB's that are computed here, and what a page of the docs says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import arithmetic, libm, text, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .calls import Function

ALL: tuple[Function, ...] = (
    *arithmetic.FUNCTIONS,
    *libm.FUNCTIONS,
    *text.FUNCTIONS,
    *times.FUNCTIONS,
)

FUNCTIONS: Mapping[str, list[Function]] = {
    name: [function for function in ALL if name in function.names]
    for function in ALL
    for name in function.names
}
"""By DuckDB's name."""
