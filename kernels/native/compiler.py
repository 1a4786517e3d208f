"""Compile a model's steps to the operations of a program.

Each case gives the bits of the step in kernels/. What has no operation with certain bits
is refused by name; such a model runs its steps in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ...ir import steps as s
from ...ir.steps import Function, Norm, Operator, Precision
from ..arrow import Decoder
from ..columns import source_of
from ..lookup import Matcher
from ..lookup_row import LookupRowKernel
from ..refusals import infinite_message, key_message, missing_message, range_message, size_message
from .forest_tables import forest_tables
from .functions import FUNCTIONS, function_table
from .operations import Assembly, Code

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ...ir import Model
    from ..frame import Vocabulary

    Numbers: TypeAlias = NDArray[np.float64]

_OPERATORS = (
    *(Operator.ADD, Operator.SUBTRACT, Operator.SUBTRACT_FROM),
    *(Operator.MULTIPLY, Operator.DIVIDE, Operator.MODULO),
)
_NORMS = (
    *(Norm.SUM, Norm.SUM_UNLESS_ZERO, Norm.SUM_OR_MISSING),
    *(Norm.LARGEST, Norm.ABSOLUTE_SUM, Norm.EUCLIDEAN),
)
_VALUE = "\0"
_REGISTER, _NO_VALUE = -1, -2
_MOST_WEIGHTS = 2**20
"""A table of products is only made where it is smaller than this."""


class NoNativeFormError(Exception):
    """A step has no native form; the message says why."""


@dataclass(frozen=True, slots=True)
class Number:
    """A register of numbers."""

    register: int


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Numbers that a register of codes finds in a table, not yet written out."""

    codes: int
    table: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A register of codes into a vocabulary; ``name`` is the source column."""

    codes: int
    vocabulary: Vocabulary
    name: str


@dataclass(frozen=True, slots=True)
class Indicator:
    """1 where a register of codes holds ``position``, of as many codes as ``count``."""

    codes: int
    position: int
    count: int


Column: TypeAlias = Number | Gathered | Key | Indicator


class Compiler:
    """Compiles one model; :attr:`assembly` is what was made so far."""

    def __init__(self, model: Model) -> None:
        """Begin with the names of the columns."""
        self.assembly = Assembly(texts=list(model.signature.names))
        self.decoder = Decoder.of(model)
        self._position = {name: index for index, name in enumerate(model.signature.names)}
        self._sources = dict.fromkeys((*self.decoder.numbers, *self.decoder.vocabularies))
        self._columns: dict[str, Column] = {}
        self._loaded: dict[tuple[Code, str], int] = {}
        self._written: dict[str, int] = {}

    def add(self, step: s.Step) -> None:  # noqa: C901, PLR0912 - one case a step
        """Add a step's operations.

        Raises
        ------
        NoNativeFormError
            If it has none.
        """
        match step:
            case s.Require():
                self._require(step)
            case s.RequireRange():
                self._require_range(step)
            case s.Impute():
                self._impute(step)
            case s.IsMissing():
                self._is_missing(step)
            case s.Lookup():
                self._lookup(step)
            case s.OneHot():
                self._one_hot(step)
            case s.LookupRow():
                self._lookup_row(step)
            case s.Dot():
                self._dot(step)
            case s.Float32Dot():
                tables = [step.weights.astype(np.float32), step.intercepts.astype(np.float32)]
                self._numbers_to_numbers(step, Code.FLOAT32_DOT, tables=tables)
            case s.Product() | s.Coalesce() | s.Sum():
                codes = {s.Product: Code.PRODUCT, s.Coalesce: Code.COALESCE, s.Sum: Code.SUM}
                self._numbers_to_numbers(step, codes[type(step)])
            case s.Normalize():
                self._numbers_to_numbers(step, Code.NORMALIZE, _NORMS.index(step.norm))
            case s.Forest() | s.LinearForest():
                self._forest(step)
            case s.Softmax():
                self._softmax(step)
            case s.Argmax():
                self._numbers_to_numbers(step, Code.ARGMAX)
            case s.NullIf() | s.Clip() | s.Exceeds() | s.Arithmetic() | s.Interpolate():
                self._column_by_column(step)
            case s.Elementwise():
                self._elementwise(step)
            case _:
                raise NoNativeFormError("this kind of step runs in Python")

    def number(self, name: str) -> int:
        """Give the register of a column of numbers."""
        column = self._columns.get(name)
        match column:
            case None:
                return self._load(Code.LOAD_NUMBER, name)
            case Number():
                return column.register
            case Gathered() | Indicator():
                if name not in self._written:
                    self._written[name] = self._write(column)
                return self._written[name]
            case Key():
                raise NoNativeFormError(f"column {name!r} is a key and is read as a number")

    def _write(self, column: Gathered | Indicator) -> int:
        if isinstance(column, Indicator):
            return self._indicator(column.codes, column.position)
        return self.assembly.emit(Code.GATHER, [column.codes], outs=1, tables=[column.table])[0]

    def _get(self, name: str) -> Column:
        if name not in self._columns and name in self.decoder.vocabularies:
            codes = self._load(Code.LOAD_KEY, name)
            return Key(codes, self.decoder.vocabularies[name], name)
        return self._columns.get(name) or Number(self.number(name))

    def _load(self, code: Code, name: str) -> int:
        if (code, name) not in self._loaded:
            made = self.assembly.emit(code, outs=1, integers=[self._position[name]])
            self._loaded[code, name] = made[0]
        return self._loaded[code, name]

    def _indicator(self, codes: int, position: int) -> int:
        return self.assembly.emit(Code.INDICATOR, [codes], outs=1, integers=[position])[0]

    def _numbers_to_numbers(
        self, step: s.Step, code: Code, *integers: int, tables: Sequence[NDArray[np.generic]] = ()
    ) -> None:
        ins = [self.number(name) for name in step.inputs]
        outputs = s.outputs_of(step)
        made = self.assembly.emit(code, ins, outs=len(outputs), integers=integers, tables=tables)
        self._columns.update(zip(outputs, map(Number, made), strict=True))

    # Refusals.

    def _quote(self, message: Callable[[str, str], str], name: str) -> tuple[int, int, int]:
        """Store a message around the value that it quotes; say from where to quote it."""
        source = source_of(self._sources, name)
        before, after = message(source, _VALUE).split(_VALUE)
        place = self._position[source] if source in self._sources else _REGISTER
        return self.assembly.text(before), self.assembly.text(after), place

    def _require(self, step: s.Require) -> None:
        for name in step.inputs:
            column, source = self._get(name), source_of(self._sources, name)
            if step.missing:
                self._refuse_missing(column, name, missing_message(step, source))
            if isinstance(column, Key):
                continue
            if step.infinite and not isinstance(column, Indicator):
                text = self.assembly.text(infinite_message(step, source))
                self.assembly.emit(Code.REFUSE_INFINITE, [self.number(name)], integers=[text])
            if step.largest < np.inf:
                quote = self._quote(lambda at, value: size_message(step, at, value), name)
                self._refuse(Code.REFUSE_LARGE, name, quote, [step.largest])

    def _refuse_missing(self, column: Column, name: str, message: str) -> None:
        if isinstance(column, Indicator):
            return
        text = self.assembly.text(message)
        if not isinstance(column, Key):
            self.assembly.emit(Code.REFUSE_MISSING, [self.number(name)], integers=[text])
            return
        is_missing = np.zeros(column.vocabulary.unknown + 1, np.uint8)
        is_missing[column.vocabulary.missing] = 1
        quote = (text, self.assembly.text(""), _NO_VALUE)
        self.assembly.emit(Code.REFUSE_CODES, [column.codes], integers=quote, tables=[is_missing])

    def _require_range(self, step: s.RequireRange) -> None:
        for name in step.inputs:
            quote = self._quote(lambda at, value: range_message(step, at, value), name)
            self._refuse(Code.REFUSE_RANGE, name, quote, [step.low, step.high])

    def _refuse(
        self, code: Code, name: str, quote: tuple[int, int, int], limits: list[float]
    ) -> None:
        self.assembly.emit(code, [self.number(name)], integers=quote, tables=[np.array(limits)])

    # Keys and codes.

    def _impute(self, step: s.Impute) -> None:
        for name, output, fill in zip(step.inputs, step.outputs, step.fills, strict=True):
            column = None if isinstance(fill, float) else self._get(name)
            if isinstance(column, Key):
                keys = column.vocabulary
                change = [keys.missing, keys.keys.index(fill)]
                made = self.assembly.emit(
                    Code.REPLACE_CODE, [column.codes], outs=1, integers=change
                )
                self._columns[output] = Key(made[0], keys, column.name)
            else:
                fills = [np.array([float(fill)])]
                made = self.assembly.emit(Code.IMPUTE, [self.number(name)], outs=1, tables=fills)
                self._columns[output] = Number(made[0])

    def _is_missing(self, step: s.IsMissing) -> None:
        for name, output in zip(step.inputs, step.outputs, strict=True):
            column = self._get(name)
            if isinstance(column, Key):
                made = self._indicator(column.codes, column.vocabulary.missing)
            else:
                made = self.assembly.emit(Code.IS_MISSING, [self.number(name)], outs=1)[0]
            self._columns[output] = Number(made)

    def _match(self, name: str, keys: Numbers, *, missing: int) -> int:
        """Give codes: a number's position among the keys, their count for none of them."""
        column = self._columns.get(name)
        if isinstance(column, Gathered):
            found = Matcher(keys).positions(column.table)
            found[np.isnan(column.table)] = missing
            table = [found.astype(np.int32)]
            return self.assembly.emit(Code.TRANSLATE, [column.codes], outs=1, tables=table)[0]
        order = np.argsort(keys, kind="stable")
        order = order[~np.isnan(keys[order])]
        return self.assembly.emit(
            Code.MATCH,
            [self.number(name)],
            outs=1,
            integers=[len(keys), missing],
            tables=[keys[order], order.astype(np.int32)],
        )[0]

    def _lookup(self, step: s.Lookup) -> None:
        column, count = self._get(step.inputs[0]), len(step.keys)
        unknown, missing = count, count + 1
        if isinstance(column, Key):
            position = {key: index for index, key in enumerate(step.keys)}
            found = [position.get(key, unknown) for key in column.vocabulary.keys]
            found += [missing, unknown]
            codes, name = column.codes, column.name
        else:
            name = step.inputs[0]
            are_numbers = bool(step.keys) and isinstance(step.keys[0], float)
            keys = np.array(step.keys if are_numbers else (), np.float64)
            codes = self._match(name, keys, missing=len(keys) + 1)
            found = [*range(len(keys)), unknown, missing]
        answers = [np.nan if answer is None else answer for answer in (step.unknown, step.missing)]
        places = np.array(found, np.intp)
        refused = (places == unknown) & (step.unknown is None)
        refused |= (places == missing) & (step.missing is None)
        if refused.any():
            quote = self._quote(lambda at, value: key_message(step, at, value), name)
            ins = [codes, self.number(name)] if quote[-1] == _REGISTER else [codes]
            table = [refused.astype(np.uint8)]
            self.assembly.emit(Code.REFUSE_CODES, ins, integers=quote, tables=table)
        table = np.concatenate([step.values, answers])[places]
        self._columns[step.outputs[0]] = Gathered(codes, table)

    def _one_hot(self, step: s.OneHot) -> None:
        count = len(step.codes)
        codes = self._match(step.inputs[0], step.codes, missing=count)
        for position, output in enumerate(step.outputs):
            self._columns[output] = Indicator(codes, position, count + 1)

    def _lookup_row(self, step: s.LookupRow) -> None:
        kernel = LookupRowKernel(step)
        ins = [
            self._match(name, level, missing=len(level))
            for name, level in zip(step.inputs, kernel.levels, strict=True)
        ]
        known = [listed.astype(np.int64) for listed in kernel.known]
        made = self.assembly.emit(
            Code.LOOKUP_ROW,
            ins,
            outs=len(step.outputs),
            integers=kernel.sizes,
            tables=[kernel.tables, *known],
        )
        self._columns.update(zip(step.outputs, map(Number, made), strict=True))

    # Sums.

    def _dot(self, step: s.Dot) -> None:
        ins: list[int] = []
        tables: list[Numbers] = []
        are_codes: list[bool] = []
        index = 0
        while index < len(step.inputs):
            register, table, run = self._term(step, index)
            ins.append(register)
            tables.append(table)
            are_codes.append(table.ndim > 1)
            index += run
        starts = np.cumsum([0, *(table.size for table in tables)])[:-1]
        weights = np.concatenate([table.ravel() for table in tables])
        made = self.assembly.emit(
            Code.DOT,
            ins,
            outs=len(step.outputs),
            integers=starts.tolist(),
            tables=[weights, step.intercepts, np.array(are_codes, np.uint8)],
        )
        self._columns.update(zip(step.outputs, map(Number, made), strict=True))

    def _term(self, step: s.Dot, index: int) -> tuple[int, Numbers, int]:
        """Give a register, what it adds, and how many inputs that covers.

        A number has a weight an output, float64[outputs]; codes find the product of weight and
        number, float64[codes, outputs].
        """
        column, weights = self._get(step.inputs[index]), step.weights[index]
        if isinstance(column, Indicator):
            return column.codes, *self._indicators(column, step, index)
        if isinstance(column, Gathered) and len(column.table) * len(weights) <= _MOST_WEIGHTS:
            with np.errstate(all="ignore"):
                return column.codes, column.table[:, None] * weights, 1
        return self.number(step.inputs[index]), weights, 1

    def _indicators(self, first: Indicator, step: s.Dot, start: int) -> tuple[Numbers, int]:
        """Give the weights of a run of columns of one one-hot step, and how many they are.

        The run ends where ``_add_indicators`` of kernels/linear.py ends it.
        """
        table = np.zeros((first.count, len(step.outputs)))
        seen: set[int] = set()
        for name, weights in zip(step.inputs[start:], step.weights[start:], strict=True):
            column = self._columns.get(name)
            if not isinstance(column, Indicator) or column.codes != first.codes:
                break
            if column.position in seen:
                break
            seen.add(column.position)
            table[column.position] = weights
        return table, len(seen)

    # Numbers to numbers.

    def _column_by_column(
        self, step: s.NullIf | s.Clip | s.Exceeds | s.Arithmetic | s.Interpolate
    ) -> None:
        match step:
            case s.NullIf():
                self._numbers_to_numbers(step, Code.NULL_IF, tables=[_pair(step)])
            case s.Clip():
                if np.isnan(step.low) or np.isnan(step.high):
                    raise NoNativeFormError("a bound is NaN")
                self._numbers_to_numbers(step, Code.CLIP, tables=[_pair(step)])
            case s.Exceeds():
                threshold = np.array([step.threshold])
                self._numbers_to_numbers(step, Code.EXCEEDS, tables=[threshold])
            case s.Arithmetic():
                if step.operator not in _OPERATORS:
                    raise NoNativeFormError(f"numpy's own {step.operator.value} runs in Python")
                operator = _OPERATORS.index(step.operator)
                operands = step.operands.astype(np.float64)
                self._numbers_to_numbers(step, Code.ARITHMETIC, operator, tables=[operands])
            case s.Interpolate():
                tables = [step.xs, step.ys]
                self._numbers_to_numbers(step, Code.INTERPOLATE, tables=tables)

    def _elementwise(self, step: s.Elementwise) -> None:
        if step.function not in FUNCTIONS:
            raise NoNativeFormError(f"the function {step.function.value} runs in Python")
        self._numbers_to_numbers(
            step,
            Code.ELEMENTWISE,
            FUNCTIONS.index(step.function),
            tables=function_table(step.function),
        )

    def _softmax(self, step: s.Softmax) -> None:
        if step.precision is Precision.FLOAT32:
            kind, tables = 1, function_table(Function.FLOAT32_EXP)
        else:
            is_fmath = step.exponential is Function.FMATH_EXP
            kind, tables = (2 if is_fmath else 0), function_table(step.exponential)
        self._numbers_to_numbers(step, Code.SOFTMAX, kind, tables=tables)

    def _forest(self, step: s.Forest | s.LinearForest) -> None:
        tables = forest_tables(step)
        if tables is None:
            raise NoNativeFormError("a tree or a set of categories is too large for the tables")
        # Inputs that no split reads are not loaded; another stands in their place.
        read = {index: self.number(step.inputs[index]) for index in tables.inputs}
        spare = next(iter(read.values()), -1)
        ins = [read.get(index, spare) for index in range(max(read, default=-1) + 1)]
        made = self.assembly.emit(
            Code.FOREST,
            ins,
            outs=len(step.outputs),
            integers=tables.integers,
            tables=[tables.start, *tables.arrays],
        )
        self._columns.update(zip(step.outputs, map(Number, made), strict=True))


def _pair(step: s.NullIf | s.Clip) -> Numbers:
    return np.array([step.low, step.high], np.float64)
