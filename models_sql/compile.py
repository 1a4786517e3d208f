"""A model as one query: stages of columns, then the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from ..ir import ColumnType
from .accuracy import carried
from .builder import USE_THE_UDF, Builder
from .columns import Key
from .expressions import case, fill, ref, text
from .forests import strategy_of
from .layout import Selected, lay_out
from .steps import check_step, emit_step
from .steps.lookups import key_literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..ir import Model
    from .expressions import Expression
    from .model_tables import ModelTable
    from .target import Target

_TWO = 2


@dataclass(frozen=True, slots=True)
class Query:
    """A model's query.

    Attributes
    ----------
    text
        The SELECT.
    columns
        The names of the answers, in their order.
    approximate
        Those that go through a function whose last bit engines differ in, by up to 2 ulp. All
        others are the kernel's, bit for bit.
    carried
        Those of the approximate that may be farther off: they go through other functions, by up to
        8 ulp each, or through sums, which carry such differences on.
    summed
        Those of them that add approximate terms over stored points, within the terms' roundings.
    tables
        What must be there before it runs; most models need none.
    strategies
        How its forests are written.
    """

    text: str
    columns: tuple[str, ...]
    approximate: frozenset[str]
    tables: tuple[ModelTable, ...] = ()
    carried: frozenset[str] = frozenset()
    strategies: tuple[str, ...] = ()
    summed: frozenset[str] = frozenset()


def compile_query(  # noqa: PLR0913 - keyword options of one call
    model: Model,
    target: Target,
    source: str,
    *,
    keep: Sequence[str] = (),
    strategy: str = "auto",
    double_sums: bool = False,
    fold_case: bool = False,
    tables_prefix: str = "model",
    passing: str | None = None,
    answers_only: bool = False,
) -> Query:
    """Write a model as a SELECT over ``source``.

    Parameters
    ----------
    model, target
        What is written, and in whose SQL.
    source
        What stands behind FROM.
    keep
        Columns of the source that stand before the answers.
    strategy
        How forests are written.
    double_sums
        Add float32 sums in float64 where the target has no float32.
    fold_case
        Write the names of columns as the target stores names that are not quoted.
    tables_prefix
        How the names of tables that the model brings begin.
    passing
        A name that every SELECT has first, for columns of the source that are named later.
    answers_only
        Leave raw scores out.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL there, or the statement is too long.
    """
    answered = [name for name, _ in answer_names(model)]
    builder = Builder(
        model,
        target,
        double_sums=double_sums,
        fold_case=fold_case,
        tables_prefix=tables_prefix,
        names=(*keep, *answered),
    )
    chosen = strategy_of(strategy)
    selected = [Selected(builder.identifier(name), builder.keep(name)) for name in keep]
    if passing is not None:
        selected.append(Selected(passing, builder.carry_as(passing)))
    for step in model.steps:
        check_step(step, builder, chosen)
    for step in model.steps:
        emit_step(step, builder, chosen)
    answers = list(_answers(model, builder, answers_only=answers_only))
    _check_names([*keep, *(name for name, _ in answers)])
    for name, expression in answers:
        selected.append(Selected(builder.identifier(name), _refusing(builder, expression)))
    query, widest = lay_out(builder.definitions, selected, target, source, builder.relations)
    _check_limits(query, widest, target)
    approximate = {name for name, column in answer_names(model) if builder.is_approximate(column)}
    names = tuple(name for name, _ in answers)
    answers_of = dict(answer_names(model))
    summed = {name for name, column in answers_of.items() if builder.is_summed(column)}
    farther = carried(model)
    far = approximate & {name for name, column in answers_of.items() if column in farther}
    return Query(
        query,
        names,
        frozenset(approximate),
        tables=tuple(builder.tables),
        carried=frozenset(far | summed),
        strategies=tuple(sorted(builder.strategies)),
        summed=frozenset(summed),
    )


def answer_names(model: Model) -> Iterator[tuple[str, str]]:
    """Give the names of the answers, and the columns of the model behind them."""
    outputs = model.outputs
    yield from _numbered("prediction", outputs.prediction)
    if outputs.classes is not None and len(outputs.probabilities) == _TWO:
        yield "probability", outputs.probabilities[1]
    else:
        for label, column in zip(label_names(model), outputs.probabilities, strict=False):
            yield f"probability_{label}", column
    yield from _numbered("margin", outputs.margins)


def label_names(model: Model) -> list[str]:
    """Give the ends of the names of probabilities: labels, or numbers for labels like each other.

    Names of columns are the same where they differ in case only.
    """
    labels = [str(label) for label in model.outputs.classes or ()]
    are_distinct = len({label.casefold() for label in labels}) == len(labels)
    return labels if are_distinct else [str(index) for index in range(len(labels))]


def _numbered(name: str, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, column in enumerate(columns):
        yield (name if len(columns) == 1 else f"{name}_{index}"), column


def _answers(
    model: Model, builder: Builder, *, answers_only: bool
) -> Iterator[tuple[str, Expression]]:
    classes = model.outputs.classes
    for name, column in answer_names(model):
        if answers_only and name.startswith("margin"):
            continue
        answer = ref(builder.number(column).name)
        is_label = classes is not None and column in model.outputs.prediction
        yield name, _label(model, builder, answer) if is_label else answer


def _label(model: Model, builder: Builder, index: Expression) -> Expression:
    """Give the label of an index into the classes."""
    branches = [
        (
            fill("{} = {}", index, builder.literal(float(place)), is_atom=False),
            label_literal(builder, model, place),
        )
        for place in range(len(model.outputs.classes or ()))
    ]
    return case(branches, None)


def label_literal(builder: Builder, model: Model, place: int) -> Expression:
    """Write a label as its own type."""
    label = (model.outputs.classes or ())[place]
    match model.outputs.label_type:
        case ColumnType.VARCHAR:
            return text(builder.target.message(str(label)))
        case ColumnType.DOUBLE:
            return builder.literal(float(label))
        case label_type:
            return key_literal(builder, Key("", label_type), label)


def _refusing(builder: Builder, expression: Expression) -> Expression:
    """Let an answer read the column that ends the query for rows that the model refuses."""
    check = builder.refusal_check()
    if check is None:
        return expression
    return case([(fill("{} = 0", check, is_atom=False), expression)], None)


def _check_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise UnsupportedModelError(
                f"column {name!r}",
                "it would be in the result twice.",
                "name the columns to keep (keep=, or --keep) without it, or rename it before.",
            )
        seen.add(name.casefold())


def _check_limits(query: str, widest: int, target: Target) -> None:
    size, limits = len(query.encode()), target.limits
    if size > limits.bytes:
        raise UnsupportedModelError(
            f"The model in SQL for {target.title}",
            f"the statement has {size:,} bytes, and {limits.bytes:,} is the most.",
            USE_THE_UDF,
        )
    if widest > limits.columns:
        raise UnsupportedModelError(
            f"The model in SQL for {target.title}",
            f"a SELECT has {widest:,} columns, and {limits.columns:,} is the most.",
            USE_THE_UDF,
        )
