"""Whether the server lives, and whether it can answer. Open to everybody, so they name nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .http import json_response

if TYPE_CHECKING:
    from .http import Request, Response
    from .service import Service

_UNAVAILABLE = 503


async def live(request: Request, service: Service) -> Response:
    """Say that the process answers."""
    del request, service
    return json_response({"live": True})


async def ready(request: Request, service: Service) -> Response:
    """Say that models are loaded and threads run; ``degraded``: an older version still answers."""
    del request
    problem = service.problem
    body: dict[str, object] = {
        "ready": problem is None,
        "live": True,
        "degraded": bool(service.problems) or not service.is_current,
    }
    if problem is not None:
        return json_response(body | {"error": f"Not ready: {problem}."}, _UNAVAILABLE)
    return json_response(body)
