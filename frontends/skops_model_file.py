"""Files of skops as something to import: estimators of scikit-learn, without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UnsupportedModelError
from .frames import Training
from .model_file import ModelFile
from .skops import load_skops

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ..ir import Column, Outputs
    from .graph import Graph, Names


@dataclass(frozen=True, slots=True, eq=False)
class SkopsFile(ModelFile):
    """A file of ``skops.io.dump``; it is converted as the estimator in it is."""

    where: str
    loaded: Any
    library: ClassVar[str] = "skops"
    estimator: ClassVar[str] = "sklearn"

    @classmethod
    def read(cls, content: bytes, where: str) -> SkopsFile:
        """Load the estimator, if every type in the file may be trusted."""
        return cls(where, load_skops(content, where))

    @property
    def feature_names(self) -> list[str] | None:
        """The columns that it was fitted to; None where it was fitted to a matrix."""
        names = getattr(self.loaded, "feature_names_in_", None)
        return None if names is None else [str(name) for name in names]

    @property
    def n_features_in_(self) -> int:
        """How many features there are."""
        return int(self.loaded.n_features_in_)

    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Give the columns of the rows: the file does not hold their types."""
        if rows is None:
            raise UnsupportedModelError(
                self.where, "it does not hold the types of its columns", "give rows (--like)"
            )
        return Training.of(rows).signature.columns

    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Convert the estimator."""
        from .convert import predict

        return predict(self.loaded, inputs, graph)

    def load(self, names: Sequence[str]) -> Any:  # noqa: ARG002 - it has its names
        """Give the estimator."""
        return self.loaded
