"""LightGBM's linear trees (``linear_tree=True``): a weighted sum of features in each leaf.

Source: ``Tree::Predict`` in include/LightGBM/tree.h, which adds to the leaf's constant one product
after the other, and gives the leaf's plain value where a feature of the leaf is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ir import steps as s
from ..ir.thresholds import LIGHTGBM_ZERO

if TYPE_CHECKING:
    from ..ir import Trees
    from .graph import Graph, Names
    from .lightgbm_text import ModelText


def make_linear_forest(
    text: ModelText, trees: Trees, columns: Names, outputs: Names, *, keeps_tiny: bool
) -> s.LinearForest:
    """Add the leaves' terms to trees that were built from the same text."""
    constants = trees.value.copy()
    sizes = np.zeros(len(trees.feature), np.int64)
    for tree, root in zip(text.trees, trees.root.tolist(), strict=True):
        if tree.is_linear:
            leaves = slice(root + tree.leaves - 1, root + 2 * tree.leaves - 1)
            constants[leaves] = tree.array("leaf_const", np.float64)
            sizes[leaves] = tree.array("num_features", np.int64)
    return s.LinearForest(
        columns,
        outputs,
        trees,
        constants,
        term_start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        term_input=np.concatenate([t.array("leaf_features", np.int32) for t in text.trees]),
        coefficients=np.concatenate([t.array("leaf_coeff", np.float64) for t in text.trees]),
        zero=0.0 if keeps_tiny else LIGHTGBM_ZERO,
    )


def refuse_diverged(step: s.LinearForest, graph: Graph) -> None:
    """Refuse coefficients that are no numbers: what they give is not defined."""
    if not (np.isfinite(step.coefficients).all() and np.isfinite(step.constants).all()):
        raise graph.refuse(
            "its linear trees have coefficients that are infinite or not a number",
            "train with a higher linear_lambda, and without infinite values",
        )
