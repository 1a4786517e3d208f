"""``POST /predict/NAME`` of an endpoint: its rows, and what the query answers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..features import RowFeatures
from ..http import JSON, Response, bad
from .outputs import show_rows

if TYPE_CHECKING:
    from .endpoint import ServedEndpoint

_ENCODER = msgspec.json.Encoder()


async def answer_rows(
    served: ServedEndpoint, rows: list[tuple[Any, ...]], explains: bool, level: float | None
) -> Response:
    """Answer rows by name: ``answers`` are of the request's ``rows`` by these numbers."""
    if explains or level is not None:
        raise bad(
            f"{served.name} is an endpoint, which answers the columns of its query. Write "
            "explain_<model> or interval_<model> there."
        )
    answered = await served.score(RowFeatures(served.schema, rows))
    content = {
        "model": served.name,
        "version": served.version,
        "models": served.models,
        "as_of": answered.as_of,
        "rows": answered.rows,
        "answers": show_rows(served.query.outputs, answered.values),
    }
    return Response(_ENCODER.encode(content), content_type=JSON)
