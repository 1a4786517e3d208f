"""How far each input moves a forest's score: path-dependent tree SHAP, many rows at once.

For an input that the path to a leaf splits on, let ``o`` be 1 if the row goes the leaf's way at
all of those splits, else 0, and ``z`` the fraction of the training rows that do. A row gets from
the leaf its value times the product of ``o`` over the path's inputs. Put ``z * (1 - t) + o * t``
in place of each ``o``: the Shapley value of an input is the integral over ``t`` from 0 to 1 of
its ``o - z`` times the product over the other inputs. That is a polynomial of lower degree than
the path has inputs, so Gauss-Legendre quadrature with half as many points gives it exactly. At
each point, one pass down multiplies along the paths, and one pass up sums over the leaves below
every split: time grows with the nodes, not with their depth too, and no product is undone by
subtraction, so nothing cancels.

Source: Lundberg, Erion and Lee, Consistent Individualized Feature Attribution for Tree Ensembles
(2018), for the values; Owen, Multilinear Extensions of Games (1972), for the integral; Yu et al.,
Linear TreeShap (NeurIPS 2022), for the two passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .coding import codings_of
from .traversal import Traversal
from .tree_group import Scratch, TreeGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..ir import Trees

GROUP_NODES = 512
"""Small trees are run together until they have so many nodes: fewer, larger steps for numpy."""

BLOCK_VALUES = 2**17
"""Nodes times rows that are run together: arrays of that size stay in the caches."""

LEAST_ROWS = 16
"""Rows that are run together, however many nodes there are."""


class TreeShap:
    """Contributions to a forest's scores, prepared once; running keeps no state.

    Attributes
    ----------
    base : float64[outputs]
        The mean score of the training rows, as the leaves' covers count them.
    inputs : tuple of int
        The inputs that any tree splits on.
    """

    def __init__(self, trees: Trees, shape: tuple[int, int], columns: NDArray[np.intp]) -> None:
        """Prepare a forest for contributions of ``shape``: outputs by columns.

        ``columns``, intp[inputs], says to which column an input's contribution goes; inputs that
        share one are added.
        """
        self._shape = shape
        self._codings = codings_of(trees)
        self.inputs = tuple(self._codings)
        self._features = trees.features
        self._decisions = Traversal.of(trees, self._codings)
        self._groups = [TreeGroup.of(trees, roots, shape[1], columns) for roots in _grouped(trees)]
        self._most = max((len(group.paths.nodes) for group in self._groups), default=1)
        self._block_rows = max(BLOCK_VALUES // max(self._most, GROUP_NODES), LEAST_ROWS)
        self.base = np.zeros(shape[0])
        for group in self._groups:
            np.add.at(self.base, group.output, group.value * group.paths.reach)

    def contributions(
        self, inputs: Mapping[int, NDArray[np.float64]], rows: int
    ) -> NDArray[np.float64]:
        """Give float64[outputs, columns, rows] from float64[rows] for every input that is split on.

        Together with :attr:`base`, the contributions of a row add up to its score.
        """
        outputs, columns = self._shape
        result = np.zeros((outputs * columns, rows))
        block_rows = min(self._block_rows, rows)
        scratch = Scratch.of(self._most, block_rows)
        for start in range(0, rows, self._block_rows):
            block = slice(start, min(start + self._block_rows, rows))
            codes = np.zeros((self._features, block.stop - start), np.intp)
            for index, coding in self._codings.items():
                codes[index] = coding.encode(inputs[index][block])
            for group in self._groups:
                group.add_to(result[:, block], self._decisions, codes, scratch)
        return result.reshape(outputs, columns, rows)


def _grouped(trees: Trees) -> list[NDArray[np.intp]]:
    """Cut the roots where they pass a multiple of :data:`GROUP_NODES`."""
    cuts = np.flatnonzero(np.diff(trees.root // GROUP_NODES)) + 1
    return [roots for roots in np.split(trees.root.astype(np.intp), cuts) if len(roots)]
