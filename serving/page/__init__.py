"""``GET /``: a page to try the models in a browser. It is one file, and holds nothing of anybody.

What it shows it asks the other routes for, with the key that is typed into it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ..http import Response

if TYPE_CHECKING:
    from ..http import Header, Request
    from ..service import Service

_PAGE = Path(__file__).with_name("try.html").read_text(encoding="utf-8")


def _policy(page: str) -> str:
    """Let run what stands in the page, and ask the server that sent it: nothing else."""

    def of(tag: str) -> str:
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        return " ".join(
            f"'sha256-{b64encode(sha256(t.encode()).digest()).decode()}'" for t in texts
        )

    return (
        f"default-src 'none'; script-src {of('script')}; style-src {of('style')}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", _policy(_PAGE).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


async def show(request: Request, service: Service) -> Response:
    """Show a page to try the models in a browser."""
    del request, service
    return Response(_PAGE.encode(), content_type=b"text/html; charset=utf-8", headers=_HEADERS)
