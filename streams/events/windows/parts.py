"""What the parts of a layer may be: each row's values, from the columns that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ....errors import UnsupportedModelError
from ....scoring.rewriting.syntax import column_path, parts_of
from ....scoring.trees import folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....scoring.rewriting.syntax import Node

_MODELS = ("predict", "explain", "interval")


def check_part(part: Node) -> None:
    """Refuse parts that may give something else in the worker than in the batch, or later.

    Raises
    ------
    UnsupportedModelError
        If it is such a part, with the way out.
    """
    match part.get("class"):
        case "STAR" if part["columns"] or part["rename_list"] or part["qualified_exclude_list"]:
            raise UnsupportedModelError(
                "COLUMNS or RENAME in the query", "which columns it gives is open.", "name them."
            )
        case "COLLATE":
            raise UnsupportedModelError(
                "COLLATE in the query", "equal texts may differ.", "compare lower(text)."
            )
        case "FUNCTION" if _is_model(part):
            raise UnsupportedModelError(
                f"{part['function_name']} below the outermost SELECT",
                "a later version would change the features of events that are scored already.",
                "call models in the outermost SELECT.",
            )
        case _:
            return


def _is_model(part: Node) -> bool:
    return part["function_name"].split("_")[0].casefold() in _MODELS


def check_whole_rows(checked: Sequence[object], row: str, names: Sequence[str]) -> None:
    """Refuse a row that is taken as one value: where an event stands is in it here."""
    if row.casefold() in folded(names):
        return
    for part in parts_of(list(checked)):
        path = column_path(part)
        if path is not None and folded(path) == (row.casefold(),):
            raise UnsupportedModelError(
                f"{row} as one value in the query",
                "the rows of a worker have more columns than those of the batch.",
                "name the columns; models alone take rows, in the outermost SELECT.",
            )


def modelless(node: object) -> object:
    """Leave out what models take: they find their columns by name."""
    if isinstance(node, list):
        return [modelless(each) for each in node]
    if not isinstance(node, dict):
        return node
    is_model = node.get("class") == "FUNCTION" and _is_model(node)
    return {
        name: [] if is_model and name == "arguments" else modelless(each)
        for name, each in node.items()
    }


def check_star(part: Node, row: str) -> None:
    """Refuse the fields of a struct as columns: any of them may have the name of a key."""
    relation = part["relation_name"] if part.get("class") == "STAR" else ""
    if relation.casefold() not in {"", row.casefold()}:
        raise UnsupportedModelError(
            f"{relation}.* in the query", f"the layer reads {row} alone.", "name the fields by AS."
        )


def starless(checked: object) -> object:
    """Leave out stars, but for what they replace."""
    if not isinstance(checked, list):
        return checked
    return [
        [replaced["value"] for replaced in each["replace_list"]]
        if isinstance(each, dict) and each.get("class") == "STAR"
        else each
        for each in checked
    ]


def check_types(events: pa.Schema, key: Sequence[str], time: str) -> None:
    """See that the events have the key and the time, of types whose equal values are the same.

    Raises
    ------
    UnsupportedModelError
        If they do not.
    """
    missing = [name for name in (*key, time) if name not in events.names]
    if missing:
        raise UnsupportedModelError(
            f"{', '.join(missing)} of the definition",
            "the events have no such column.",
            f"name one of: {', '.join(events.names)}.",
        )
    if events.field(time).type != pa.timestamp("us"):
        raise UnsupportedModelError(
            f"[events] time, {time}",
            f"windows go by a TIMESTAMP, and it is {events.field(time).type}.",
            f"declare {time} as TIMESTAMP: times are UTC.",
        )
    for name in key:
        type_ = events.field(name).type
        if pa.types.is_floating(type_) or pa.types.is_nested(type_) or pa.types.is_interval(type_):
            raise UnsupportedModelError(
                f"[window] key, {name}",
                f"values of {type_} may be equal and yet different.",
                "take a text, a whole number or a date.",
            )
