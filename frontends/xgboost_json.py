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
        The trees, the score to which each adds, and what DART multiplies each by (else None).
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
        If the booster is linear, or the trees have several outputs each.
    """
    learner = document["learner"]
    model = _trees_of(learner["gradient_booster"], graph)
    trees = tuple(TreeJson(tree) for tree in model["trees"])
    if any(int(tree.fields["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        raise graph.refuse(
            "trees with a vector in each leaf (multi_strategy='multi_output_tree') have no exact "
            "translation yet",
            "train with multi_strategy='one_output_per_tree'",
        )
    sizes = {name: int(learner["learner_model_param"][name]) for name in _SIZES}
    weights = learner["gradient_booster"].get("weight_drop")
    return ModelJson(
        features=sizes["num_feature"],
        outputs=max(sizes["num_class"], 1) * max(sizes["num_target"], 1),
        targets=max(sizes["num_target"], 1),
        objective=learner["objective"]["name"],
        feature_types=tuple(learner.get("feature_types", ())),
        levels=tuple(_levels(feature) for feature in model.get("cats", {}).get("enc", ())),
        rounds=tuple(model["iteration_indptr"]),
        trees=trees,
        group=tuple(model["tree_info"]),
        weights=None if weights is None else tuple(weights),
    )


_SIZES = ("num_class", "num_feature", "num_target")


def without_trees(document: Mapping[str, Any]) -> bytes:
    """Write the same model before its first round, which answers with where the sums start.

    XGBoost would estimate the start anew, were it not told that the user gave it.
    """
    copy = json.loads(json.dumps(document))
    booster = copy["learner"]["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    model |= {"trees": [], "tree_info": [], "iteration_indptr": [0]}
    model["gbtree_model_param"]["num_trees"] = "0"
    if "weight_drop" in booster:
        booster["weight_drop"] = []
    copy["learner"]["learner_model_param"]["boost_from_average"] = "0"
    return json.dumps(copy).encode()


def _trees_of(booster: Mapping[str, Any], graph: Graph) -> dict[str, Any]:
    if booster["name"] not in {"gbtree", "dart"}:
        raise graph.refuse(
            f"booster={booster['name']!r} adds its terms in float32, which has no exact "
            "translation yet",
            "train with booster='gbtree', or a linear model of scikit-learn",
        )
    return booster.get("gbtree", booster)["model"]


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
