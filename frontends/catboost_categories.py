"""CatBoost's categories: its model holds hashes, and the training frame says of what.

A category becomes a code, one a hash. Splits test codes, or numbers that are made of the counts of
categories and of combinations ("CTR"), which are looked up by codes.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..ir import ColumnType
from ..ir import steps as s
from .catboost_hash import add_to_hash, hash_category
from .catboost_model import CtrSplit, OneHotSplit, fail
from .catboost_thresholds import threshold_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from ..ir import Scalar
    from .catboost_model import CatBoostModel, CountTable, Ctr, FloatSplit, Projection
    from .graph import Graph, Names

    Codes = dict[int, int]
    """The code of each hash."""

_UNKNOWN = -1.0
_MOST_OUTCOMES = 12


class Categories:
    """The categorical columns that a model reads, as codes, and the numbers made of them."""

    def __init__(self, model: CatBoostModel, inputs: Names, graph: Graph) -> None:
        """Encode each column that a split or a statistic reads."""
        self._model, self._inputs, self._graph = model, inputs, graph
        self._codes: dict[int, Codes] = {}
        self._columns: dict[int, str] = {}
        self._vocabularies: dict[int, dict[Scalar, int]] = {}
        self._outcomes: dict[FloatSplit | OneHotSplit, str] = {}
        tested = _tested(model)
        counted = {
            feature
            for ctr in _used(model).values()
            for feature in ctr.statistic.projection.categories
        }
        # CatBoost refuses a missing category, whether or not a tree asks for it.
        unused = set(range(len(model.categories))) - {*tested, *counted}
        names = tuple(inputs[model.categories[feature]] for feature in sorted(unused))
        graph.require(names, missing=True, infinite=False)
        for feature in sorted({*tested, *counted}):
            self._encode(feature, tested.get(feature, set()), everything=feature in counted)

    def column(self, feature: int) -> str:
        """Name the column of a feature's codes."""
        return self._columns[feature]

    def code(self, split: OneHotSplit) -> int:
        """Give the code of the hash that a split tests."""
        return self._codes[split.feature][split.value]

    def numbers(self) -> dict[int, str]:
        """Append the numbers that splits test, and give the column of each."""
        by_projection: dict[Projection, list[int]] = {}
        for index, ctr in _used(self._model).items():
            by_projection.setdefault(ctr.statistic.projection, []).append(index)
        found: dict[int, str] = {}
        for projection, indices in by_projection.items():
            found |= zip(indices, self._count(projection, indices), strict=True)
        return found

    def _encode(self, feature: int, tested: set[int], *, everything: bool) -> None:
        """Append codes for a column's categories, or for those alone that a split tests."""
        name = self._inputs[self._model.categories[feature]]
        known = {key: hash_category(_text(key)) for key in self._values(name)}
        lacking = tested - set(known.values())
        if lacking or not known:
            raise self._graph.refuse(
                f"it splits on {len(lacking)} categories of column {name!r}, kept as hashes, that "
                "the training frame does not have",
                "give the whole training frame, with the dtypes that fit was given",
            )
        if not everything:
            known = {key: value for key, value in known.items() if value in tested}
        codes = {value: code for code, value in enumerate(dict.fromkeys(known.values()))}
        output = self._graph.fresh([name], "code")[0]
        values = np.array([codes[value] for value in known.values()], np.float64)
        step = s.Lookup((name,), (output,), "CatBoost", tuple(known), values, None, _UNKNOWN)
        self._vocabularies[feature], self._codes[feature] = known, codes
        (self._columns[feature],) = self._graph.add(step)

    def _values(self, name: str) -> list[Scalar]:
        """List the categories of a column that the training frame has."""
        column = self._rows(name)
        if self._graph.types[name] not in {
            ColumnType.VARCHAR,
            ColumnType.BIGINT,
            ColumnType.BOOLEAN,
        }:
            raise self._graph.refuse(
                f"its categories of column {name!r} are {self._graph.types[name]}, whose text "
                "CatBoost hashes",
                "train on a column of texts or integers",
            )
        seen = [value for value in column.unique().to_pylist() if value is not None]
        levels = self._graph.signature[name].categories or ()
        return list(dict.fromkeys([*seen, *levels]))

    def _rows(self, name: str) -> pa.ChunkedArray:
        """Give a training column, which is what a pipeline was given and nothing made of it."""
        if self._graph.table is None:
            raise self._graph.refuse(
                "its categories are kept as hashes",
                "give the whole training frame, with the dtypes that fit was given",
            )
        if name not in self._graph.signature:
            raise self._graph.refuse(
                f"its categories of column {name!r} were made by a transformer, and it keeps them "
                "as hashes",
                "pass categorical columns through unchanged",
            )
        return self._graph.table.column(name)

    def _count(self, projection: Projection, indices: list[int]) -> Names:
        """Append the numbers that are made of one combination of categories and splits."""
        combinations = self._combine(projection)
        hashes = list(combinations)
        ctrs = [self._model.ctrs[index] for index in indices]
        columns = [self._of_hashes(ctr, hashes) for ctr in ctrs]
        inputs = self._columns_of(projection)
        outputs = self._graph.fresh(inputs[:1] * len(ctrs), "ctr")
        unknown = np.array([_unseen(ctr, self._table(ctr)) for ctr in ctrs])
        keys = np.array(list(combinations.values()), np.float64).reshape(-1, len(inputs))
        return self._graph.add(
            s.LookupRow(inputs, outputs, keys, np.stack(columns, axis=1), unknown)
        )

    def _table(self, ctr: Ctr) -> CountTable:
        table = self._model.tables.get(ctr.statistic)
        if table is None:
            fail("the counts of its categories are missing")
        return table

    def _of_hashes(self, ctr: Ctr, hashes: list[int]) -> NDArray[np.float64]:
        """Give the number of each combination; all that were counted have to be there."""
        table = self._table(ctr)
        places = {value: place for place, value in enumerate(table.hashes.tolist())}
        lacking = places.keys() - set(hashes)
        if lacking:
            raise self._graph.refuse(
                f"it counted {len(lacking)} categories or combinations of column "
                f"{self._name(ctr)!r}, kept as hashes, that the training frame does not have",
                "give the whole training frame, with the dtypes that fit was given; with "
                "evaluation sets, train with counter_calc_method='SkipTest'",
            )
        numbers = _numbers(ctr, table, self._graph)
        known = np.array([places.get(value, -1) for value in hashes], np.intp)
        return np.where(known >= 0, numbers[known], _unseen(ctr, table))

    def _name(self, ctr: Ctr) -> str:
        return self._inputs[self._model.categories[ctr.statistic.projection.categories[0]]]

    def _combine(self, projection: Projection) -> dict[int, tuple[int, ...]]:
        """List the combinations of training, by hash: codes, and outcomes of the splits."""
        outcomes = len(projection.floats) + len(projection.one_hots)
        if outcomes > _MOST_OUTCOMES:
            raise self._graph.refuse(
                f"it combines categories with {outcomes} splits",
                "train with max_ctr_complexity=1",
            )
        found: dict[int, tuple[int, ...]] = {}
        values = [{c: v for v, c in self._codes[f].items()} for f in projection.categories]
        for codes in self._codes_together(projection.categories):
            hashed = 0
            for code, value_of in zip(codes, values, strict=True):
                hashed = add_to_hash(hashed, value_of[code])
            for outcome in product((0, 1), repeat=outcomes):
                both = hashed
                for bit in outcome:
                    both = add_to_hash(both, bit)
                found[both] = (*codes, *outcome)
        return found

    def _codes_together(self, features: Iterable[int]) -> list[tuple[int, ...]]:
        """List the codes that occur together in a training row."""
        columns: list[NDArray[np.int64]] = []
        for feature in features:
            name = self._inputs[self._model.categories[feature]]
            encoded = self._rows(name).combine_chunks().dictionary_encode()
            vocabulary, codes = self._vocabularies[feature], self._codes[feature]
            levels = encoded.dictionary.to_pylist()
            code_of = np.array([codes[vocabulary[level]] for level in levels] or [0], np.int64)
            columns.append(code_of[encoded.indices.fill_null(0).to_numpy()])
        rows = np.unique(np.stack(columns, axis=1), axis=0).tolist()
        return [tuple(row) for row in rows]

    def _columns_of(self, projection: Projection) -> Names:
        """Name the codes, and append the outcomes of the splits as 0 and 1."""
        for split in projection.floats:
            if split not in self._outcomes:
                self._outcomes[split] = self._above(split)
        for split in projection.one_hots:
            if split not in self._outcomes:
                self._outcomes[split] = self._equal(split)
        codes = [self._columns[feature] for feature in projection.categories]
        splits = (*projection.floats, *projection.one_hots)
        return (*codes, *(self._outcomes[split] for split in splits))

    def _equal(self, split: OneHotSplit) -> str:
        """Append whether a category is the one that a split tests."""
        read = (self._columns[split.feature],)
        output = self._graph.fresh(read, "is")
        return self._graph.add(s.OneHot(read, output, np.array([float(self.code(split))])))[0]

    def _above(self, split: FloatSplit) -> str:
        """Append whether a number is above a border."""
        feature = self._model.floats[split.feature]
        name = (self._inputs[feature.column],)
        threshold = threshold_of(split.border, name[0], self._graph)
        if feature.nan_is_high:
            filled = self._graph.fresh(name, "filled")
            name = self._graph.add(s.Impute(name, filled, (np.inf,)))
        above = self._graph.fresh(name, "above")
        return self._graph.add(s.Exceeds((name[0],), (above[0],), threshold))[0]


