"""One comparison is one row: clocks that take turns, medians, differences."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: ``ratio`` above 1 means that ours is faster by that factor.

    Attributes
    ----------
    ours_seconds, peer_seconds : float, optional
        Medians; None where a peer could not be measured, and ``note`` then says why.
    bar : float
        The least ratio that is good enough; 0 where the row is for information.
    max_diff : float, optional
        The largest difference of our answers to the library's own.
    peer_diff : float, optional
        The same of the peer, where the peer is not the library itself.
    wrong_rows : str
        How many of how many rows the peer sends to a wrong leaf.
    peak_mb : float, optional
        The most memory that our process had, where that is what the row is about.
    """

    case: str
    peer: str
    ours_seconds: float | None
    peer_seconds: float | None
    ratio: float | None
    bar: float
    max_diff: float | None
    threads: int = 1
    peer_diff: float | None = None
    wrong_rows: str = ""
    peak_mb: float | None = None
    note: str = ""


def compare(  # noqa: PLR0913 - the columns of the table
    case: str,
    peer: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    bar: float,
    max_diff: float,
    rounds: int = ROUNDS,
    threads: int = 1,
    calls: int = 1,
    note: str = "",
) -> Row:
    """Time both in turn, so that a slow moment of the machine meets both; take medians.

    ``calls`` is the number of calls that one run of each makes; the row then shows one call.
    """
    mine, other = (
        seconds / calls for seconds in interleave([timed(ours), timed(theirs)], rounds=rounds)
    )
    return Row(case, peer, mine, other, other / mine, bar, max_diff, threads=threads, note=note)


def interleave(clocks: Sequence[Callable[[], float]], *, rounds: int = ROUNDS) -> list[float]:
    """Let each clock run once for warmth and then once a round; give the median of each."""
    for clock in clocks:
        clock()
    times = [[clock() for clock in clocks] for _ in range(rounds)]
    return [statistics.median(seconds) for seconds in zip(*times, strict=True)]


def timed(run: Callable[[], object]) -> Callable[[], float]:
    """Make a clock of a function: it gives the seconds of one run."""

    def clock() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return clock


def fastest(runs: Sequence[Callable[[], object]]) -> Callable[[], object]:
    """Pick the quickest of several ways to do the same: a peer gets the input it likes best."""
    seconds = interleave([timed(run) for run in runs], rounds=3)
    return runs[seconds.index(min(seconds))]


def refused(case: str, peer: str, reason: str, *, bar: float, threads: int = 1) -> Row:
    """Say why a peer has no figures."""
    return Row(case, peer, None, None, None, bar, None, threads=threads, note=reason)


def largest_difference(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Give the largest absolute difference; values that are both missing or equal have none.

    Raises
    ------
    ValueError
        If the two do not have as many values.
    """
    a, b = (np.asarray(values, np.float64).ravel() for values in (ours, theirs))
    if a.shape != b.shape:
        message = f"{len(a)} values cannot be compared with {len(b)}."
        raise ValueError(message)
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    distances = np.abs(a[differ] - b[differ])
    return float(np.where(np.isnan(distances), np.inf, distances).max(initial=0.0))
