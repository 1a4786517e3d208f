"""The DuckDB extension, which scores bundles in any client: where it is, and loading it."""

from .loading import Loaded, extension_path, load_extension, loaded_extension

__all__ = ["Loaded", "extension_path", "load_extension", "loaded_extension"]
