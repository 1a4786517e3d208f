"""What foresql raises: one small tree, so that callers can catch as much as they mean to."""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CertificationError",
    "ForesqlError",
    "RegistrationError",
    "RegistryError",
    "ScoringError",
    "SignatureError",
    "UnsupportedModelError",
]


class ForesqlError(Exception):
    """Base of every error that foresql raises on purpose."""


class UnsupportedModelError(ForesqlError):
    """A fitted object, or one step of it, has no exact translation."""

    def __init__(self, step: str, reason: str, way_out: str) -> None:
        """Name the step, why it is refused, and what the user can do instead."""
        super().__init__(f"{step}: {reason}\n  What to do: {way_out}")
        self.step = step
        self.reason = reason
        self.way_out = way_out


class SignatureError(ForesqlError):
    """A table, frame or row does not have the columns or types that the model was trained on."""


class ScoringError(ForesqlError):
    """A row holds a value for which the library itself gives an error instead of a prediction."""


class BundleError(ForesqlError):
    """A bundle is truncated, edited, malformed, or written by a later foresql."""


class RegistryError(ForesqlError):
    """A model, version or alias is unknown, or a registry operation lost a race."""


class RegistrationError(ForesqlError):
    """A model cannot be made a function of this database connection."""


class CertificationError(ForesqlError):
    """Two routes disagree on a probe row, so the model must not be published."""