def _text(key: Scalar) -> str:
    """Give the text of which CatBoost takes the hash; it writes a boolean as a number."""
    return key if isinstance(key, str) else str(int(key))


def _used(model: CatBoostModel) -> Mapping[int, Ctr]:
    """List the numbers made of counts that a tree's split tests."""
    splits = [model.splits[place] for place in used_splits(model)]
    found = sorted({split.ctr for split in splits if isinstance(split, CtrSplit)})
    return {index: model.ctrs[index] for index in found}


def used_splits(model: CatBoostModel) -> list[int]:
    """List the splits that a tree makes."""
    inner = [tree.split[tree.split >= 0] for tree in model.trees]
    return np.unique(np.concatenate([*inner, np.zeros(0, np.int32)])).astype(int).tolist()


def _tested(model: CatBoostModel) -> dict[int, set[int]]:
    """List the hashes that splits test, by feature."""
    splits = [model.splits[place] for place in used_splits(model)]
    tests = [split for split in splits if isinstance(split, OneHotSplit)]
    for ctr in _used(model).values():
        tests += ctr.statistic.projection.one_hots
    found: dict[int, set[int]] = {}
    for split in tests:
        found.setdefault(split.feature, set()).add(split.value)
    return found


def _unseen(ctr: Ctr, table: CountTable) -> float:
    """Give the number of a combination that was not counted."""
    total = table.denominator if ctr.statistic.kind in {"Counter", "FeatureFreq"} else 0
    return float(_number(ctr, np.zeros(1), np.array([float(total)]))[0])


