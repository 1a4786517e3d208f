"""A model as a query that a macro of dbt puts into another one, over rows that the macro names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from ..errors import UnsupportedModelError
from .compile import compile_query, label_names
from .jinja import escaped_jinja
from .statement import Statement, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..ir import Model
    from .compile import Query
    from .statement import Header
    from .target import Target

_OBJECT_PAIRS = 50
"""Postgres' functions take 100 arguments."""
_TWO = 2


@dataclass(frozen=True, slots=True)
class Inlined:
    """A model inside of a macro.

    Attributes
    ----------
    text
        The query, for Jinja. It reads the variables ``rows``, what stands behind FROM, and
        ``kept``, the columns of it that stand before the answers.
    comment
        What the query is, in lines for a comment of Jinja.
    answers
        How the answers are made of the query's columns, by ``predict`` and ``predict_proba``.
    omitted
        Why one of them is not there.
    """

    text: str
    comment: tuple[str, ...]
    answers: Mapping[str, str]
    omitted: Mapping[str, str]


def write_inlined(
    model: Model, target: Target, header: Header, *, double_sums: bool = False
) -> Inlined:
    """Write a model for a macro.

    Raises
    ------
    UnsupportedModelError
        If a step has no exact SQL in the target, or the query cannot stand inside of another one.
    """
    if not target.nests_with:
        raise UnsupportedModelError(
            f"a query inside of another for {target.title}",
            "WITH stands only at the beginning of a statement there.",
            f"write a model of dbt: foresql compile {header.model} --to {target.name} --as dbt.",
        )
    known = _query(model, target, "foresql_mark_", double_sums=double_sums)
    # Marks that nothing in the query is equal to.
    mark = next(m for m in (f"foresql_{i}_" for i in count()) if m not in known.text)
    written = _query(model, target, mark, double_sums=double_sums)
    if written.tables:
        rows = sum(len(table.data) for table in written.tables)
        raise UnsupportedModelError(
            f"{header.model} inside of another query",
            f"it lives in {len(written.tables)} tables of {rows:,} rows.",
            f"write a model of dbt, with its seeds: foresql compile {header.model} "
            f"--to {target.name} --as dbt.",
        )
    text = escaped_jinja(written.text)
    text = text.replace(f"{mark}rows", "{{ rows }}")
    text = text.replace(f"{mark}kept AS {mark}kept", f"{mark}kept")
    text = text.replace(f"{mark}kept", "{{ kept }}")
    plain = Statement(form="select", name="", source="", double_sums=double_sums)
    comment = tuple(
        line.replace("#}", "# }") for line in describe(model, target, plain, header, written)
    )
    return Inlined(text, comment, *_answers(model, target))


def _query(model: Model, target: Target, mark: str, *, double_sums: bool) -> Query:
    return compile_query(
        model,
        target,
        f"{mark}rows",
        double_sums=double_sums,
        passing=f"{mark}kept",
        answers_only=True,
    )


def _answers(model: Model, target: Target) -> tuple[dict[str, str], dict[str, str]]:
    answers: dict[str, str] = {}
    omitted: dict[str, str] = {}
    outputs = model.outputs
    several = "{} has no one value for {}; foresql compile --as dbt gives a column for each"
    if len(outputs.prediction) == 1:
        answers["predict"] = _prediction(model, target)
    elif target.lists is not None:
        columns = (target.quoted(f"prediction_{i}") for i in range(len(outputs.prediction)))
        answers["predict"] = target.lists.make.replace("{}", ", ".join(columns))
    else:
        omitted["predict"] = several.format(target.title, "several outputs")
    labels = [str(label) for label in outputs.classes or ()]
    if not outputs.probabilities:
        omitted["predict_proba"] = "the model gives no class probabilities"
    elif len(set(labels)) < len(labels):
        omitted["predict_proba"] = "two class labels have the same text"
    elif len(outputs.probabilities) == _TWO:
        answers["predict_proba"] = target.quoted("probability")
    elif target.object_of is not None:
        answers["predict_proba"] = _object(model, target, target.object_of)
    else:
        omitted["predict_proba"] = several.format(target.title, "several classes")
    return answers, omitted


def _prediction(model: Model, target: Target) -> str:
    """Give the prediction the type that it has in other engines, too."""
    prediction = target.quoted("prediction")
    if model.outputs.classes is None or not target.types:
        return prediction
    return f"CAST({prediction} AS {target.types[model.outputs.label_type]})"


def _object(model: Model, target: Target, template: str) -> str:
    """Write one value that holds a probability a class, by label."""
    pairs = [
        f"{target.message(str(label))}, {target.quoted(f'probability_{name}')}"
        for label, name in zip(model.outputs.classes or (), label_names(model), strict=True)
    ]
    objects = [
        template.replace("{}", ", ".join(pairs[start : start + _OBJECT_PAIRS]))
        for start in range(0, len(pairs), _OBJECT_PAIRS)
    ]
    return f"({' || '.join(objects)})" if len(objects) > 1 else objects[0]
