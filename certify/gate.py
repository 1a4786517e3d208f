"""The gate: no model is published before every route gave the library's answers."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from ..errors import CertificationError
from ..ir import steps as s
from ..kernels import Scorer
from .compare import differences, matching_columns, rounding_bound
from .golden import Golden
from .oracle import Answers, ask_library
from .probes import Probe, make_probes
from .routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from ..frontends import Training
    from ..ir import Model
    from .routes import Route

PROBE_ROWS = 10_000
_SINGLE_ROWS = 20
_LIBRARIES = ("scikit-learn", "lightgbm", "xgboost", "catboost", "numpy", "pyarrow", "duckdb")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was compared, and how far apart it was.

    Attributes
    ----------
    rows
        Probe rows for which library and routes gave answers that were compared.
    refused
        Probe rows that the library refuses, and so does every route.
    largest_difference
        The largest difference between any route and the library, relative to the answer (to 1
        where that is smaller).
    margin_difference
        The same for raw scores alone; 0 for trees.
    labels_identical
        Whether every predicted label was the library's; None where there are no labels.
    routes
        The routes that were compared.
    versions
        The versions that were compared.
    seed, seconds
        How the probe rows were drawn, and how long it took.
    """

    rows: int
    refused: int
    largest_difference: float
    margin_difference: float
    labels_identical: bool | None
    routes: tuple[str, ...]
    versions: Mapping[str, str]
    seed: int
    seconds: float
    golden: Golden = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Give the certificate as plain JSON values, without the golden rows."""
        members = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "golden"}
        return {**members, "routes": list(self.routes), "versions": dict(self.versions)}


def certify(  # noqa: PLR0913 - keyword options of the gate
    model: Model,
    estimator: object,
    training: Training,
    *,
    rows: int = PROBE_ROWS,
    routes: Sequence[str] = tuple(ROUTES),
    seed: int = 2013,
    progress: Callable[[str], None] | None = None,
) -> Certificate:
    """Compare all routes with the library on probe rows.

    Raises
    ------
    CertificationError
        At the first row on which a route differs; the message shows the row and both answers.
    """
    started = time.perf_counter()
    report = progress or (lambda _: None)
    report("making probe rows")
    probes = make_probes(model, training.table, rows, seed)
    tally = _Tally(model)
    with duckdb.connect() as connection:
        runs = {name: ROUTES[name](model, connection) for name in routes}
        for probe in probes:
            report(f"comparing {len(probe.table):,} rows: {probe.name}")
            _compare(probe, estimator, training, runs, tally)
    return Certificate(
        rows=tally.rows,
        refused=tally.refused,
        largest_difference=tally.largest,
        margin_difference=tally.largest_margin,
        labels_identical=None if model.outputs.classes is None else True,
        routes=tuple(routes),
        versions=library_versions(),
        seed=seed,
        seconds=round(time.perf_counter() - started, 3),
        golden=tally.golden,
    )


def library_versions() -> dict[str, str]:
    """Give the versions of the libraries that are installed, and of Python."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("foresql", *_LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Tally:
    """What has been compared so far."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.scorer = Scorer(model)
        self.exact = not any(map(s.adds_in_any_order, model.steps))
        self.rows = self.refused = 0
        self.largest = self.largest_margin = 0.0
        self.golden = Golden(model.signature.names, (), (), ())


def _compare(
    probe: Probe,
    estimator: object,
    training: Training,
    runs: Mapping[str, Route],
    tally: _Tally,
) -> None:
    """Compare a group; where the library refuses it whole, compare some of its rows alone."""
    theirs = ask_library(estimator, training.rebuild(probe.table))
    if isinstance(theirs, str) and probe.name in {"boundaries", "splits"}:
        message = (
            f"The library refuses rows like those that it was trained on: {theirs}. Pass the "
            "frame that was given to fit as like=."
        )
        raise CertificationError(message)
    for name, run in runs.items():
        ours = run(probe.table)
        if isinstance(theirs, str) != isinstance(ours, str):
            _fail_on_refusal(probe, name, ours, theirs)
        if isinstance(theirs, Answers) and isinstance(ours, Answers):
            _compare_answers(probe, name, ours, theirs, tally)
    if isinstance(theirs, Answers):
        tally.rows += len(probe.table)
        if probe.name == "boundaries":
            tally.golden = Golden.of(probe.table, theirs)
        return
    if len(probe.table) == 1:
        tally.refused += 1
        return
    for row in range(min(_SINGLE_ROWS, len(probe.table))):
        alone = replace(probe, table=probe.table.slice(row, 1))
        _compare(alone, estimator, training, runs, tally)


def _compare_answers(
    probe: Probe, route: str, ours: Answers, theirs: Answers, tally: _Tally
) -> None:
    values = tally.scorer.run(tally.scorer.decoder.decode(probe.table))
    bound = rounding_bound(tally.model, values)
    if tally.model.outputs.classes is not None:
        _compare_labels(probe, route, ours, theirs, bound)
        probabilities = matching_columns(theirs.probabilities, ours.probabilities)
        pairs = [("probability", ours.probabilities, probabilities, False)]
        if tally.model.outputs.probabilities and not ours.probabilities.size:
            # SQL has no such function, for example where labels differ only by case.
            pairs = []
    else:
        shape = (len(probe.table), -1)
        mine, other = ours.prediction.reshape(shape), theirs.prediction.reshape(shape)
        pairs = [("prediction", mine, other.astype(np.float64), False)]
    if theirs.margins.size and ours.margins.size:
        pairs.append(("raw score", ours.margins, theirs.margins, tally.exact))
    for what, mine, other, exact in pairs:
        if not mine.size and not other.size:
            continue
        if mine.shape != other.shape:
            message = f"Route {route}: {what} has shape {mine.shape}, the library {other.shape}."
            raise CertificationError(message)
        largest, row = differences(mine, other, bound, exact=exact)
        if row is not None:
            _fail(probe, route, what, row, mine[row], other[row])
        tally.largest = max(tally.largest, largest)
        if what == "raw score":
            tally.largest_margin = max(tally.largest_margin, largest)


def _compare_labels(
    probe: Probe,
    route: str,
    ours: Answers,
    theirs: Answers,
    bound: NDArray[np.float64] | None,
) -> None:
    """Labels are identical, but where a dot product overflows: there the order of terms decides."""
    mine, other = ours.prediction.tolist(), theirs.prediction.tolist()
    overflows = np.zeros(len(mine), np.bool_) if bound is None else np.isinf(bound)
    for row, (a, b) in enumerate(zip(mine, other, strict=True)):
        if a != b and not overflows[row]:
            _fail(probe, route, "label", row, a, b)


def _fail_on_refusal(probe: Probe, route: str, ours: object, theirs: object) -> None:
    mine = f"refuses them ({ours})" if isinstance(ours, str) else "answers"
    other = f"refuses them ({theirs})" if isinstance(theirs, str) else "answers"
    row = probe.table.slice(0, 1).to_pylist()[0]
    message = (
        f"Route {route} {mine}, and the library {other}, on the {probe.name} probe rows, which "
        f"begin with {row}. The model is not published."
    )
    raise CertificationError(message)


def _fail(  # noqa: PLR0913, PLR0917 - each is part of the message
    probe: Probe, route: str, what: str, row: int, ours: object, theirs: object
) -> None:
    shown = probe.table.slice(row, 1).to_pylist()[0]
    message = (
        f"Route {route} differs from the library in the {what}: {ours!r} against {theirs!r}, on "
        f"row {row} of the {probe.name} probe rows: {shown}. The model is not published: this is "
        "a defect of foresql, or the estimator's class was changed; please report it."
    )
    raise CertificationError(message)
