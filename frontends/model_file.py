"""What a reader of model files gives: a model, and what its file knows of the columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import SignatureError, UnsupportedModelError
from ..ir import ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ..ir import Column, Outputs
    from .graph import Graph, Names


class ModelFile(ABC):
    """A model as its file holds it, read without the library that wrote it.

    Attributes
    ----------
    where
        The file's name, for messages.
    library
        The package whose answers it must give.
    estimator
        What the library makes of the file, such as ``lightgbm.Booster``.
    """

    where: str
    library: ClassVar[str]
    estimator: ClassVar[str]

    @property
    def extra(self) -> str:
        """The extra of foresql that installs the library: its own name, mostly."""
        return self.library

    @property
    @abstractmethod
    def feature_names(self) -> list[str] | None:
        """The names of the features; None where the file has none."""

    @property
    @abstractmethod
    def n_features_in_(self) -> int:
        """How many features there are."""

    @abstractmethod
    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Give the columns with their types and categories.

        ``rows`` has them in the model's order, with names and types as the user's rows have them.

        Raises
        ------
        UnsupportedModelError, SignatureError
            If file and rows do not say which column holds which categories.
        """

    @abstractmethod
    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Add the model's steps to a graph."""

    @abstractmethod
    def load(self, names: Sequence[str]) -> Any:
        """Load the file with its library; ``names`` are the columns that it will be shown."""

    def until(self, iterations: int) -> ModelFile:
        """Keep the first boosting rounds only."""
        raise UnsupportedModelError(
            self.where,
            f"a model of {self.library} is not cut to its first {iterations} rounds",
            "import it without iterations",
        )

    def check_iterations(self, iterations: int, there: int) -> None:
        """Refuse to keep more rounds than there are, or none."""
        if type(iterations) is not int or not 1 <= iterations <= there:
            raise UnsupportedModelError(
                self.where,
                f"it has {there} boosting rounds, of which {iterations!r} cannot be kept",
                f"give a whole number of iterations, from 1 to {there}",
            )


def type_of_levels(name: str, levels: Sequence[Any]) -> ColumnType:
    """Give the type of a column that holds certain categories.

    Raises
    ------
    SignatureError
        If they are of several types, or of one that no column has.
    """
    match {type(level) for level in levels}:
        case kinds if kinds <= {str}:
            return ColumnType.VARCHAR
        case kinds if kinds == {bool}:
            return ColumnType.BOOLEAN
        case kinds if kinds == {int}:
            return ColumnType.BIGINT
        case kinds if kinds <= {int, float}:
            return ColumnType.DOUBLE
        case kinds:
            named = ", ".join(sorted(kind.__name__ for kind in kinds))
            message = f"The categories of column {name!r} are of several types: {named}."
            raise SignatureError(message)
