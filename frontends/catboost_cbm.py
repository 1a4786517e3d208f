"""CatBoost's ``.cbm`` files: ``CBM1``, the core's size, the core, and the parts that it names.

Source: catboost/libs/model/flatbuffers/{model,features,ctr_data}.fbs, whose fields are numbered
here in their order, and ``TFullModel::Load`` in catboost/libs/model/model.cpp.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from .catboost_cbm_trees import read_trees
from .catboost_flatbuffer import Table
from .catboost_model import (
    CatBoostModel,
    CountTable,
    Ctr,
    CtrSplit,
    FloatFeature,
    FloatSplit,
    OneHotSplit,
    Projection,
    Split,
    Statistic,
    fail,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAGIC = b"CBM1"
_FORMAT = "FlabuffersModel_v1"
_COUNTS_PART = "static_provider_v1"
_KINDS = (
    "Borders",
    "Buckets",
    "BinarizedTargetMeanValue",
    "FloatTargetMeanValue",
    "Counter",
    "FeatureFreq",
)
_NAN_IS_HIGH = 2
_NO_HASH = np.uint64(2**64 - 1)
_FLOAT_SPLIT = np.dtype([("feature", np.int32), ("border", np.float32)])
_ONE_HOT_SPLIT = np.dtype([("feature", np.int32), ("value", np.int32)])
_BUCKET = np.dtype([("hash", np.uint64), ("row", np.uint32)])
_MEAN = np.dtype([("sum", np.float32), ("count", np.int32)])


def read_cbm(data: bytes) -> CatBoostModel:
    """Read the bytes of a ``.cbm`` file."""
    if data[:4] != MAGIC:
        fail("it does not begin with CBM1")
    core, rest = _sized(data, len(MAGIC))
    root = Table.root(core)
    if root.text(0) != _FORMAT:
        raise unsupported(f"its format {root.text(0)!r} is not known", "save it with CatBoost 1.2")
    trees = root.table(1)
    if trees is None:
        fail("it has no trees")
    _refuse_texts(trees)
    parts = root.texts(3)
    if any(part != _COUNTS_PART for part in parts):
        raise unsupported(f"its parts {parts} are not known", "train on numbers and categories")
    tables = _read_counts(data, rest) if parts else {}
    info = {entry.text(0): _plain(entry.text(1)) for entry in root.tables(2)}
    return _read_model(trees, tables, info)


def _plain(text: str) -> object:
    """Read a note that is JSON; others are kept as they are."""
    if text[:1] not in {"{", "["}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _sized(data: bytes, place: int) -> tuple[bytes, int]:
    """Give the bytes behind a size of 32 bits, and where they end."""
    start = place + 4
    if start > len(data):
        fail("a size lies beyond the file")
    (size,) = struct.unpack_from("<I", data, place)
    if start + size > len(data):
        fail(f"{size} bytes are announced, and {len(data) - start} are there")
    return data[start : start + size], start + size


def _refuse_texts(trees: Table) -> None:
    for field, kind in ((12, "text"), (18, "embedding"), (13, "estimated")):
        if trees.tables(field):
            raise unsupported(
                f"it has {kind} features, whose calculations have no exact translation",
                "train without text_features and embedding_features",
            )


def _read_model(
    table: Table, tables: Mapping[Statistic, CountTable], info: Mapping[str, object]
) -> CatBoostModel:
    dimension = table.number(0, "i", 0)
    if not 0 < dimension <= max(len(table.array(8, np.float64)), 1):
        fail(f"it has {dimension} raw scores")
    biases = tuple(table.array(16, np.float64).tolist())
    if not biases:
        biases = (table.number(15, "d", 0.0),) * dimension
    floats, categories = table.tables(5), table.tables(4)
    columns = [feature.number(2, "i", -1) for feature in floats]
    of_categories = tuple(feature.number(1, "i", -1) for feature in categories)
    names = dict(zip(columns, [feature.text(4) for feature in floats], strict=True))
    names |= zip(of_categories, [feature.text(2) for feature in categories], strict=True)
    _check_order(floats, 1)
    _check_order(categories, 0)
    ctrs = [(_read_ctr(feature.table(0)), feature) for feature in table.tables(7)]
    return CatBoostModel(
        feature_names=tuple(names[column] or str(column) for column in sorted(names)),
        floats=tuple(map(_read_float, floats, columns)),
        categories=of_categories,
        splits=tuple(_read_splits(table, ctrs)),
        ctrs=tuple(ctr for ctr, _ in ctrs),
        tables=tables,
        trees=tuple(read_trees(table, dimension)),
        dimension=dimension,
        scale=table.number(14, "d", 1.0),
        biases=biases,
        info=info,
    )


def _check_order(features: list[Table], field: int) -> None:
    """Features count up from 0, unless some were dropped."""
    if [feature.number(field, "i", -1) for feature in features] != list(range(len(features))):
        raise unsupported(
            "some of its features were dropped",
            "save it before drop_unused_features() is called",
        )


def _read_float(feature: Table, column: int) -> FloatFeature:
    borders = tuple(feature.array(3, np.float32).tolist())
    is_high = feature.number(0, "?", default=False) and feature.number(5, "b", 0) == _NAN_IS_HIGH
    return FloatFeature(column, borders, is_high)


def _read_splits(table: Table, ctrs: list[tuple[Ctr, Table]]) -> list[Split]:
    """List all splits as the trees count them. Source: ``TModelTrees::CalcBinFeatures``."""
    found: list[Split] = []
    for index, feature in enumerate(table.tables(5)):
        found += [FloatSplit(index, border) for border in feature.array(3, np.float32).tolist()]
    for feature in table.tables(6):
        index = feature.number(0, "i", -1)
        found += [OneHotSplit(index, value) for value in feature.array(1, np.int32).tolist()]
    for index, (_, feature) in enumerate(ctrs):
        found += [CtrSplit(index, border) for border in feature.array(1, np.float32).tolist()]
    return found


def _read_ctr(table: Table | None) -> Ctr:
    if table is None:
        fail("a statistic of categories is missing")
    return Ctr(
        _read_statistic(table.table(0)),
        table.number(1, "i", 0),
        table.number(2, "f", 0.0),
        table.number(3, "f", 1.0),
        table.number(4, "f", 0.0),
        table.number(5, "f", 1.0),
    )


def _read_statistic(table: Table | None) -> Statistic:
    projection = None if table is None else table.table(0)
    if table is None or projection is None:
        fail("a statistic of categories is missing")
    kind = table.number(1, "b", 0)
    if not 0 <= kind < len(_KINDS):
        raise unsupported(f"its statistic number {kind} is not known", "save it with CatBoost 1.2")
    floats = projection.array(1, _FLOAT_SPLIT)
    one_hots = projection.array(2, _ONE_HOT_SPLIT)
    return Statistic(
        Projection(
            tuple(projection.array(0, np.int32).tolist()),
            tuple(FloatSplit(*split) for split in floats.tolist()),
            tuple(OneHotSplit(*split) for split in one_hots.tolist()),
        ),
        _KINDS[kind],
        table.number(2, "i", 0),
    )


def _read_counts(data: bytes, place: int) -> dict[Statistic, CountTable]:
    """Read the part behind the core: a number of tables, and each with its size."""
    if place + 4 > len(data):
        fail("the counts of its categories are missing")
    (count,) = struct.unpack_from("<I", data, place)
    place += 4
    tables: dict[Statistic, CountTable] = {}
    for _ in range(count):
        part, place = _sized(data, place)
        table = Table.root(part)
        statistic = _read_statistic(table.table(0))
        tables[statistic] = _read_counted(table, statistic.kind)
    return tables


def _read_counted(table: Table, kind: str) -> CountTable:
    raw = table.array(1, np.uint8)
    if len(raw) % _BUCKET.itemsize:
        fail("a table of hashes ends within one")
    buckets = raw.view(_BUCKET.newbyteorder("<"))
    buckets = buckets[buckets["hash"] != _NO_HASH]
    counts = _counts(table.array(2, np.uint8), kind, table.number(4, "i", 0))
    if len(buckets) and int(buckets["row"].max()) >= len(counts):
        fail("a hash has no counts")
    return CountTable(
        buckets["hash"].astype(np.uint64), counts[buckets["row"]], table.number(3, "i", 0)
    )


def _counts(blob: NDArray[np.uint8], kind: str, classes: int) -> NDArray[np.float64]:
    """Read the counts of all rows: float64[rows, columns]."""
    if kind.endswith("TargetMeanValue"):
        width, columns = _MEAN.itemsize, 2
    else:
        columns = 1 if kind in {"Counter", "FeatureFreq"} else classes
        width = 4 * columns
    if width <= 0 or len(blob) % width or not len(blob):
        fail(f"{len(blob)} bytes of counts are not in rows of {width}")
    if kind.endswith("TargetMeanValue"):
        means = blob.view(_MEAN.newbyteorder("<"))
        return np.stack([means["sum"], means["count"]], axis=1).astype(np.float64)
    return blob.view("<i4").reshape(-1, columns).astype(np.float64)
