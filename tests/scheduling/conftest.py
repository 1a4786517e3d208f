"""A stand-in for dbt, where dbt itself is not the point."""

import os
from pathlib import Path

import pytest
from scheduled_shop import Project, make_project

STAND_IN = Path(__file__).parent / "stand_in"


@pytest.fixture
def shop(tmp_path):
    """Make a project that the stand-in runs, which takes no time."""
    paths = [str(STAND_IN), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    project = Project(make_project(tmp_path / "shop"), environment)
    project.dbt_does({})
    return project
