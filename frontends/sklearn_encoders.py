"""scikit-learn's encoders: categories to numbers and to columns of zeros and ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir import steps as s
from .convert import require_fitted
from .values import is_missing, key_of

if TYPE_CHECKING:
    from .graph import Graph, Names


def convert_ordinal_encoder(encoder: Any, inputs: Names, graph: Graph) -> Names:
    """Each category's position, with the fitted numbers for unknown and missing values."""
    require_fitted(encoder, "categories_", graph)
    unknown = None
    if encoder.handle_unknown == "use_encoded_value":
        unknown = float(encoder.unknown_value)
    outputs: list[str] = []
    for index, name in enumerate(inputs):
        codes, missing = _category_codes(encoder, index)
        # Large codes wrap around or are rounded in a small dtype.
        codes = codes.astype(np.int64).astype(encoder.dtype).astype(np.float64)
        # A category None is one like any other to the library, and only NaN is missing.
        if index in encoder._missing_indices:  # noqa: SLF001 - no public equivalent
            missing = float(encoder.encoded_missing_value)
        outputs.append(_lookup(encoder, index, name, codes, (missing, unknown), graph))
    return tuple(outputs)


def convert_one_hot_encoder(encoder: Any, inputs: Names, graph: Graph) -> Names:
    """Each category's position, then one column a position that was not dropped."""
    require_fitted(encoder, "categories_", graph)
    outputs: list[str] = []
    for index, name in enumerate(inputs):
        codes, missing = _category_codes(encoder, index)
        unknown = _one_hot_unknown(encoder, index, codes)
        code = _lookup(encoder, index, name, codes, (missing, unknown), graph)
        dropped = encoder._drop_idx_after_grouping  # noqa: SLF001 - no public equivalent
        drop = None if dropped is None else dropped[index]
        kept = [float(c) for c in np.unique(codes) if c != drop]
        if kept:
            columns = graph.fresh([f"{name}={int(c)}" for c in kept], "hot")
            outputs += graph.add(s.OneHot((code,), columns, np.array(kept)))
    if encoder.sparse_output:
        graph.sparse.update(outputs)
    return tuple(outputs)


def convert_target_encoder(encoder: Any, inputs: Names, graph: Graph) -> Names:
    """Each category's mean of the target, one a class; unknown ones take the mean of all rows."""
    encodings = require_fitted(encoder, "encodings_", graph)
    is_multiclass = encoder.target_type_ == "multiclass"
    means = encoder.target_mean_ if is_multiclass else [encoder.target_mean_]
    outputs: list[str] = []
    for index, encoding in enumerate(encodings):
        column, label = divmod(index, len(means))
        mean = float(means[label])
        categories = encoder.categories_[column]
        missing = [encoding[i] for i, value in enumerate(categories) if is_missing(value)]
        fallback = (float(missing[0]) if missing else mean, mean)
        codes = np.asarray(encoding, np.float64)
        outputs.append(_lookup(encoder, column, inputs[column], codes, fallback, graph))
    return tuple(outputs)


def _one_hot_unknown(encoder: Any, index: int, codes: np.ndarray) -> float | None:
    """Give the code of an unknown value: None to refuse it, that of the rare, or NaN (all 0)."""
    if encoder.handle_unknown == "error":
        return None
    rare = _rare(encoder, index)
    if encoder.handle_unknown in {"infrequent_if_exist", "warn"} and rare is not None:
        return float(codes[rare[0]])
    return math.nan


def _rare(encoder: Any, index: int) -> np.ndarray | None:
    """Positions of the categories that were grouped as infrequent."""
    indices = getattr(encoder, "_infrequent_indices", None)
    return None if indices is None else indices[index]


def _category_codes(encoder: Any, index: int) -> tuple[np.ndarray, float | None]:
    """Give each category's code after grouping the rare ones, and that of a missing value."""
    categories = encoder.categories_[index]
    codes = np.arange(len(categories), dtype=np.float64)
    if _rare(encoder, index) is not None:
        mapping = encoder._default_to_infrequent_mappings[index]  # noqa: SLF001 - no public one
        # OrdinalEncoder leaves NaN, its last category, out of the grouping.
        codes[: len(mapping)] = mapping
    missing = [codes[i] for i, value in enumerate(categories) if is_missing(value)]
    return codes, float(missing[0]) if missing else None


def _lookup(  # noqa: PLR0913, PLR0917 - what makes up a lookup
    encoder: Any,
    index: int,
    name: str,
    codes: np.ndarray,
    fallback: tuple[float | None, float | None],
    graph: Graph,
) -> str:
    """Append the lookup; a missing value that is no category counts as unknown."""
    missing, unknown = fallback
    categories = encoder.categories_[index]
    present = [i for i, value in enumerate(categories) if not is_missing(value)]
    if len(categories) - len(present) > 1:
        raise graph.refuse(
            f"column {name!r} has several kinds of missing value (None and NaN) as categories",
            "use one of them in the training frame; SQL knows NULL only",
        )
    keys = tuple(key_of(categories[i], graph.types[name]) for i in present)
    where = graph.path.rsplit(".", 1)[-1]
    if missing is None:
        missing = unknown
    if graph.types[name].is_number and categories.dtype.kind != "O":
        graph.require((name,), missing=False, infinite=True)
    output = graph.fresh([name], "code")
    step = s.Lookup((name,), (output[0],), where, keys, codes[present], missing, unknown)
    return graph.add(step)[0]
