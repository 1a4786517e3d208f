"""The compile step of a dbt project: which versions answer, and models as SQL where it needs them.

In Snowflake a model is a function that takes its columns by position, so the file names them, and
the versions that take just these: where another one answers, the macros refuse. In DuckDB the
plugin's functions find columns by name. Elsewhere the file brings the model itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ForesqlError, UnsupportedModelError
from ..ir import ColumnType
from ..models_sql import Header, target_of, write_inlined
from ..registry import Registry, default_path
from ..registry.atomic import write_whole
from ..registry.references import parse_reference
from ..udfs.snowflake.functions import argument_types, served_functions
from ..udfs.snowflake.names import VERSION, argument_names, function_name
from .dbt_facts import facts_macro
from .jinja_values import jinja_text as _text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..ir import Column, Model
    from ..ir.bundle import Bundle
    from ..models_sql import Inlined
    from ..registry import Version
    from ..udfs.snowflake.functions import ServedFunction

MARKS = ("{# The models that dbt scores with.", "{# Which columns each model takes in Snowflake.")
"""How the file begins, and how it began before models came as SQL."""
DEFAULT_TARGETS = ("snowflake",)
ADAPTERS = {
    "athena": "trino",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "duckdb": None,
    "mariadb": "mariadb",
    "mysql": "mysql",
    "postgres": "postgres",
    "redshift": "redshift",
    "snowflake": None,
    "spark": "spark",
    "sqlite": "sqlite",
    "sqlserver": "tsql",
    "trino": "trino",
}
"""The dialect of each adapter of dbt; None where models are functions."""

_KEYS = {
    ColumnType.BIGINT: "integer",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.VARCHAR: "text",
    ColumnType.TIMESTAMP: "time",
}


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
    inlined
        The model as SQL, by adapter.
    """

    reference: str
    version: Version
    versions: tuple[int, ...]
    bundle: Bundle
    inlined: Mapping[str, Inlined]

    @property
    def header(self) -> Header:
        """Where the model comes from."""
        return Header.of(self.version.reference, self.version.digest, self.bundle.card)

    @property
    def title(self) -> str:
        """Say in one line which version this is, and what certifies it."""
        header = self.header
        title = f"{self.reference}: {header.model}, sha256 {header.digest}"
        if header.certified_rows is None:
            return title
        # It stands in a comment of Jinja, and the card is whoever's who wrote the bundle.
        routes = re.sub(r"[^\w ,.-]", "", ", ".join(header.certified_routes))
        return f"{title}, certified on {header.certified_rows:,} rows ({routes})"


def dbt_macros(
    references: Sequence[str],
    registry: str | Path | None = None,
    *,
    to: Sequence[str] = DEFAULT_TARGETS,
    double_sums: bool = False,
) -> str:
    """Write the file ``foresql_models.sql`` of a dbt project.

    Parameters
    ----------
    references
        Models by alias, such as ``"delay@champion"``.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.
    to
        The adapters of dbt that the project builds with. For one where models are no functions the
        file brings them as SQL.
    double_sums
        Let sums of that SQL be float64 where the library's are float32 and the target has none.

    Returns
    -------
    str
        The file. The same registry and arguments give the same text.

    Raises
    ------
    ForesqlError
        If a reference names no alias, or an adapter is not known.
    UnsupportedModelError
        If a step has no exact SQL in a target, with the reason and the way out.
    RegistryError, BundleError
        If there is no such model, or a bundle is not whole.
    """
    adapters = sorted(set(to))
    if unknown := [name for name in adapters if name not in ADAPTERS]:
        raise ForesqlError(
            f"{unknown[0]!r} is no adapter of dbt that foresql writes for. Use one of "
            f"{', '.join(ADAPTERS)} (--to)."
        )
    store = Registry.open(Path(registry) if registry else default_path())
    models = [
        _find(store, reference, adapters, double_sums=double_sums)
        for reference in dict.fromkeys(references)
    ]
    options = "".join(f" --to {name}" for name in adapters if tuple(adapters) != DEFAULT_TARGETS)
    options += " --double-sums" if double_sums else ""
    again = f"foresql dbt-macros {' '.join(model.reference for model in models)}{options}"
    lines = [
        f"{MARKS[0]} Written by foresql dbt-macros.",
        "",
        *(f"   {model.title}" for model in models),
        "",
        "   When another version is to answer, write it again:",
        f"   {again} --into macros/foresql_models.sql #}}",
        "{% macro foresql_models() -%}",
        "    {{ return({",
        *(line for model in models for line in _entry(model, adapters)),
        "    }) }}",
        "{%- endmacro %}",
        *_bodies(models),
        *facts_macro(
            [(each.version, each.bundle, store.bundle_path(each.version)) for each in models],
            adapters,
        ),
        "",
    ]
    return "\n".join(lines)


