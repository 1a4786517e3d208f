"""A filter on a score, asked of a forest's first trees.

What the other trees can add is bounded, so most rows that a filter drops can be dropped after a
part of the trees. Take a filter that holds from a margin ``b`` on, and the sum ``s`` of a row after
the first ``k`` trees. The library adds the rest one by one; a rounded sum never falls where one of
its terms rises, so the row's margin is at most ``G(s)``: ``s`` plus the largest leaf of each of the
other trees, added in the same order and rounded in the same way. ``G`` never falls either. The
least ``s`` with ``G(s) >= b`` is found by bisection among all float64: no row below it can pass,
and no tolerance is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ...ir import Outputs
from ...ir import steps as s
from ...ir.trees import LEAF
from ..links import number_at, place_of
from .chains import margin_of
from .forests import added, choose_trees, sums_are_certain
from .liveness import live_steps, refuses
from .model import rebuilt
from .sums import tree_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ...ir import Model
    from .chains import Chain
    from .domain import Known

_SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8)
"""The parts of the trees that may become the head."""
_WORTH_IT = 0.8
"""Head and all trees of the rows it leaves must cost less than this part of all trees."""


@dataclass(frozen=True, slots=True)
class EarlyExit:
    """A test that all rows pass that pass a filter.

    Attributes
    ----------
    head
        The model with its first trees only; its one output is their sum.
    threshold
        A row can pass the filter only where the head gives at least this, if ``above``, else at
        most this.
    above
        Which of the two.
    """

    head: Model
    threshold: float
    above: bool


_MAY_PASS: Mapping[str, Callable[[Known, float], bool]] = {
    ">": lambda known, value: known.high > value,
    ">=": lambda known, value: known.high >= value,
    "<": lambda known, value: known.low < value,
    "<=": lambda known, value: known.low <= value,
    "=": lambda known, value: known.low <= value <= known.high,
}


def early_exit(model: Model, output: str, operator: str, value: float) -> EarlyExit | None:
    """Give a test of the first trees for a filter ``output operator value``.

    Parameters
    ----------
    model
        The model; pruned before, its trees are bounded more tightly.
    output
        The name of an output column: a margin, or what rises or falls with one margin.
    operator
        ``>``, ``>=``, ``<``, ``<=`` or ``=``.
    value
        The number that the output is compared with.

    Returns
    -------
    The test, or None where none is certain, or worth its cost.
    """
    may_pass = _MAY_PASS.get(operator)
    chain = margin_of(model, output)
    if chain is None or may_pass is None or math.isnan(value):
        return None
    forest = _one_forest(chain.forest, chain.margin)
    if forest is None or _refuses_behind(model, chain.forest):
        return None
    limit = _limit_of(lambda x: may_pass(chain.bounds(x), value), _sum_bounds(forest))
    if limit is None:
        return None
    chosen = _best_head(forest, *limit)
    if chosen is None:
        return None
    head, threshold = chosen
    return EarlyExit(_model_of(model, chain, head), threshold, limit[1])


def _one_forest(step: s.Forest, margin: str) -> s.Forest | None:
    """Leave one output of a forest; None where its sums are not certain."""
    place = step.outputs.index(margin)
    kept = step.trees.output == place
    if not kept.any() or not sums_are_certain(step):
        return None
    chosen = choose_trees(step, kept)
    trees = replace(chosen.trees, output=np.zeros(chosen.trees.count, np.int32))
    return replace(chosen, outputs=(margin,), trees=trees, start=step.start[[place]])


def _refuses_behind(model: Model, forest: s.Forest) -> bool:
    """Whether a row is refused for what its trees give: a head would not refuse it."""
    made: set[str] = set()
    for step in model.steps:
        if step is forest or not made.isdisjoint(step.inputs):
            made.update(s.outputs_of(step))
            if refuses(step):
                return True
    return False


def _sum_bounds(forest: s.Forest) -> tuple[float, float]:
    lows, highs = tree_bounds(forest.trees)
    start = float(forest.start[0])
    return added(start, lows, forest), added(start, highs, forest)


def _limit_of(
    may_pass: Callable[[float], bool], ends: tuple[float, float]
) -> tuple[float, bool] | None:
    """Find from which margin on, or up to which, a row may pass; None where all may, or none."""
    low, high = ends
    at_low, at_high = may_pass(low), may_pass(high)
    if at_low == at_high:
        return None
    return _turn(may_pass, low, high, rises=at_high), at_high


def _turn(holds: Callable[[float], bool], low: float, high: float, *, rises: bool) -> float:
    """Find the least number for which a condition holds, or the largest where it ceases to."""
    below, above = place_of(low), place_of(high)
    while above - below > 1:
        middle = (below + above) // 2
        if holds(number_at(middle)) == rises:
            above = middle
        else:
            below = middle
    return number_at(above if rises else below)


def _best_head(forest: s.Forest, limit: float, above: bool) -> tuple[s.Forest, float] | None:
    """Choose how many trees make the head, by what it and the rows that it leaves cost."""
    count = forest.trees.count
    leaves = tree_bounds(forest.trees)[1 if above else 0]
    means, deviations = _moments(forest)
    best, found = _WORTH_IT, None
    for trees in sorted({round(count * share) for share in _SHARES} - {0, count}):
        threshold = _threshold(forest, leaves[trees:], limit, above)
        mean = float(forest.start[0] + means[:trees].sum())
        share = _share_above(threshold, mean, float(deviations[:trees].sum()))
        cost = trees / count + (share if above else 1 - share)
        if cost < best:
            best, found = cost, (trees, threshold)
    if found is None:
        return None
    return choose_trees(forest, np.arange(count) < found[0]), found[1]


def _threshold(forest: s.Forest, rest: NDArray[np.float64], limit: float, above: bool) -> float:
    """Find the sum of the first trees from which the rest may reach the limit."""

    def reaches(so_far: float) -> bool:
        total = added(so_far, rest, forest)
        return total >= limit if above else total <= limit

    return _turn(reaches, -math.inf, math.inf, rises=above)


def _moments(forest: s.Forest) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate each tree's mean and standard deviation, by the rows of its leaves in training."""
    trees = forest.trees
    is_leaf = trees.feature == LEAF
    weights = np.where(is_leaf, np.maximum(np.nan_to_num(trees.cover), 1e-9), 0.0)
    total = np.add.reduceat(weights, trees.root)
    values = np.where(is_leaf, trees.value, 0.0)
    mean = np.add.reduceat(weights * values, trees.root) / total
    square = np.add.reduceat(weights * values * values, trees.root) / total
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0))


def _share_above(threshold: float, mean: float, deviation: float) -> float:
    """Estimate how many rows have a sum above a threshold.

    Trees that are boosted mostly agree, so their deviations are added.
    """
    if not (math.isfinite(threshold) and math.isfinite(mean) and 0 < deviation < math.inf):
        return 1.0 if mean >= threshold else 0.0
    return 1.0 - NormalDist(mean, deviation).cdf(threshold)


def _model_of(model: Model, chain: Chain, head: s.Forest) -> Model:
    steps: Sequence[s.Step] = [head if step is chain.forest else step for step in model.steps]
    made = live_steps(_until(steps, head), (chain.margin,), model.signature.names)
    return replace(rebuilt(model, made, Outputs((chain.margin,))), residuals=())


def _until(steps: Sequence[s.Step], last: s.Step) -> list[s.Step]:
    """Leave the steps that do not read what the last one writes."""
    made, kept = set[str](), list[s.Step]()
    for step in steps:
        if step is last:
            made.update(s.outputs_of(last))
        elif not made.isdisjoint(step.inputs):
            made.update(s.outputs_of(step))
            continue
        kept.append(step)
    return kept
