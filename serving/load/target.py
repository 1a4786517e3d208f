"""The server that is asked, and what it says of itself."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from ...errors import ForesqlError

_SECONDS = 30
_SETTLED = 1.5
"""Seconds after which figures of all of a server's processes are of now: they tell each second."""

_CPU = re.compile(r"^process_cpu_seconds_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect as the answer: the key is for this server alone."""

    def redirect_request(self, req: Any, *others: Any, **named: Any) -> None:
        """Ask nobody else."""


# As the measured requests go: by no proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


@dataclass(frozen=True, slots=True)
class Target:
    """A model of a server.

    Attributes
    ----------
    url
        The server's address.
    reference
        ``delay``, ``delay@champion`` or ``delay:3``.
    key
        A key or token; it is sent, and never shown.
    """

    url: str
    reference: str
    key: str | None = None

    def __post_init__(self) -> None:
        """Check the address.

        Raises
        ------
        ForesqlError
            If it is none of HTTP.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            message = f"{self.url!r} is no address of a server, such as http://127.0.0.1:8000"
            raise ForesqlError(message)
        if (self.key and not self.key.isascii()) or not (self.key or "x").isprintable():
            message = "The key holds characters that no header can have."
            raise ForesqlError(message)

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        return urlsplit(self.url).port or (443 if self.is_tls else 80)

    @property
    def is_tls(self) -> bool:
        """Whether it speaks HTTPS."""
        return urlsplit(self.url).scheme == "https"

    @property
    def path(self) -> str:
        """Where the model is asked."""
        return f"{urlsplit(self.url).path.rstrip('/')}/predict/{quote(self.reference, safe='@:')}"

    def request(self, body: bytes) -> bytes:
        """Give a whole request, as it goes over the connection."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"Authorization: Bearer {self.key}"] if self.key else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Ask once.

        Raises
        ------
        ForesqlError
            If there is no answer, or it is an error; with what the server says.
        """
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        base = self.url.rstrip("/")
        request = urllib.request.Request(base + path, body, headers)  # noqa: S310 - http or https
        try:
            with _OPENER.open(request, timeout=_SECONDS) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            raise ForesqlError(f"{path} is answered with {error.code}: {said}") from error
        except OSError as error:
            raise ForesqlError(f"{self.url} does not answer: {error}") from error

    def card(self) -> dict[str, Any]:
        """Ask for the model card.

        Raises
        ------
        ForesqlError
            If there is none to be seen.
        """
        return json.loads(self.ask(f"/models/{quote(self.reference, safe='@:')}"))

    def cpu_seconds(self) -> float | None:
        """Ask what the server's processes have taken of processors; None where it does not say.

        A process says what others told it. Where there are several, they are let tell it first.
        """
        found = self._cpu()
        if len(found) > 1:
            time.sleep(_SETTLED)
            found = self._cpu()
        return sum(map(float, found)) if found else None

    def _cpu(self) -> list[str]:
        try:
            return _CPU.findall(self.ask("/metrics").decode())
        except ForesqlError:
            return []
