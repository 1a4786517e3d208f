"""The micro-API: models of a registry over HTTP. Needs the extra ``foresql[serving]``."""

from .app import App
from .server import Address, serve
from .settings import Endpoints, Limits, Settings, Tls

__all__ = ["Address", "App", "Endpoints", "Limits", "Settings", "Tls", "serve"]
