"""Proof that all routes agree with the library, and publishing, which begins with it."""

from .again import certify_again
from .gate import Certificate, certify
from .importing import import_model
from .publish import publish
from .storing import Published

__all__ = ["Certificate", "Published", "certify", "certify_again", "import_model", "publish"]
