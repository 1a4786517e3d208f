"""XGBoost's model JSON: one object, with the trees as arrays of nodes.

Source: ``Learner::SaveModel``, ``GBTreeModel::SaveModel`` and ``RegTree::SaveModel`` of XGBoost,
and doc/model.schema beside them. Numbers are written with as many digits as a float32 needs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from .graph import Graph

Levels = tuple[Any, ...]
"""The categories of a feature, in the order of their codes."""


@dataclass(frozen=True, slots=True, eq=False)
class TreeJson:
    """One tree."""

    fields: Mapping[str, Any]

    def array(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """Read a list of numbers."""
        return np.array(self.fields[name], dtype)


@dataclass(frozen=True, slots=True, eq=False)
class ModelJson:
    """A parsed model.

    Attributes
    ----------
    features, outputs
        How many features it reads, and how many raw scores a row has.
    targets
        How many targets it was trained on; 1 for classes.
    objective
        The objective's name.
    feature_types
        XGBoost's name of each feature's type, ``c`` for categories; empty where none was given.
    levels
        The categories of each feature that came as categories, else None.
    rounds
        Where the trees of each boosting round begin, and the end.
    trees, group, weights
        The trees, the score to which each adds, and what DART multiplies each by (else None). A
        tree with a vector in each leaf is as many trees as the vector has numbers.
    coefficients
        What a linear booster multiplies each feature by, then its biases: one a score (else None).
    """

    features: int
    outputs: int
    targets: int
    objective: str
    feature_types: tuple[str, ...]
    levels: tuple[Levels | None, ...]
    rounds: tuple[int, ...]
    trees: tuple[TreeJson, ...]
    group: tuple[int, ...]
    weights: tuple[float, ...] | None
    coefficients: tuple[float, ...] | None

    def until(self, rounds: int | None) -> ModelJson:
        """Keep the first rounds only."""
        if rounds is None:
            return self
        end = self.rounds[min(rounds, len(self.rounds) - 1)]
        weights = None if self.weights is None else self.weights[:end]
        return replace(self, trees=self.trees[:end], group=self.group[:end], weights=weights)


def read_model_json(document: Mapping[str, Any], graph: Graph) -> ModelJson:
    """Read what ``json.loads(booster.save_raw("json"))`` gives.

    Raises
    ------
    UnsupportedModelError
        If XGBoost lost its weights, or it is of a kind, or an age, that is not known.
    """
    learner = document["learner"]
    booster = learner["gradient_booster"]
    if booster["name"] not in {"gbtree", "dart", "gblinear"}:
        raise graph.refuse(f"booster={booster['name']!r} is not known", "train with 'gbtree'")
    model = booster.get("gbtree", booster)["model"]
    sizes = {name: int(learner["learner_model_param"][name]) for name in _SIZES}
    parts = [_trees(tree, graph) for tree in model.get("trees", ())]
    groups = zip(parts, model.get("tree_info", ()), strict=True)
    starts = np.cumsum([0, *map(len, parts)])
    weights = booster.get("weight_drop")
    if weights is not None and len(weights) != len(parts):
        raise graph.refuse(
            f"it has {len(weights)} weights for {len(parts)} trees of DART: XGBoost loses them in "
            "a slice without an end",
            "give the slice an end: booster[2:10]",
        )
    return ModelJson(
        features=sizes["num_feature"],
        outputs=max(sizes["num_class"], 1) * max(sizes["num_target"], 1),
        targets=max(sizes["num_target"], 1),
        objective=learner["objective"]["name"],
        feature_types=tuple(learner.get("feature_types", ())),
        levels=tuple(_levels(feature) for feature in model.get("cats", {}).get("enc", ())),
        rounds=tuple(starts[model.get("iteration_indptr", [0])].tolist()),
        trees=tuple(tree for trees in parts for tree in trees),
        group=tuple(group + index for trees, group in groups for index in range(len(trees))),
        weights=None if weights is None else tuple(weights),
        coefficients=tuple(model["weights"]) if booster["name"] == "gblinear" else None,
    )


def _trees(fields: Mapping[str, Any], graph: Graph) -> list[TreeJson]:
    """Make, of a tree with a vector in each leaf, a tree for each of the vector's numbers.

    Leaves lie end to end in ``leaf_weights``; ``right_children`` says which one a node is.
    """
    width = int(fields["tree_param"]["size_leaf_vector"])
    if width <= 1:
        return [TreeJson(fields)]
    if "leaf_weights" not in fields:
        raise graph.refuse(
            "trees with a vector in each leaf are stored otherwise before XGBoost 3.2",
            "train with XGBoost 3.2 or newer",
        )
    leaves = np.array(fields["leaf_weights"], np.float32).reshape(-1, width)
    is_leaf = np.array(fields["left_children"]) < 0
    number = np.where(is_leaf, fields["right_children"], 0)
    conditions = np.array(fields["split_conditions"], np.float32)[:, None]
    by_output = np.where(is_leaf[:, None], leaves[number], conditions)
    return [TreeJson({**fields, "split_conditions": column}) for column in by_output.T]


_SIZES = ("num_class", "num_feature", "num_target")


def without_trees(document: Mapping[str, Any]) -> bytes:
    """Write the same model before its first round, which answers with where the sums start.

    XGBoost would estimate the start anew, were it not told that the user gave it. A linear booster
    gets weights of 0.
    """
    copy = json.loads(json.dumps(document))
    booster = copy["learner"]["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    if booster["name"] == "gblinear":
        model["weights"] = [0.0] * len(model["weights"])
        return json.dumps(copy).encode()
    model |= {"trees": [], "tree_info": [], "iteration_indptr": [0]}
    model["gbtree_model_param"]["num_trees"] = "0"
    if "weight_drop" in booster:
        booster["weight_drop"] = []
    copy["learner"]["learner_model_param"]["boost_from_average"] = "0"
    return json.dumps(copy).encode()


def _levels(feature: Mapping[str, Any]) -> Levels | None:
    """Decode a feature's categories: texts lie end to end, byte by byte; numbers are listed."""
    values = feature["values"]
    if "offsets" not in feature:
        return tuple(values)
    if len(feature["offsets"]) == 0:
        return None
    # A letter a byte, so that texts whose bytes are cut apart are read, and refused, as well.
    text = np.array(values, np.int8).tobytes().decode("latin-1")
    return tuple(text[start:stop] for start, stop in pairwise(feature["offsets"]))
