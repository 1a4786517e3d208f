"""XGBoost's model files, JSON and UBJSON, which say all that they need of their columns."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UnsupportedModelError
from ..ir import Column, ColumnType
from .damage import File, damaged, reading
from .model_file import ModelFile, type_of_levels
from .ubjson import read_ubjson
from .xgboost import convert_model
from .xgboost_json import first_rounds, read_model_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from ..ir import Outputs
    from .graph import Graph, Names
    from .xgboost_json import Levels, ModelJson

_MOST_UNNAMED = 100_000
"""XGBoost may say how many features there are without a byte for each; this many are believed."""

_TYPES: Mapping[str, ColumnType] = {
    "float": ColumnType.DOUBLE,
    "q": ColumnType.DOUBLE,
    "int": ColumnType.BIGINT,
    "i": ColumnType.BOOLEAN,
    "c": ColumnType.BIGINT,
}
"""A column of whole numbers that are categories has type ``c`` and no levels."""


@dataclass(frozen=True, slots=True, eq=False)
class XgboostFile(ModelFile):
    """A file of ``save_model``, which answers as ``Booster.predict`` of the loaded file."""

    where: str
    content: bytes
    model: ModelJson
    iterations: int | None = None
    library: ClassVar[str] = "xgboost"
    estimator: ClassVar[str] = "xgboost.Booster"

    @classmethod
    def of_document(cls, document: Any, content: bytes, where: str) -> XgboostFile:
        """Read a parsed JSON document; ``content`` is the file."""
        with reading(File(where)):
            model = read_model_json(document, File(where))
            if not model.feature_names and model.features > _MOST_UNNAMED:
                raise damaged(File(where), f"it claims {model.features} features and names none")
            return cls(where, content, model)

    @classmethod
    def read_ubjson(cls, content: bytes, where: str) -> XgboostFile:
        """Read a file in UBJSON."""
        with reading(File(where)):
            document = read_ubjson(content)
        return cls.of_document(document, content, where)

    @property
    def feature_names(self) -> list[str] | None:
        """The names that training saw."""
        return list(self.model.feature_names) or None

    @property
    def n_features_in_(self) -> int:
        """How many features there are."""
        return self.model.features

    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Give the columns as the file describes them; without names they are f0, f1 and so on."""
        model = self.model
        count = range(model.features)
        names = rows.column_names if rows is not None else self.feature_names
        names = names or [f"f{index}" for index in count]
        kinds = model.feature_types or ("float",) * model.features
        levels = model.levels or (None,) * model.features
        with reading(File(self.where)):
            return tuple(_column(names[i], kinds[i], levels[i]) for i in count)

    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Convert the trees, up to the round that was asked for."""
        model = self.model.until(self.iterations)
        rounds = len(self.model.rounds) - 1
        best = self.model.best_iteration
        if self.iterations is None and best is not None and best + 1 < rounds:
            raise UnsupportedModelError(
                self.where,
                f"training found round {best + 1} of {rounds} the best; a Booster predicts with "
                "all rounds, and XGBoost's scikit-learn classes with those up to the best",
                f"say how many to use: iterations ({best + 1} or {rounds})",
            )
        return convert_model(model, inputs, graph)

    def load(self, names: Sequence[str]) -> Any:
        """Load the file into a Booster, which is told the names that the file lacks."""
        import xgboost

        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(self.content))
        except xgboost.core.XGBoostError as error:
            raise damaged(File(self.where), str(error).strip().splitlines()[0]) from error
        if self.iterations is not None:
            whole = json.loads(bytes(booster.save_raw("json")))
            booster.load_model(bytearray(first_rounds(whole, self.iterations)))
        if not self.model.feature_names:
            booster.feature_names = list(names)
        return booster

    def until(self, iterations: int) -> XgboostFile:
        """Keep the first rounds only."""
        self.check_iterations(iterations, len(self.model.rounds) - 1)
        return replace(self, iterations=iterations)


def _column(name: str, kind: str, levels: Levels | None) -> Column:
    if levels is None:
        return Column(name, _TYPES[kind])
    return Column(name, type_of_levels(name, levels), nullable=True, categories=levels)
