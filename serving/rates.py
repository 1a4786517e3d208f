"""How often each principal may ask."""

from __future__ import annotations

import math
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING

from .http import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import Principal

REMEMBERED = 10_000
"""Principals whose last requests are known; who asked first is forgotten first."""


class Rates:
    """A bucket of tokens for each principal that has a rate. Belongs to the event loop's thread.

    The bucket holds ``burst`` tokens at first, fills by ``per_second``, and a request takes one.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        """Begin with full buckets; ``now`` gives seconds."""
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, principal: Principal) -> None:
        """Count a request.

        Raises
        ------
        Refusal
            If the principal has asked too often (429); ``Retry-After`` says when it may again.
        """
        rate = principal.rate
        if rate is None:
            return
        now = self._now()
        held, since = self._buckets.get(principal.name, (rate.burst, now))
        held = min(rate.burst, held + (now - since) * rate.per_second)
        if held < 1:
            seconds = math.ceil((1 - held) / rate.per_second)
            message = (
                f"{principal.name!r} may send {rate.per_second:g} requests a second. Send the "
                f"request again in {seconds} s."
            )
            retry = (b"retry-after", b"%d" % seconds)
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry)
        if principal.name not in self._buckets and len(self._buckets) >= REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[principal.name] = (held - 1, now)
