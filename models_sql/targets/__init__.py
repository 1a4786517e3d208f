"""One file a target. A new dialect is a new file here with a ``TARGET``; no list is edited."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..target import Target


@cache
def targets() -> Mapping[str, Target]:
    """Give all targets by name."""
    found = [
        importlib.import_module(f"{__name__}.{module.name}").TARGET
        for module in pkgutil.iter_modules(__path__)
    ]
    return MappingProxyType({target.name: target for target in found})


def target_of(name: str) -> Target:
    """Find a target.

    Raises
    ------
    UnsupportedModelError
        If there is none of this name.
    """
    found = targets().get(name)
    if found is None:
        raise UnsupportedModelError(
            f"target {name!r}", "there is none.", f"use one of {', '.join(sorted(targets()))}."
        )
    return found
