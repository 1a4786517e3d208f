"""LightGBM's model text: ``key=value`` lines, one block a tree.

Source: ``GBDT::SaveModelToString`` and ``Tree::ToString`` in LightGBM. Numbers are written with 17
significant digits, so every double comes back bit for bit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .damage import damaged, reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from .damage import Place

_PANDAS = "\npandas_categorical:"
_END = "\nend of trees"
_BLOCK = re.compile(r"\d+\n(\w+=[^=\n]*\n)+\n+")
_PARAMETER = re.compile(r"\[\w+: ?[^\n]*\]")
_NEEDED = {"version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"}
_FIRST_LINE = "tree\n"
_NUMBERS = re.compile(r"[-+.0-9a-zA-Z \t]*")


@dataclass(frozen=True, slots=True, eq=False)
class TreeText:
    """One tree's block."""

    fields: Mapping[str, str]

    def array(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """Read a list of numbers; an absent one is empty."""
        text = self.fields.get(name, "")
        if not _NUMBERS.fullmatch(text):
            msg = f"{name} holds something that is no number"
            raise ValueError(msg)
        return np.array(text.split(), dtype)

    def count(self, name: str) -> int:
        """How many numbers a list has."""
        return len(self.fields.get(name, "").split())

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
    """A parsed model.

    Attributes
    ----------
    features, outputs
        How many features it reads, and how many raw scores a row has.
    objective
        Its name and options.
    average
        Whether a prediction is the average of the trees, as of a random forest.
    names, infos
        The features' names, and the values that training saw: ``[low:high]``, categories such as
        ``0:2:1``, or ``none``.
    parameters
        What LightGBM was called with, as it wrote it.
    pandas_categories
        The levels of each pandas categorical that training saw, in the order of the columns.
    trees
        One a round and raw score.
    """

    features: int
    outputs: int
    objective: tuple[str, Mapping[str, str]]
    average: bool
    names: tuple[str, ...]
    infos: tuple[str, ...]
    parameters: Mapping[str, str]
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


def decode_model_text(content: bytes, place: Place) -> ModelText:
    """Read a file that ``Booster.save_model`` wrote.

    Raises
    ------
    UnsupportedModelError
        If it is damaged, or :func:`read_model_text` refuses it.
    """
    with reading(place):
        text = content.decode()
        _check_lines(text, place)
        return read_model_text(text, place)


def read_model_text(text: str, place: Place) -> ModelText:
    """Parse what ``Booster.model_to_string`` gives; ``place`` names the model in messages.

    Raises
    ------
    UnsupportedModelError
        If it is not a LightGBM text.
    """
    body, _, pandas = text.partition(_PANDAS)
    forest, _, tail = body.partition(_END)
    head, *blocks = forest.split("\nTree=")
    header = _fields(head)
    if not text.startswith(_FIRST_LINE) or "max_feature_idx" not in header:
        raise place.refuse("this is not a LightGBM model text", "save it with save_model again")
    trees = tuple(TreeText(_fields(block)) for block in blocks)
    model = ModelText(
        features=int(header["max_feature_idx"]) + 1,
        outputs=int(header["num_tree_per_iteration"]),
        objective=_objective(header.get("objective", "custom")),
        average="average_output" in head.split("\n"),
        names=tuple(header.get("feature_names", "").split(" ")),
        infos=tuple(header.get("feature_infos", "").split(" ")),
        parameters=_parameters(tail),
        pandas_categories=json.loads(pandas.strip() or "null") or [],
        trees=trees,
    )
    _check(model, header, place)
    return model


def _check_lines(text: str, place: Place) -> None:
    """Refuse what LightGBM would stumble over: it believes ``tree_sizes``, and may crash.

    Source: ``GBDT::LoadModelFromString`` in src/boosting/gbdt_model_text.cpp.
    """
    forest, end, tail = text.partition(_END)
    head, *blocks = forest.split("\nTree=")
    if not end or _PANDAS not in tail:
        raise damaged(place, "its end is missing")
    for line in (line for line in head.split("\n") if line.count("=") > 1):
        raise damaged(place, f"its line {line[:80]!r} has two values")
    for name in sorted(_NEEDED - _fields(head).keys()):
        raise damaged(place, f"its head has no line {name!r}")
    sizes = [len(f"Tree={block}\n".encode()) for block in blocks]
    written = _fields(head).get("tree_sizes")
    if written is not None and written.split() != [str(size) for size in sizes]:
        raise damaged(place, "its trees are not as long as its head says")
    for number, block in enumerate(blocks):
        if not _BLOCK.fullmatch(f"{block}\n") or not block.startswith(f"{number}\n"):
            raise damaged(place, f"its tree {number} has a line that says nothing")
    called = tail.partition("\nparameters:")[2].partition("\nend of parameters")[0]
    for line in (line for line in called.split("\n") if line and not _PARAMETER.fullmatch(line)):
        raise damaged(place, f"it was called with {line[:80]!r}, which is no parameter")


def _check(model: ModelText, header: Mapping[str, str], place: Place) -> None:
    """Refuse a header that does not describe the trees, such as that of a file cut short."""
    count = len(model.trees)
    if model.features < 1 or model.outputs < 1 or count % model.outputs:
        raise damaged(place, f"it has {count} trees for {model.outputs} scores a row")
    if len(model.names) != model.features or len(model.infos) != model.features:
        raise damaged(place, f"it does not name its {model.features} features")
    sizes = header.get("tree_sizes")
    if sizes is not None and len(sizes.split()) != count:
        raise damaged(place, f"it lists {len(sizes.split())} trees and holds {count}")
    levels: Any = model.pandas_categories
    if not isinstance(levels, list) or not all(isinstance(each, list) for each in levels):
        raise damaged(place, "its pandas_categorical is no list of lists")


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, separator, value in lines if separator}


def _parameters(tail: str) -> dict[str, str]:
    lines = (line[1:-1].partition(": ") for line in tail.split("\n") if line.startswith("["))
    return {key: value for key, _, value in lines}


def _objective(text: str) -> tuple[str, dict[str, str]]:
    """Split ``binary sigmoid:1`` into its name and options; a bare word is an option too."""
    name, *options = text.split()
    pairs = (option.partition(":") for option in options)
    return name, {key: value for key, _, value in pairs}
