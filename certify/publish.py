"""Publish: convert, certify, describe, store."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import SignatureError
from ..frontends import Training, convert
from ..ir.bundle import Bundle
from ..kernels import Scorer
from ..kernels.contributions import with_background
from ..registry import ANY, Registry, default_path
from ..registry.records import current_user
from ..registry.references import check_name
from .gate import PROBE_ROWS, Certificate, certify, library_versions
from .kept import kept_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..ir import Model


@dataclass(frozen=True, slots=True)
class Published:
    """A version that was just published.

    ``needs`` names the libraries, and their versions, that scoring needs where the model is kept
    whole; a model that was translated needs none.
    """

    name: str
    version: int
    digest: str
    alias: str | None
    certificate: Certificate
    needs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def reference(self) -> str:
        """How to name exactly this version: ``delay:3``."""
        return f"{self.name}:{self.version}"


def publish(  # noqa: PLR0913 - keyword options of one call
    name: str,
    estimator: object,
    *,
    like: object,
    alias: str | None = None,
    metrics: Mapping[str, float] | None = None,
    description: str = "",
    calibration: tuple[object, Any] | None = None,
    registry: str | Path | None = None,
    probe_rows: int = PROBE_ROWS,
    opaque: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Published:
    """Put a fitted model into the registry, once every route gave the library's answers.

    Parameters
    ----------
    name
        The model's name: ``delay`` is called as ``predict_delay`` in SQL.
    estimator
        A fitted estimator, pipeline or Booster.
    like
        The frame that was passed to ``fit`` (pandas, polars, Arrow, numpy). Columns that the
        model does not read are left out of its signature.
    alias
        An alias to move to the new version, such as ``champion``.
    metrics, description
        What the model card should say.
    calibration
        ``(X, y)`` that training did not see: gives a regression its conformal intervals.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    probe_rows
        How many rows to compare on the boundaries, besides those of the odd groups.
    opaque
        Keep a scikit-learn model whole where a part of it has no exact translation. Scoring then
        needs scikit-learn of the same version, is slower, and the model is no plain SQL.
    progress
        Called with a line of text as each stage begins.

    Raises
    ------
    UnsupportedModelError, SignatureError, CertificationError, RegistryError
        Nothing is stored then.
    """
    report = progress or (lambda _: None)
    store = Registry.open(Path(registry) if registry else default_path(), create=True)
    check_name(name, "model")
    report("converting")
    training = Training.of(like, estimator)
    model = prepare(estimator, training, calibration, opaque=opaque)
    training = training.only(model.signature.names)
    certificate = certify(model, estimator, training, rows=probe_rows, progress=report)
    report("storing")
    kept = kept_whole(model)
    card = {
        "name": name,
        "description": description,
        "metrics": {key: float(value) for key, value in (metrics or {}).items()},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "created_by": current_user(),
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "training": {"rows": len(training.table), "sha256": fingerprint(training.table)},
        "versions": library_versions(),
        "git_commit": _git_commit(),
        "certificate": certificate.to_json(),
        "golden": certificate.golden.to_json(),
        "kept_whole": kept or None,
    }
    version = store.add_version(name, Bundle(model, card), description=description)
    if alias is not None:
        store.move_alias(name, alias, version.version, expected=ANY, reason="publish")
    return Published(
        name, version.version, version.digest, alias, certificate, kept.get("needs", {})
    )


def prepare(
    estimator: object,
    training: Training,
    calibration: tuple[object, Any] | None = None,
    *,
    opaque: bool = False,
) -> Model:
    """Convert an estimator, and add what its explanations and intervals are measured from."""
    model = convert(estimator, training, opaque=opaque)
    model = with_background(model, Scorer(model).decoder.decode(training.table))
    if calibration is None:
        return model
    return replace(model, residuals=_residuals(model, estimator, calibration))


def _residuals(
    model: Model, estimator: object, calibration: tuple[object, Any]
) -> tuple[float, ...]:
    frame, target = calibration
    if model.outputs.classes is not None or len(model.outputs.prediction) != 1:
        message = "Intervals need a regression with one target; publish without calibration=."
        raise SignatureError(message)
    truth = np.asarray(target, np.float64).ravel()
    rows = Training.of(frame, estimator).table
    if not len(rows) or len(truth) != len(rows) or not np.isfinite(truth).all():
        message = (
            f"calibration=(X, y) needs as many finite targets as rows, and at least one: X has "
            f"{len(rows)} rows, y {len(truth)} values."
        )
        raise SignatureError(message)
    errors = np.abs(truth - Scorer(model).score(rows).prediction[:, 0])
    return tuple(np.sort(errors).tolist())


def fingerprint(table: pa.Table) -> str:
    """Hash a table's schema and values: equal tables have equal fingerprints."""
    sink = pa.BufferOutputStream()
    whole = table.combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _git_commit() -> str | None:
    """Give the commit that the model is published from, with ``+`` where files were changed."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    finished = subprocess.run(  # noqa: S603 - a fixed command, no shell
        ["git", *arguments],  # noqa: S607 - git is found as the user finds it
        capture_output=True,
        check=True,
        text=True,
        timeout=10,
    )
    return finished.stdout.strip()
