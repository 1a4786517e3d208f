"""Random forests, and rows that sit on their thresholds."""

import numpy as np

from foresql.ir import Trees

TYPES = {
    **dict.fromkeys(("threshold", "value", "cover"), np.float64),
    "missing_left": np.bool_,
    "set_start": np.int64,
}
LEAF = {
    "feature": -1,
    "threshold": 0.0,
    "left": 0,
    "right": 0,
    "missing_left": False,
    "category_set": -1,
    "value": 0.0,
    "cover": 1.0,
}
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300, 0.9, -0.5, -1.0, 2.0**40)


def random_trees(  # noqa: PLR0913 - what a forest is made of
    rng, *, trees=9, leaves=31, features=6, categories=None, outputs=1, thresholds=None, chain=False
) -> Trees:
    """Grow trees of up to so many leaves.

    ``categories`` has how many categories a feature has that is split by sets of them,
    ``thresholds`` the numbers to draw from; trees that are a ``chain`` are as deep as can be.
    """
    arrays = {name: [] for name in Trees.__dataclass_fields__} | {"set_start": [0]}
    for tree in range(trees):
        start = len(arrays["feature"])
        arrays["root"].append(start)
        arrays["output"].append(tree % outputs)
        nodes = [dict(LEAF, value=float(rng.normal()))]
        open_nodes = [0]
        for _ in range(int(rng.integers(1, leaves + 1)) - 1):
            place = len(open_nodes) - 1 if chain else int(rng.integers(len(open_nodes)))
            nodes[open_nodes.pop(place)] |= {
                **_random_split(rng, arrays, features, categories or {}, thresholds),
                "left": start + len(nodes),
                "right": start + len(nodes) + 1,
                "value": 0.0,
            }
            open_nodes += [len(nodes), len(nodes) + 1]
            nodes += [dict(LEAF, value=float(rng.normal())) for _ in range(2)]
        for node in nodes:
            for name, value in node.items():
                arrays[name].append(value)
    return Trees(**{name: np.array(v, TYPES.get(name, np.int32)) for name, v in arrays.items()})


def _random_split(rng, arrays, features, categories, thresholds) -> dict:
    feature = int(rng.integers(features))
    split = {"feature": feature, "missing_left": bool(rng.integers(2))}
    if feature not in categories:
        drawn = rng.normal() if thresholds is None else rng.choice(thresholds)
        return split | {"threshold": float(drawn)}
    members = np.unique(rng.integers(0, categories[feature], size=rng.integers(1, 9)))
    arrays["set_values"] += members.tolist()
    arrays["set_start"].append(len(arrays["set_values"]))
    return split | {"category_set": len(arrays["set_start"]) - 2}


def random_rows(rng, trees: Trees, features: int, rows: int, categories=None) -> list[np.ndarray]:
    """Draw columns from the thresholds, their neighbours, the categories, and odd values."""
    columns = []
    for feature in range(features):
        known = np.unique(trees.threshold[trees.feature == feature])
        near = [np.nextafter(known, np.inf), np.nextafter(known, -np.inf)]
        if feature in (categories or {}):
            known, near = np.arange(-2.0, categories[feature] + 2), []
        columns.append(rng.choice(np.concatenate([known, *near, ODD]), rows))
    return columns
