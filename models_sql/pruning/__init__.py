"""A model and what is known of its inputs -> a smaller model with the same answers."""

from .domain import Domain
from .early_exit import EarlyExit, early_exit
from .model import Pruned, bounds, prune

__all__ = ["Domain", "EarlyExit", "Pruned", "bounds", "early_exit", "prune"]
