"""XGBoost's model JSON, or the same as UBJSON: one object, with the trees as arrays of nodes.

Source: ``Learner::SaveModel``, ``GBTreeModel::SaveModel`` and ``RegTree::SaveModel`` of XGBoost,
and doc/model.schema beside them. Numbers are written with as many digits as a float32 needs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .damage import damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from .damage import Place

_KINDS = {"b": "biu", "i": "biu", "f": "biuf"}
"""What kinds of numbers are read as numbers of a kind."""

Levels = tuple[Any, ...]
"""The categories of a feature, in the order of their codes."""


@dataclass(frozen=True, slots=True, eq=False)
class TreeJson:
    """One tree."""

    fields: Mapping[str, Any]

    def array(self, name: str, dtype: DTypeLike) -> NDArray[Any]:
        """Read a list of numbers; whole ones stay whole, and within the type."""
        values, wanted = np.asarray(self.fields[name]), np.dtype(dtype)
        kinds = _KINDS[wanted.kind]
        if values.ndim != 1 or (values.size and values.dtype.kind not in kinds):
            msg = f"{name} is no list of numbers of the kind that it should hold"
            raise ValueError(msg)
        made = values.astype(wanted)
        if wanted.kind == "i" and values.size and not np.array_equal(made, values):
            msg = f"{name} holds a number that is too large"
            raise ValueError(msg)
        return made


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
    base_score
        What the sums start from, before the link is undone; one number, or one a raw score.
    best_iteration
        The round at which early stopping found the best score, counted from 0; else None.
    feature_names
        The names of the features; empty where none were given.
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
    base_score: tuple[float, ...]
    best_iteration: int | None
    feature_names: tuple[str, ...]
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


def read_model_json(document: Mapping[str, Any], place: Place) -> ModelJson:
    """Read what ``json.loads(booster.save_raw("json"))`` gives; ``place`` names it in messages.

    Raises
    ------
    UnsupportedModelError
        If XGBoost lost its weights, or it is of a kind, or an age, that is not known.
    """
    learner = document["learner"]
    _refuse_old(document["version"], place)
    booster = learner["gradient_booster"]
    if booster["name"] not in {"gbtree", "dart", "gblinear"}:
        raise place.refuse(f"booster={booster['name']!r} is not known", "train with 'gbtree'")
    model = booster.get("gbtree", booster)["model"]
    sizes = {name: int(learner["learner_model_param"][name]) for name in _SIZES}
    parts = [_trees(tree, place) for tree in model.get("trees", ())]
    groups = zip(parts, map(int, model.get("tree_info", ())), strict=True)
    starts = np.cumsum([0, *map(len, parts)])
    weights = booster.get("weight_drop")
    if weights is not None and len(weights) != len(parts):
        raise place.refuse(
            f"it has {len(weights)} weights for {len(parts)} trees of DART: XGBoost loses them in "
            "a slice without an end",
            "give the slice an end: booster[2:10]",
        )
    best = learner.get("attributes", {}).get("best_iteration")
    read = ModelJson(
        features=sizes["num_feature"],
        outputs=max(sizes["num_class"], 1) * max(sizes["num_target"], 1),
        targets=max(sizes["num_target"], 1),
        objective=learner["objective"]["name"],
        base_score=_numbers(learner["learner_model_param"]["base_score"]),
        best_iteration=None if best is None else int(best),
        feature_names=_names(learner.get("feature_names", ())),
        feature_types=tuple(learner.get("feature_types", ())),
        levels=tuple(_levels(feature) for feature in model.get("cats", {}).get("enc", ())),
        rounds=tuple(starts[_checked_rounds(model, len(parts))].tolist()),
        trees=tuple(tree for trees in parts for tree in trees),
        group=tuple(group + index for trees, group in groups for index in range(len(trees))),
        weights=None if weights is None else tuple(map(float, weights)),
        coefficients=tuple(model["weights"]) if booster["name"] == "gblinear" else None,
    )
    _check(read, place)
    return read


def _trees(fields: Mapping[str, Any], place: Place) -> list[TreeJson]:
    """Make, of a tree with a vector in each leaf, a tree for each of the vector's numbers.

    Leaves lie end to end in ``leaf_weights``; ``right_children`` says which one a node is.
    """
    width = int(fields["tree_param"]["size_leaf_vector"])
    if width <= 1:
        return [TreeJson(fields)]
    if "leaf_weights" not in fields:
        raise place.refuse(
            "trees with a vector in each leaf are stored otherwise before XGBoost 3.2",
            "train with XGBoost 3.2 or newer",
        )
    leaves = np.array(fields["leaf_weights"], np.float32).reshape(-1, width)
    is_leaf = np.array(fields["left_children"]) < 0
    number = np.where(is_leaf, fields["right_children"], 0)
    if (number < 0).any():
        msg = "a leaf has no vector"
        raise ValueError(msg)
    conditions = np.array(fields["split_conditions"], np.float32)[:, None]
    by_output = np.where(is_leaf[:, None], leaves[number], conditions)
    return [TreeJson({**fields, "split_conditions": column}) for column in by_output.T]


def first_rounds(document: Mapping[str, Any], rounds: int) -> bytes:
    """Write the same model with its first rounds only.

    A slice of a Booster, ``booster[:8]``, would have lost its categories.
    """
    copy = json.loads(json.dumps(document))
    booster = copy["learner"]["gradient_booster"]
    model = booster.get("gbtree", booster)["model"]
    model["iteration_indptr"] = model["iteration_indptr"][: rounds + 1]
    end = model["iteration_indptr"][-1]
    model |= {"trees": model["trees"][:end], "tree_info": model["tree_info"][:end]}
    model["gbtree_model_param"]["num_trees"] = str(end)
    if "weight_drop" in booster:
        booster["weight_drop"] = booster["weight_drop"][:end]
    return json.dumps(copy).encode()


_SIZES = ("num_class", "num_feature", "num_target")
_OLDEST = 2


def _refuse_old(version: list[int], place: Place) -> None:
    if version[0] < _OLDEST:
        raise place.refuse(
            f"XGBoost {'.'.join(map(str, version))} wrote it, whose files lack what later ones say",
            f"load it with XGBoost {_OLDEST} or newer, and save it again",
        )


def _check(model: ModelJson, place: Place) -> None:
    """Refuse sizes that do not go with what is there, such as those of an edited file."""
    count = len(model.trees)
    if model.coefficients is not None:
        if len(model.coefficients) != (model.features + 1) * model.outputs:
            raise damaged(place, f"it has {len(model.coefficients)} weights")
    elif not count:
        raise place.refuse("it has no trees", "train it for one round or more")
    elif not 1 <= model.outputs <= count:
        raise damaged(place, f"it has {count} trees for {model.outputs} scores a row")
    if model.features < 1:
        raise damaged(place, "it has no features")
    for what in (model.feature_names, model.feature_types, model.levels):
        if len(what) not in {0, model.features}:
            raise damaged(place, f"it describes {len(what)} features of {model.features}")


def _names(values: Any) -> tuple[str, ...]:
    """Read names; a number is one in no other place than an edited file."""
    if not all(isinstance(name, str) for name in values):
        msg = "a feature's name is no text"
        raise ValueError(msg)
    return tuple(values)


def _numbers(text: str) -> tuple[float, ...]:
    """Read ``5E-1``, or ``[5E-1,2E-1]`` as XGBoost writes it from 3.1 on."""
    return tuple(float(number) for number in text.strip("[]").split(","))


def _checked_rounds(model: Mapping[str, Any], trees: int) -> list[int]:
    """Give where the trees of each round begin; a linear booster has none."""
    rounds = list(map(int, model.get("iteration_indptr", [0])))
    if any(start > stop for start, stop in pairwise((0, *rounds, trees))):
        msg = "its rounds are not those of its trees"
        raise ValueError(msg)
    return rounds


def _levels(feature: Mapping[str, Any]) -> Levels | None:
    """Decode a feature's categories: texts lie end to end, byte by byte; numbers are listed."""
    values = feature["values"]
    if "offsets" not in feature:
        return tuple(np.asarray(values).tolist())
    if len(feature["offsets"]) == 0:
        return None
    # A letter a byte, so that texts whose bytes are cut apart are read, and refused, as well.
    text = np.array(values, np.int8).tobytes().decode("latin-1")
    offsets = np.asarray(feature["offsets"]).tolist()
    if offsets[0] != 0 or offsets[-1] != len(text) or sorted(offsets) != offsets:
        msg = "the categories of a feature do not cover their letters"
        raise ValueError(msg)
    return tuple(text[start:stop] for start, stop in pairwise(offsets))
