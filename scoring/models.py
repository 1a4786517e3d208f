"""From what a user names (a reference, a bundle, a fitted estimator) to functions in DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..certify import certify
from ..certify.publish import prepare
from ..errors import RegistrationError
from ..frontends import Training
from ..ir.bundle import Bundle, read_bundle
from ..kernels import Scorer, build_program
from ..registry import Registry, default_path
from ..udfs.duckdb import register_scorer, registry_of
from ..udfs.duckdb.extension import loaded_extension
from .native import pinned_reference, write_temporary

if TYPE_CHECKING:
    import duckdb

    from ..udfs.duckdb import Registration

_QUICK_ROWS = 2000
_QUICK_ROUTES = ("kernel", "reloaded")  # the steps, and the program that is going to run
BUNDLE_SUFFIX = ".foresql"


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """A bundle and where it came from; ``version`` is None outside a registry."""

    name: str
    version: int | None
    bundle: Bundle
    path: Path


def open_model(reference: str | Path, registry: str | Path | None = None) -> OpenModel:
    """Load a model by ``delay@champion``, ``delay:3``, or the path of a ``.foresql`` file.

    Raises
    ------
    RegistryError, BundleError
        If there is no such model, or its bundle is not whole.
    """
    if str(reference).endswith(BUNDLE_SUFFIX):
        path = Path(reference)
        bundle = read_bundle(path)
        return OpenModel(str(bundle.card.get("name") or path.stem), None, bundle, path)
    store = Registry.open(Path(registry) if registry else default_path())
    version = store.resolve(str(reference))
    path = store.bundle_path(version)
    return OpenModel(version.name, version.version, store.load(version), path)


def register(  # noqa: PLR0913 - keyword options of one call
    connection: duckdb.DuckDBPyConnection,
    model: object,
    *,
    name: str | None = None,
    like: object | None = None,
    registry: str | Path | None = None,
    temporary: bool = False,
    opaque: bool = False,
) -> Registration:
    """Make a model a function of a DuckDB connection.

    Parameters
    ----------
    connection
        An open DuckDB connection.
    model
        A reference into the registry (``"delay@champion"``, ``"delay:3"``), the path of a
        ``.foresql`` bundle, or a fitted estimator.
    name
        The predicting function's name; ``predict_<model>`` by default, ``predict`` for an
        estimator. Registering the same name again replaces it.
    like
        For an estimator: the frame that was passed to ``fit``. The estimator is compared with its
        translation on some of its rows and on the model's own boundaries before it is used.
    registry
        The registry's folder; by default the one that :func:`~foresql.connect` was given,
        ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    temporary
        Keep the functions' macros in this connection alone, and write nothing to its database:
        for one that is read-only. Otherwise all cursors and threads of the database see them.
    opaque
        For an estimator: keep it whole where it has no exact translation, as ``publish`` does.

    Raises
    ------
    ForesqlError
        One of its kinds, with what to do. Nothing is registered then, and nothing replaced.

    Examples
    --------
    >>> foresql.register(con, "delay@champion", name="predict")  # doctest: +SKIP
    >>> con.sql("SELECT predict(t) FROM t")  # doctest: +SKIP
    """
    if isinstance(model, str | Path):
        opened = open_model(model, registry or registry_of(connection))
        scorer = Scorer(opened.bundle.model, opened.bundle.program)
        name = name or f"predict_{opened.name}"
        return register_scorer(
            connection,
            scorer,
            name,
            version=opened.version,
            temporary=temporary,
            bundle=pinned_reference(opened.path, opened.bundle),
            label=opened.name if opened.version is None else f"{opened.name}:{opened.version}",
        )
    if like is None:
        message = (
            f"register(con, {type(model).__name__}(…)) also needs like=, the frame that was passed "
            "to fit: it gives the columns their names and types."
        )
        raise RegistrationError(message)
    training = Training.of(like, model)
    converted = prepare(model, training, opaque=opaque)
    training = training.only(converted.signature.names)
    certify(converted, model, training, rows=_QUICK_ROWS, routes=_QUICK_ROUTES)
    program = build_program(converted)
    bundle = None
    if program and loaded_extension(connection):
        bundle = write_temporary(Bundle(converted, program=program))
    scorer = Scorer(converted, program)
    return register_scorer(
        connection, scorer, name or "predict", temporary=temporary, bundle=bundle
    )
