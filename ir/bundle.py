"""A bundle: one file that holds a model and its card, named by what is in it.

The file is an uncompressed zip, so that any tool can look inside: ``manifest.json`` (model, card,
and the sha256 of all that follows), ``arrays/NAME.npy``, ``program.bin`` (the model as the native
kernel runs it, if it has such a form), and ``manifest.sha256``. The hash of the manifest is the
bundle's hash; with it every byte is checked. No pickle is read or written.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import BundleError
from .archive import pack, unpack
from .codec import Array, Json, decode_model, encode_model
from .npy import read_npy, write_npy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .model import Model

FORMAT_VERSION = 2
MAX_MANIFEST_BYTES = 256 * 2**20

_MANIFEST = "manifest.json"
_PROGRAM = "program.bin"
_DIGEST = "manifest.sha256"
_WITHOUT_PROGRAM = 1
"""The last format version that had no programs."""
_MEMBERS = {"format_version": int, "model": dict, "card": dict, "arrays": dict}


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model with its card (plain JSON values: metrics, lineage, certificate).

    ``program`` is what :func:`~foresql.kernels.native.program.build_program` made of the model;
    empty where it has no native form. ``digest`` is the bundle's own hash, of one that was read.
    """

    model: Model
    card: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    program: bytes = b""
    digest: str = ""


def encode_bundle(bundle: Bundle) -> tuple[bytes, str]:
    """Write a bundle to bytes; the same bundle always gives the same bytes.

    Returns
    -------
    content : bytes
    digest : str
        The sha256 of the manifest, 64 hexadecimal digits.

    Raises
    ------
    BundleError
        If the model or its card holds a value that a bundle cannot hold, or is too large.
    """
    model, arrays = encode_model(bundle.model)
    blobs = {_member_name(name): write_npy(array) for name, array in arrays.items()}
    manifest = _write_manifest(
        {
            "format_version": FORMAT_VERSION,
            "model": model,
            "card": dict(bundle.card),
            "arrays": {name: _sha256(blob) for name, blob in blobs.items()},
            "program": _sha256(bundle.program) if bundle.program else None,
        }
    )
    digest = _sha256(manifest)
    program = {_PROGRAM: bundle.program} if bundle.program else {}
    arrays_in_order = dict(sorted(blobs.items()))
    members = {_MANIFEST: manifest, **arrays_in_order, **program, _DIGEST: digest.encode()}
    return pack(members), digest


def read_bundle(path: Path, expected_digest: str | None = None) -> Bundle:
    """Read and check a bundle file.

    Raises
    ------
    BundleError
        If the file is not there, truncated, edited, malformed, or of a later format.
    """
    try:
        return decode_bundle(path.read_bytes(), expected_digest)
    except FileNotFoundError as error:
        raise BundleError(f"There is no bundle at {path}.") from error
    except OSError as error:
        raise BundleError(f"Bundle {path} cannot be read: {error}.") from error
    except BundleError as error:
        raise BundleError(
            f"{path} is not a whole bundle: {error}\n"
            "  What to do: copy it again from its registry, or publish the model again."
        ) from error


def decode_bundle(content: bytes, expected_digest: str | None = None) -> Bundle:
    """Check and decode what :func:`encode_bundle` wrote.

    Raises
    ------
    BundleError
        If the bytes are truncated, edited, malformed, or of a later format.
    """
    members = unpack(content)
    if not {_MANIFEST, _DIGEST} <= set(members):
        raise BundleError("it holds no manifest.")
    digest = _sha256(members[_MANIFEST])
    for wanted in (members[_DIGEST].decode("ascii", "replace"), expected_digest):
        if wanted is not None and wanted != digest:
            raise BundleError(
                f"its manifest was edited: its sha256 is {digest[:12]}…, not {wanted[:12]}…"
            )
    manifest = _parse_manifest(members[_MANIFEST])
    program = _read_program(members, manifest)
    arrays = _read_arrays(members, manifest["arrays"])
    return Bundle(decode_model(manifest["model"], arrays), manifest["card"], program, digest)


def _write_manifest(manifest: Mapping[str, Json]) -> bytes:
    try:
        text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(
            f"The model or its card holds what JSON cannot hold: {error}. Give the card text, "
            "finite numbers, true, false, None, lists and dictionaries of these."
        ) from error


def _parse_manifest(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleError(f"its manifest has {len(text):,} bytes; at most 256 MiB are read.")
    try:
        manifest = json.loads(text)
        # Python reads NaN, 1e999 and half of a surrogate pair, none of which is JSON.
        json.dumps(manifest, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BundleError(f"its manifest is no JSON ({error}).") from error
    if not isinstance(manifest, dict):
        raise BundleError("its manifest is no JSON object.")
    version = _checked_version(manifest.get("format_version"))
    types = {name: type(value) for name, value in manifest.items()}
    wanted: dict[str, type] = dict(_MEMBERS)
    if version > _WITHOUT_PROGRAM:
        wanted["program"] = str if types.get("program") is str else type(None)
    if types != wanted:
        raise BundleError(f"its manifest does not hold exactly {', '.join(wanted)}.")
    return manifest


def _checked_version(version: Json) -> int:
    if type(version) is not int or version < 1:
        raise BundleError("its manifest names no format version.")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"it has format version {version}, and this foresql reads up to {FORMAT_VERSION}. "
            "Install a newer foresql."
        )
    return version


def _read_program(members: dict[str, bytes], manifest: Mapping[str, Json]) -> bytes:
    """Take the program out of the members, which lies after the arrays, where there is one."""
    digest = manifest.get("program")
    if digest is None:
        return b""
    if list(members)[-2] != _PROGRAM:
        raise BundleError(f"its manifest and its members disagree about {_PROGRAM!r}.")
    program = members.pop(_PROGRAM)
    if not program or _sha256(program) != digest:
        raise BundleError(f"{_PROGRAM!r} was edited: its sha256 is not the one in the manifest.")
    return program


def _read_arrays(members: Mapping[str, bytes], listed: Mapping[str, Json]) -> dict[str, Array]:
    if list(members) != [_MANIFEST, *sorted(listed), _DIGEST]:
        wrong = set(members) ^ {_MANIFEST, *listed, _DIGEST}
        raise BundleError(f"its manifest and its members disagree about {sorted(wrong)[:3]}.")
    arrays: dict[str, Array] = {}
    for name, digest in listed.items():
        if _sha256(members[name]) != digest:
            raise BundleError(f"{name!r} was edited: its sha256 is not the one in the manifest.")
        array_name = name.removeprefix("arrays/").removesuffix(".npy")
        if name != _member_name(array_name):
            raise BundleError(f"{name!r} is no name of an array.")
        try:
            arrays[array_name] = read_npy(members[name])
        except BundleError as error:
            raise BundleError(f"array {name!r} cannot be read: {error}") from error
    return arrays


def _member_name(array: str) -> str:
    return f"arrays/{array}.npy"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
