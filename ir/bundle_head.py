"""The head of a bundle: card, columns and answers of a model, read without its arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError
from .archive import read_first
from .bundle import FORMAT_VERSION
from .codec import decode_surface
from .npy import write_npy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .codec import Json
    from .model import Outputs
    from .signature import Signature

_MANIFEST = "manifest.json"
_RESIDUALS = "arrays/residuals.npy"
_NO_RESIDUALS = hashlib.sha256(write_npy(np.empty(0, np.float64))).hexdigest()


@dataclass(frozen=True, slots=True)
class BundleHead:
    """What a bundle says of its model; ``has_intervals``: it was published with calibration."""

    card: Mapping[str, Json]
    signature: Signature
    outputs: Outputs
    has_intervals: bool


def read_head(path: Path, digest: str) -> BundleHead:
    """Read the manifest of a bundle, which lies first in the file, and check its hash.

    The arrays are not read, so a flaw in them is not seen; :func:`~.bundle.read_bundle` sees it.

    Raises
    ------
    BundleError
        If the file is not there, truncated, of a later format, or its manifest was edited.
    """
    try:
        with path.open("rb") as file:
            name, content = read_first(file)
    except FileNotFoundError as error:
        raise BundleError(f"There is no bundle at {path}.") from error
    except OSError as error:
        raise BundleError(f"Bundle {path} cannot be read: {error}.") from error
    except BundleError as error:
        raise BundleError(f"{path} is not a whole bundle: {error}") from error
    if name != _MANIFEST or hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path} is not a whole bundle: its manifest was edited.")
    return _head(path, json.loads(content))


def _head(path: Path, manifest: Mapping[str, Any]) -> BundleHead:
    version = manifest["format_version"]
    if version > FORMAT_VERSION:
        raise BundleError(
            f"{path} has format version {version}, and this foresql reads up to {FORMAT_VERSION}. "
            "Install a newer foresql."
        )
    signature, outputs = decode_surface(manifest["model"])
    has_intervals = manifest["arrays"].get(_RESIDUALS, _NO_RESIDUALS) != _NO_RESIDUALS
    return BundleHead(manifest["card"], signature, outputs, has_intervals)
