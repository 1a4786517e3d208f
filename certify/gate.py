"""The gate: no model is published before every route gave the library's answers."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np

from ..errors import CertificationError
from ..kernels import Scorer
from ..udfs.duckdb import interruptible
from .compare import (
    RELATIVE,
    RELATIVE_PROBABILITY,
    differences,
    label_doubts,
    matching_columns,
    rounding_bound,
)
from .golden import Golden, without_tiny
from .oracle import Answers, ask_library
from .probes import Probe, make_probes
from .rounding import has_sums
from .routes import ROUTES, kernel
from .sql import SQL, Seen, hold_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..frontends import Training
    from ..ir import Model
    from .routes import Route

PROBE_ROWS = 10_000
EVERY_ROUTE = (*ROUTES, SQL)
SEED = 2013
_GOLDEN = "golden rows"
_SINGLE_ROWS = 20
CERTAIN = 1e-9
"""How far answers for training rows may be apart, relative to the largest of them."""
_LIBRARIES = (
    *("scikit-learn", "lightgbm", "xgboost", "catboost", "onnxruntime", "skops"),
    *("numpy", "pyarrow", "duckdb"),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was compared, and how far apart it was.

    Attributes
    ----------
    reference
        With whose answers: ``library``; or ``kernel``, where no library was there to ask. Then
        the routes are known to agree with each other, and "the library" below is the kernel.
    rows
        Probe rows for which library and routes gave answers that were compared.
    refused
        Probe rows that the library refuses, and so does every route.
    largest_difference
        The largest difference between any route and the library, relative to the answer (to 1
        where that is smaller).
    margin_difference
        The same for raw scores alone; 0 for trees.
    training_difference
        The largest difference on rows of the training frame, relative to the largest answer for
        them; None for models without dot products and their kin.
    labels_identical
        Whether every predicted label was the library's; None where there are no labels.
    ties
        Probe rows with another label than the library's, because two scores are closer than the
        rounding of their sums; no row of the training frame is among them.
    routes
        The routes that were compared.
    without
        Routes that were not, and why: a model that has no SQL is certified without it.
    versions
        The versions that were compared.
    seed, seconds
        How the probe rows were drawn, and how long it took.
    """

    reference: str
    rows: int
    refused: int
    largest_difference: float
    margin_difference: float
    training_difference: float | None
    labels_identical: bool | None
    ties: int
    routes: tuple[str, ...]
    without: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int
    seconds: float
    golden: Golden = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Give the certificate as plain JSON values, without the golden rows."""
        members = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "golden"}
        plain = {"routes": list(self.routes), "without": dict(self.without)}
        return {**members, **plain, "versions": dict(self.versions)}


def certify(  # noqa: PLR0913 - keyword options of the gate
    model: Model,
    estimator: object,
    training: Training,
    *,
    rows: int = PROBE_ROWS,
    routes: Sequence[str] = EVERY_ROUTE,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> Certificate:
    """Compare all routes with the library on probe rows.

    Raises
    ------
    CertificationError
        At the first row on which a route differs; the message shows the row and both answers.
    """

    def ask(rows_asked: pa.Table) -> Answers | str:
        return ask_library(estimator, training.rebuild(rows_asked))

    probes = Probes(training.table, rows, seed)
    return _hold(model, ("library", ask), probes, routes, progress)


def compare_routes(
    model: Model,
    table: pa.Table,
    *,
    rows: int = PROBE_ROWS,
    seed: int = SEED,
    progress: Callable[[str], None] | None = None,
) -> Certificate:
    """Compare all routes with the kernel, where the library is not there to be asked.

    Raises
    ------
    CertificationError
        At the first row on which a route differs from the kernel.
    """
    ask = kernel(model, None)
    return _hold(model, ("kernel", ask), Probes(table, rows, seed), EVERY_ROUTE, progress)


class Probes(NamedTuple):
    """What probe rows are made from: a training table, how many rows, and a seed."""

    table: pa.Table
    rows: int
    seed: int


def _hold(
    model: Model,
    reference: tuple[str, Route],
    probes: Probes,
    routes: Sequence[str],
    progress: Callable[[str], None] | None,
) -> Certificate:
    """Hold routes against a reference, which has a name and answers as a route does."""
    if type(probes.rows) is not int or probes.rows < 1:
        message = f"probe_rows is a whole number of at least 1, and not {probes.rows!r}."
        raise CertificationError(message)
    started = time.perf_counter()
    report = progress or (lambda _: None)
    report("making probe rows")
    tally = _Tally(model, *reference)
    with interruptible(duckdb.connect()) as connection:
        runs = {name: ROUTES[name](model, connection) for name in routes if name != SQL}
        for probe in make_probes(model, *probes):
            report(f"comparing {len(probe.table):,} rows: {probe.name}")
            _compare(probe, runs, tally)
    without = _without_sql(tally, report) if SQL in routes else {}
    return Certificate(
        reference=tally.reference,
        rows=tally.rows,
        refused=tally.refused,
        largest_difference=tally.largest,
        margin_difference=tally.largest_margin,
        training_difference=tally.largest_training,
        labels_identical=None if model.outputs.classes is None else not tally.ties.total(),
        ties=max(tally.ties.values(), default=0),
        routes=tuple(name for name in routes if name not in without),
        without=without,
        versions=library_versions(),
        seed=probes.seed,
        seconds=round(time.perf_counter() - started, 3),
        golden=tally.golden,
    )


def _without_sql(tally: _Tally, report: Callable[[str], None]) -> dict[str, str]:
    """Hold SQL against what the library said, or say why the model has none."""
    report("comparing plain SQL")
    held = hold_sql(tally.model, tally.scorer, tally.seen)
    tally.largest = max(tally.largest, held.largest)
    return {} if held.refusal is None else {SQL: held.refusal}


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
    """What has been compared so far, and with what."""

    def __init__(self, model: Model, reference: str, ask: Route) -> None:
        self.model = model
        self.reference = reference
        self.ask = ask
        self.scorer = Scorer(model, None)
        self.exact = not has_sums(model)
        self.seen = Seen()
        self.rows = self.refused = 0
        self.ties: Counter[str] = Counter()
        self.largest = self.largest_margin = 0.0
        self.largest_training: float | None = None
        self.golden = Golden(model.signature.names, (), (), ())


def _compare(probe: Probe, runs: Mapping[str, Route], tally: _Tally) -> None:
    """Compare a group; where the library refuses it whole, compare some of its rows alone."""
    theirs = tally.ask(probe.table)
    if isinstance(theirs, str) and probe.name in {"boundaries", "splits"}:
        message = (
            f"The {tally.reference} refuses rows like those that it was trained on: {theirs}. Pass "
            "the frame that was given to fit as like=."
        )
        raise CertificationError(message)
    for name, run in runs.items():
        ours = run(probe.table)
        if isinstance(theirs, str) != isinstance(ours, str):
            _fail_on_refusal(probe, name, ours, theirs, tally.reference)
        if isinstance(theirs, Answers) and isinstance(ours, Answers):
            _compare_answers(probe, name, ours, theirs, tally)
    if isinstance(theirs, Answers):
        tally.seen.answered.append((probe, theirs))
        tally.rows += len(probe.table)
        if probe.name in {"boundaries", _GOLDEN}:
            tally.golden = Golden.of(probe.table, theirs)
        if probe.name == "boundaries":
            plain = without_tiny(probe.table)
            if plain is not None:
                _compare(Probe(_GOLDEN, plain), runs, tally)
        return
    if len(probe.table) == 1:
        tally.seen.refused.append(probe)
        tally.refused += 1
        return
    for row in range(min(_SINGLE_ROWS, len(probe.table))):
        alone = replace(probe, table=probe.table.slice(row, 1))
        _compare(alone, runs, tally)


def _compare_answers(
    probe: Probe, route: str, ours: Answers, theirs: Answers, tally: _Tally
) -> None:
    values = tally.scorer.run(tally.scorer.decoder.decode(probe.table))
    bound = rounding_bound(tally.model, values)
    pair = f"Route {route} differs from the {tally.reference}"
    if tally.model.outputs.classes is not None:
        _compare_labels(probe, (route, pair), ours, theirs, tally)
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
            shapes = f"{mine.shape}, the {tally.reference} {other.shape}"
            message = f"Route {route}: {what} has shape {shapes}."
            raise CertificationError(message)
        relative = RELATIVE_PROBABILITY if what == "probability" else RELATIVE
        largest, row = differences(mine, other, bound, exact=exact, relative=relative)
        if row is not None:
            _fail(probe, pair, what, row, mine[row], other[row])
        tally.largest = max(tally.largest, largest)
        if what == "raw score":
            tally.largest_margin = max(tally.largest_margin, largest)
        if probe.name == "training":
            part = _relative_to_largest(mine, other)
            if part > CERTAIN:
                _fail_on_cancellation(part)
            tally.largest_training = max(tally.largest_training or 0.0, part)


def _relative_to_largest(mine: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Give the largest difference of finite answers, relative to the largest of them."""
    with np.errstate(invalid="ignore"):
        gaps = np.abs(mine - other)
    sizes = np.abs(other[np.isfinite(other)])
    largest = float(sizes.max(initial=0.0))
    return float(gaps[np.isfinite(gaps)].max(initial=0.0)) / largest if largest else 0.0


