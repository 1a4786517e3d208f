"""From a scoring query to a program over rows, or to why it needs DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....scoring.rewriting.syntax import Query
from .binding import plan_query
from .joins import Lookup
from .program import RowProgram
from .refusing import NotRowwise, Refused
from .relations import Relations
from .types import writer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....online import FeatureView
    from .binding import Plan
    from .models import RowModel


def compile_rowwise(
    query: Query | str,
    request: Mapping[str, str],
    views: Mapping[str, FeatureView],
    models: Mapping[str, RowModel],
    *,
    source: str = "request",
) -> RowProgram | NotRowwise:
    """Compile a scoring query, so that rows are answered without DuckDB, to DuckDB's bits.

    Parameters
    ----------
    query
        One SELECT.
    request
        From the request's columns to DuckDB's types.
    views
        Feature views, by the names by which the query calls them: ``table`` or ``schema.table``.
    models
        By the name of the predicting function, as ``predict_delay``.
    source
        The relation of the query that stands for the request's rows.
    """
    text = query.text if isinstance(query, Query) else query
    columns = {name: dict(view.columns) for name, view in views.items()}
    asked = (source, request)
    try:
        plan = plan_query(text.rstrip().rstrip(";"), asked, columns, models)
        return _program(plan, Relations(asked, views, models), len(request))
    except Refused as refused:
        return NotRowwise(f"{refused} is not answered row by row.")


def _program(plan: Plan, relations: Relations, width: int) -> RowProgram:
    columns = relations.compile(plan.root)
    values = [columns(index) for index in range(len(plan.outputs))]
    answers = tuple((value.run, writer_of(value.type)) for value in values)
    steps = relations.steps()
    looked = (step.view for step in steps if isinstance(step, Lookup))
    return RowProgram(
        outputs=plan.outputs,
        types=tuple(str(value.type) for value in values),
        views=tuple(dict.fromkeys(looked)),
        _blank=tuple(relations.blank[width:]),
        _width=len(relations.blank) + 1,
        _steps=steps,
        _answers=answers,
    )
