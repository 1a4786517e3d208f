"""Whether a micro-batch follows the last one in a sink: checkpoint and sink go together."""

from __future__ import annotations

from ..errors import StreamError

STREAM, BATCH = "foresql_stream", "foresql_batch"
"""The columns that say by which stream, and in which of its batches, a row came."""
BATCHES = "spark_batches"
"""The table in the schema ``foresql`` with the last batch of each stream."""


def check_follows(batch: int, last: int | None, *, stream: str, place: str) -> None:
    """Refuse a batch that is neither the last one again nor the next.

    Parameters
    ----------
    batch
        Its number.
    last
        That of the last one that is there, if one is.
    stream, place
        Whose they are, and where.

    Raises
    ------
    StreamError
        If it does not follow.
    """
    before = -1 if last is None else last
    if batch not in {before, before + 1}:
        message = (
            f"The stream is at batch {batch}, and the last one of {stream!r} in {place} is "
            f"{before}: it belongs to another checkpoint. Keep what was written and checkpoint "
            "together, or give the stream another name: stream=."
        )
        raise StreamError(message)
