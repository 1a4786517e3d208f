"""What foresql raises: one small tree, so that callers can catch as much as they mean to."""

from __future__ import annotations

__all__ = [
    "AccountError",
    "BundleError",
    "CertificationError",
    "DeploymentError",
    "FeatureError",
    "ForesqlError",
    "MissingEntityError",
    "PublishingError",
    "RegistrationError",
    "RegistryError",
    "ScoringError",
    "SignatureError",
    "StreamError",
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


class AccountError(ForesqlError):
    """A warehouse account refused a statement, or cannot be reached."""

    def __init__(
        self,
        problem: str,
        way_out: str,
        *,
        statement: str | None = None,
        code: str | None = None,
        lost: bool = False,
    ) -> None:
        """Say what went wrong, in which statement, by the account's code, and what to do.

        ``lost``: the connection is gone, so it is not known whether the statement was run.
        """
        where = "" if statement is None else f"\n  Statement: {statement}"
        number = "" if code is None else f"{code}: "
        super().__init__(f"{number}{problem}{where}\n  What to do: {way_out}")
        self.problem = problem
        self.statement = statement
        self.code = code
        self.way_out = way_out
        self.lost = lost


class DeploymentError(ForesqlError):
    """A plan was not carried out; the message says which step failed, and what stands."""


class PublishingError(ForesqlError):
    """Tables or functions cannot be published to readers; what they had is unchanged."""


class FeatureError(ForesqlError):
    """A feature view cannot be materialised or read; what was materialised before stands."""


class MissingEntityError(FeatureError):
    """A feature view has no row for a key, and declares none for such."""


class StreamError(ForesqlError):
    """A table stream or a stream task cannot be made, read or run as it stands."""
