"""Fuzz bundles: what can be read is scored to the same bits by both kernels, or refused.

Hashes would stop a plain fuzzer at the door. So the mutator edits the manifest and the arrays, and
signs them again: it does what an attacker would.
"""

import json
import os
import random
import sys
import warnings
from hashlib import sha256

import atheris

with atheris.instrument_imports(include=["foresql"]):
    from foresql.errors import BundleError, ForesqlError
    from foresql.ir.archive import pack, unpack
    from foresql.ir.bundle import decode_bundle
    from foresql.ir.npy import read_npy, write_npy
    from foresql.kernels import Scorer

import numpy as np
import pyarrow as pa
from odd import ODD_FLOATS, ODD_NUMBERS, edit_json, odd_rows

MANIFEST, DIGEST = "manifest.json", "manifest.sha256"
DTYPES = (np.bool_, np.uint8, np.int32, np.int64, np.float64)


def read_and_score(content: bytes) -> None:
    """Decode, and score odd rows on both kernels."""
    try:
        model = decode_bundle(content).model
    except BundleError:
        return
    rows = odd_rows(model.signature)
    answers = [scores_of(model, rows, kernel) for kernel in ("numpy", "")]
    assert answers[0] == answers[1], "the kernels differ"


def scores_of(model, rows: pa.Table, kernel: str) -> list[bytes] | str:
    """Give the bits of all answers, or say that the rows are refused."""
    os.environ["FORESQL_KERNEL"] = kernel
    try:
        scores = Scorer(model).score(rows)
    except ForesqlError as error:
        return str(error)
    return [bits(scores.prediction), bits(scores.probabilities), bits(scores.margins)]


def bits(array: np.ndarray) -> bytes:
    """Give the bytes of an array, with one spelling of NaN."""
    return np.where(np.isnan(array), np.nan, array).tobytes()


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Edit a bundle and sign it again."""
    rng = random.Random(seed)  # noqa: S311 - edits to be made again
    try:
        members = unpack(content)
        manifest = json.loads(members.pop(MANIFEST))
        del members[DIGEST]
        arrays = {name: read_npy(blob) for name, blob in members.items()}
    except (BundleError, KeyError, ValueError):
        return atheris.Mutate(content, most)
    if rng.random() < 0.05:
        return atheris.Mutate(content, most)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if arrays and rng.random() < 0.6:
            name = rng.choice(sorted(arrays))
            arrays[name] = edit_array(rng, arrays[name])
        else:
            edit_json(rng, manifest)
    try:
        made = sign(manifest, arrays)
    except BundleError:
        return content
    return made if len(made) <= most else content


def sign(manifest, arrays) -> bytes:
    """Write a bundle whose hashes are right."""
    blobs = {name: write_npy(array) for name, array in sorted(arrays.items())}
    hashes = {name: sha256(blob).hexdigest() for name, blob in blobs.items()}
    if isinstance(manifest, dict) and isinstance(manifest.get("arrays"), dict):
        manifest["arrays"] = hashes
    text = json.dumps(manifest, sort_keys=True, indent=1).encode()
    return pack({MANIFEST: text, **blobs, DIGEST: sha256(text).hexdigest().encode()})


def edit_array(rng: random.Random, array: np.ndarray) -> np.ndarray:
    """Change values, the length, the type or the shape of an array."""
    flat = array.reshape(-1).copy()
    match rng.randrange(8):
        case 0 if flat.ndim:
            return np.resize(flat, rng.choice((0, 1, flat.size + 1, max(flat.size - 1, 0))))
        case 1:
            with warnings.catch_warnings(action="ignore"):
                return array.astype(rng.choice(DTYPES))
        case 2:
            return flat.reshape(1, -1) if array.ndim == 1 else flat
        case 3 if flat.size:
            start = rng.randrange(flat.size)
            flat[start:] = np.roll(flat[start:], rng.choice((1, -1)))
        case _ if flat.size:
            odd = ODD_FLOATS if flat.dtype == np.float64 else ODD_NUMBERS
            for place in rng.sample(range(flat.size), min(flat.size, rng.choice((1, 1, 3)))):
                value = rng.choice((rng.choice(odd), flat[rng.randrange(flat.size)]))
                flat[place] = np.asarray(value).astype(flat.dtype)
        case _:
            pass
    return flat.reshape(array.shape)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    atheris.Setup(sys.argv, read_and_score, custom_mutator=mutate)
    atheris.Fuzz()
