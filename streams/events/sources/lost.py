"""What is said of events that left a bus before they were read."""

from __future__ import annotations

import logging

LOG = logging.getLogger("foresql.streams")
"""Where sources say what an operator must know: also that a bus is away, and back."""


def say_lost(where: str, first: int, last: int, subject: str | None = None) -> None:
    """Say that some offsets are gone.

    Parameters
    ----------
    where
        The stream or partition.
    first, last
        Its offsets.
    subject
        Whose events are lost, where others' are among them.
    """
    lost = f"{last - first + 1} events are lost"
    if subject is not None:
        lost = f"those of {subject} among them are lost"
    LOG.warning(
        "The events %d to %d of %s left it by its limits, or were deleted, before they were read: "
        "%s.",
        first,
        last,
        where,
        lost,
    )
