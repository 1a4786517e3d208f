"""LightGBM's model text: ``key=value`` lines, one block a tree.

Source: ``GBDT::SaveModelToString`` and ``Tree::ToString`` in LightGBM. Numbers are written with 17
significant digits, so every double comes back bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from .graph import Graph

_PANDAS = "\npandas_categorical:"


@dataclass(frozen=True, slots=True, eq=False)
class TreeText:
    """One tree's block."""

    fields: Mapping[str, str]

    def array(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """Read a list of numbers; an absent one is empty."""
        return np.array(self.fields.get(name, "").split(), dtype)

    @property
    def leaves(self) -> int:
        """How many leaves the tree has."""
        return int(self.fields["num_leaves"])

    @property
    def is_linear(self) -> bool:
        """Whether its leaves are weighted sums of features."""
        return self.fields.get("is_linear") == "1"


@dataclass(frozen=True, slots=True, eq=False)
class ModelText:
    """A parsed model."""

    features: int
    outputs: int
    objective: tuple[str, Mapping[str, str]]
    average: bool
    pandas_categories: list[list[Any]]
    trees: tuple[TreeText, ...]

    @property
    def iterations(self) -> int:
        """How many boosting rounds there are."""
        return len(self.trees) // self.outputs

    def until(self, iteration: int | None) -> ModelText:
        """Keep the first rounds only."""
        if iteration is None:
            return self
        return replace(self, trees=self.trees[: iteration * self.outputs])


def read_model_text(text: str, graph: Graph) -> ModelText:
    """Parse what ``Booster.model_to_string`` gives.

    Raises
    ------
    UnsupportedModelError
        If it is not a LightGBM text.
    """
    body, _, pandas = text.partition(_PANDAS)
    head, *blocks = body.split("\nTree=")
    header = _fields(head)
    if "max_feature_idx" not in header:
        raise graph.refuse("this is not a LightGBM model text", "save it with save_model again")
    trees = tuple(TreeText(_fields(block.split("\nend of trees")[0])) for block in blocks)
    return ModelText(
        features=int(header["max_feature_idx"]) + 1,
        outputs=int(header["num_tree_per_iteration"]),
        objective=_objective(header.get("objective", "custom")),
        average="average_output" in head.splitlines(),
        pandas_categories=json.loads(pandas.strip() or "null") or [],
        trees=trees,
    )


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {key: value for key, separator, value in lines if separator}


def _objective(text: str) -> tuple[str, dict[str, str]]:
    """Split ``binary sigmoid:1`` into its name and options; a bare word is an option too."""
    name, *options = text.split()
    pairs = (option.partition(":") for option in options)
    return name, {key: value for key, _, value in pairs}
