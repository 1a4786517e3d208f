"""Make a bundle's functions known to a Spark session, classic or Connect."""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ...errors import RegistrationError
from ...kernels import Scorer
from ..duckdb.ownership import function_name
from ..functions import functions_of
from ..recent import OnceScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...ir import Model


@dataclass(frozen=True, slots=True)
class SparkRegistration:
    """The functions of a session: from kind to name, and why the model lacks the others."""

    functions: Mapping[str, str]
    omitted: Mapping[str, str]


class Packed(NamedTuple):
    """A bundle as it travels: its model, for the driver; its bytes; and their digest."""

    model: Model
    content: bytes
    digest: str


def register_bundle(
    session: Any, packed: Packed, name: str, version: int | None
) -> SparkRegistration:
    """Register the functions of a bundle.

    Parameters
    ----------
    session
        A ``SparkSession``, classic or Connect.
    packed
        The bundle.
    name
        The predicting function's name.
    version
        What ``version_…()`` gives; without one there is no such function.

    Raises
    ------
    RegistrationError
        If the name cannot be one in Spark.
    """
    if not name.isidentifier() or not name.isascii():
        message = f"{name!r} cannot be a function's name in Spark. Give letters, digits and _."
        raise RegistrationError(message)
    made = make_functions(session, packed)
    names = {kind: function_name(name, kind) for kind in made.functions}
    for kind, function in made.functions.items():
        session.udf.register(names[kind], function)
    if version is not None:
        names["version"] = function_name(name, "version")
        session.sql(
            f"CREATE OR REPLACE TEMPORARY FUNCTION {names['version']}() RETURNS INT "
            f"RETURN {int(version)}"
        )
    # What this model lacks would go on to answer for one that was registered under the name before.
    lacking = [*made.omitted, *(() if version is not None else ("version",))]
    for kind in lacking:
        session.sql(f"DROP TEMPORARY FUNCTION IF EXISTS {function_name(name, kind)}")
    return SparkRegistration(names, made.omitted)


class SparkFunctions(NamedTuple):
    """Spark's function objects by kind, and why the model lacks the others."""

    functions: Mapping[str, Any]
    omitted: Mapping[str, str]


def make_functions(session: Any, packed: Packed) -> SparkFunctions:
    """Send a bundle to a session, and make the functions that answer with it."""
    from pyspark.sql import functions as f

    # Its overloads know no function of any number of columns.
    arrow_udf: Callable[..., Any] = f.arrow_udf
    file = ship_bundle(session, packed.digest, packed.content)
    functions, omitted = functions_of(OnceScorer(Scorer(packed.model, None)))
    return SparkFunctions(
        {
            each.kind: arrow_udf(_body(file, packed.digest, each.kind), _spark_type(each.returns))
            for each in functions
        },
        omitted,
    )


def ship_bundle(session: Any, digest: str, content: bytes) -> str:
    """Give each executor a bundle, and say under which name it finds it."""
    file = f"foresql-{digest}.foresql"
    ship(session, file, content)
    return file


def ship(session: Any, file: str, content: bytes) -> None:
    """Give each executor the bundle, once: a session takes no file again but from the same path."""
    path = _folder() / file
    if not path.exists():
        # A file that a killed or second writer has half written must never have the name.
        draft = path.with_name(f".{file}.{secrets.token_hex(4)}")
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    session.addArtifact(str(path), file=True)


@lru_cache(1)
def _folder() -> Path:
    """Make the folder from which Spark fetches bundles, for as long as this process runs."""
    folder = tempfile.mkdtemp(prefix="foresql_spark_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _body(file: str, digest: str, kind: str) -> Callable[..., pa.Array]:
    """Make what Spark sends to its workers: the name of the bundle, and no more."""

    def answer(*arguments: pa.Array, **named: pa.Array) -> pa.Array:
        try:
            from . import worker
        except ImportError as error:
            message = (
                "This Spark executor has no foresql. Install it where the executors run Python: "
                "pip install foresql. Libraries of training are not needed there."
            )
            raise RuntimeError(message) from error
        return worker.answer(file, digest, kind, arguments, named)

    # Spark reads the types from the hints themselves, and not from their texts.
    answer.__annotations__ = {"arguments": pa.Array, "named": pa.Array, "return": pa.Array}
    return answer


def _spark_type(returns: pa.DataType) -> Any:
    from pyspark.sql.pandas.types import from_arrow_type

    if pa.types.is_fixed_size_list(returns):
        returns = pa.list_(returns.value_type)
    return from_arrow_type(returns, prefer_timestamp_ntz=True)
