"""What requests ask: a version of a model, or an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from ..ir import ColumnType
    from .features import Features
    from .output_tensors import Output
    from .row_decoder import RowDecoder


class Served(Protocol):
    """Ready to answer. It never changes; a newer version is another object.

    Attributes
    ----------
    reference
        The name with the version.
    kinds
        As what each column comes.
    names, is_numeric
        The columns' names, and whether all are numbers.
    schema
        The columns in Arrow, as they come.
    datatypes
        Of each column, in the Open Inference Protocol.
    rows
        Decodes rows in JSON.
    """

    name: str
    reference: str
    kinds: dict[str, ColumnType]
    names: list[str]
    is_numeric: bool
    schema: pa.Schema
    datatypes: dict[str, str]
    rows: RowDecoder

    @property
    def outputs(self) -> Mapping[str, Output]:
        """What can be asked for in the Open Inference Protocol, by name."""
        ...

    @property
    def version(self) -> int | str:
        """The version of a model, or what tells the states of an endpoint apart."""
        ...

    async def score(self, features: Features) -> Any:
        """Answer rows, in whatever form the other methods take."""
        ...

    def encode(
        self, answers: Any, wanted: Mapping[str, bool]
    ) -> tuple[list[dict[str, Any]], list[bytes]]:
        """Give the answers as tensors, and the bytes of those that go behind JSON."""
        ...

    def notes(self, answers: Any) -> dict[str, str] | None:
        """Say what stands beside tensors, if anything."""
        ...
