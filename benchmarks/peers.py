"""Other kernels for the same LightGBM models, each in an environment of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Row, interleave, largest_difference, refused, report, timed
from measuring.boosters import hard_rows, large, small
from measuring.environments import Peer, PeerError

from foresql.frontends import Training, convert
from foresql.kernels import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import lightgbm as lgb

BAR = 8.0
HARD_ROWS = 12_000
PRECISION = {
    "lleaves": np.float64,
    "treelite": np.float64,
    "tl2cgen": np.float64,
    "onedal": np.float32,
    "onnxruntime": np.float32,
}
"""The type in which each peer keeps or adds the leaves."""

# With its default, to inline all trees, lleaves needs minutes and gigabytes for 500 of them.
QUICK: Mapping[str, Mapping[str, Any]] = {"lleaves": {"finline": False}}
CASES: Mapping[
    str, tuple[Callable[[], tuple[lgb.Booster, np.ndarray]], Mapping[str, Mapping[str, Any]]]
] = {
    "100 x 31 x 20": (small, {}),
    "500 x 127 x 30, missing values": (large, QUICK),
}


def main() -> None:
    """Run every peer on every model, in turn with ours."""
    rows: list[Row] = []
    for name, (make, options) in CASES.items():
        booster, matrix = make()
        with TemporaryDirectory() as folder:
            rows += against(Case.of(name, booster, matrix), options, Path(folder))
    report("peers", rows)


@dataclass(frozen=True, slots=True)
class Case:
    """A model, its rows and hard ones, LightGBM's answers, and our way to score."""

    name: str
    booster: lgb.Booster
    rows: np.ndarray
    hard: np.ndarray
    expected: np.ndarray
    expected_hard: np.ndarray
    score: Callable[[], object]
    max_diff: float

    @classmethod
    def of(cls, name: str, booster: lgb.Booster, rows: np.ndarray) -> Case:
        """Convert the model, and ask LightGBM and ours for all answers."""
        training = Training.of(rows, booster)
        model = convert(booster, training)
        scorer = Scorer(model, threads=1)
        hard = hard_rows(model, rows, HARD_ROWS)
        both = np.concatenate([rows, hard])
        expected = booster.predict(both, raw_score=True)
        ours = scorer.score(Training.of(both, booster).table).prediction
        return cls(
            name,
            booster,
            rows,
            hard,
            expected[: len(rows)],
            expected[len(rows) :],
            lambda: scorer.score(training.table),
            largest_difference(ours, expected),
        )

    def wrong(self, answers: np.ndarray, expected: np.ndarray, peer: str) -> int:
        """Count rows whose difference is more than rounding makes: some leaf of theirs is wrong."""
        trees = self.booster.num_trees()
        rounding = np.sqrt(trees) * np.finfo(PRECISION[peer]).eps * np.abs(self.expected).max()
        return int((~(np.abs(answers - expected) <= rounding)).sum())


@dataclass(frozen=True, slots=True)
class Ready:
    """A peer that has loaded the model: what it answered before any clock started."""

    peer: Peer
    note: str
    max_diff: float
    wrong: str


def against(case: Case, options: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Row]:
    """Load the model everywhere, then time ours and all others, one after another."""
    model = folder / "model.txt"
    case.booster.save_model(model)
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        ready = list(
            pool.map(
                lambda name: start(name, case, model, options.get(name, {}), stack),
                PRECISION,
            )
        )
        running = [one for one in ready if isinstance(one, Ready)]
        clocks = [timed(case.score), *(one.peer.clock for one in running)]
        ours, *theirs = interleave(clocks, rounds=5)
    measured = [
        Row(
            case.name,
            one.peer.name,
            ours,
            seconds,
            seconds / ours,
            BAR,
            case.max_diff,
            peer_diff=one.max_diff,
            wrong_rows=one.wrong,
            note=one.note,
        )
        for one, seconds in zip(running, theirs, strict=True)
    ]
    return measured + [one for one in ready if isinstance(one, Row)]


def start(
    name: str, case: Case, model: Path, options: Mapping[str, Any], stack: ExitStack
) -> Ready | Row:
    """Load the model in a peer and check its answers, or say why that fails."""
    try:
        peer = stack.enter_context(Peer(name, model.parent))
        loaded = peer.load(model, **options)
        hard = case.wrong(peer.predict(case.hard), case.expected_hard, name)
        answers = peer.predict(case.rows)
    except PeerError as error:
        return refused(case.name, name, str(error), bar=BAR)
    return Ready(
        peer,
        f"{name} {loaded['version']}, loaded in {loaded['seconds']:.1f} s",
        largest_difference(answers, case.expected),
        f"{case.wrong(answers, case.expected, name):,} of {len(answers):,}; "
        f"{hard:,} of {HARD_ROWS:,} hard ones",
    )


if __name__ == "__main__":
    main()
