"""The SQL that anyone would write for a forest: one CASE a tree, nested, in one SELECT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foresql.ir.trees import LEAF

if TYPE_CHECKING:
    from foresql.ir import Trees


def nested_case(trees: Trees, names: list[str], source: str) -> str:
    """Add the trees; missing values go where a comparison with NULL or NaN sends them."""

    def node(index: int) -> str:
        if trees.feature[index] == LEAF:
            return repr(float(trees.value[index]))
        name, threshold = names[trees.feature[index]], float(trees.threshold[index])
        sides = node(int(trees.left[index])), node(int(trees.right[index]))
        return f"CASE WHEN {name} <= {threshold!r} THEN {sides[0]} ELSE {sides[1]} END"

    total = " + ".join(f"({node(int(root))})" for root in trees.root)
    return f"SELECT {total} AS prediction FROM {source}"
