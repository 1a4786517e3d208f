"""HTML whose texts are always escaped: an element is made by ``tag``, and only it is trusted."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CONTROLS = {code: "\ufffd" for code in range(32) if chr(code) not in "\t\n"}


@dataclass(frozen=True, slots=True)
class Html:
    """Markup; everything else is text."""

    text: str

    def __str__(self) -> str:
        return self.text


Content = Html | str | None


def tag(name: str, *content: Content, **attributes: str) -> Html:
    """Make an element; texts are escaped. Attributes end in ``_`` where Python has the word."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{join(content)}</{name}>")


def join(content: Iterable[Content]) -> Html:
    """Put elements and texts one behind another."""
    return Html(
        "".join(each.text if isinstance(each, Html) else _text(each or "") for each in content)
    )


def _text(value: str) -> str:
    # Half of a surrogate pair cannot be written, and a browser drops control characters.
    readable = value.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")
    return escape(readable, quote=True)


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Content]],
    *,
    texts: int = 1,
) -> Html:
    """Make a table of which the first ``texts`` columns are texts, and the others numbers."""

    def kind(number: int) -> str:
        return "text" if number < texts else "number"

    head = [tag("th", name, scope="col", class_=kind(i)) for i, name in enumerate(header)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_="text"),
            *(tag("td", cell, class_=kind(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
    )
    # The box scrolls on a narrow screen, by keyboard too.
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def folded(summary: str, content: Html) -> Html:
    """Hide content until it is asked for."""
    return tag("details", tag("summary", summary), content)
