"""Import: a model file becomes a version, where its library confirms it."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CertificationError, ForesqlError
from ..frontends import ModelFile, convert, read_model_file
from ..frontends.file_rows import no_rows_for, rows_for, training_of
from ..frontends.mlflow_models import model_file_of
from .gate import PROBE_ROWS, SEED, certify, compare_routes
from .made_up import made_up_rows
from .publish import prepare
from .storing import Entry, open_for, store_version
from .training_rows import describe_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from ..frontends import Training
    from ..ir import Model
    from .gate import Certificate
    from .storing import Published


def import_model(  # noqa: PLR0913 - keyword options of one call
    source: str | Path,
    *,
    name: str | None = None,
    like: object | None = None,
    iterations: int | None = None,
    uncertified: bool = False,
    alias: str | None = None,
    metrics: Mapping[str, float] | None = None,
    description: str = "",
    registry: str | Path | None = None,
    probe_rows: int = PROBE_ROWS,
    progress: Callable[[str], None] | None = None,
) -> Published:
    """Put a model file into the registry, once every route gave its library's answers.

    Parameters
    ----------
    source
        A model file, an MLflow model folder, or an MLflow address (``models:/…``, ``runs:/…``).
    name
        The model's name; by default that of the file, without its ending.
    like
        Rows such as the model was trained on (pandas, polars, Arrow, numpy). Without them they
        are made up from the model's splits and categories.
    iterations
        How many boosting rounds to use, from the first; all by default.
    uncertified
        Ask no library: the routes are compared with each other alone, and the model card says so.
    alias, metrics, description, registry, probe_rows, progress
        As for :func:`publish`.

    Raises
    ------
    UnsupportedModelError, SignatureError, CertificationError, RegistryError
        Nothing is stored then. A :class:`CertificationError` too where the library is missing.
    """
    report = progress or (lambda _: None)
    report("reading")
    with model_file_of(source) as path:
        content = _read(path)
        file = read_model_file(content, path.name)
    if iterations is not None:
        file = file.until(iterations)
    if not uncertified:
        _require(file.library, file)
        _require("pandas", file)
    name = name or Path(str(source).rstrip("/")).stem
    entry = Entry(name, alias, description, metrics or {})
    report("converting")
    model, training = _convert(file, like, for_library=not uncertified)
    store = open_for(name, alias, registry)
    certificate = _certify(model, None if uncertified else file, training, probe_rows, report)
    report("storing")
    origin = {
        "estimator": file.estimator,
        "imported": {
            "from": str(source),
            "file": path.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "iterations": iterations,
            "rows": None if like is None else describe_rows(training.table),
        },
    }
    return store_version(store, model, certificate, entry, origin)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}."
        raise ForesqlError(message) from error


def _require(package: str, file: ModelFile) -> None:
    """Refuse to go on without the library, or what it is shown rows with."""
    try:
        import_module(package)
    except (ImportError, OSError) as error:  # a library may lack one of its own
        message = (
            f"{package} is not installed, so nothing can be compared: pip install "
            f"'foresql[{file.extra}]'{'' if package == file.library else ' pandas'}, or pass "
            "--uncertified (uncertified=True)."
        )
        raise CertificationError(message) from error


def _convert(file: ModelFile, like: object | None, *, for_library: bool) -> tuple[Model, Training]:
    if like is not None:
        training = training_of(rows_for(like, file), file, for_library=for_library)
        return prepare(file, training), training
    # Where rows are made up, nothing may be measured from their means.
    empty = no_rows_for(file)
    draft = convert(file, training_of(empty, file, for_library=False))
    rows: pa.Table = made_up_rows(draft, empty, SEED)
    training = training_of(rows, file, for_library=for_library)
    return convert(file, training), training


def _certify(
    model: Model,
    file: ModelFile | None,
    training: Training,
    rows: int,
    report: Callable[[str], None],
) -> Certificate:
    """Compare with the library of a file, or without one the routes with each other."""
    used = training.only(model.signature.names)
    if file is None:
        return compare_routes(model, used.table, rows=rows, progress=report)
    estimator: Any = file.load(training.signature.names)
    return certify(model, estimator, used, rows=rows, progress=report)
