"""The micro-API: models of a registry over HTTP. Needs the extra ``foresql[serving]``."""

from .app import App
from .server import serve
from .settings import Limits, Settings

__all__ = ["App", "Limits", "Settings", "serve"]
