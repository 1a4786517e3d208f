"""LightGBM's model text as a file: which columns it reads, and which held categories.

The text says which features are split by category, and lists the levels of the columns that came
as pandas categoricals. It does not say which columns these were.
"""

from __future__ import annotations

import math
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from ..errors import UnsupportedModelError
from ..ir import Column, ColumnType
from .damage import File, damaged, reading
from .lightgbm import convert_text
from .lightgbm_text import decode_model_text
from .lightgbm_trees import build_trees
from .model_file import ModelFile, type_of_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir import Outputs
    from .graph import Graph, Names
    from .lightgbm_text import ModelText


_SEVERAL = 2
_MOST_PLACES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class LightgbmFile(ModelFile):
    """A file of ``Booster.save_model``, which answers as ``Booster(model_file=…).predict``."""

    where: str
    content: bytes
    text: ModelText
    iterations: int | None = None
    library: ClassVar[str] = "lightgbm"
    estimator: ClassVar[str] = "lightgbm.Booster"

    @classmethod
    def read(cls, content: bytes, where: str) -> LightgbmFile:
        """Read the file's bytes."""
        return cls(where, content, decode_model_text(content, File(where)))

    @property
    def feature_names(self) -> list[str]:
        """The names as LightGBM writes them, with underscores for spaces."""
        return list(self.text.names)

    @property
    def n_features_in_(self) -> int:
        """How many features there are."""
        return self.text.features

    def columns(self, rows: pa.Table | None) -> tuple[Column, ...]:
        """Say what the text knows of the columns."""
        names = self.text.names if rows is None else tuple(rows.column_names)
        with reading(File(self.where)):
            levels = self._levels(rows)
        return tuple(_column(name, levels.get(index)) for index, name in enumerate(names))

    def convert(self, inputs: Names, graph: Graph) -> Outputs:
        """Convert the trees, up to the round that was asked for."""
        return convert_text(self.text.until(self.iterations), inputs, graph)

    def load(self, names: Sequence[str]) -> Any:  # noqa: ARG002 - it does not compare names
        """Load the text into a Booster."""
        import lightgbm

        with reading(File(self.where)):
            build_trees(self.text)  # LightGBM checks less, prints before it raises, and may crash
        try:
            with redirect_stdout(StringIO()):
                booster = lightgbm.Booster(model_str=self.content.decode())
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise damaged(File(self.where), error) from error
        booster.best_iteration = self.iterations or -1
        return booster

    def until(self, iterations: int) -> LightgbmFile:
        """Keep the first rounds only."""
        self.check_iterations(iterations, self.text.iterations)
        return replace(self, iterations=iterations)

    def _levels(self, rows: pa.Table | None) -> dict[int, list[Any]]:
        lists = self.text.pandas_categories
        if rows is None:
            found = _split_by_category(self.text)
            is_sure = _are_texts(lists) or _count_places(self.text) == 1
        else:
            found = [index for index, kind in enumerate(rows.schema.types) if _is_key(kind)]
            is_sure = True
        if len(found) != len(lists) or not is_sure:
            raise self._refuse_levels(rows)
        for index, levels in zip(found, lists, strict=True):
            if rows is None and not _fits(self.text.infos[index], len(levels)):
                raise self._refuse_levels(rows)
        return dict(zip(found, lists, strict=True))

    def _refuse_levels(self, rows: pa.Table | None) -> UnsupportedModelError:
        count = len(self.text.pandas_categories)
        where = "it" if rows is None else "it, with these rows,"
        return UnsupportedModelError(
            self.where,
            f"training saw {count} pandas categorical columns, and {where} does not tell which",
            "give rows (--like) of a Parquet file that pandas wrote, with its categorical columns",
        )


def _column(name: str, levels: list[Any] | None) -> Column:
    if levels is None:
        return Column(name, ColumnType.DOUBLE)
    return Column(name, type_of_levels(name, levels), nullable=True, categories=tuple(levels))


def _is_key(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_dictionary, pa.types.is_string, pa.types.is_large_string)
    return any(is_kind(kind) for is_kind in kinds)


def _split_by_category(text: ModelText) -> list[int]:
    """List the features that LightGBM was told to take for categories."""
    written = text.parameters.get("categorical_feature", "")
    indices = [index for index in written.split(",") if index]
    return sorted(map(int, indices)) if all(map(str.isdecimal, indices)) else []


def _are_texts(lists: list[list[Any]]) -> bool:
    """Whether all levels are text: a wrong column would not take them, and every query fail."""
    return all(isinstance(level, str) for levels in lists for level in levels)


def _count_places(text: ModelText) -> int:
    """Count the ways in which the lists of levels can lie on the columns, in their order, up to 2.

    An ordered categorical of pandas is split by its codes, as a number: only where all but one way
    are impossible do we know which columns the levels belong to.
    """
    sizes = [len(levels) for levels in text.pandas_categories]
    if len(sizes) * len(text.infos) > _MOST_PLACES:
        return _SEVERAL
    ways = [1] + [0] * len(sizes)
    for info in text.infos:
        for place in range(len(sizes), 0, -1):
            if ways[place - 1] and _fits(info, sizes[place - 1]):
                ways[place] = min(ways[place] + ways[place - 1], _SEVERAL)
    return ways[-1]


def _fits(info: str, levels: int) -> bool:
    """Whether a feature's values in training can be codes of so many levels."""
    if info == "none":
        return True
    if info.startswith("["):
        values = [float(end) for end in info.strip("[]").split(":")]
    else:
        values = [float(code) for code in info.split(":")]
    return all(-1 <= value < levels and value == math.floor(value) for value in values)
