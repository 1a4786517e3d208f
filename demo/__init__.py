"""The main job on real flights: features, two models, scoring in the database, figures."""

from .errors import DemoError
from .run import run_demo

__all__ = ["DemoError", "run_demo"]
