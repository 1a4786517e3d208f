"""A bundle: one file that holds a model and its card, named by what is in it.

The file is an uncompressed zip, so that any tool can look inside: ``manifest.json`` (model, card,
and the sha256 of every array), ``arrays/NAME.npy``, and ``manifest.sha256``. The hash of the
manifest is the bundle's hash; with it every byte is checked. No pickle is read or written.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError
from .codec import Array, Json, decode_model, encode_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .model import Model

FORMAT_VERSION = 1
MAX_MANIFEST_BYTES = 256 * 2**20
MAX_ARRAY_BYTES = 8 * 2**30

_MANIFEST = "manifest.json"
_DIGEST = "manifest.sha256"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model with its card (plain JSON values: metrics, lineage, certificate)."""

    model: Model
    card: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))


def encode_bundle(bundle: Bundle) -> tuple[bytes, str]:
    """Write a bundle to bytes; the same bundle always gives the same bytes.

    Returns
    -------
    content : bytes
    digest : str
        The sha256 of the manifest, 64 hexadecimal digits.
    """
    model, arrays = encode_model(bundle.model)
    blobs = {f"arrays/{name}.npy": _to_npy(array) for name, array in sorted(arrays.items())}
    manifest = {
        "format_version": FORMAT_VERSION,
        "model": model,
        "card": dict(bundle.card),
        "arrays": {name: _sha256(blob) for name, blob in blobs.items()},
    }
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    members = {_MANIFEST: text.encode(), **blobs}
    digest = _sha256(members[_MANIFEST])
    members[_DIGEST] = digest.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, blob in members.items():
            archive.writestr(zipfile.ZipInfo(name, _TIMESTAMP), blob)
    return buffer.getvalue(), digest


def read_bundle(path: Path, expected_digest: str | None = None) -> Bundle:
    """Read and check a bundle file.

    Raises
    ------
    BundleError
        If the file is not there, truncated, edited, malformed, or of a later format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, expected_digest)
    except FileNotFoundError as error:
        message = f"There is no bundle at {path}."
        raise BundleError(message) from error
    except BundleError as error:
        message = f"Bundle {path}: {error}"
        raise BundleError(message) from error
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        message = (
            f"{path} is not a whole bundle ({error}): it is truncated, or not a foresql bundle. "
            "Copy it again from its registry, or publish the model again."
        )
        raise BundleError(message) from error


def _read_archive(archive: zipfile.ZipFile, expected_digest: str | None) -> Bundle:
    members = {info.filename: info for info in archive.infolist()}
    for info in members.values():
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            message = f"member {info.filename!r} is compressed or encrypted; bundles never are."
            raise BundleError(message)
    manifest_bytes = _member(archive, members, _MANIFEST, MAX_MANIFEST_BYTES)
    digest = _sha256(manifest_bytes)
    stated = _member(archive, members, _DIGEST, 64).decode("ascii", "replace")
    if digest != stated or expected_digest not in {None, digest}:
        message = (
            f"manifest.json was edited: its sha256 is {digest[:12]}…, "
            f"not {(expected_digest or stated)[:12]}…"
        )
        raise BundleError(message)
    manifest = _parse(manifest_bytes)
    arrays = _read_arrays(archive, members, manifest)
    card = manifest.get("card")
    if not isinstance(card, dict):
        message = "the manifest has no card."
        raise BundleError(message)
    return Bundle(decode_model(manifest.get("model"), arrays), card)


def _parse(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"manifest.json is not JSON ({error})."
        raise BundleError(message) from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int) or version < 1:
        message = "manifest.json names no format version."
        raise BundleError(message)
    if version > FORMAT_VERSION:
        message = (
            f"it has format version {version}, and this foresql reads up to {FORMAT_VERSION}. "
            "Install a newer foresql."
        )
        raise BundleError(message)
    return manifest


def _read_arrays(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], manifest: Mapping[str, Any]
) -> dict[str, Array]:
    listed = manifest.get("arrays")
    if not isinstance(listed, dict):
        message = "the manifest lists no arrays."
        raise BundleError(message)
    surplus = set(members) - set(listed) - {_MANIFEST, _DIGEST}
    if surplus:
        message = f"it holds {sorted(surplus)[0]!r}, which its manifest does not list."
        raise BundleError(message)
    arrays: dict[str, Array] = {}
    for name, digest in listed.items():
        blob = _member(archive, members, name, MAX_ARRAY_BYTES)
        if _sha256(blob) != digest:
            message = f"array {name!r} was edited: its sha256 is not the one in the manifest."
            raise BundleError(message)
        arrays[name.removeprefix("arrays/").removesuffix(".npy")] = _from_npy(name, blob)
    return arrays


def _member(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str, limit: int
) -> bytes:
    info = members.get(name)
    if info is None:
        message = f"it has no member {name!r}."
        raise BundleError(message)
    if info.file_size > limit:
        message = f"member {name!r} has {info.file_size:,} bytes; at most {limit:,} are read."
        raise BundleError(message)
    return archive.read(info)


def _to_npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(buffer, np.ascontiguousarray(little_endian), allow_pickle=False)
    return buffer.getvalue()


def _from_npy(name: str, blob: bytes) -> Array:
    """View the bytes as an array, having checked that they are as many as the header says."""
    stream = io.BytesIO(blob)
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            message = f"npy version {version}"
            raise ValueError(message)
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "bif" or fortran_order or size != len(blob) - stream.tell():
            message = f"{dtype} of shape {shape}"
            raise ValueError(message)
    except (ValueError, EOFError) as error:
        message = f"array {name!r} cannot be read ({error})."
        raise BundleError(message) from error
    return np.frombuffer(blob, dtype, offset=stream.tell()).reshape(shape)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
