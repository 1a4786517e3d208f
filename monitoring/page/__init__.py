"""The report as one HTML file that needs nothing from elsewhere."""

from .document import GENERATOR, render_page, write_page

__all__ = ["GENERATOR", "render_page", "write_page"]