def write_dbt_macros(
    text: str, path: Path, *, overwrite: bool = False, marks: tuple[str, ...] = MARKS
) -> None:
    """Write the file, unless there is one that somebody else wrote; it appears whole or not at all.

    Its folder is made where only that is missing; ``marks`` are how a file of ours begins.

    Raises
    ------
    ForesqlError
        If it cannot be written, or holds something else and ``overwrite`` is not set.
    """
    try:
        if path.exists() and not overwrite and not path.read_text("utf-8").startswith(marks):
            raise ForesqlError(f"{path} exists, and is not ours. Name another, or --overwrite it.")
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise ForesqlError(f"{path} cannot be written: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ForesqlError(f"{path} exists, and is no text. Name another file.") from error


def _find(
    store: Registry, reference: str, adapters: Sequence[str], *, double_sums: bool
) -> MacroModel:
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
    found = MacroModel(str(parsed), version, tuple(same), bundle, {})
    inlined = {
        adapter: _inlined(found, adapter, dialect, double_sums=double_sums)
        for adapter in adapters
        if (dialect := ADAPTERS[adapter]) is not None
    }
    return replace(found, inlined=inlined)


def _inlined(found: MacroModel, adapter: str, dialect: str, *, double_sums: bool) -> Inlined:
    try:
        return write_inlined(
            found.bundle.model, target_of(dialect), found.header, double_sums=double_sums
        )
    except UnsupportedModelError as error:
        raise UnsupportedModelError(
            f"{found.reference} ({found.version.reference}) for the adapter {adapter}: "
            f"{error.step}",
            error.reason,
            f"{error.way_out}\n  Or score it where models are functions, in DuckDB or Snowflake, "
            "and copy the predictions over.",
        ) from error


def _surface(bundle: Bundle) -> list[ServedFunction]:
    return served_functions(bundle.model)[0]


def _entry(model: MacroModel, adapters: Sequence[str]) -> Iterator[str]:
    functions, omitted = served_functions(model.bundle.model)
    parsed = parse_reference(model.reference)
    kinds = [*(function.kind for function in functions), VERSION]
    rows = model.header.certified_rows
    yield f"        {_text(model.reference)}: {{"
    yield f"            'version': {model.version.version},"
    yield f"            'versions': [{', '.join(map(str, model.versions))}],"
    yield f"            'sha256': {_text(model.version.digest)},"
    yield f"            'certified_rows': {'none' if rows is None else rows},"
    yield f"            'targets': [{', '.join(map(_text, adapters))}],"
    yield "            'functions': {"
    for kind in kinds:
        name = function_name(parsed.name, kind, alias=parsed.alias)
        yield f"                {_text(kind)}: {_text(name)},"
    yield "            },"
    yield "            'omitted': {"
    yield from _pairs(omitted, 16)
    yield "            },"
    yield f"            'packed': {str(functions[0].packed).lower()},"
    yield "            'columns': ["
    yield from _columns(model.bundle.model)
    yield "            ],"
    yield "            'inlined': {"
    for adapter, inlined in model.inlined.items():
        yield f"                {_text(adapter)}: {{"
        for name, texts in (("answers", inlined.answers), ("omitted", inlined.omitted)):
            yield f"                    '{name}': {{"
            yield from _pairs(texts, 24)
            yield "                    },"
        yield "                },"
    yield "            },"
    yield "        },"


def _pairs(texts: Mapping[str, str], indent: int) -> Iterator[str]:
    for key, value in texts.items():
        yield f"{' ' * indent}{_text(key)}: {_text(value)},"


def _columns(model: Model) -> Iterator[str]:
    columns = argument_types(model)
    stored = argument_names([column.name for column in columns])
    for column, argument, name in zip(model.signature.columns, columns, stored, strict=True):
        yield (
            f"                {{'name': {_text(column.name)}, 'column': {_text(name)}, "
            f"'type': {_text(argument.type)}, 'accepts': {_text(_accepts(model, column))}}},"
        )


def _accepts(model: Model, column: Column) -> str:
    """Say what a column holds, in a word that the macros know."""
    if model.is_key(column.name):
        return _KEYS.get(column.type, "number")
    return "boolean" if column.type is ColumnType.BOOLEAN else "number"


def _bodies(models: Sequence[MacroModel]) -> Iterator[str]:
    """Write the macro with the models' SQL, where there is any."""
    bodies = [(model, adapter) for model in models for adapter in model.inlined]
    if not bodies:
        return
    yield ""
    yield ""
    yield "{# The models as queries: `rows` stands behind FROM, and `kept` are columns of it. #}"
    yield "{% macro foresql_query(reference, rows, kept) -%}"
    for model, adapter in bodies:
        inlined = model.inlined[adapter]
        yield (
            f"{{%- if reference == {_text(model.reference)} and target.type == {_text(adapter)} %}}"
        )
        first, *rest = inlined.comment
        yield "\n".join([f"{{# {first}", *(f"   {line}" for line in rest)]) + " #}"
        yield inlined.text
        yield "{%- endif %}"
    yield "{%- endmacro %}"
