"""``sklearn.kernel_approximation``: features whose dot products come near a kernel."""

from __future__ import annotations

from ..sklearn_samplers import (
    convert_additive_chi2_sampler,
    convert_rbf_sampler,
    convert_skewed_chi2_sampler,
    refuse_count_sketch,
)

TRANSFORMERS = {
    "AdditiveChi2Sampler": convert_additive_chi2_sampler,
    "PolynomialCountSketch": refuse_count_sketch,
    "RBFSampler": convert_rbf_sampler,
    "SkewedChi2Sampler": convert_skewed_chi2_sampler,
}
