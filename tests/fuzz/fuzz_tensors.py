"""Fuzz requests: tensors in JSON, in binary and in gRPC's messages, rows by name, gzip.

What can be read is the same row by row as in a batch; all else is refused as the client's fault.
"""

import json
import random
import sys
import warnings

import atheris

with atheris.instrument_imports(include=["foresql", "json"]):
    from tensor_bytes import rows_of

import numpy as np
from odd import edit_json


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Edit the JSON of a request, or any bytes; the length of what was JSON is made right."""
    rng = random.Random(seed)  # noqa: S311 - edits to be made again
    form = content[:1]
    if form not in b"tr" or rng.random() < 0.4:
        return atheris.Mutate(content, most)
    declared, text, blobs = parts(content)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return atheris.Mutate(content, most)
    for _ in range(rng.choice((1, 1, 2, 4))):
        edit_json(rng, document)
    edited = json.dumps(document).encode()
    if form == b"t":
        length = str(len(edited)).encode() if declared else b""
        edited = length + b"\n" + edited + blobs
    made = content[:2] + edited
    return made if len(made) <= most else content


def parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a request apart: the length that it declares, its JSON, and what is behind it."""
    if content[:1] == b"r":
        return b"", content[2:], b""
    declared, _, rest = content[2:].partition(b"\n")
    end = int(declared) if declared.isdigit() and len(declared) < 7 else len(rest)
    return declared, rest[:end], rest[end:]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    atheris.Setup(sys.argv, rows_of, custom_mutator=mutate)
    atheris.Fuzz()
