"""Several processes behind one port: who starts them, what they inherit, what they share."""

from .handover import Handover, Worker
from .supervisor import supervise

__all__ = ["Handover", "Worker", "supervise"]
