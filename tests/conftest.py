"""Makes pytest work in a repository whose root is the package under test."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


class RootIsNoTestPackage:
    """Collects the repository's root as a plain folder.

    The root has an `__init__.py`, so pytest would import it a second time, under the name of
    the clone's folder, and fail where that is no identifier.
    """

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Dir | None:
        return pytest.Dir.from_parent(parent, path=path) if path == REPOSITORY else None


def pytest_configure(config: pytest.Config) -> None:
    # Registered as an object: hooks of this file itself are not asked about folders above it.
    config.pluginmanager.register(RootIsNoTestPackage())
