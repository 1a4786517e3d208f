"""What runs in Spark's Python workers: the bundle, opened once, and a function's answer to rows.

A worker needs foresql, and nothing that models are trained with.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ...errors import SignatureError
from ...ir.bundle import decode_bundle
from ...kernels import Scorer
from ..functions import functions_of
from ..recent import OnceScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..functions import Function

_MOST_MODELS = 16
LEVEL = "level"


def answer(
    file: str, digest: str, kind: str, arguments: Sequence[pa.Array], named: dict[str, pa.Array]
) -> pa.Array:
    """Answer one batch.

    Parameters
    ----------
    file, digest
        The bundle's name among Spark's files, and its sha256.
    kind
        Which function: ``predict``, ``predict_proba``, ``explain``, ``interval``.
    arguments, named
        The columns: one struct whose fields are found by name, all columns in the order of the
        signature, or columns by their names. An interval's level is the last, or ``level``.

    Raises
    ------
    SignatureError
        If a column is missing, too many, or of the wrong type.
    """
    function, columns = _opened(file, digest)[kind]
    levels = []
    if function.takes_level:
        if LEVEL in named:
            named = dict(named)
            levels = [named.pop(LEVEL)]
        elif len(arguments) > 1:
            arguments, levels = arguments[:-1], [arguments[-1]]
        else:
            message = "An interval needs its level: interval_…(struct(*), 0.9)."
            raise SignatureError(message)
    rows = rows_of(columns, arguments, named)
    given = function.answer(rows, *levels)
    if isinstance(given, pa.FixedSizeListArray):
        return given.cast(pa.list_(pa.float64()))
    return given


@lru_cache(_MOST_MODELS)
def _opened(file: str, digest: str) -> dict[str, tuple[Function, tuple[str, ...]]]:
    from pyspark import SparkFiles

    bundle = decode_bundle(Path(SparkFiles.get(file)).read_bytes(), digest)
    once = OnceScorer(Scorer(bundle.model, bundle.program))
    columns = bundle.model.signature.names
    return {function.kind: (function, columns) for function in functions_of(once)[0]}


def rows_of(
    columns: tuple[str, ...], arguments: Sequence[pa.Array], named: dict[str, pa.Array]
) -> pa.StructArray:
    """Give the model's columns as a struct, found by name or by place.

    Raises
    ------
    SignatureError
        If a column is missing, may be several, or is too many.
    """
    if len(arguments) == 1 and not named and pa.types.is_struct(arguments[0].type):
        found = {field.name: arguments[0].field(field.name) for field in arguments[0].type}
        given = _matched(columns, found)
    else:
        given = _by_place(columns, arguments, named)
    return pa.StructArray.from_arrays(list(given.values()), list(given))


def _matched(columns: tuple[str, ...], found: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Find columns by name; Spark's names are the same in any case, where that is one name."""
    folded: dict[str, list[str]] = {}
    for name in found:
        folded.setdefault(name.casefold(), []).append(name)
    given: dict[str, pa.Array] = {}
    for name in columns:
        alike = [name] if name in found else folded.get(name.casefold(), [])
        if len(alike) != 1:
            problem = "is missing" if not alike else f"may be {' or '.join(alike)}"
            message = f"Column {name!r} {problem}. There are: {', '.join(list(found)[:20])}."
            raise SignatureError(message)
        given[name] = found[alike[0]]
    return given


def _by_place(
    columns: tuple[str, ...], arguments: Sequence[pa.Array], named: dict[str, pa.Array]
) -> dict[str, pa.Array]:
    if len(arguments) + len(named) != len(columns):
        message = (
            f"The model reads {len(columns)} columns, and {len(arguments) + len(named)} are given. "
            f"It reads, in this order: {', '.join(columns)}. To find them by name: struct(*)."
        )
        raise SignatureError(message)
    placed = dict(zip(columns, arguments, strict=False))
    rest = columns[len(arguments) :]
    return placed | _matched(rest, named)
