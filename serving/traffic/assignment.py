"""Which keys a percentage takes: the same ones for ever, and more of them as it grows.

A key's *place* is the first 16 hexadecimal digits of ``sha256(model/salt/key)``, as a number below
2**64. A percentage takes the keys whose place is below its share of 2**64. So any engine that has
sha256 can tell who is in; docs/traffic.md does it in DuckDB.
"""

from __future__ import annotations

import math
from datetime import datetime
from fractions import Fraction
from hashlib import sha256

PLACES = 2**64
_DIGITS = 8
_EXACT = 2**53


def limit_of(percent: float) -> int:
    """Give the place from which on keys are not taken.

    A percentage means the decimal number that it is written as: 0.1 is a thousandth.
    """
    return int(Fraction(str(percent)) * PLACES / 100)


def place_of(model: str, salt: str, key: str) -> int:
    """Give a key's place among the 2**64."""
    # Neither a model's name nor a salt has a slash, so no two keys are one text.
    digest = sha256(f"{model}/{salt}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:_DIGITS])


def key_of(value: object) -> str | None:
    """Write a value as a key; None is for what is missing, and belongs to nobody.

    A number that is whole is written without a point: a client's 42, 42.0 and "42" are one key.
    """
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            if math.isnan(value):
                return None
            whole = value.is_integer() and abs(value) < _EXACT
            return str(int(value)) if whole else repr(value)
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
