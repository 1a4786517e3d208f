"""Proof that all routes agree with the library, and publishing, which begins with it."""

from .gate import Certificate, certify
from .publish import Published, publish

__all__ = ["Certificate", "Published", "certify", "publish"]