def _fail_on_cancellation(difference: float) -> None:
    message = (
        f"For rows of the training frame, the library's answer and a sum of the same terms in "
        f"another order differ by {difference:.1e} of the largest answer: the terms nearly cancel, "
        "so the library's own answer depends on the machine. The model is not published. Fit it "
        "with more regularisation (alpha), and center and scale the columns before it."
    )
    raise CertificationError(message)


def _compare_labels(
    probe: Probe, names: tuple[str, str], ours: Answers, theirs: Answers, tally: _Tally
) -> None:
    """Labels are identical, but where the order in which a dot product is added decides.

    That is where it overflows, and on ties; a tie in the training frame is still refused.
    """
    mine, other = ours.prediction.tolist(), theirs.prediction.tolist()
    route, pair = names
    differs = np.array([a != b for a, b in zip(mine, other, strict=True)], np.bool_)
    if not differs.any():
        return
    values = tally.scorer.run(tally.scorer.decoder.decode(probe.table))
    doubts = label_doubts(tally.model, values)
    differs &= ~doubts.overflows
    wrong = differs if probe.name == "training" else differs & ~doubts.ties
    if wrong.any():
        row = int(np.argmax(wrong))
        if doubts.ties[row]:
            _fail_on_tie(probe, row, mine[row], other[row])
        _fail(probe, pair, "label", row, mine[row], other[row])
    tally.ties[route] += int(differs.sum())


