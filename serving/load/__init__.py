"""Load for a server, over real connections from processes of their own, and what it took."""

from .clients import Clients, Plan
from .measuring import Stage, measure
from .rows import bodies_of, describe_rows
from .target import Target

__all__ = ["Clients", "Plan", "Stage", "Target", "bodies_of", "describe_rows", "measure"]