def _number(ctr: Ctr, good: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make numbers of counts, in float32. Source: ``TModelCtr::Calc`` in online_ctr.h."""
    one = np.float32
    with np.errstate(all="ignore"):
        share = (good.astype(one) + one(ctr.prior_numerator)) / (
            total.astype(one) + one(ctr.prior_denominator)
        )
        return ((share + one(ctr.shift)) * one(ctr.scale)).astype(np.float64)


def _numbers(ctr: Ctr, table: CountTable, graph: Graph) -> NDArray[np.float64]:
    """Make the number of each hash. Source: ``TStaticCtrProvider::CalcCtrs``."""
    counts, border = table.counts, ctr.target_border
    kind = ctr.statistic.kind
    if kind == "FloatTargetMeanValue":
        raise graph.refuse(f"its statistic {kind!r} is not known", "train on the CPU")
    if kind in {"Counter", "FeatureFreq"}:
        return _number(ctr, counts[:, 0], np.full(len(counts), float(table.denominator)))
    if kind == "BinarizedTargetMeanValue":
        return _number(ctr, counts[:, 0], counts[:, 1])
    if not 0 <= border < counts.shape[1]:
        fail("a number made of counts names a class that is not there")
    if kind == "Buckets":
        return _number(ctr, counts[:, border], counts.sum(axis=1))
    # With two classes CatBoost takes the second, whatever the border.
    border = 0 if counts.shape[1] == 2 else border  # noqa: PLR2004 - two classes
    return _number(ctr, counts[:, border + 1 :].sum(axis=1), counts.sum(axis=1))
