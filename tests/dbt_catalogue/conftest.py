"""The small project of ``support/scored_shop.py``, built once."""

import shutil
from collections.abc import Iterator

import pytest
from scored_shop import Shop, make_shop


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory) -> Shop:
    pytest.importorskip("dbt.adapters.duckdb")
    shop = make_shop(tmp_path_factory.mktemp("shop"))
    shop.dbt("deps")
    built = shop.dbt("build")
    assert built.result.success, built.printed
    return shop


@pytest.fixture
def shop(built_shop, tmp_path) -> Iterator[Shop]:
    """The built project for a test that changes it; afterwards all but ``target`` is as before.

    It stays in its folder, since dbt parses a project anew that moved.
    """
    kept = shutil.copytree(built_shop.folder, tmp_path / "kept", symlinks=True)
    yield built_shop
    for name in ("registry", "models", "shop.duckdb", "dbt_project.yml"):
        path = built_shop.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        shutil.copytree(kept / name, path) if (kept / name).is_dir() else shutil.copy2(
            kept / name, path
        )
