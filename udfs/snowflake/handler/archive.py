"""Finds the model that was shipped with this code."""

from __future__ import annotations

import sys
from pathlib import Path

from ....errors import BundleError

MODEL_FILE = "model.foresql"

_DEPTH = 3
"""This package lies so many folders below the root of what was shipped."""


def read_model() -> bytes:
    """Give the bytes of the shipped model.

    Raises
    ------
    BundleError
        If neither the loader of this code nor Snowflake's import directory has them.
    """
    root = __name__.rsplit(".", _DEPTH + 1)[0]
    return _from_loader(root) or _from_import_directory(root)


def _from_loader(root: str) -> bytes | None:
    module = sys.modules[root]
    read = getattr(getattr(module, "__loader__", None), "get_data", None)
    if read is None or module.__file__ is None:
        return None
    try:
        return read(str(Path(module.__file__).with_name(MODEL_FILE)))
    except OSError:
        return None


def _from_import_directory(root: str) -> bytes:
    """Snowflake says by this option where it put what IMPORTS names."""
    from zipfile import ZipFile

    options = vars(sys)["_xoptions"]  # its documented name
    folder = options.get("snowflake_import_directory")
    path = Path(folder if isinstance(folder, str) else ".") / f"{root}.zip"
    try:
        with ZipFile(path) as archive:
            return archive.read(f"{root}/{MODEL_FILE}")
    except (OSError, KeyError) as error:
        raise BundleError(
            f"The model of {root} is not where its code is, nor in {path}: {error}. Create the "
            "function again with the same IMPORTS, by `foresql deploy`."
        ) from error
