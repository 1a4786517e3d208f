"""The macro file from which dbt knows the functions of models in Snowflake, and their columns.

A function in Snowflake takes its columns by position. The file names them, and the versions that
take just these: where another one answers, the macros that read the file refuse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ForesqlError
from ..registry import Registry, default_path
from ..registry.references import parse_reference
from ..udfs.snowflake.functions import argument_types, served_functions
from ..udfs.snowflake.names import VERSION, argument_names, function_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..ir.bundle import Bundle
    from ..registry import Version
    from ..udfs.snowflake.functions import ServedFunction

MARK = "{# Which columns each model takes in Snowflake."
"""How the file begins."""

_TAGS = re.compile(r"[{}%#]")


@dataclass(frozen=True, slots=True)
class MacroModel:
    """A model as the file describes it.

    Attributes
    ----------
    reference
        ``name@alias``, under which dbt's models call it.
    version
        Where the alias is now.
    versions
        All versions of the registry that take the same columns and answer with the same types.
    """

    reference: str
    version: Version
    versions: tuple[int, ...]
    bundle: Bundle

    @property
    def title(self) -> str:
        """Say in one line which version this is, and what certifies it."""
        certificate = self.bundle.card.get("certificate")
        title = f"{self.reference}: {self.version.reference}, sha256 {self.version.digest}"
        if not isinstance(certificate, dict):
            return title
        routes = certificate.get("routes")
        listed = ", ".join(str(route) for route in routes) if isinstance(routes, list) else ""
        return f"{title}, certified on {certificate.get('rows'):,} rows ({listed})"


def dbt_macros(references: Sequence[str], registry: str | Path | None = None) -> str:
    """Write the file ``foresql_models.sql`` of a dbt project.

    Parameters
    ----------
    references
        Models by alias, such as ``"delay@champion"``.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Returns
    -------
    str
        The file. The same registry and references give the same text.

    Raises
    ------
    ForesqlError
        If a reference names no alias.
    RegistryError, BundleError
        If there is no such model, or a bundle is not whole.
    """
    store = Registry.open(Path(registry) if registry else default_path())
    models = [_find(store, reference) for reference in dict.fromkeys(references)]
    again = f"foresql dbt-macros {' '.join(model.reference for model in models)}"
    lines = [
        f"{MARK} Written by foresql dbt-macros.",
        "",
        *(f"   {model.title}" for model in models),
        "",
        "   When a version that is not listed is deployed, write it again:",
        f"   {again} --into macros/foresql_models.sql #}}",
        "{% macro foresql_models() -%}",
        "    {{ return({",
        *(line for model in models for line in _entry(model)),
        "    }) }}",
        "{%- endmacro %}",
        "",
    ]
    return "\n".join(lines)


def write_dbt_macros(text: str, path: Path, *, overwrite: bool = False) -> None:
    """Write the file, unless there is one that somebody else wrote.

    Raises
    ------
    ForesqlError
        If it cannot be written, or holds something else and ``overwrite`` is not set.
    """
    try:
        if path.exists() and not overwrite and not path.read_text("utf-8").startswith(MARK):
            raise ForesqlError(f"{path} exists, and is not ours. Name another, or --overwrite it.")
        path.write_text(text, encoding="utf-8", newline="")
    except (OSError, UnicodeDecodeError) as error:
        raise ForesqlError(f"{path} cannot be written: {error}.") from error


def _find(store: Registry, reference: str) -> MacroModel:
    parsed = parse_reference(reference)
    if parsed.alias is None:
        raise ForesqlError(
            f"{reference!r} names no alias, and dbt calls the functions of aliases. Write "
            f"{parsed.name}@champion."
        )
    version = store.resolve(reference)
    bundle = store.load(version)
    wanted = _surface(bundle)
    same = [
        each.version
        for each in store.versions(parsed.name)
        if each.version == version.version or _surface(store.load(each)) == wanted
    ]
    return MacroModel(str(parsed), version, tuple(same), bundle)


def _surface(bundle: Bundle) -> list[ServedFunction]:
    return served_functions(bundle.model)[0]


def _entry(model: MacroModel) -> Iterator[str]:
    functions, omitted = served_functions(model.bundle.model)
    parsed = parse_reference(model.reference)
    kinds = [*(function.kind for function in functions), VERSION]
    columns = argument_types(model.bundle.model)
    stored = argument_names([column.name for column in columns])
    yield f"        {_text(model.reference)}: {{"
    yield f"            'version': {model.version.version},"
    yield f"            'versions': [{', '.join(map(str, model.versions))}],"
    yield f"            'sha256': {_text(model.version.digest)},"
    yield "            'functions': {"
    for kind in kinds:
        name = function_name(parsed.name, kind, alias=parsed.alias)
        yield f"                {_text(kind)}: {_text(name)},"
    yield "            },"
    yield "            'omitted': {"
    for kind, reason in omitted.items():
        yield f"                {_text(kind)}: {_text(reason)},"
    yield "            },"
    yield f"            'packed': {str(functions[0].packed).lower()},"
    yield "            'columns': ["
    for column, name in zip(columns, stored, strict=True):
        yield (
            f"                {{'name': {_text(column.name)}, 'column': {_text(name)}, "
            f"'type': {_text(column.type)}}},"
        )
    yield "            ],"
    yield "        },"


def _text(value: str) -> str:
    """Write a text of Jinja in which dbt sees no tag."""
    quoted = json.dumps(value)[1:-1].replace('\\"', '"').replace("'", "\\u0027")
    return "'" + _TAGS.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted) + "'"
