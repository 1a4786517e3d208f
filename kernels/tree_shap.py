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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF
from .coding import codings_of
from .traversal import Traversal
from .tree_paths import Paths

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
    """

    def __init__(self, trees: Trees, shape: tuple[int, int], columns: NDArray[np.intp]) -> None:
        """Prepare a forest for contributions of ``shape``: outputs by columns.

        ``columns``, intp[inputs], says to which column an input's contribution goes; inputs that
        share one are added.
        """
        self._shape = shape
        self._codings = codings_of(trees)
        self._inputs = trees.features
        self._decisions = Traversal.of(trees, self._codings)
        self._groups = [_Group.of(trees, roots, shape[1], columns) for roots in _grouped(trees)]
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
        scratch = _Scratch.of(self._most, block_rows)
        for start in range(0, rows, self._block_rows):
            block = slice(start, min(start + self._block_rows, rows))
            codes = np.zeros((self._inputs, block.stop - start), np.intp)
            for index, coding in self._codings.items():
                codes[index] = coding.encode(inputs[index][block])
            for group in self._groups:
                group.add_to(result[:, block], self._decisions, codes, scratch)
        return result.reshape(outputs, columns, rows)


def _grouped(trees: Trees) -> list[NDArray[np.intp]]:
    """Cut the roots where they pass a multiple of :data:`GROUP_NODES`."""
    cuts = np.flatnonzero(np.diff(trees.root // GROUP_NODES)) + 1
    return [roots for roots in np.split(trees.root.astype(np.intp), cuts) if len(roots)]


@dataclass(frozen=True, slots=True, eq=False)
class _Scratch:
    """Arrays of [positions, rows] that all groups use in turn: fresh ones would cost page faults."""

    states: NDArray[np.intp]
    sums: NDArray[np.float64]
    gains: NDArray[np.float64]
    credit: NDArray[np.float64]

    @classmethod
    def of(cls, positions: int, rows: int) -> _Scratch:
        """Make arrays for the largest group."""
        floats = np.empty((3, positions, rows))
        return cls(np.empty((positions, rows), np.intp), *floats)

    def cut(self, positions: int, rows: int) -> _Scratch:
        """Give as much of the arrays as a group needs."""
        return _Scratch(
            self.states[:positions, :rows],
            self.sums[:positions, :rows],
            self.gains[:positions, :rows],
            self.credit[:positions, :rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Trees that are run together.

    ``splits`` are the nodes that are no leaf, and ``features`` the inputs that they read.
    ``value`` is a position's leaf value, 0 at splits, and ``output`` the score that its tree adds
    to. ``order`` sorts the positions by the row of the result that they add to; the positions of
    ``targets[i]`` begin at ``starts[i]``.
    """

    paths: Paths
    splits: NDArray[np.intp]
    features: NDArray[np.int32]
    value: NDArray[np.float64]
    output: NDArray[np.int32]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    targets: NDArray[np.intp]

    @classmethod
    def of(
        cls, trees: Trees, roots: NDArray[np.intp], width: int, columns: NDArray[np.intp]
    ) -> _Group:
        """Lay out the trees that start at ``roots``."""
        paths = Paths.of(trees, roots)
        output = trees.output[np.searchsorted(trees.root, paths.nodes, side="right") - 1]
        read = trees.feature[paths.nodes[paths.parent]]
        target = output * width + np.where(read == LEAF, 0, columns[read])
        order = np.argsort(target, kind="stable")
        targets, starts = np.unique(target[order], return_index=True)
        splits = paths.nodes[paths.inner]
        value = trees.value[paths.nodes]
        return cls(paths, splits, trees.feature[splits], value, output, order, starts, targets)

    def add_to(
        self,
        result: NDArray[np.float64],
        decisions: Traversal,
        codes: NDArray[np.intp],
        scratch: _Scratch,
    ) -> None:
        """Add to ``result``, float64[targets, rows], from ``codes``, intp[inputs, rows]."""
        scratch = scratch.cut(len(self.paths.nodes), codes.shape[1])
        states, sums, gains = scratch.states, scratch.sums, scratch.gains
        self._find_states(decisions, codes, states)
        scratch.credit.fill(0.0)
        for point, weight in _quadrature(self.paths.inputs):
            factor, gain = self._tables(point)
            # mode="clip" lets numpy write into `out` directly; all states are in the tables.
            np.take(factor, states, out=sums, mode="clip")
            np.take(gain * weight, states, out=gains, mode="clip")
            self._multiply_down(sums)
            self._add_up(sums)
            np.multiply(gains, sums, out=gains)
            np.add(scratch.credit, gains, out=scratch.credit)
        by_target = np.take(scratch.credit, self.order, axis=0, out=gains, mode="clip")
        result[self.targets] += np.add.reduceat(by_target, self.starts, axis=0)

    def _find_states(
        self, decisions: Traversal, codes: NDArray[np.intp], states: NDArray[np.intp]
    ) -> None:
        """Write where in the tables each row stands at each position.

        State 2 is a row that goes the position's way at all splits on its input so far, state 1
        one that went astray at the last of them, state 0 one that did so before.
        """
        paths = self.paths
        goes_left = decisions.goes_left(self.splits[:, None], codes[self.features])
        follows = np.ones(states.shape, np.bool_)
        follows[paths.roots :: 2] = goes_left
        follows[paths.roots + 1 :: 2] = ~goes_left
        for _, below in paths.levels:
            follows[below] &= follows[paths.earlier[below]]
        np.add(follows, 3 * np.arange(len(states))[:, None], out=states)
        np.add(states, follows[paths.earlier], out=states)

    def _tables(self, point: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tabulate ``z(1-t) + ot`` and ``(o-z) / (z(1-t) + ot)``: float64[3 * positions] each.

        An input that is split on again replaces what its split before put there, so the first
        are quotients and the second differences to that one.
        """
        paths = self.paths
        astray = paths.fraction * (1.0 - point)
        along = astray + point
        factor = np.stack(
            [paths.ratio, astray / along[paths.earlier], along / along[paths.earlier]], axis=1
        )
        factor[paths.is_leaf] *= self.value[paths.is_leaf, None]
        followed = (1.0 - paths.fraction) / along
        before = followed[paths.earlier]
        lost = np.full(len(before), -1.0 / (1.0 - point))
        gain = np.stack([np.zeros(len(before)), lost - before, followed - before], axis=1)
        return factor.ravel(), gain.ravel()

    def _multiply_down(self, factors: NDArray[np.float64]) -> None:
        for above, below in self.paths.levels:
            pairs = factors[below].reshape(len(above), 2, -1)
            pairs *= factors[above, None]

    def _add_up(self, sums: NDArray[np.float64]) -> None:
        for above, below in reversed(self.paths.levels):
            pairs = sums[below].reshape(len(above), 2, -1)
            sums[above] = pairs[:, 0] + pairs[:, 1]


def _quadrature(inputs: int) -> list[tuple[float, float]]:
    """Give points in (0, 1) and weights that integrate polynomials of degree ``inputs - 1``."""
    points, weights = np.polynomial.legendre.leggauss(max((inputs + 1) // 2, 1))
    return list(zip(((points + 1.0) / 2.0).tolist(), (weights / 2.0).tolist(), strict=True))
