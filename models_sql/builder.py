"""A statement under construction: definitions of columns, and the rows that it refuses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ..errors import UnsupportedModelError
from ..ir import ColumnType
from ..ir.steps import outputs_of
from .columns import Indicator, Key, Number
from .expressions import Expression, bare, case, chain, either, fill, ref, text, unlike
from .model_tables import ModelTable, table_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from ..ir import Model
    from ..ir.steps import Function, Step
    from .columns import Column
    from .target import Target

ZERO, ONE = 0.0, 1.0
UNCERTAIN_ROW = "the UDF"
"""What the message for a row holds whose answer SQL cannot tell for certain."""
USE_THE_UDF = "use the UDF: foresql.register(con, model) in DuckDB, or foresql score for files."
"""The way out of every refusal, which is another route to the same answers."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A column of the statement.

    One that ``is_source`` reads the table that is scored. One that ``stays`` is never written
    where it is read: within a list it would be computed for each of its numbers.
    """

    expression: Expression
    is_source: bool = False
    stays: bool = False


class Builder:
    """Collects what the steps of a model become."""

    def __init__(  # noqa: PLR0913 - the options of a compilation
        self,
        model: Model,
        target: Target,
        *,
        double_sums: bool,
        fold_case: bool,
        tables_prefix: str = "model",
        names: Sequence[str] = (),
    ) -> None:
        """Start with the columns of the signature, each of which is read once.

        ``names`` are those of the result: no column of the statement has one of them.
        """
        self.model = model
        self.target = target
        self.double_sums = double_sums
        self.tables: list[ModelTable] = []
        self.relations: dict[str, str] = {}
        self.strategies: set[str] = set()
        self._tables_prefix = tables_prefix
        self._fold_case = fold_case
        self._prefix = unlike("c", [*model.signature.names, *names])
        self.definitions: dict[str, Definition] = {}
        self.refusals: list[Expression] = []
        self._required: set[tuple[str, str]] = set()
        self.producers = {name: step for step in model.steps for name in outputs_of(step)}
        self._columns: dict[str, Column] = {}
        self._sources: dict[tuple[str, bool], Column] = {}
        self._clean: dict[str, Number] = {}
        self._approximate: set[str] = set()
        self._summed: set[str] = set()
        self.errors: dict[str, Expression] = {}
        self._step: Step | None = None
        self._refused: Number | None = None

    def begin(self, step: Step) -> None:
        """Say which step is written now, for messages."""
        self._step = step

    # What steps read.

    def column(self, name: str) -> Column:
        """Give a column as it is; one of the signature as a key where the model reads it so."""
        if name in self._columns:
            return self._columns[name]
        return self._source(name, as_key=self.model.is_key(name))

    def number(self, name: str) -> Number:
        """Give a column as a number, in which a missing one may still be NaN."""
        column = self._columns.get(name)
        if column is None:
            column = self._source(name, as_key=False)
        if isinstance(column, Indicator):
            equal = fill("{} = {}", ref(column.of), self.literal(column.code), is_atom=False)
            written = case([(equal, self.literal(ONE))], self.literal(ZERO))
            column = self._columns[name] = self.define(written, null=False, nan=False, whole=True)
        if isinstance(column, Key):
            self.refuse(f"column {name!r} is a key, and a number is needed")
        return column

    def clean(self, name: str) -> Number:
        """Give a column as a number in which NULL is the only missing one."""
        return self.cleaned(self.number(name))

    def exact(self, name: str, *, clean: bool = True) -> Number:
        """Give a column for a step that jumps, such as a split: its bits must be certain."""
        column = self.clean(name) if clean else self.number(name)
        if column.name in self._approximate:
            self.refuse(
                "it jumps where a value lies on a split, and reads the result of a function whose "
                "last bit differs between engines"
            )
        return column

    def is_approximate(self, name: str) -> bool:
        """Whether the last bits of a column depend on the engine's functions."""
        return self.number(name).name in self._approximate

    def is_summed(self, name: str) -> bool:
        """Whether the terms of a sum before a column are approximate: its size bounds nothing."""
        return self.number(name).name in self._summed

    def cleaned(self, column: Number) -> Number:
        """Turn NaN into NULL, once."""
        test = self.target.is_nan
        if not column.nan or test is None:
            return column
        if column.name not in self._clean:
            x = ref(column.name)
            without = case([(fill(test, x, is_atom=False), text("NULL"))], x)
            found = self.define(without, null=True, nan=False, whole=column.whole)
            self._clean[column.name] = found
            if column.name in self.errors:
                self.errors[found.name] = self.errors[column.name]
        return self._clean[column.name]

    def source_of(self, name: str) -> str:
        """Name the column of the signature from which a column was made, for messages."""
        names = self.model.signature.names
        return max((n for n in names if f"{name}|".startswith(f"{n}|")), key=len, default=name)

    def is_missing(self, column: Number | Key) -> Expression | None:
        """Test for a missing value in a clean column; None where none can be."""
        return fill("{} IS NULL", ref(column.name), is_atom=False) if column.null else None

    # What steps write.

    def put(self, name: str, column: Column) -> None:
        """Write a column of the model."""
        self._columns[name] = column

    def define(  # noqa: PLR0913 - what is known of a column
        self,
        expression: Expression,
        *,
        null: bool,
        nan: bool,
        whole: bool = False,
        approximate: bool = False,
        summed: bool = False,
        certain: bool = False,
        stays: bool = False,
    ) -> Number:
        """Make a number column.

        ``nan`` says whether arithmetic may give NaN there, and ``approximate`` whether its last
        bits depend on the engine's functions; so do those of all columns that read it, unless they
        are ``certain``. What is ``summed`` is as far off as the rounding of its terms, not of the
        sum. For ``stays`` see :class:`Definition`.
        """
        name = self._add(Definition(self._checked(expression), stays=stays))
        read = () if certain else tuple(expression.refs())
        if approximate or summed or not self._approximate.isdisjoint(read):
            self._approximate.add(name)
        if summed or not self._summed.isdisjoint(read):
            self._summed.add(name)
        has_nan = self.target.is_nan is not None
        return Number(name, null or (nan and not has_nan), nan and has_nan, whole)

    def keep(self, name: str) -> Expression:
        """Carry a column of the table to the result."""
        return ref(self._add(Definition(text(self.identifier(name)), is_source=True)))

    def carry_as(self, name: str) -> Expression:
        """Carry a column of the table to the result, under its own name as it is."""
        self.definitions[name] = Definition(text(name), is_source=True)
        return ref(name)

    def carry(self, constant: Expression) -> Expression:
        """Read what is the same in all rows, once, and carry it from the first stage on."""
        return ref(self._add(Definition(constant, is_source=True)))

    def add_table(self, purpose: str, data: pa.Table, key: str | None = None) -> Expression:
        """Let the model bring a table of its own, and give its quoted name."""
        name = table_name(self._tables_prefix, purpose, len(self.tables), data)
        self.tables.append(ModelTable(name, data, key))
        return text(self.target.quoted(name))

    def add_relation(self, query: str) -> str:
        """Let a query over constants stand beside the rows, computed once, and give its name."""
        name = f"t{len(self.relations)}"
        self.relations[name] = query
        return name

    def identifier(self, name: str) -> str:
        """Quote a name, which may be written as the engine stores names without quotes."""
        return self.target.quoted(self.target.folded(name) if self._fold_case else name)

    def refusal_check(self) -> Expression | None:
        """Give a column that is 0 in every row, or ends the query; None where no row is refused."""
        if self._refused is None and self.refusals:
            self._refused = self.define(self.sum_of(self.refusals), null=False, nan=False)
        return ref(self._refused.name) if self._refused else None

    def define_key(self, expression: Expression, like: Key, *, null: bool) -> Key:
        """Make a key column."""
        return Key(self._add(Definition(self._checked(expression))), like.type, null)

    def literal(self, value: float) -> Expression:
        """Write a number; NaN is NULL."""
        if math.isnan(value):
            return text("NULL")
        written = self.target.literal(value)
        if written is None:
            self.refuse(f"{self.target.title} has no number {value!r}")
        # A minus sign would be read as an operator, or make a comment of the one before it.
        is_atom = not written.startswith("-")
        return Expression((written,), 0, is_atom)

    def function(self, function: Function, argument: Expression) -> Expression:
        """Call a function whose answer is close enough; the step is refused where none is."""
        template = self.target.functions.get(function)
        if template is None:
            self.refuse(f"{self.target.title} has no {function.value} that is certain to agree")
        return fill(template, argument)

    def sum_of(self, terms: Iterable[Expression]) -> Expression:
        """Add from the first term to the last; what is too long goes on from a column."""
        rest, most = list(terms), self.target.limits.terms
        while len(rest) > most:
            so_far = self.define(chain("+", rest[:most]), null=True, nan=True)
            rest = [ref(so_far.name), *rest[most:]]
        return chain("+", rest)

    def table(self, column: Number, rows: Sequence[tuple[float, float]]) -> Expression:
        """Choose the value beside a whole number, which is one of those, ascending."""
        if len(rows) == 1:
            return self.literal(rows[0][1])
        middle = len(rows) // 2
        limit = self.literal(float(rows[middle][0]))
        below = fill("{} < {}", ref(column.name), limit, is_atom=False)
        halves = self.table(column, rows[:middle]), self.table(column, rows[middle:])
        return case([(below, halves[0])], halves[1])

    def largest_of(self, columns: Sequence[Number]) -> Expression:
        """Give the largest of several clean columns, NULL where one is missing."""
        refs = [ref(column.name) for column in columns]
        if len(refs) == 1:
            return refs[0]
        places = ", ".join("{}" for _ in refs)
        largest = fill(self.target.greatest.replace("{}", places), *refs)
        return case(self.where_missing(columns, text("NULL")), largest)

    def where_missing(
        self, columns: Iterable[Number], result: Expression
    ) -> list[tuple[Expression, Expression]]:
        """Write a branch of a CASE for rows in which one of several clean columns is missing."""
        tests = [test for column in columns if (test := self.is_missing(column)) is not None]
        return [(either(tests), result)] if tests else []

    def require(self, condition: Expression, message: str, value: str) -> None:
        """End the query where the condition holds; ``value`` is a column that it reads."""
        template = self.target.refusal
        if template is None:
            self.refuse(f"it ends a query for rows that it refuses, and {self.target.title} cannot")
        if (str(condition), value) in self._required:
            return
        self._required.add((str(condition), value))
        literal = text(self.target.message(f"foresql: {message}"))
        named = template.replace("{condition}", "{0}").replace("{message}", "{1}")
        refusal = fill(named.replace("{value}", "{2}"), bare(condition), literal, ref(value))
        self.refusals.append(ref(self.define(refusal, null=False, nan=False).name))

    def roundings_problem(self, count: int) -> str | None:
        """Say why a sum of so many terms, rounded to float32 after each, is never planned."""
        most = self.target.limits.roundings
        if most is None or count <= most or self.target.to_float32 is None:
            return None
        return (
            f"it rounds to float32 {count:,} times in a row, and {self.target.title} takes "
            f"exponential time to plan more than {most}"
        )

    def refuse(self, reason: str) -> NoReturn:
        """Refuse the step that is written now.

        Raises
        ------
        UnsupportedModelError
            Always.
        """
        step = type(self._step).__name__ if self._step is not None else "The model"
        raise UnsupportedModelError(
            f"{step} in SQL for {self.target.title}",
            reason + ".",
            USE_THE_UDF,
        )

    def _checked(self, expression: Expression) -> Expression:
        limits = self.target.limits
        if expression.depth > limits.depth or expression.cases > limits.cases:
            self.refuse(f"an expression is {expression.depth} levels deep")
        return expression

    def _add(self, definition: Definition) -> str:
        name = f"{self._prefix}{len(self.definitions)}"
        self.definitions[name] = definition
        return name

    def _source(self, name: str, *, as_key: bool) -> Column:
        found = self._sources.get((name, as_key))
        if found is None:
            found = self._read_key(name) if as_key else self._read_number(name)
            self._sources[name, as_key] = found
        return found

    def _read_number(self, name: str) -> Number:
        column_type = self.model.signature[name].type
        source = text(self.identifier(name))
        is_truth = column_type is ColumnType.BOOLEAN
        template = self.target.truth_to_double if is_truth else self.target.to_double
        written = self._add(Definition(fill(template, source), is_source=True))
        # A column of integers may have become one of doubles, with NaN where one is missing.
        nan = not is_truth and self.target.is_nan is not None
        return Number(written, null=True, nan=nan, whole=is_truth)

    def _read_key(self, name: str) -> Key:
        column_type = self.model.signature[name].type
        target = self.target
        if column_type is ColumnType.TIMESTAMP and target.time_literal is None:
            self.refuse(f"column {name!r} is a time, which {target.title} compares in its own way")
        templates = {
            ColumnType.VARCHAR: target.text_key,
            ColumnType.BIGINT: target.integer_key,
            ColumnType.BOOLEAN: target.truth_key,
        }
        written = fill(templates.get(column_type, "{}"), text(self.identifier(name)))
        return Key(self._add(Definition(written, is_source=True)), column_type)
