"""The warehouse that is reported on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monitored_shop import Shop, fill

from foresql.monitoring import Report


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return fill(tmp_path_factory.mktemp("shops"), ("bought", "spent", "segment"))


@pytest.fixture
def shop(shops: Shop, tmp_path: Path) -> Shop:
    """A copy that a test may change."""
    (tmp_path / "shop.duckdb").write_bytes(shops.database.read_bytes())
    (tmp_path / "registry").symlink_to(shops.registry)
    return Shop(tmp_path)


@pytest.fixture
def moved() -> Callable[[Report], dict[str, dict[str, Any]]]:
    def by_name(report: Report) -> dict[str, dict[str, Any]]:
        return {each["column_name"]: each for each in report.features.columns.to_pylist()}

    return by_name
