"""CatBoost's model files as something to import: ``.cbm``, ``.cb`` and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UnsupportedModelError
from ..ir import Column, ColumnType
from .catboost_cbm import MAGIC
from .catboost_file import convert_catboost, is_classifier, read_catboost
from .damage import File, damaged, reading
from .frames import Training
from .model_file import ModelFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ..ir import Outputs
    from .catboost_model import CatBoostModel
    from .graph import Graph, Names


@dataclass(frozen=True, slots=True, eq=False)
class CatboostFile(ModelFile):
    """A file of ``save_model``, which answers as the scikit-learn class that loads it."""

    where: str
    content: bytes
    model: CatBoostModel
    library: ClassVar[str] = "catboost"
    estimator: ClassVar[str] = "catboost.CatBoost"

    @classmethod
    def read(cls, content: bytes, where: str) -> CatboostFile:
        """Read the file's bytes."""
        with reading(File(where)):
            return cls(where, content, read_catboost(content))

    @classmethod
    def of_document(cls, _document: Any, content: bytes, where: str) -> CatboostFile:
        """Read a JSON document, from the bytes of its file."""
        return cls.read(content, where)

    @property
    def feature_names(self) -> list[str]:
        """The names that training saw, or the features' numbers."""
        return list(self.model.feature_names)

    @property
    def n_features_in_(self) -> int:
        """How many features there are."""
        return len(self.model.feature_names)

    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Give the columns: numbers, or the types of the rows where there are categories."""
        if rows is not None:
            return Training.of(rows).signature.columns
        if self.model.categories:
            raise UnsupportedModelError(
                self.where,
                "it holds hashes of its categories, and not the categories",
                "give the whole training frame (--like)",
            )
        return tuple(Column(name, ColumnType.DOUBLE) for name in self.model.feature_names)

    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Convert the trees."""
        return convert_catboost(self.model, inputs, graph)

    def load(self, names: Sequence[str]) -> Any:  # noqa: ARG002 - the file has its names
        """Load the file into a classifier or a regressor.

        Raises
        ------
        UnsupportedModelError
            If it is JSON, or CatBoost cannot load it.
        """
        import catboost

        if not self.content.startswith(MAGIC):
            raise UnsupportedModelError(
                self.where,
                "CatBoost reads the numbers of its JSON with other last digits than it wrote, so "
                "its answers are not those of the model that was saved",
                "save it as .cbm; or pass --uncertified, for the answers of the saved model",
            )

        classes = catboost.CatBoostRegressor, catboost.CatBoostClassifier
        kind = classes[is_classifier(self.model)]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.cbm"
            path.write_bytes(self.content)
            try:
                return kind().load_model(str(path))
            except catboost.CatBoostError as error:
                raise damaged(File(self.where), error) from error
