"""Pairwise coupling: probabilities of classes from those of each pair, as libsvm does it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..ir.steps import Couple
    from .columns import Values

    Numbers = NDArray[np.float64]

_CLOSE = 0.005
_ITERATIONS = 100


def couple(step: Couple, values: Values) -> None:
    """Write one probability a class."""
    pairs = np.stack([values.numbers(name) for name in step.inputs])
    shares = coupled(pairs, len(step.outputs))
    for name, share in zip(step.outputs, shares, strict=True):
        values.put(name, share)


def coupled(pairs: Numbers, classes: int) -> Numbers:
    """Give float64[classes, rows] from float64[pairs, rows]; rows that are done stay so."""
    shares = np.full((classes, pairs.shape[1]), 1.0 / classes)
    matrix = _matrix(pairs, classes)
    running = np.arange(pairs.shape[1])
    for _ in range(max(_ITERATIONS, classes)):
        q, p = matrix[:, :, running], shares[:, running]
        qp, pqp = _products(q, p)
        off = np.abs(qp - pqp)
        # A NaN is never larger than the largest so far.
        largest = np.fmax.reduce(off, axis=0, initial=0.0)
        going = ~(largest < _CLOSE / classes)
        running = running[going]
        if not running.size:
            break
        shares[:, running] = _improved(q[:, :, going], p[:, going].copy(), qp[:, going], pqp[going])
    return shares


def _matrix(pairs: Numbers, classes: int) -> Numbers:
    """Give Q of the paper: float64[classes, classes, rows]."""
    likely = np.zeros((classes, classes, pairs.shape[1]))
    for pair, (i, j) in zip(pairs, combinations(range(classes), 2), strict=True):
        likely[i, j] = pair
        likely[j, i] = 1.0 - pair
    q = np.zeros_like(likely)
    for t in range(classes):
        for j in range(classes):
            if j != t:
                q[t, t] += likely[j, t] * likely[j, t]
                q[t, j] = -likely[max(j, t), min(j, t)] * likely[min(j, t), max(j, t)]
    return q


def _products(q: Numbers, p: Numbers) -> tuple[Numbers, Numbers]:
    """Give Q p and p' Q p, added in the order of the classes."""
    qp = np.zeros_like(p)
    pqp = np.zeros(p.shape[1])
    for t in range(len(p)):
        for j in range(len(p)):
            qp[t] += q[t, j] * p[j]
        pqp += p[t] * qp[t]
    return qp, pqp


def _improved(q: Numbers, p: Numbers, qp: Numbers, pqp: Numbers) -> Numbers:
    """Improve one class after the other."""
    for t in range(len(p)):
        step = (-qp[t] + pqp) / q[t, t]
        p[t] += step
        pqp = (pqp + step * (step * q[t, t] + 2 * qp[t])) / (1 + step) / (1 + step)
        for j in range(len(p)):
            qp[j] = (qp[j] + step * q[t, j]) / (1 + step)
            p[j] /= 1 + step
    return p
