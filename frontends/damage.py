"""What a model file may not do: bring down its reader, or be read as something that it is not."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import BundleError, SignatureError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Generator

_MALFORMED = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
    *(BundleError, MemoryError, RecursionError),
)


class Place(Protocol):
    """Where a model is read: the estimator of a :class:`~.graph.Graph`, or a file."""

    @property
    def path(self) -> str:
        """What messages call it."""
        ...

    def refuse(self, reason: str, way_out: str) -> UnsupportedModelError:
        """Make the error that refuses the model."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A model file, by its name."""

    path: str

    def refuse(self, reason: str, way_out: str) -> UnsupportedModelError:
        """Make the error that refuses the file."""
        return UnsupportedModelError(self.path, reason, way_out)


def damaged(place: Place, problem: object) -> UnsupportedModelError:
    """Make the error for a model that is not as its library writes it."""
    reason, way_out = f"it is damaged: {problem}", "save it again with the library that trained it"
    return UnsupportedModelError(place.path, reason, way_out)


@contextmanager
def reading(place: Place) -> Generator[None]:
    """Refuse a model whose content does not fit together, whatever Python says about it."""
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            yield
    except (UnsupportedModelError, SignatureError):
        raise
    except _MALFORMED as error:
        shown = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else error
        raise damaged(place, str(shown)[:300] or type(error).__name__) from error
