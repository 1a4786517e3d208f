"""Fuzz model files: what can be read becomes a bundle and is scored, or is refused."""

import json
import random
import re
import sys
import warnings

import atheris

with atheris.instrument_imports(include=["foresql"]):
    from foresql.errors import ForesqlError
    from foresql.frontends import convert, read_model_file
    from foresql.frontends.file_rows import no_rows_for, training_of
    from foresql.ir.bundle import Bundle, decode_bundle, encode_bundle
    from foresql.kernels import Scorer

import numpy as np
from odd import edit_json, odd_rows

ENDINGS = {b"tree": ("txt",), b"CBM1": ("cbm",), b"{": ("json", "ubj")}
TOKENS = (b"-1", b"0", b"999999999", b"1e999", b"nan", b"2147483648", b" ", b"")


def read_and_score(content: bytes) -> None:
    """Read under each name that fits, store, read again and score odd rows."""
    for start, endings in ENDINGS.items():
        for ending in endings if content.startswith(start) else ():
            try:
                file = read_model_file(content, f"model.{ending}")
                model = convert(file, training_of(no_rows_for(file), file, for_library=False))
                rows = odd_rows(model.signature)
            except ForesqlError:
                continue
            model = decode_bundle(encode_bundle(Bundle(model))[0]).model
            try:
                Scorer(model).score(rows)
            except ForesqlError:
                continue


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Edit a node of a JSON document, a number of a text, or any bytes."""
    rng = random.Random(seed)  # noqa: S311 - edits to be made again
    if rng.random() < 0.3:
        return atheris.Mutate(content, most)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        made = edit_text(rng, content)
    else:
        edit_json(rng, document)
        made = json.dumps(document).encode()
    return made if len(made) <= most else content


def edit_text(rng: random.Random, content: bytes) -> bytes:
    """Replace, repeat or drop a number or a line, and make LightGBM's sizes right again."""
    pieces = [match.span() for match in re.finditer(rb"-?\d[\d.e+-]*|[^\n]+\n", content)]
    if not pieces:
        return atheris.Mutate(content, len(content) + 1)
    start, stop = rng.choice(pieces)
    piece = content[start:stop]
    new = rng.choice((b"", piece + b" " + piece, *TOKENS, content[slice(*rng.choice(pieces))]))
    return mended(content[:start] + new + content[stop:])


def mended(text: bytes) -> bytes:
    """Write the sizes of a LightGBM text's trees anew."""
    body, end, _ = text.partition(b"end of trees")
    trees = re.split(rb"(?=Tree=)", body)[1:]
    sizes = b"tree_sizes=" + b" ".join(str(len(tree)).encode() for tree in trees)
    return re.sub(rb"tree_sizes=[^\n]*", sizes, text) if end else text


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    atheris.Setup(sys.argv, read_and_score, custom_mutator=mutate)
    atheris.Fuzz()
