"""Tables that belong to a model, where its query reads more than the rows that it scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table that must be there before the query runs.

    Attributes
    ----------
    name
        Its name, without quotes.
    data
        Its rows: columns of int64, float64 and text, or lists of those where the target has lists.
        No number is NaN.
    """

    name: str
    data: pa.Table
