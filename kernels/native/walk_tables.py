"""The tables that the walking kernel reads: keys of features, nodes breadth first, leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...ir.trees import LEAF
from ..traversal import twins_of
from .walk_keys import build_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...ir import Trees
    from .walk_keys import Keys

NODE = np.dtype([("split", "u4"), ("link", "u4")])
TREE = np.dtype(
    [
        *((name, "i8") for name in ("first_node", "first_leaf")),
        *((name, "i4") for name in ("nodes", "leaves", "depth", "classes")),
        *((name, "i4") for name in ("first_output", "unused")),
    ]
)
IS_SET, IS_LEAF = 1, 2
LANES = 8
KEYS_IN_CACHE = 2**17
"""Keys of a block: with 4 bytes each they take half of a second-level cache."""

_LARGEST_BLOCK = 4096
_FLAG_BITS = 3
_LINK_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class WalkTables:
    """What walk.c reads; the names are those of its struct ``Walk``.

    ``leaf_nodes`` lists the forest's nodes that the leaves are, where trees share none.
    """

    feature: NDArray[np.void]
    thresholds: NDArray[np.float64]
    words: NDArray[np.int32]
    sets: NDArray[np.uint32]
    nodes: NDArray[np.void]
    tree: NDArray[np.void]
    leaves: NDArray[np.float64]
    output: NDArray[np.int32]
    columns: int
    shift: int
    leaf_nodes: NDArray[np.intp]

    @property
    def block(self) -> int:
        """How many rows have their keys made at once."""
        rows = KEYS_IN_CACHE // self.columns // LANES * LANES
        return min(max(rows, LANES), _LARGEST_BLOCK)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """The nodes of the walked trees, breadth first: tree, number within it, and so on of each."""

    walked: NDArray[np.intp]
    nodes: NDArray[np.intp]
    tree: NDArray[np.intp]
    is_leaf: NDArray[np.bool_]
    sizes: NDArray[np.intp]
    depth: NDArray[np.int32]

    @classmethod
    def of(cls, trees: Trees, walked: NDArray[np.intp]) -> _Order:
        """List the levels of all trees, then sort them by tree."""
        depth = np.zeros(len(walked), np.int32)
        nodes, tree = trees.root[walked].astype(np.intp), np.arange(len(walked))
        levels = [(nodes, tree)]
        while len(nodes):
            inner = trees.feature[nodes] != LEAF
            parents, tree = nodes[inner], tree[inner]
            depth[tree] = len(levels)
            nodes = np.stack([trees.left[parents], trees.right[parents]], axis=1).ravel()
            tree = np.repeat(tree, 2)
            levels.append((nodes.astype(np.intp), tree))
        all_nodes, all_trees = (np.concatenate(parts) for parts in zip(*levels, strict=True))
        by_tree = np.argsort(all_trees, kind="stable")
        nodes = all_nodes[by_tree]
        is_leaf = trees.feature[nodes] == LEAF
        sizes = np.bincount(all_trees, minlength=len(walked))
        return cls(walked, nodes, all_trees[by_tree], is_leaf, sizes, depth)

    def number(self, which: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Count, for each node, the marked ones of its tree that come before it."""
        before = np.cumsum(which) - which
        starts = np.cumsum(self.sizes) - self.sizes
        return before - np.repeat(before[starts], self.sizes)


def build_walk_tables(trees: Trees, *, share_twins: bool = True) -> WalkTables | None:
    """Build the tables, or give None for a forest whose trees or sets are too large for a link."""
    is_twin = twins_of(trees) if share_twins else np.zeros(trees.count, np.bool_)
    order = _Order.of(trees, np.flatnonzero(~is_twin))
    inner = order.nodes[~order.is_leaf]
    keys = build_keys(trees, inner)
    shift = _FLAG_BITS + max((keys.columns - 1).bit_length(), 1)
    if not keys.is_small or int(order.sizes.max()) + 1 > 2 ** (_LINK_BITS - shift):
        return None
    tree = _trees(trees, order)
    return WalkTables(
        feature=keys.feature,
        thresholds=keys.thresholds,
        words=keys.words,
        sets=keys.sets,
        nodes=_nodes(keys, order, tree, shift),
        tree=tree,
        leaves=_leaves(trees, order, tree),
        output=trees.output.astype(np.int32),
        columns=keys.columns,
        shift=shift,
        leaf_nodes=order.nodes[order.is_leaf],
    )


def _trees(trees: Trees, order: _Order) -> NDArray[np.void]:
    tree = np.zeros(len(order.walked), TREE)
    tree["nodes"], tree["depth"] = order.sizes + 1, order.depth
    tree["leaves"] = (order.sizes + 1) // 2
    tree["first_node"] = np.cumsum(tree["nodes"], dtype=np.int64) - tree["nodes"]
    tree["classes"] = np.diff([*order.walked, trees.count])
    tree["first_output"] = order.walked
    values = tree["leaves"].astype(np.int64) * tree["classes"]
    tree["first_leaf"] = np.cumsum(values) - values
    return tree


def _nodes(keys: Keys, order: _Order, tree: NDArray[np.void], shift: int) -> NDArray[np.void]:
    """Write the nodes; the children of a tree's split number ``i`` are its nodes 2i+2 and 2i+3."""
    nodes = np.zeros(int(tree["nodes"].sum()), NODE)
    is_leaf, split = order.is_leaf, np.empty(len(order.nodes), np.uint32)
    everything = np.ones(len(order.nodes), np.bool_)
    child = np.where(is_leaf, order.number(everything) + 1, 2 * order.number(~is_leaf) + 2)
    link = child.astype(np.uint32) << np.uint32(shift)
    split[is_leaf] = order.number(is_leaf)[is_leaf]
    link[is_leaf] |= np.uint32(IS_LEAF)
    split[~is_leaf] = keys.split
    link[~is_leaf] |= keys.column << np.uint32(_FLAG_BITS) | keys.is_set * np.uint32(IS_SET)
    # The first node of each tree is unused, so that the root's children share a cache line.
    place = np.arange(len(order.nodes)) + order.tree + 1
    nodes["split"][place], nodes["link"][place] = split, link
    return nodes


def _leaves(trees: Trees, order: _Order, tree: NDArray[np.void]) -> NDArray[np.float64]:
    """Write the values of each leaf, those of trees that share their splits side by side."""
    leaves = np.empty(int((tree["leaves"].astype(np.int64) * tree["classes"]).sum()))
    node, of = order.nodes[order.is_leaf], order.tree[order.is_leaf]
    classes = tree["classes"][of].astype(np.intp)
    place = tree["first_leaf"][of] + order.number(order.is_leaf)[order.is_leaf] * classes
    for twin in range(int(classes.max())):
        has = classes > twin
        first = order.walked[of[has]]
        distance = trees.root[first + twin].astype(np.intp) - trees.root[first]
        leaves[place[has] + twin] = trees.value[node[has] + distance]
    return leaves
