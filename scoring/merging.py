"""The MERGE that brings scored rows into predictions, in any engine that has MERGE.

Each row of its source is one key, with the answers, or NULLs where the key leaves the predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

TARGET, ROWS = "T", "M"
"""What the statement calls the predictions, and the rows that are merged."""


def write_merge(  # noqa: PLR0913 - keyword options of one call
    target: str,
    source: str,
    *,
    keys: Sequence[tuple[str, str]],
    stored: Sequence[str],
    scored: str,
    quote: Callable[[str], Any],
) -> str:
    """Write the MERGE.

    Parameters
    ----------
    target
        The table of predictions, quoted.
    source
        A query with one row a key.
    keys
        Names of the predictions' keys, and those of the source.
    stored
        All columns of the predictions.
    scored
        The source's column that is NULL where a key has no answer.
    quote
        Quotes a name as the engine does.
    """
    old, new = quote(TARGET), quote(ROWS)
    names = [own for own, _ in keys]
    others = [name for name in stored if name not in names]
    sets = ",\n  ".join(f"{quote(name)} = {new}.{quote(name)}" for name in others)
    matches = " AND ".join(
        f"{old}.{quote(own)} IS NOT DISTINCT FROM {new}.{quote(theirs)}" for own, theirs in keys
    )
    values = ", ".join(f"{new}.{quote(name)}" for name in stored)
    return "\n".join(
        (
            f"MERGE INTO {target} AS {old}",
            "USING (",
            indented(source),
            f") AS {new}",
            f"ON {matches}",
            f"WHEN MATCHED AND {new}.{quote(scored)} IS NULL THEN DELETE",
            f"WHEN MATCHED THEN UPDATE SET\n  {sets}",
            f"WHEN NOT MATCHED AND {new}.{quote(scored)} IS NOT NULL THEN INSERT",
            f"  ({', '.join(map(quote, stored))})",
            f"  VALUES ({values})",
        )
    )


def indented(text: str) -> str:
    """Indent what a reader sees as inside. No name and no literal goes over lines."""
    return "\n".join(f"  {line}" if line else line for line in text.split("\n"))
