"""Run some trees at once for tree SHAP: one pass down and one up at each quadrature point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ir.trees import LEAF
from .tree_paths import Paths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir import Trees
    from .traversal import Traversal


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """Arrays of [positions, rows] that all groups share: fresh ones would cost page faults."""

    states: NDArray[np.intp]
    sums: NDArray[np.float64]
    gains: NDArray[np.float64]
    credit: NDArray[np.float64]

    @classmethod
    def of(cls, positions: int, rows: int) -> Scratch:
        """Make arrays for the largest group."""
        floats = np.empty((3, positions, rows))
        return cls(np.empty((positions, rows), np.intp), *floats)

    def cut(self, positions: int, rows: int) -> Scratch:
        """Give as much of the arrays as a group needs."""
        return Scratch(
            self.states[:positions, :rows],
            self.sums[:positions, :rows],
            self.gains[:positions, :rows],
            self.credit[:positions, :rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class TreeGroup:
    """Trees that are run together.

    ``points`` are the quadrature's, each with its weight. ``splits`` are the nodes that are no
    leaf, and ``features`` the inputs that they read. ``value`` is a position's leaf value, 0 at
    splits, and ``output`` the score that its tree adds to. ``order`` sorts the positions by the
    row of the result that they add to; those of row ``targets[i]`` begin at ``starts[i]``.
    """

    paths: Paths
    points: tuple[tuple[float, float], ...]
    splits: NDArray[np.intp]
    features: NDArray[np.int32]
    value: NDArray[np.float64]
    output: NDArray[np.intp]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    targets: NDArray[np.intp]

    @classmethod
    def of(
        cls, trees: Trees, roots: NDArray[np.intp], width: int, columns: NDArray[np.intp]
    ) -> TreeGroup:
        """Lay out the trees that start at ``roots``."""
        paths = Paths.of(trees, roots)
        tree = np.searchsorted(trees.root, paths.nodes, side="right") - 1
        output = trees.output[tree].astype(np.intp)
        read = trees.feature[paths.nodes[paths.parent]]
        target = output * width + np.where(read == LEAF, 0, columns[read])
        order = np.argsort(target, kind="stable")
        targets, starts = np.unique(target[order], return_index=True)
        splits = paths.nodes[paths.inner]
        return cls(
            paths=paths,
            points=_quadrature(paths.inputs),
            splits=splits,
            features=trees.feature[splits],
            value=np.where(paths.is_leaf, trees.value[paths.nodes], 0.0),
            output=output,
            order=order,
            starts=starts,
            targets=targets,
        )

    def add_to(
        self,
        result: NDArray[np.float64],
        decisions: Traversal,
        codes: NDArray[np.intp],
        scratch: Scratch,
    ) -> None:
        """Add to ``result``, float64[targets, rows], from ``codes``, intp[inputs, rows]."""
        scratch = scratch.cut(len(self.paths.nodes), codes.shape[1])
        states, sums, gains = scratch.states, scratch.sums, scratch.gains
        self._find_states(decisions, codes, states)
        scratch.credit.fill(0.0)
        for point, weight in self.points:
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


def _quadrature(inputs: int) -> tuple[tuple[float, float], ...]:
    """Give points in (0, 1) and weights that integrate polynomials of degree ``inputs - 1``."""
    points, weights = np.polynomial.legendre.leggauss(max((inputs + 1) // 2, 1))
    halves = ((points + 1.0) / 2.0).tolist(), (weights / 2.0).tolist()
    return tuple(zip(*halves, strict=True))
