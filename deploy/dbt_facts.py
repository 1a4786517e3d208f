"""What the macro file of a dbt project knows of versions: their catalogue, and golden rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..registry.catalogue import catalogue_rows
from .dbt_golden import golden_selects
from .jinja_values import jinja_text, jinja_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..ir.bundle import Bundle
    from ..registry import Version

_ASKED_WHILE_DBT_RUNS = frozenset({"aliases", "problem"})


def facts_macro(
    versions: Sequence[tuple[Version, Bundle, Path]], adapters: Sequence[str]
) -> Iterator[str]:
    """Write the lines of the macro ``foresql_facts``: an entry a version, by its reference."""
    yield ""
    yield ""
    yield "{# What foresql.models and the data test of parity know of these versions. #}"
    yield "{% macro foresql_facts() -%}"
    yield "    {{ return({"
    written: set[str] = set()
    for version, bundle, path in versions:
        if version.reference not in written:
            yield from _entry(version, bundle, path, adapters)
            written.add(version.reference)
    yield "    }) }}"
    yield "{%- endmacro %}"


def _entry(version: Version, bundle: Bundle, path: Path, adapters: Sequence[str]) -> Iterator[str]:
    row, columns = catalogue_rows(version, path)
    yield f"        {jinja_text(version.reference)}: {{"
    yield f"            'row': {_mapping(row)},"
    yield "            'columns': ["
    for column in columns:
        yield f"                {_mapping(column)},"
    yield "            ],"
    yield "            'golden': {"
    for adapter in adapters:
        golden = golden_selects(bundle, adapter)
        if golden is not None:
            yield f"                {jinja_text(adapter)}: {{"
            yield f"                    'numbers': {jinja_value(golden.has_numbers)},"
            yield f"                    'classes': {jinja_value(golden.has_probability)},"
            yield "                    'rows': ["
            for select in golden.rows:
                yield f"                        {jinja_text(select)},"
            yield "                    ],"
            yield "                },"
    yield "            },"
    yield "        },"


def _mapping(row: dict[str, Any]) -> str:
    written = [
        f"{jinja_text(name)}: {jinja_value(_plain(value))}"
        for name, value in row.items()
        if value is not None and name not in _ASKED_WHILE_DBT_RUNS
    ]
    return f"{{{', '.join(written)}}}"


def _plain(value: Any) -> Any:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value
