"""What the dbt plugin offers to SQL besides models: the catalogue, and the models' golden rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ..errors import RegistryError
from ..registry import Catalog, catalogue_tables
from ..registry.catalogue import catalogue_schemas
from .duckdb.ownership import function_name
from .golden import golden_array, golden_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..ir.bundle import Bundle

CATALOGUE = "foresql_catalogue"
"""The function that gives the catalogue: a struct of ``models`` and ``model_columns``."""


class Offer(NamedTuple):
    """A function's name, the Arrow type of its value, and what gives the value, as one row."""

    name: str
    returns: pa.DataType
    give: Callable[[], pa.Array]


def catalogue_offer(registry: Path) -> Offer:
    """Offer the tables of a registry; NULL where it cannot be read, so that nothing is emptied."""
    returns = pa.struct(
        [(table, pa.list_(pa.struct(schema))) for table, schema in catalogue_schemas().items()]
    )

    def give() -> pa.Array:
        try:
            tables = catalogue_tables(Catalog(registry))
        except RegistryError:
            return pa.nulls(1, returns)
        return pa.array([{name: table.to_pylist() for name, table in tables.items()}], returns)

    return Offer(CATALOGUE, returns, give)


def golden_offer(name: str, bundle: Bundle) -> Offer:
    """Offer the golden rows of the model behind ``predict_delay``, as ``foresql_golden_delay``."""
    returns = pa.list_(golden_type(bundle.model))

    def give() -> pa.Array:
        return pa.array([golden_array(bundle).to_pylist()], returns)

    return Offer(f"foresql_{function_name(name, 'golden')}", returns, give)
