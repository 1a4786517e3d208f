"""Which models are published as functions, and whether the published tables agree with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import PublishingError, RegistryError
from ..registry import Catalog, default_path
from ..registry.references import parse_reference
from ..scoring import open_model
from ..udfs.duckdb.macros import quote
from ..udfs.duckdb.ownership import function_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ..scoring.models import OpenModel
    from .warehouse import SourceTable, Warehouse

_CHAMPION = "champion"
_IS_VERSION = re.compile(r"\d{1,18}", re.ASCII).fullmatch
Carried = dict[str, frozenset[tuple[str, int]]]
"""By the title of each prediction table, the models and versions that its rows name."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A version under the name of its predicting function, such as ``predict_delay``.

    ``is_asked`` says whether a user named it; otherwise a table's rows did.
    """

    function: str
    opened: OpenModel
    is_asked: bool

    @property
    def key(self) -> tuple[str, int]:
        """Name and version."""
        return self.opened.name, self.opened.version or 0

    @property
    def title(self) -> str:
        """Name and version, as people write them."""
        return f"{self.opened.name}:{self.opened.version}"

    def name(self, kind: str) -> str:
        """Name one of its functions."""
        return function_name(self.function, kind)


def carried_versions(warehouse: Warehouse, tables: Iterable[SourceTable]) -> Carried:
    """Read which versions made the rows of each prediction table.

    A prediction table is one with the columns ``model_name`` and ``model_version``, of which the
    second holds numbers, or as many by commas as the first has names: rows of several models.
    """
    found: Carried = {}
    for table in tables:
        names = [table.column(name) for name in ("model_name", "model_version")]
        if all(names):
            columns = ", ".join(quote(column.name) for column in names if column)
            rows = warehouse.rows(f"SELECT DISTINCT {columns} FROM {table.sql}")
            keys = [_keys_in(*row) for row in rows if all(row)]
            if all(keys):
                found[table.title] = frozenset(key for each in keys for key in each)
    return found


def _keys_in(name: object, version: object) -> list[tuple[str, int]]:
    """Take names and versions apart; nothing where they are none, as of a table of cars."""
    names, versions = str(name).split(","), str(version).removesuffix(".0").split(",")
    if len(names) != len(versions) or not all(map(_IS_VERSION, versions)):
        return []
    return list(zip(names, map(int, versions), strict=True))


def open_catalog(registry: str | Path | None, *, is_needed: bool) -> Catalog | None:
    """Open the registry; None where there is none and nobody asked for it."""
    try:
        return Catalog(registry or default_path())
    except RegistryError:
        if is_needed or registry is not None:
            raise
        return None


def choose_models(
    catalog: Catalog | None, asked: Sequence[str], carried: Carried
) -> list[ServedModel]:
    """Choose the models to publish as functions.

    Parameters
    ----------
    catalog
        The registry.
    asked
        ``delay@champion``, ``delay:3``, or ``predict_late=delay@champion`` for another name. By
        default each model whose version stands in a prediction table.
    carried
        The versions of the prediction tables.
    """
    if catalog is None:
        return []
    if asked:
        served = [_asked(catalog, text) for text in asked]
    else:
        keys = sorted({key for keys in carried.values() for key in keys})
        names = _names(catalog, keys)
        served = [_served(catalog, names[key], key, is_asked=False) for key in keys]
    _check_names(served)
    return served


def _asked(catalog: Catalog, text: str) -> ServedModel:
    function, is_named, reference = text.rpartition("=")
    version = catalog.resolve(reference)
    name = function if is_named else f"predict_{version.name}"
    return _served(catalog, name, (version.name, version.version), is_asked=True)


def _served(catalog: Catalog, name: str, key: tuple[str, int], *, is_asked: bool) -> ServedModel:
    reference = f"{key[0]}:{key[1]}"
    parse_reference(reference)
    return ServedModel(name, open_model(reference, catalog.path), is_asked)


def _names(catalog: Catalog, keys: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
    """Name functions after models; of several versions, all but the champion by their number."""
    names = {}
    for model, version in keys:
        others = [key for key in keys if key[0] == model]
        is_plain = len(others) == 1 or version == _champion(catalog, model)
        names[model, version] = f"predict_{model}" if is_plain else f"predict_{model}_v{version}"
    return names


def _champion(catalog: Catalog, model: str) -> int | None:
    move = catalog.aliases(model).get(_CHAMPION)
    return None if move is None else move.version


def _check_names(served: Sequence[ServedModel]) -> None:
    seen: dict[str, str] = {}
    for model in served:
        name = model.function.casefold()
        if name in seen:
            message = (
                f"{seen[name]} and {model.title} would both be {model.function}(). Name one of "
                f"them: --models predict_other={model.title}."
            )
            raise PublishingError(message)
        seen[name] = model.title


def check_versions(
    served: Sequence[ServedModel], carried: Carried, catalog: Catalog | None
) -> list[str]:
    """Say which tables hold predictions of versions that readers could not ask.

    Rows of a model that is published as a function are made by a version that is published too;
    any other version is one that the registry has, so that the catalogue describes it.
    """
    problems = []
    for title, keys in sorted(carried.items()):
        for model, version in sorted(keys):
            published = sorted(v for name, v in (each.key for each in served) if name == model)
            if published and version not in published:
                listed = ", ".join(f"{model}:{each}" for each in published)
                problems.append(f"{title} holds {model}:{version}; published is {listed}")
            elif catalog is not None and not _is_known(catalog, model, version):
                problems.append(f"{title} holds {model}:{version}, which the registry has not")
    return problems


def _is_known(catalog: Catalog, model: str, version: int) -> bool:
    try:
        catalog.version(model, version)
    except RegistryError:
        return False
    return True


def refuse_versions(problems: Sequence[str]) -> PublishingError:
    """Explain what readers would see mixed."""
    return PublishingError(
        f"Readers would see two versions at once: {'; '.join(problems)}.\n"
        "  What to do: run dbt, so that the tables are scored with today's version; publish the "
        "version that they hold (--models NAME:VERSION); or publish them as they are, with "
        "--mixed-versions."
    )
