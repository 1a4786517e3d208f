"""ONNX graphs as something to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UnsupportedModelError
from ..ir import Column, ColumnType
from .frames import Training
from .model_file import ModelFile
from .onnx import OnnxModel, convert_onnx, read_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ..ir import Outputs
    from .graph import Graph, Names

_NUMBERS = {
    "tensor(float)": ColumnType.DOUBLE,
    "tensor(double)": ColumnType.DOUBLE,
    "tensor(int64)": ColumnType.BIGINT,
    "tensor(int32)": ColumnType.BIGINT,
    "tensor(bool)": ColumnType.BOOLEAN,
}


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile(ModelFile):
    """An ``.onnx`` file, which answers as onnxruntime does."""

    where: str
    model: OnnxModel
    library: ClassVar[str] = "onnxruntime"
    estimator: ClassVar[str] = "foresql.OnnxModel"

    @property
    def extra(self) -> str:
        """The extra of foresql that installs onnxruntime."""
        return "onnx"

    @classmethod
    def read(cls, content: bytes, where: str) -> OnnxFile:
        """Read the file's bytes."""
        return cls(where, read_onnx(content))

    @property
    def feature_names(self) -> list[str] | None:
        """The graph's inputs; None where one input takes all columns."""
        return self.model.feature_names_in_

    @property
    def n_features_in_(self) -> int:
        """How many columns the graph takes."""
        count = self.model.n_features_in_
        if count is None:
            raise UnsupportedModelError(
                self.where,
                "its input does not say how many columns it has",
                "load it with foresql.OnnxModel, and publish it with like=",
            )
        return count

    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Give the columns in the types of the graph's inputs; without names they are x0, x1…."""
        if rows is not None:
            return Training.of(rows).signature.columns
        names = self.feature_names or [f"x{index}" for index in range(self.n_features_in_)]
        kinds = [each.type for each in self.model.inputs]
        kinds *= len(names) if self.model.is_matrix else 1
        if not set(kinds) <= _NUMBERS.keys():
            raise UnsupportedModelError(
                self.where,
                "it reads text, of which the file holds no example",
                "give rows (--like)",
            )
        return tuple(Column(name, _NUMBERS[kind]) for name, kind in zip(names, kinds, strict=True))

    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Keep the graph whole."""
        return convert_onnx(self.model, inputs, graph)

    def load(self, names: Sequence[str]) -> Any:  # noqa: ARG002 - the graph has its names
        """Give the model, which asks onnxruntime."""
        return self.model