def _fail_on_tie(probe: Probe, row: int, ours: object, theirs: object) -> None:
    message = (
        f"A row of the training frame lies on a tie between the labels {ours!r} and {theirs!r}: "
        "their scores are closer than the rounding of their sums, so the library's own label "
        "depends on the processor and on the number of rows. The model is not published. Center "
        "and scale the columns before it (StandardScaler), or fit it otherwise (random_state, the "
        f"number of clusters). The row: {probe.table.slice(row, 1).to_pylist()[0]}."
    )
    raise CertificationError(message)


def _fail_on_refusal(
    probe: Probe, route: str, ours: object, theirs: object, reference: str
) -> None:
    mine = f"refuses them ({ours})" if isinstance(ours, str) else "answers"
    other = f"refuses them ({theirs})" if isinstance(theirs, str) else "answers"
    row = probe.table.slice(0, 1).to_pylist()[0]
    message = (
        f"Route {route} {mine}, and the {reference} {other}, on the {probe.name} probe rows, which "
        f"begin with {row}. The model is not published."
    )
    raise CertificationError(message)


def _fail(  # noqa: PLR0913, PLR0917 - each is part of the message
    probe: Probe, pair: str, what: str, row: int, ours: object, theirs: object
) -> None:
    shown = probe.table.slice(row, 1).to_pylist()[0]
    message = (
        f"{pair} in the {what}: {ours!r} against {theirs!r}, on row {row} of the {probe.name} "
        f"probe rows: {shown}. The model is not published: this is a defect of foresql, "
        "or the estimator's class was changed; please report it."
    )
    raise CertificationError(message)
