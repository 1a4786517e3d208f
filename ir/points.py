"""What is wrong with a step that holds points: it may come from a bundle that was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from . import steps as s


def kernel_sum_problem(step: s.KernelSum) -> str | None:
    """Say which array of a kernel sum does not fit the others."""
    points, inputs = step.points.shape[:1], (len(step.inputs),)
    outputs, kernels = (len(step.outputs),), (len(step.kernels),)
    if not step.kernels:
        return "it has no kernel"
    if step.points.shape != points + inputs or step.weights.shape != points + outputs:
        return f"its points and weights are not {inputs[0]} and {outputs[0]} numbers each"
    if step.intercepts.shape != outputs or step.centers.shape != points:
        return "not one intercept an output and one center a point"
    parameters = (step.gammas, step.constants, step.degrees, step.exponents)
    if step.scales.shape != kernels + inputs or any(p.shape != kernels for p in parameters):
        return "not one scale and one of each parameter a kernel"
    arrays = (step.points, step.weights, step.intercepts, step.centers, step.scales, *parameters)
    return None if all(np.isfinite(array).all() for array in arrays) else "a number is not finite"


def neighbours_problem(step: s.Neighbours) -> str | None:
    """Say which part of a neighbours step does not fit the others."""
    points, inputs = step.points.shape[:1], (len(step.inputs),)
    if step.points.shape != points + inputs or step.values.shape != (*points, len(step.outputs)):
        return f"its points and values are not {inputs[0]} and {len(step.outputs)} numbers each"
    if not (np.isfinite(step.points).all() and np.isfinite(step.values).all()):
        return "a number is not finite"
    if not 1 <= step.count <= points[0]:
        return f"it takes {step.count} of {points[0]} points"
    if not np.array_equal(np.sort(step.order), np.arange(points[0])):
        return "its order does not list each point once"
    if not 0 <= step.levels < points[0].bit_length():
        return "its tree has more leaves than points"
    return None


def couple_problem(step: s.Couple) -> str | None:
    """Say whether there is not one input for each pair of outputs."""
    classes = len(step.outputs)
    fits = classes > 1 and 2 * len(step.inputs) == classes * (classes - 1)
    return None if fits else "not one input a pair of outputs"
