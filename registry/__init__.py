"""Where models live: immutable versions, aliases moved by compare-and-swap, on a plain folder."""

from .aliases import ANY, AnyVersion
from .catalog import Catalog
from .catalogue import catalogue_tables
from .location import default_path
from .records import AliasMove, ModelSummary, Reason, Version
from .references import Reference, parse_reference
from .store import Registry

__all__ = [
    "ANY",
    "AliasMove",
    "AnyVersion",
    "Catalog",
    "ModelSummary",
    "Reason",
    "Reference",
    "Registry",
    "Version",
    "catalogue_tables",
    "default_path",
    "parse_reference",
]
