"""Where XGBoost's sums start: its ``base_score`` with the link undone, in float32.

Source: ``ProbToMargin`` in src/objective of XGBoost, where ``std::log`` of a float is ``logf``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .damage import damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .damage import Place
    from .xgboost_json import ModelJson

_LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
_LOGARITHMIC = frozenset(
    {"count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox"}
)
_NEAR_ZERO = np.float32(1e-6)
_NORMAL = np.finfo(np.float32).tiny


def start_of(model: ModelJson, place: Place) -> NDArray[np.float32]:
    """Give the start of each raw score.

    Raises
    ------
    UnsupportedModelError
        If the base score is none that the objective can have.
    """
    with np.errstate(over="ignore"):
        base = np.array(model.base_score, np.float32)
    if len(base) not in {1, model.outputs} or not np.isfinite(base).all():
        raise damaged(place, f"base_score={model.base_score} is no start for {model.outputs} sums")
    if model.objective in _LOGISTIC:
        if (base < 0).any() or (base > 1).any():
            raise damaged(place, f"base_score={model.base_score} is no probability")
        base = np.clip(base, _NEAR_ZERO, np.float32(1) - _NEAR_ZERO)
        base = -_log(np.float32(1) / base - np.float32(1))
    elif model.objective in _LOGARITHMIC:
        if (base < 0).any():
            raise damaged(place, f"base_score={model.base_score} has no logarithm")
        base = _log(base)
    return np.broadcast_to(base, (model.outputs,))


def _log(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the logarithm of finite numbers from 0, with the bits of ``logf``.

    Source: sysdeps/ieee754/flt-32/e_logf.c of glibc 2.27 and newer, which computes in float64: the
    logarithm of a number near, from a table, and a polynomial of the rest.
    """
    is_tiny = x < _NORMAL
    factor = np.where(is_tiny, np.float32(2**_MANTISSA_BITS), np.float32(1))
    bits = (x * factor).view(np.uint32).astype(np.int64)
    bits -= np.where(is_tiny, _MANTISSA_BITS << _MANTISSA_BITS, 0)
    offset = bits - _OFFSET
    exponent = offset >> _MANTISSA_BITS
    near = (offset >> (_MANTISSA_BITS - _PART_BITS)) % len(_PARTS)
    mantissa = (bits - (exponent << _MANTISSA_BITS)).astype(np.uint32).view(np.float32)
    inverse, logarithm = np.array(_PARTS, np.float64)[near].T
    rest = mantissa * inverse - 1
    square = rest * rest
    cubic, linear = _CUBIC * square + (_SQUARE * rest + _LINEAR), logarithm + exponent * math.log(2)
    found = (cubic * square + (linear + rest)).astype(np.float32)
    return np.where(x == 0, np.float32(-np.inf), found)


_OFFSET, _MANTISSA_BITS, _PART_BITS = 0x3F330000, 23, 4
_CUBIC = float.fromhex("-0x1.00ea348b88334p-2")
_SQUARE = float.fromhex("0x1.5575b0be00b6ap-2")
_LINEAR = float.fromhex("-0x1.ffffef20a4123p-2")
_PARTS = tuple(
    (float.fromhex(inverse), float.fromhex(logarithm))
    for inverse, logarithm in (
        ("0x1.661ec79f8f3bep+0", "-0x1.57bf7808caadep-2"),
        ("0x1.571ed4aaf883dp+0", "-0x1.2bef0a7c06ddbp-2"),
        ("0x1.49539f0f010bp+0", "-0x1.01eae7f513a67p-2"),
        ("0x1.3c995b0b80385p+0", "-0x1.b31d8a68224e9p-3"),
        ("0x1.30d190c8864a5p+0", "-0x1.6574f0ac07758p-3"),
        ("0x1.25e227b0b8eap+0", "-0x1.1aa2bc79c81p-3"),
        ("0x1.1bb4a4a1a343fp+0", "-0x1.a4e76ce8c0e5ep-4"),
        ("0x1.12358f08ae5bap+0", "-0x1.1973c5a611cccp-4"),
        ("0x1.0953f419900a7p+0", "-0x1.252f438e10c1ep-5"),
        ("0x1p+0", "0x0p+0"),
        ("0x1.e608cfd9a47acp-1", "0x1.aa5aa5df25984p-5"),
        ("0x1.ca4b31f026aap-1", "0x1.c5e53aa362eb4p-4"),
        ("0x1.b2036576afce6p-1", "0x1.526e57720db08p-3"),
        ("0x1.9c2d163a1aa2dp-1", "0x1.bc2860d22477p-3"),
        ("0x1.886e6037841edp-1", "0x1.1058bc8a07ee1p-2"),
        ("0x1.767dcf5534862p-1", "0x1.4043057b6ee09p-2"),
    )
)
"""Inverses of numbers, and their logarithms."""
