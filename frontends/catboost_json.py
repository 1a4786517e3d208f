"""CatBoost's model JSON, as ``save_model(path, format="json")`` writes it.

Numbers have as many digits as they need. Source: catboost/libs/model/model_export/
json_model_helpers.cpp.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from .catboost_model import (
    CatBoostModel,
    CountTable,
    Ctr,
    CtrSplit,
    FloatFeature,
    FloatSplit,
    OneHotSplit,
    Projection,
    Split,
    Statistic,
    Tree,
    fail,
    grow_symmetric,
    unsupported,
    weigh,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_HASH = 2**64 - 1


def read_json(data: bytes) -> CatBoostModel:
    """Read the bytes of a model's JSON."""
    try:
        document = json.loads(data, object_pairs_hook=_once)
        return _read_model(document)
    except RecursionError:
        fail("its trees are too deep")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        fail(f"{type(error).__name__}: {str(error)[:200]}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that occurs twice: CatBoost's JSON does not tell all statistics apart."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise unsupported("its JSON has a name twice in one object", "save it as .cbm")
    return found


def _read_model(document: Any) -> CatBoostModel:
    features = document["features_info"]
    for kind in ("text_features", "embedding_features"):
        if features.get(kind):
            raise unsupported(
                f"it has {kind}, whose calculations have no exact translation",
                "train without text_features and embedding_features",
            )
    floats = features.get("float_features") or []
    categories = features.get("categorical_features") or []
    named = sorted((int(f["flat_feature_index"]), _name(f)) for f in [*floats, *categories])
    ctrs = features.get("ctrs") or []
    scale, biases = document["scale_and_bias"]
    trees, dimension = _read_trees(document)
    return CatBoostModel(
        feature_names=tuple(name for _, name in named),
        floats=tuple(_read_float(feature) for feature in floats),
        categories=tuple(int(feature["flat_feature_index"]) for feature in categories),
        splits=tuple(_read_splits(floats, categories, ctrs)),
        ctrs=tuple(_read_ctr(ctr) for ctr in ctrs),
        tables=dict(
            _read_table(key, table) for key, table in (document.get("ctr_data") or {}).items()
        ),
        trees=trees,
        dimension=dimension,
        scale=float(scale),
        biases=tuple(float(bias) for bias in biases),
        info=dict(document["model_info"]),
    )


def _name(feature: Any) -> str:
    return str(feature.get("feature_id") or feature["flat_feature_index"])


def _read_float(feature: Any) -> FloatFeature:
    is_high = feature["has_nans"] is True and feature["nan_value_treatment"] == "AsTrue"
    return FloatFeature(int(feature["flat_feature_index"]), _borders(feature), is_high)


def _borders(feature: Any) -> tuple[float, ...]:
    """Read borders, which are float32."""
    return tuple(_float32(border) for border in feature.get("borders") or [])


def _float32(number: Any) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def _read_splits(floats: list[Any], categories: list[Any], ctrs: list[Any]) -> list[Split]:
    """List all splits as the trees count them. Source: ``TModelTrees::CalcBinFeatures``."""
    found: list[Split] = []
    for index, feature in enumerate(floats):
        found += [FloatSplit(index, border) for border in _borders(feature)]
    for index, feature in enumerate(categories):
        found += [OneHotSplit(index, _hash(value)) for value in feature.get("values") or []]
    for index, ctr in enumerate(ctrs):
        found += [CtrSplit(index, border) for border in _borders(ctr)]
    return found


def _hash(value: Any) -> int:
    """Give the hash of a category with its sign."""
    return (int(value) + 2**31) % 2**32 - 2**31


def _read_ctr(ctr: Any) -> Ctr:
    return Ctr(
        _read_statistic(ctr["identifier"]),
        int(ctr["target_border_idx"]),
        _float32(ctr["prior_numerator"]),
        _float32(ctr["prior_denomerator"]),
        _float32(ctr["shift"]),
        _float32(ctr["scale"]),
    )


def _read_statistic(identifier: str) -> Statistic:
    """Read the JSON text that names a statistic."""
    named = json.loads(identifier)
    elements = named["identifier"]
    categories: list[int] = []
    floats: list[FloatSplit] = []
    one_hots: list[OneHotSplit] = []
    for element in elements:
        match element["combination_element"]:
            case "cat_feature_value":
                categories.append(int(element["cat_feature_index"]))
            case "float_feature":
                border = _float32(element["border"])
                floats.append(FloatSplit(int(element["float_feature_index"]), border))
            case "cat_feature_exact_value":
                value = _hash(element["value"])
                one_hots.append(OneHotSplit(int(element["cat_feature_index"]), value))
            case kind:
                raise unsupported(f"its statistic of {kind} is not known", "save it as .cbm")
    projection = Projection(tuple(categories), tuple(floats), tuple(one_hots))
    return Statistic(projection, str(named["type"]), 0)


def _read_table(identifier: str, table: Any) -> tuple[Statistic, CountTable]:
    """Read counts: a flat list of a hash, written as text, and its counts."""
    statistic = _read_statistic(identifier)
    stride, flat = int(table["hash_stride"]), list(table["hash_map"])
    if stride < 2 or len(flat) % stride:  # noqa: PLR2004 - a hash and a count
        fail(f"{len(flat)} values of counts are not in rows of {stride}")
    rows = [flat[start : start + stride] for start in range(0, len(flat), stride)]
    rows = [row for row in rows if int(row[0]) != _NO_HASH]
    return statistic, CountTable(
        np.array([int(row[0]) for row in rows], np.uint64),
        np.array([row[1:] for row in rows], np.float64).reshape(len(rows), stride - 1),
        int(table["counter_denominator"]),
    )


def _read_trees(document: Any) -> tuple[tuple[Tree, ...], int]:
    dimension = len(document["scale_and_bias"][1])
    if "trees" in document:
        return tuple(_read_nested(tree, dimension) for tree in document["trees"] or []), dimension
    trees = document["oblivious_trees"] or []
    return tuple(_read_symmetric(tree, dimension) for tree in trees), dimension


def _read_symmetric(tree: Any, dimension: int) -> Tree:
    splits = np.array([split["split_index"] for split in tree["splits"] or []], np.int32)
    values = np.array(tree["leaf_values"], np.float64).reshape(-1, dimension)
    return grow_symmetric(splits, values, np.array(tree.get("leaf_weights") or [], np.float64))


def _read_nested(root: Any, dimension: int) -> Tree:
    """Lay the nodes of a nested tree out, parents before their children."""
    nodes: list[Any] = [root]
    links: list[tuple[int, int]] = []
    for node in nodes:
        if "split" in node:
            links.append((len(nodes), len(nodes) + 1))
            nodes += [node["left"], node["right"]]
        else:
            links.append((0, 0))
    split = np.array([n["split"]["split_index"] if "split" in n else -1 for n in nodes], np.int32)
    left, right = np.array(links, np.int32).T
    nothing = [0.0] * dimension
    values = [nothing if "split" in node else _values(node["value"]) for node in nodes]
    weights = np.array([0.0 if "split" in n else n.get("weight", 0.0) for n in nodes], np.float64)
    by_node = np.array(values, np.float64).reshape(len(nodes), dimension)
    return Tree(split, left, right, by_node, weigh(split, left, right, weights))


def _values(value: Any) -> Sequence[float]:
    return value if isinstance(value, list) else [value]
