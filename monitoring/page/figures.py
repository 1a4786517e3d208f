"""A plot with its title, its words, its key and its figures as a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..rounding import rounded
from .html import Html, folded, tag

if TYPE_CHECKING:
    from .charts import Spec

_DIGITS = 7
KEYS = {
    "now": tag("span", "now", class_="key"),
    "reference": tag("span", "reference", class_="key reference"),
    "expected": tag("span", "expected", class_="key"),
    "actual": tag("span", "actual", class_="key actual"),
}


def figure(  # noqa: PLR0913 - the parts of a figure
    name: str,
    title: str,
    spec: Spec,
    *,
    shows: str = "",
    do: str = "",
    keys: tuple[str, ...] = (),
    data: Html | None = None,
) -> Html:
    """Put a plot on the page; ``name`` is its identifier, unlike all others."""
    words = [tag("p", tag("b", "What it shows: "), shows)] if shows else []
    advice = [tag("p", tag("b", "What to do: "), do)] if do else []
    marks = [tag("p", *(KEYS[key] for key in keys))] if keys else []
    return tag(
        "figure",
        tag("figcaption", tag("h3", title), *words, *advice, *marks),
        plot(name, spec),
        folded("The figures as a table", data) if data is not None else None,
    )


def plot(name: str, spec: Spec) -> Html:
    """Put a plot alone on the page, without words."""
    place = tag("div", class_="plot", data_spec=f"{name}-spec", id=name)
    data = f'<script type="application/json" id="{name}-spec">{embedded(spec)}</script>'
    return Html(place.text + data)


def embedded(value: Any) -> str:
    """Write JSON that cannot end the script element that it stands in."""
    text = json.dumps(
        rounded(value, _DIGITS), ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
