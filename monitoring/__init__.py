"""Looking after predictions: drift and quality as SQL, and the report that shows them."""

from .discovery import Wishes
from .drift import drift
from .errors import MonitoringError
from .page import render_page, write_page
from .report import Report, make_report
from .stability import Limits

__all__ = [
    "Limits",
    "MonitoringError",
    "Report",
    "Wishes",
    "drift",
    "make_report",
    "render_page",
    "write_page",
]
