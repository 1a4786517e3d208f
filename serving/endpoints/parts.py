"""What the expressions of an endpoint's query may be: one row's values, the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UnsupportedModelError
from ...scoring.rewriting.syntax import column_path, conjuncts, parts_of
from ...scoring.row_by_row import Reader, Words
from .writing import OURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb

    from ...scoring.rewriting.syntax import Node
    from ...scoring.row_by_row import Called
    from .shape import Layer

_OTHERS = "the answer would depend on the rows that a request happens to bring together"
_IN_A_VIEW = "compute it in the warehouse, materialize it, and JOIN it as a feature view."
_WORDS = Words(_OTHERS, "it reads other rows than the request's", "what the query reads")
_MODELS = ("predict", "explain", "interval")
_ZONED = "TIME ZONE"
_OF_ZONES = """
    SELECT lower(function_name) FROM duckdb_functions() WHERE function_type = 'scalar'
    GROUP BY ALL HAVING bool_and(return_type LIKE '%TIME ZONE%')
"""
"""Functions that give times with a zone, and nothing else."""


def check_parts(
    connection: duckdb.DuckDBPyConnection,
    layers: Sequence[Layer],
    models: Mapping[str, list[str]],
) -> tuple[Called, ...]:
    """Check the expressions of all SELECTs, and give the models that they call.

    Raises
    ------
    UnsupportedModelError
        If one reads other rows, or may give something else the next time, or elsewhere.
    RegistrationError
        If a function may be of several models.
    """
    reader = Reader(connection, models, _IN_A_VIEW, words=_WORDS)
    zoned = {name for (name,) in connection.execute(_OF_ZONES).fetchall()}
    for layer in layers:
        checked = list(_expressions(layer))
        for part in parts_of(checked):
            _check_part(part, layer, zoned)
        _check_whole_rows(checked, layer)
        reader.check([_starless(each) for each in checked], _names(layer))
    return tuple(reader.called)


def is_model(part: Node) -> bool:
    """Whether a part is a call of a model."""
    is_call = part.get("class") == "FUNCTION"
    return is_call and part["function_name"].split("_")[0].casefold() in _MODELS


def _expressions(layer: Layer) -> Iterator[Node]:
    node = layer.scope.node
    yield from node["select_list"]
    yield from conjuncts(node["where_clause"])
    for join in layer.joins:
        yield from conjuncts(join.node["condition"])


def _names(layer: Layer) -> frozenset[str]:
    sources = layer.scope.sources
    known = [name for source in sources.values() for name in source.columns or ()]
    outputs = [each.get("alias", "").casefold() for each in layer.scope.node["select_list"]]
    return frozenset([*sources, *known, *filter(None, outputs)])


def _check_part(part: Node, layer: Layer, zoned: set[str]) -> None:
    path = column_path(part) or ()
    if any(name.casefold().startswith(OURS) for name in (*path, part.get("alias") or "")):
        raise UnsupportedModelError(
            f"a name in the query that begins with {OURS}", "such names are ours.", "rename it."
        )
    match part.get("class"):
        case "STAR" if part["columns"] or part["rename_list"] or part["qualified_exclude_list"]:
            raise UnsupportedModelError(
                "COLUMNS or RENAME in the query", "which columns it gives is open.", "name them."
            )
        case "STAR" if part["relation_name"].casefold() not in {"", *layer.scope.sources}:
            raise UnsupportedModelError(
                f"{part['relation_name']}.* in the query", "it is no relation.", "name the fields."
            )
        case "COLLATE":
            raise UnsupportedModelError(
                "COLLATE in the query", "equal texts may differ.", "compare lower(text)."
            )
        case "TYPE" if _ZONED in part["type_name"].upper() or "TZ" in part["type_name"].upper():
            _refuse_zone(part["type_name"])
        case "FUNCTION" if part["function_name"].casefold() in zoned or _is_zoned(part):
            _refuse_zone(part["function_name"])
        case _:
            return


def _is_zoned(call: Node) -> bool:
    """Whether a function may give a time with a zone, among others: AT TIME ZONE, or a format."""
    name = call["function_name"].casefold()
    formats = [part.get("literal", {}).get("text", "") for part in parts_of(call["arguments"])]
    return name == "timezone" or ("strptime" in name and "%z" in "".join(formats).casefold())


def _refuse_zone(what: str) -> None:
    raise UnsupportedModelError(
        f"{what} in the query",
        "what a time with a zone is depends on where it is asked.",
        "use TIMESTAMP, in UTC.",
    )


def _check_whole_rows(checked: Sequence[Node], layer: Layer) -> None:
    """Refuse a row as one value, but for models, which find their columns by name."""
    sources = layer.scope.sources
    columns = {name for source in sources.values() for name in source.columns or ()}
    for part in parts_of([_modelless(each) for each in checked]):
        path = column_path(part)
        if path is None or len(path) != 1 or path[0].casefold() in columns:
            continue
        if path[0].casefold() in sources:
            raise UnsupportedModelError(
                f"{path[0]} as one value in the query",
                "the rows have more columns here than in the warehouse.",
                "name the columns; models alone take rows.",
            )


def _modelless(node: object) -> object:
    """Leave out rows that models take."""
    if isinstance(node, list):
        return [_modelless(each) for each in node]
    if not isinstance(node, dict):
        return node
    leaves_out = is_model(node) and len(node["arguments"]) <= 2  # noqa: PLR2004 - a row, a level
    return {
        name: _modelless(
            [a for a in each if column_path(a["expression"]) is None]
            if leaves_out and name == "arguments"
            else each
        )
        for name, each in node.items()
    }


def _starless(node: Node) -> object:
    """Leave out a star, but for what it replaces."""
    if node.get("class") != "STAR":
        return node
    return [replaced["value"] for replaced in node["replace_list"]]
