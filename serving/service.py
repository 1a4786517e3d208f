"""All that requests share: the models, the threads, who may ask, and what is counted."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

from .access import LocalAccess
from .audit import AuditLog
from .bodies import Bodies
from .endpoints.endpoint import ServedEndpoint
from .endpoints.opening import open_endpoints
from .identity import Identity
from .metrics import Metrics
from .models import ServedModel
from .rates import Rates
from .scrape import tell
from .shelf import Shelf
from .tracing import Tracing
from .traffic.traffic import Traffic
from .watching import Watcher
from .workers import Workers

if TYPE_CHECKING:
    from ..scoring.models import OpenModel
    from .access import Authenticator
    from .routing import Route
    from .served import Served
    from .settings import Settings


class Service:
    """Made once, before the first request; :meth:`start` and :meth:`stop` frame the requests."""

    def __init__(self, settings: Settings) -> None:
        """Load the keys and the models.

        Raises
        ------
        ForesqlError
            If the keys or the registry cannot be read, or a model that is named not be loaded.
        """
        self.settings = settings
        self.version = version_of("foresql")
        self.metrics = Metrics(settings.shared)
        self.bodies = Bodies(settings.limits)
        self.workers = Workers(settings.threads, settings.limits.queued)
        self.keys = None if settings.keys is None else Identity(settings.keys)
        self.access: Authenticator = self.keys or LocalAccess()
        self.rates = Rates()
        self.shelf = Shelf(settings, self._made)
        self.endpoints = open_endpoints(self) if settings.endpoints else None
        self.audit = None if settings.audit_log is None else AuditLog(settings.audit_log)
        # The plain server has neither, and asks for each just once a request.
        self.traffic = _traffic(settings, self.shelf)
        self.tracing = Tracing(self.version) if settings.traces else None
        if self.tracing is not None:
            self.bodies = self.tracing.bodies(settings.limits)
        looks = [self.shelf.refresh]
        looks += [self.endpoints.refresh] if self.endpoints else []
        looks += [self.keys.reload] if self.keys else []
        looks += [self.audit.reopen] if self.audit else []
        looks += [self.traffic.look] if self.traffic else []
        looks += [partial(tell, self)] if settings.shared else []
        self._watcher = Watcher(settings.poll_seconds, *looks)
        self.routes: tuple[Route, ...] = ()
        self.in_flight = 0
        self._is_running = False

    def start(self) -> None:
        """Start the threads."""
        self.workers.start()
        if self.tracing is not None:
            self.tracing.start()
        if self.traffic is not None:
            self.traffic.start()
        self._watcher.start()
        self._is_running = True
        tell(self)

    def stop(self) -> None:
        """End the threads; nothing is ready any more."""
        self._is_running = False
        self._watcher.stop()
        self.workers.stop()
        if self.traffic is not None:
            self.traffic.stop()
        if self.tracing is not None:
            self.tracing.stop()
        if self.endpoints is not None:
            self.endpoints.close()

    def find(self, name: str, version: str | None = None) -> Served | None:
        """Give what a name and, perhaps, a version mean; None for what is not served."""
        if self.endpoints is not None and (found := self.endpoints.find(name, version)):
            return found
        return self.shelf.find(name, version)

    @property
    def problems(self) -> list[str]:
        """List what is not as the registry, and the files of endpoints, want it."""
        return self.shelf.problems + (self.endpoints.problems if self.endpoints else [])

    @property
    def is_current(self) -> bool:
        """Whether the registry and the endpoints could be looked at."""
        return self.shelf.is_current and (self.endpoints is None or self.endpoints.is_current)

    @property
    def problem(self) -> str | None:
        """Say why the server is not ready, or None where it is."""
        if not self._is_running:
            return "it is not running"
        if not (self.shelf.versions or (self.endpoints and self.endpoints.served)):
            return "no model is loaded"
        return self.workers.problem

    def problem_of(self, served: Served) -> str | None:
        """Say why a model or an endpoint is not ready, or None where it is."""
        if self.problem is None and isinstance(served, ServedEndpoint) and self.endpoints:
            return self.endpoints.problem_of(served)
        return self.problem

    def _made(self, opened: OpenModel) -> ServedModel:
        limits = self.settings.limits
        return ServedModel(opened, self.workers, limits, self.metrics.observe_batch)


def _traffic(settings: Settings, shelf: Shelf) -> Traffic | None:
    """Prepare what is done beside the answers, where anything is."""
    if settings.traffic is None and settings.prediction_log is None and not settings.traces:
        return None
    return Traffic(settings, shelf)
